package confirm

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// once keeps an instance from delivering an id again that it is delivering or
// has just delivered: requests that come together share one delivery and its
// outcome. A failed delivery is not remembered.
type once struct {
	now    func() time.Time
	flight singleflight.Group

	mu        sync.Mutex
	delivered map[string]time.Time
}

const (
	justDelivered = 5 * time.Second
	maxRemembered = 4096
)

func newOnce(now func() time.Time) *once {
	return &once{now: now, delivered: make(map[string]time.Time)}
}

// notify has next deliver what is not a repetition, and waits for the one delivery
// of id, so long that this much time is left of ctx.
func (o *once) notify(ctx context.Context, left time.Duration, next Notifier, id string, body []byte) error {
	if o.recently(id) {
		return nil
	}
	// Others wait for this delivery too: the first request's end must not take it
	// from them, but its deadline still holds. One context is for both, the delivery
	// and the wait.
	shared, cancel := leaving(ctx, context.WithoutCancel(ctx), left)
	done := o.flight.DoChan(id, func() (any, error) {
		if o.recently(id) {
			return nil, nil
		}
		err := next.Notify(shared, id, body)
		if err == nil {
			o.remember(id)
		}
		return nil, err
	})
	select {
	case result := <-done:
		cancel()
		return result.Err
	case <-shared.Done():
		cancel()
		return fmt.Errorf("waiting for delivery: %w", shared.Err())
	case <-ctx.Done():
		go func() { <-done; cancel() }() // what is shared ends with the delivery
		return fmt.Errorf("waiting for delivery: %w", ctx.Err())
	}
}

func (o *once) recently(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	at, ok := o.delivered[id]
	age := o.wall().Sub(at)
	return ok && 0 <= age && age < justDelivered
}

func (o *once) remember(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.wall()
	if len(o.delivered) >= maxRemembered {
		maps.DeleteFunc(o.delivered, func(_ string, at time.Time) bool { return now.Sub(at) >= justDelivered })
	}
	if len(o.delivered) >= maxRemembered {
		clear(o.delivered)
	}
	o.delivered[id] = now
}

// wall drops the monotonic reading, which stands still while an instance is
// frozen.
func (o *once) wall() time.Time { return o.now().Round(0) }
