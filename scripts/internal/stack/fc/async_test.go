package fc_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

var errFunction = errors.New("the function failed")

// flaky fails an event so many times.
type flaky struct {
	mu    sync.Mutex
	fails map[string]int
	tries map[string]int
}

func (f *flaky) invoke(_ context.Context, event []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tries == nil {
		f.tries = map[string]int{}
	}
	f.tries[string(event)]++
	if f.tries[string(event)] <= f.fails[string(event)] {
		return nil, errFunction
	}
	return nil, nil
}

func newAsync(t *testing.T, cfg fc.AsyncConfig) *fc.Async {
	t.Helper()
	q, err := fc.NewAsync(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func send(t *testing.T, q *fc.Async, events ...string) {
	t.Helper()
	for _, event := range events {
		if err := q.Send([]byte(event)); err != nil {
			t.Fatalf("Send(%s) = %v", event, err)
		}
	}
}

func TestAsyncTriesAgain(t *testing.T) {
	f := &flaky{fails: map[string]int{"twice": 2, "always": 100}}
	var log bytes.Buffer
	q := newAsync(t, fc.AsyncConfig{Invoke: f.invoke, Pauses: make([]time.Duration, 3), Log: slog.New(slog.NewTextHandler(&log, nil))})
	send(t, q, "well", "twice", "always")
	if err := q.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for event, want := range map[string]int{"well": 1, "twice": 3, "always": 4} {
		if got := f.tries[event]; got != want {
			t.Errorf("%s was tried %d times, want %d", event, got, want)
		}
	}
	if got := strings.Count(log.String(), "its event is dropped"); got != 1 {
		t.Errorf("the log tells of %d dropped events, want 1:\n%s", got, &log)
	}
}

func TestAsyncTwice(t *testing.T) {
	f := &flaky{fails: map[string]int{"once": 1}}
	q := newAsync(t, fc.AsyncConfig{Invoke: f.invoke, Pauses: make([]time.Duration, 3), Twice: true})
	send(t, q, "well", "once")
	if err := q.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.tries["well"] != 2 || f.tries["once"] != 3 {
		t.Errorf("tries = %v, want one more than were needed", f.tries)
	}
}

func TestAsyncBounds(t *testing.T) {
	var mu sync.Mutex
	at, most := 0, 0
	q := newAsync(t, fc.AsyncConfig{Parallel: 2, Depth: 5, Invoke: func(ctx context.Context, _ []byte) ([]byte, error) {
		mu.Lock()
		at++
		most = max(most, at)
		mu.Unlock()
		<-ctx.Done()
		mu.Lock()
		at--
		mu.Unlock()
		return nil, ctx.Err()
	}})
	send(t, q, "1", "2", "3", "4", "5")
	if err := q.Send([]byte("6")); err == nil {
		t.Error("Send() to a full queue = nil, want an error")
	}
	stacktest.Eventually(t, "two events are tried", func() bool { mu.Lock(); defer mu.Unlock(); return at == 2 })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Drain(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain() of a busy queue = %v, want %v", err, context.Canceled)
	}
	q.Close()
	if at != 0 || most != 2 {
		t.Errorf("%d events are tried after Close, at most %d were at a time, want 0 and 2", at, most)
	}
	if err := q.Send(nil); err == nil {
		t.Error("Send() to a closed queue = nil, want an error")
	}
}

func TestNewAsyncRefuses(t *testing.T) {
	f := &flaky{}
	for _, cfg := range []fc.AsyncConfig{{}, {Invoke: f.invoke, Depth: -1}, {Invoke: f.invoke, Parallel: -1}} {
		if _, err := fc.NewAsync(cfg); err == nil {
			t.Errorf("NewAsync(%+v) = nil, want an error", cfg)
		}
	}
}

func TestGroupTakesTurns(t *testing.T) {
	t.Parallel()
	name := func(s string) func(*fc.FunctionConfig) {
		return func(cfg *fc.FunctionConfig) { cfg.Env = []string{"OWN=" + s} }
	}
	g := fc.NewGroup(start(t, name("a")), start(t, name("b")))
	var got strings.Builder
	for range 4 {
		payload, err := g.Invoke(t.Context(), []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		for _, instance := range []string{"a", "b"} {
			if bytes.Contains(payload, []byte("OWN="+instance)) {
				got.WriteString(instance)
			}
		}
	}
	if got.String() != "abab" {
		t.Errorf("events went to %s, want abab", got.String())
	}
}
