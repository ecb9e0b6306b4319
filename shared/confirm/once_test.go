package confirm_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/confirm"
)

// slow takes an event after a second, and counts.
type slow struct {
	calls atomic.Int32
	err   error
}

func (s *slow) Notify(ctx context.Context, _ string, _ []byte) error {
	s.calls.Add(1)
	select {
	case <-time.After(time.Second):
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestOnceSharesOneDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{}
		once := confirm.NewOnce(next, time.Now)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := once.Notify(t.Context(), "evt_1", nil); err != nil {
					t.Errorf("Notify = %v, want nil", err)
				}
			})
		}
		wg.Go(func() { once.Notify(t.Context(), "evt_2", nil) })
		wg.Wait()
		if got := next.calls.Load(); got != 2 {
			t.Errorf("delivered %d times, want once for each of two ids", got)
		}
		time.Sleep(4 * time.Second)
		once.Notify(t.Context(), "evt_1", nil)
		if got := next.calls.Load(); got != 2 {
			t.Errorf("delivered %d times, want none for an id just delivered", got)
		}
		time.Sleep(2 * time.Second)
		once.Notify(t.Context(), "evt_1", nil)
		if got := next.calls.Load(); got != 3 {
			t.Errorf("delivered %d times, want one more after a while", got)
		}
	})
}

func TestOnceForgetsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{err: errors.New("down")}
		once := confirm.NewOnce(next, time.Now)
		for range 2 {
			if err := once.Notify(t.Context(), "evt_1", nil); err == nil {
				t.Error("Notify = nil, want the failure")
			}
		}
		if got := next.calls.Load(); got != 2 {
			t.Errorf("tried %d times, want 2", got)
		}
	})
}

func TestOnceOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{}
		once := confirm.NewOnce(next, time.Now)
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := once.Notify(first, "evt_1", nil); !errors.Is(err, context.Canceled) {
				t.Errorf("Notify of the caller that left = %v, want Canceled", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if err := once.Notify(t.Context(), "evt_1", nil); err != nil {
				t.Errorf("Notify of the caller that stayed = %v, want nil", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if got := next.calls.Load(); got != 1 {
			t.Errorf("delivered %d times, want 1", got)
		}
	})
}

// clock stands until it is set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestOnceRemembersFiveSeconds(t *testing.T) {
	tests := []struct {
		age  time.Duration
		want int // deliveries
	}{
		{0, 1}, {5*time.Second - 1, 1}, {5 * time.Second, 2}, {time.Hour, 2},
		{-1, 2}, // a clock that was put back
	}
	for _, tt := range tests {
		next, clock := &recorder{}, &clock{uploadedAt}
		once := confirm.NewOnce(next, clock.now)
		for range 2 {
			if err := once.Notify(t.Context(), "evt_1", nil); err != nil {
				t.Errorf("Notify = %v", err)
			}
			clock.at = clock.at.Add(tt.age)
		}
		if len(next.taken) != tt.want {
			t.Errorf("delivered %d times when asked again after %v, want %d", len(next.taken), tt.age, tt.want)
		}
	}
}

// Memory stays small, whatever comes: what is old is forgotten, and all of it
// when there is too much.
func TestOnceRemembersLittle(t *testing.T) {
	next, clock := &recorder{}, &clock{uploadedAt}
	once := confirm.NewOnce(next, clock.now)
	deliver := func(from, to int) (delivered int) {
		before := len(next.taken)
		for n := from; n < to; n++ {
			once.Notify(t.Context(), strconv.Itoa(n), nil)
		}
		return len(next.taken) - before
	}
	const most = 4096
	if n := deliver(0, most); n != most {
		t.Fatalf("delivered %d of %d", n, most)
	}
	if n := deliver(0, 1); n != 0 {
		t.Error("what just fits is not remembered")
	}
	deliver(most, most+1)
	if n := deliver(most, most+1); n != 0 {
		t.Error("the newest is not remembered")
	}
	if n := deliver(0, 1); n != 1 {
		t.Error("more is remembered than fits")
	}

	deliver(0, most-10)
	clock.at = clock.at.Add(5 * time.Second)
	deliver(5000, 5100)
	if n := deliver(5000, 5001); n != 0 {
		t.Error("what is old was kept in the place of what is new")
	}
}

// Who waits for a delivery waits no longer than the first caller's deadline:
// nothing is left behind that nobody ends.
func TestOnceKeepsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Duration, 1)
		start := time.Now()
		once := confirm.NewOnce(notify(func(ctx context.Context) error {
			<-ctx.Done()
			ended <- time.Since(start)
			return ctx.Err()
		}), time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := once.Notify(ctx, "evt_1", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Notify = %v, want DeadlineExceeded", err)
		}
		if took := <-ended; took != time.Second {
			t.Errorf("the delivery ended after %v, want the caller's second", took)
		}
	})
}

// notify is a Notifier of one function.
type notify func(context.Context) error

func (f notify) Notify(ctx context.Context, _ string, _ []byte) error { return f(ctx) }
