package fetchonce_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/fetchonce"
)

func TestAFrozenFetchIsGivenUp(t *testing.T) {
	const limit = timeout + time.Second
	for _, c := range []struct {
		name   string
		wait   time.Duration
		frozen bool
	}{
		{"a moment before its limit it is waited for", limit - 1, false},
		{"at its limit it is given up", limit, true},
		{"an hour later it is given up", time.Hour, true},
		{"before its beginning it is given up", -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := newClock()
				s := newServer(t, clock.read)
				first := s.ask(t.Context(), anything)
				one := <-s.calls
				clock.advance(c.wait)
				second := s.ask(t.Context(), anything)
				if !c.frozen {
					one.answer <- answer{value: "1"}
					check(t, <-first, "1", nil)
					check(t, <-second, "1", nil)
					s.checkCount(1)
					return
				}
				(<-s.calls).answer <- answer{value: "2"}
				check(t, <-second, "2", nil)
				one.answer <- answer{value: "1"}
				check(t, <-first, "2", nil) // which is newer
				s.checkCount(2)
				s.checkReports(answer{value: "2"})
			})
		})
	}
}

// TestWhatAFrozenFetchBringsLate has two fetches: the first was frozen.
func TestWhatAFrozenFetchBringsLate(t *testing.T) {
	type step struct {
		fetch int
		answer
	}
	for _, c := range []struct {
		name    string
		steps   []step
		first   answer // for who waited for the first fetch
		last    answer // what is known at the end
		reports []answer
	}{
		{
			"a value after a later one is dropped",
			[]step{{2, answer{"2", nil}}, {1, answer{"1", nil}}},
			answer{"2", nil}, answer{"2", nil},
			[]answer{{"2", nil}},
		}, {
			"a value before a later one is kept until then",
			[]step{{1, answer{"1", nil}}, {2, answer{"2", nil}}},
			answer{"1", nil}, answer{"2", nil},
			[]answer{{"1", nil}, {"2", nil}},
		}, {
			"a value after a later failure is kept",
			[]step{{2, answer{"", errDown}}, {1, answer{"1", nil}}},
			answer{"1", nil}, answer{"1", nil},
			[]answer{{"", errDown}, {"1", nil}},
		}, {
			"a value before a later failure is kept",
			[]step{{1, answer{"1", nil}}, {2, answer{"", errDown}}},
			answer{"1", nil}, answer{"1", errDown},
			[]answer{{"1", nil}, {"1", errDown}},
		}, {
			"a failure before a later value is forgotten",
			[]step{{1, answer{"", errDown}}, {2, answer{"2", nil}}},
			answer{"", errDown}, answer{"2", nil},
			[]answer{{"2", nil}},
		}, {
			"a failure after a later value is forgotten",
			[]step{{2, answer{"2", nil}}, {1, answer{"", errDown}}},
			answer{"2", errDown}, answer{"2", nil},
			[]answer{{"2", nil}},
		}, {
			"a failure with nothing later is forgotten",
			[]step{{1, answer{"", errDown}}},
			answer{"", errDown}, answer{"", nil},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := newClock()
				s := newServer(t, clock.read)
				first := s.ask(t.Context(), anything)
				fetches := []call{<-s.calls}
				clock.advance(time.Hour)
				if s.value.State().UnderWay {
					t.Error("the frozen fetch is under way")
				}
				if len(c.steps) > 1 {
					s.ask(t.Context(), anything)
					fetches = append(fetches, <-s.calls)
				}
				for _, step := range c.steps {
					fetches[step.fetch-1].answer <- step.answer
					synctest.Wait()
				}
				check(t, <-first, c.first.value, c.first.err)
				check(t, result{state: s.value.State()}, c.last.value, c.last.err)
				s.checkReports(c.reports...)
			})
		})
	}
}

func TestOnlyTheWallClockCounts(t *testing.T) {
	// time.Now has a monotonic reading, which Round(0) drops.
	value := fetchonce.New(fetchonce.Config[string]{
		Fetch:   func(context.Context) (string, error) { return "", errDown },
		Timeout: timeout,
	})
	known, err := value.Get(t.Context(), nothing)
	if err != nil || known.Now != known.Now.Round(0) || known.Failed != known.Failed.Round(0) {
		t.Errorf("Get() = %+v, %v, want times without a monotonic reading", known, err)
	}
}

func TestWithin(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		t    time.Time
		want bool
	}{
		{"now", noon, true},
		{"just before the end", noon.Add(-time.Minute + 1), true},
		{"at the end", noon.Add(-time.Minute), false},
		{"long ago", noon.Add(-time.Hour), false},
		{"ahead, because the clock was set back", noon.Add(1), false},
		{"never", time.Time{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for what, got := range map[string]bool{
				"Within":        fetchonce.Within(noon, c.t, time.Minute),
				"FetchedWithin": state{Now: noon, Fetched: c.t}.FetchedWithin(time.Minute),
				"FailedWithin":  state{Now: noon, Failed: c.t}.FailedWithin(time.Minute),
			} {
				if got != c.want {
					t.Errorf("%s = %v, want %v", what, got, c.want)
				}
			}
		})
	}
	if fetchonce.Within(time.Time{}.Add(1), time.Time{}, time.Minute) {
		t.Error("Within(never) = true for a clock that begins there")
	}
}

// clock is one that tests turn.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
