package main

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// observer reads the events of the stack's receiver, which keeps only the
// newest of them, often enough to see them all. It is safe for concurrent use.
type observer struct {
	wire   *wire
	ledger *ledger
	// alter is between the receiver and the ledger; nil does nothing.
	alter func([]event) []event

	mu   sync.Mutex
	last int // number of the last event that was read
}

const observeEvery = 500 * time.Millisecond

// skip passes over what was delivered before the run.
func (o *observer) skip(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		events, err := o.next(ctx)
		if err != nil || len(events) == 0 {
			return err
		}
	}
}

// watch looks until ctx ends. What it could not read it reads next time.
func (o *observer) watch(ctx context.Context) {
	for sleep(ctx, observeEvery) {
		_ = o.look(ctx)
	}
}

// look notes what was delivered since the last time.
func (o *observer) look(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		seen := o.last
		events, err := o.next(ctx)
		if err != nil || len(events) == 0 {
			return err
		}
		if first := events[0].Number; first != seen+1 {
			o.ledger.violation("observer.gap", "the receiver forgot events %d to %d before they were seen, or somebody cleared it", seen+1, first-1)
		}
		if o.alter != nil {
			events = o.alter(events)
		}
		o.ledger.deliver(events, time.Now())
	}
}

// next reads the events that follow the last one that was read; none if there is
// nothing new.
func (o *observer) next(ctx context.Context) ([]event, error) {
	var events []event
	err := o.wire.local(ctx, http.MethodGet, "/_local/events?after="+strconv.Itoa(o.last), nil, &events)
	if err == nil && len(events) > 0 {
		o.last = events[len(events)-1].Number
	}
	return events, err
}
