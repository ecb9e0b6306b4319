package fetchonce_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/fetchonce"
)

const timeout = 2 * time.Second

var errDown = errors.New("down")

type state = fetchonce.State[string]

// Rules of askers.
func anything(s state) bool { return !s.Fetched.IsZero() }
func nothing(state) bool    { return false }

// server is what is fetched from. Each fetch asks it for an answer, in the order
// in which they begin.
type server struct {
	t     *testing.T
	value *fetchonce.Value[string]
	calls chan call
	count atomic.Int32

	mu      sync.Mutex
	reports []state
}

// call is one fetch that waits for its answer.
type call struct {
	ctx    context.Context
	answer chan<- answer
}

type answer struct {
	value string
	err   error
}

// newServer has a clock of its own, unless now is given. It is for use in a
// bubble, where sleeping costs nothing.
func newServer(t *testing.T, now func() time.Time) *server {
	s := &server{t: t, calls: make(chan call, 10)}
	s.value = fetchonce.New(fetchonce.Config[string]{
		Fetch: func(ctx context.Context) (string, error) {
			s.count.Add(1)
			c := make(chan answer, 1)
			s.calls <- call{ctx, c}
			a := <-c
			return a.value, a.err
		},
		Timeout: timeout,
		Now:     now,
		Report: func(_ context.Context, known state) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.reports = append(s.reports, known)
		},
	})
	return s
}

// result is what Get returned.
type result struct {
	state state
	err   error
}

// ask asks beside the test.
func (s *server) ask(ctx context.Context, enough func(state) bool) <-chan result {
	c := make(chan result, 1)
	go func() {
		known, err := s.value.Get(ctx, enough)
		c <- result{known, err}
	}()
	synctest.Wait()
	return c
}

// fetch lets an asker fetch value, or fail with err.
func (s *server) fetch(value string, err error) state {
	s.t.Helper()
	asked := s.ask(s.t.Context(), nothing)
	(<-s.calls).answer <- answer{value, err}
	r := <-asked
	if r.err != nil {
		s.t.Fatalf("Get() = %v", r.err)
	}
	return r.state
}

func (s *server) checkCount(want int32) {
	s.t.Helper()
	if got := s.count.Load(); got != want {
		s.t.Errorf("%d fetches, want %d", got, want)
	}
}

func (s *server) checkReports(want ...answer) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reports) != len(want) {
		s.t.Fatalf("%d reports %+v, want %d", len(s.reports), s.reports, len(want))
	}
	for i, got := range s.reports {
		if got.Value != want[i].value || !errors.Is(got.Err, want[i].err) {
			s.t.Errorf("report %d has %q, %v, want %q, %v", i, got.Value, got.Err, want[i].value, want[i].err)
		}
	}
}

func check(t *testing.T, r result, value string, err error) {
	t.Helper()
	if r.err != nil || r.state.Value != value || !errors.Is(r.state.Err, err) || (err == nil) != (r.state.Err == nil) {
		t.Errorf("Get() = %+v, %v, want value %q and failure %v", r.state, r.err, value, err)
	}
	if (r.state.Err == nil) != r.state.Failed.IsZero() {
		t.Errorf("Get() = %+v, want a failure and its time, or neither", r.state)
	}
}

func TestNothingIsFetchedUntilSomebodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		if got := s.value.State(); got != (state{Now: got.Now}) || got.Now != time.Now().Round(0) {
			t.Errorf("State() = %+v, want nothing but the time", got)
		}
		synctest.Wait()
		s.checkCount(0)
	})
}

func TestOneFetchForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		var asked []<-chan result
		for range 50 {
			asked = append(asked, s.ask(t.Context(), anything))
		}
		if got := s.value.State(); !got.UnderWay {
			t.Errorf("State() = %+v, want a fetch under way", got)
		}
		began := time.Now().Round(0)
		time.Sleep(time.Second)
		(<-s.calls).answer <- answer{value: "a"}
		for _, c := range asked {
			r := <-c
			check(t, r, "a", nil)
			if r.state.Fetched != began || r.state.Now != began.Add(time.Second) || r.state.UnderWay {
				t.Errorf("Get() = %+v, want it fetched at %v and no fetch under way", r.state, began)
			}
		}
		check(t, <-s.ask(t.Context(), anything), "a", nil)
		s.checkCount(1)
		s.checkReports(answer{value: "a"})

		if got := s.fetch("b", nil); got.Value != "b" {
			t.Errorf("Get() = %+v, want b", got)
		}
		s.checkCount(2)
	})
}

func TestTheFetchOutlivesItsStarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		type key struct{}
		gone := errors.New("client is gone")
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "kept"))
		first := s.ask(ctx, anything)
		second := s.ask(t.Context(), anything)
		c := <-s.calls

		cancel(gone)
		if r := <-first; r.err != gone || r.state.Value != "" || r.state.Err != nil {
			t.Errorf("Get() of the asker who left = %+v, %v, want its cause", r.state, r.err)
		}
		if err := c.ctx.Err(); err != nil {
			t.Errorf("the fetch's context ended with its starter's: %v", err)
		}
		if got := c.ctx.Value(key{}); got != "kept" {
			t.Errorf("the fetch's context has value %v, want that of its starter's", got)
		}
		c.answer <- answer{value: "a"}
		check(t, <-second, "a", nil)
		s.checkCount(1)
	})
}

func TestTheFetchNeedsNobodyToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if r := <-s.ask(ctx, anything); !errors.Is(r.err, context.Canceled) {
			t.Errorf("Get() = %v, want context.Canceled", r.err)
		}
		(<-s.calls).answer <- answer{value: "a"}
		synctest.Wait()
		// What is enough is had even by an asker who cannot wait.
		check(t, <-s.ask(ctx, anything), "a", nil)
		s.checkCount(1)
	})
}

func TestWaitersSeeWhatThereWasBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		s.fetch("old", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := <-s.ask(ctx, nothing)
		if !errors.Is(r.err, context.DeadlineExceeded) || r.state.Value != "old" {
			t.Errorf("Get() = %+v, %v, want the old value and context.DeadlineExceeded", r.state, r.err)
		}
		(<-s.calls).answer <- answer{value: "new"}
	})
}

func TestTheFetchHasATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		start := time.Now()
		asked := s.ask(t.Context(), anything)
		c := <-s.calls
		<-c.ctx.Done()
		if took := time.Since(start); took != timeout {
			t.Errorf("the fetch's context ended after %v, want %v", took, timeout)
		}
		// Whoever comes now still waits for this one, and its failure counts.
		late := s.ask(t.Context(), anything)
		c.answer <- answer{err: c.ctx.Err()}
		check(t, <-asked, "", context.DeadlineExceeded)
		check(t, <-late, "", context.DeadlineExceeded)
		if !s.value.State().FailedWithin(1) {
			t.Error("the failure is not remembered")
		}
		s.checkCount(1)
	})
}

func TestAFailureIsRememberedAsLongAsTheRuleSays(t *testing.T) {
	const memory = 5 * time.Second
	rule := func(s state) bool { return s.Value != "" || s.FailedWithin(memory) }
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		asked := s.ask(t.Context(), rule)
		time.Sleep(time.Second)
		(<-s.calls).answer <- answer{err: errDown}
		check(t, <-asked, "", errDown)

		// It counts from the end of the fetch.
		time.Sleep(memory - 1)
		check(t, <-s.ask(t.Context(), rule), "", errDown)
		s.checkCount(1)

		time.Sleep(time.Nanosecond)
		asked = s.ask(t.Context(), rule)
		(<-s.calls).answer <- answer{value: "a"}
		check(t, <-asked, "a", nil)
		s.checkCount(2)
		if s.value.State().FailedWithin(time.Hour) {
			t.Error("a failure is remembered beyond a success")
		}
		s.checkReports(answer{err: errDown}, answer{value: "a"})
	})
}

func TestAFailureKeepsTheOldValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		first := s.fetch("a", nil)
		time.Sleep(time.Minute)
		got := s.fetch("", errDown)
		if got.Value != "a" || got.Fetched != first.Fetched || got.Err != errDown || got.Failed != got.Now {
			t.Errorf("Get() = %+v, want the old value, its time, and the failure", got)
		}
	})
}

func TestAPanicHangsNobody(t *testing.T) {
	for _, c := range []struct {
		name  string
		fetch func()
		words []string
	}{
		{"a panic", func() { panic("out of cheese") }, []string{"out of cheese", "fetchonce_test.go"}},
		{"a panic with nil", func() { panic(nil) }, []string{"nil"}},
		{"an exit of the goroutine", runtime.Goexit, []string{"did not return"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open := make(chan struct{})
				var calls atomic.Int32
				value := fetchonce.New(fetchonce.Config[string]{
					Fetch: func(context.Context) (string, error) {
						if calls.Add(1) == 1 {
							<-open
							c.fetch()
						}
						return "a", nil
					},
					Timeout: timeout,
				})
				var group sync.WaitGroup
				for range 10 {
					group.Go(func() {
						got, err := value.Get(t.Context(), anything)
						if err != nil || got.Err == nil || got.Value != "" {
							t.Errorf("Get() = %+v, %v, want a failure", got, err)
							return
						}
						for _, word := range c.words {
							if !strings.Contains(got.Err.Error(), word) {
								t.Errorf("failure %q lacks %q", got.Err, word)
							}
						}
					})
				}
				synctest.Wait()
				close(open)
				group.Wait()
				got, err := value.Get(t.Context(), anything)
				check(t, result{got, err}, "a", nil)
				if n := calls.Load(); n != 2 {
					t.Errorf("%d fetches, want 2", n)
				}
			})
		})
	}
}

func TestAPanicOfARuleLocksNobodyOut(t *testing.T) {
	value := fetchonce.New(fetchonce.Config[string]{
		Fetch:   func(context.Context) (string, error) { return "a", nil },
		Timeout: timeout,
	})
	func() {
		defer func() { _ = recover() }()
		_, _ = value.Get(t.Context(), func(state) bool { panic("rule") })
	}()
	got, err := value.Get(t.Context(), anything)
	check(t, result{got, err}, "a", nil)
}

func TestReportComesBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		reported := false
		value := fetchonce.New(fetchonce.Config[string]{
			Fetch:   func(context.Context) (string, error) { return "a", nil },
			Timeout: timeout,
			Report: func(ctx context.Context, known state) {
				time.Sleep(time.Hour)
				if ctx.Value(key{}) != "kept" || ctx.Err() != nil || known.Value != "a" {
					t.Errorf("report is of %+v, in a context of %v, %v", known, ctx.Value(key{}), ctx.Err())
				}
				reported = true
			},
		})
		if _, err := value.Get(context.WithValue(t.Context(), key{}, "kept"), anything); err != nil || !reported {
			t.Errorf("Get() = %v, reported %v, want nil and true", err, reported)
		}
	})
}

// TestManyAtOnce is for the race detector: askers with all kinds of rules and
// patience, and a server that fails now and then.
func TestManyAtOnce(t *testing.T) {
	var underWay, calls atomic.Int32
	value := fetchonce.New(fetchonce.Config[int32]{
		Fetch: func(context.Context) (int32, error) {
			if underWay.Add(1) > 1 {
				t.Error("two fetches at once")
			}
			defer underWay.Add(-1)
			n := calls.Add(1)
			runtime.Gosched()
			if n%3 == 0 {
				return 0, errDown
			}
			return n, nil
		},
		Timeout: time.Minute,
	})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for round := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+round)%5 == 0 {
					cancel()
				}
				got, err := value.Get(ctx, func(s fetchonce.State[int32]) bool { return s.Value > 0 && round%2 == 0 })
				cancel()
				if err == nil && got.Err == nil && got.Value == 0 {
					t.Error("Get() = neither a value nor a failure")
				}
			}
		})
	}
	group.Wait()
}
