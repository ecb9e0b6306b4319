package assumerole_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/assumerole"
	"ossupload/shared/rolecreds"
)

// gate is an answer that tells when it was asked and waits to be let through.
type gate struct{ asked, open chan struct{} }

func newGate(t *testing.T, s *sts, then http.HandlerFunc) *gate {
	t.Helper()
	g := &gate{asked: make(chan struct{}, 100), open: make(chan struct{})}
	s.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		g.asked <- struct{}{}
		<-g.open
		then(w, r)
	})
	// The server waits for its handlers when it closes.
	t.Cleanup(g.release)
	return g
}

func (g *gate) release() {
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

type result struct {
	c   rolecreds.Credentials
	err error
}

// ask asks beside the test and returns the answer's channel.
func ask(ctx context.Context, source rolecreds.Source) <-chan result {
	answer := make(chan result, 1)
	go func() {
		c, err := source.Credentials(ctx)
		answer <- result{c, err}
	}()
	return answer
}

func TestManyRequestsMakeOneCall(t *testing.T) {
	s := newSTS(t)
	g := newGate(t, s, grant("1"))
	source := newSource(t, s.config(newClock()))
	first := ask(t.Context(), source)
	<-g.asked
	var rest sync.WaitGroup
	for range 30 {
		rest.Go(func() {
			got, err := source.Credentials(t.Context())
			if err != nil || got.AccessKeyID != "STS.role-1" {
				t.Errorf("Credentials() = %v, %v", got, err)
			}
		})
	}
	g.release()
	rest.Wait()
	if r := <-first; r.err != nil {
		t.Errorf("Credentials() = %v", r.err)
	}
	checkCount(t, s, 1)
}

func TestRenewalAtHalfLife(t *testing.T) {
	s, clock := newSTS(t), newClock()
	source := newSource(t, s.config(clock)) // an hour: 59 minutes of life
	want(t, source, "1")
	s.setAnswer(grant("2"))

	clock.set(29*time.Minute + 29*time.Second)
	want(t, source, "1")
	checkCount(t, s, 1)

	clock.set(29*time.Minute + 30*time.Second)
	got := want(t, source, "2")
	if end := clock.now().Add(59 * time.Minute); !got.Expires.Equal(end) {
		t.Errorf("Expires = %v, want %v", got.Expires, end)
	}
	want(t, source, "2")
	checkCount(t, s, 2)
}

func TestRenewalWhenTheClockIsSetBack(t *testing.T) {
	s, clock := newSTS(t), newClock()
	source := newSource(t, s.config(clock))
	want(t, source, "1")
	s.setAnswer(grant("2"))
	clock.set(-time.Second)
	want(t, source, "2")
	checkCount(t, s, 2)
}

func TestOthersKeepTheOldDuringARenewal(t *testing.T) {
	for _, c := range []struct {
		name string
		at   time.Duration
		wait bool
	}{
		{"at half life", 30 * time.Minute, false},
		{"with 60 s left", 58 * time.Minute, false},
		{"with 59 s left they wait", 58*time.Minute + time.Second, true},
		{"with nothing left they wait", 59 * time.Minute, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, clock := newSTS(t), newClock()
			source := newSource(t, s.config(clock))
			want(t, source, "1")
			g := newGate(t, s, grant("2"))
			clock.set(c.at)
			first := ask(t.Context(), source)
			<-g.asked
			if c.wait {
				other := ask(t.Context(), source)
				g.release()
				if r := <-other; r.err != nil || r.c.AccessKeyID != "STS.role-2" {
					t.Errorf("Credentials() = %v, %v, want the new ones", r.c, r.err)
				}
			} else {
				want(t, source, "1")
				g.release()
			}
			if r := <-first; r.err != nil || r.c.AccessKeyID != "STS.role-2" {
				t.Errorf("Credentials() = %v, %v, want the new ones", r.c, r.err)
			}
			checkCount(t, s, 2)
		})
	}
}

func TestFailedRenewalKeepsTheOld(t *testing.T) {
	s, clock := newSTS(t), newClock()
	source := newSource(t, s.config(clock))
	want(t, source, "1")
	s.setAnswer(refuse(500, "InternalError", ""))

	// An error that comes at once is a reason to call twice.
	clock.set(30 * time.Minute)
	want(t, source, "1")
	checkCount(t, s, 3)
	clock.set(30*time.Minute + 9*time.Second)
	want(t, source, "1")
	checkCount(t, s, 3)
	clock.set(30*time.Minute + 10*time.Second)
	want(t, source, "1")
	checkCount(t, s, 5)
	clock.set(59*time.Minute - time.Second)
	want(t, source, "1")
	checkCount(t, s, 7)

	// Past its end an old one is never given, pause or not.
	clock.set(59 * time.Minute)
	for calls := 9; calls <= 11; calls += 2 {
		got, err := source.Credentials(t.Context())
		if !errors.Is(err, assumerole.ErrUnavailable) || got != (rolecreds.Credentials{}) {
			t.Fatalf("Credentials() = %v, %v, want ErrUnavailable", got, err)
		}
		checkCount(t, s, calls)
	}
	s.setAnswer(grant("2"))
	want(t, source, "2")
}

func TestSlowRenewalKeepsTheOld(t *testing.T) {
	s, clock := newSTS(t), newClock()
	source, err := assumerole.NewWithin(s.config(clock), time.Minute, time.Minute, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	// The first one is waited for, however impatient: there is no other.
	want(t, source, "1")
	g := newGate(t, s, grant("2"))
	clock.set(30 * time.Minute)
	want(t, source, "1")
	<-g.asked
	want(t, source, "1")
	checkCount(t, s, 2)
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	s := newSTS(t)
	g := newGate(t, s, grant("1"))
	source := newSource(t, s.config(newClock()))
	ctx, cancel := context.WithCancel(t.Context())
	first := ask(ctx, source)
	<-g.asked
	second := ask(t.Context(), source)
	cancel()
	if r := <-first; !errors.Is(r.err, context.Canceled) {
		t.Fatalf("Credentials() = %v, %v, want context.Canceled", r.c, r.err)
	}
	// The call goes on for whoever still waits.
	g.release()
	if r := <-second; r.err != nil || r.c.AccessKeyID != "STS.role-1" {
		t.Errorf("Credentials() = %v, %v, want STS.role-1", r.c, r.err)
	}
	checkCount(t, s, 1)
}

func TestFrozenCallIsNotWaitedFor(t *testing.T) {
	for name, late := range map[string]error{
		"and what it brings late is not kept": nil,
		"and its late failure says nothing":   assumerole.ErrUnavailable,
	} {
		t.Run(name, func(t *testing.T) {
			// In here sleeping costs nothing: time is the bubble's.
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				var calls atomic.Int32
				thaw := make(chan struct{})
				source := assumerole.NewRenewal(func(context.Context) (rolecreds.Credentials, error) {
					number, end := calls.Add(1), time.Now().Add(time.Hour)
					if number == 1 {
						<-thaw
						return rolecreds.Credentials{AccessKeyID: "STS.role-1", Expires: end}, late
					}
					return rolecreds.Credentials{AccessKeyID: "STS.role-2", Expires: end}, nil
				}, slog.New(slog.NewTextHandler(&log, nil)))

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := source.Credentials(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, assumerole.ErrUnavailable) {
					t.Fatalf("Credentials() = %v, want ErrUnavailable and context.DeadlineExceeded", err)
				}
				time.Sleep(9 * time.Second)
				want(t, source, "2")
				close(thaw)
				synctest.Wait()
				want(t, source, "2")
				if calls.Load() != 2 || log.Len() > 0 {
					t.Errorf("%d calls, log %q, want 2 and none", calls.Load(), log.String())
				}
			})
		})
	}
}

func TestAFailureThatIsReturnedIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	source := assumerole.NewRenewal(func(context.Context) (rolecreds.Credentials, error) {
		return rolecreds.Credentials{}, assumerole.ErrUnavailable
	}, slog.New(slog.NewTextHandler(&log, nil)))
	if _, err := source.Credentials(t.Context()); !errors.Is(err, assumerole.ErrUnavailable) || log.Len() > 0 {
		t.Errorf("Credentials() = %v, log %q, want ErrUnavailable and none", err, log.String())
	}
}

func TestPatienceIsOneSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		defer close(block)
		var calls atomic.Int32
		source := assumerole.NewRenewal(func(context.Context) (rolecreds.Credentials, error) {
			end := time.Now().Add(time.Hour)
			if calls.Add(1) > 1 {
				<-block
			}
			return rolecreds.Credentials{AccessKeyID: "STS.role-1", Expires: end}, nil
		}, slog.New(slog.DiscardHandler))
		want(t, source, "1")
		time.Sleep(30 * time.Minute)
		for _, waited := range []time.Duration{time.Second, 0} {
			start := time.Now()
			want(t, source, "1")
			if got := time.Since(start); got != waited {
				t.Errorf("waited %v, want %v", got, waited)
			}
		}
	})
}

func TestRemainingIsNeverBeyondTheTruth(t *testing.T) {
	// STS is slow: the life is counted from before the call.
	s, clock := newSTS(t), newClock()
	s.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		clock.set(5 * time.Second)
		grant("1")(w, r)
	})
	got := want(t, newSource(t, s.config(clock)), "1")
	if end := noon.Add(59 * time.Minute); !got.Expires.Equal(end) {
		t.Errorf("Expires = %v, want %v", got.Expires, end)
	}
}
