package main

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// observer reads the events of the stack's receiver, which keeps only the
// newest of them, often enough to see them all.
type observer struct {
	wire   *wire
	ledger *ledger
	last   []mark // what the receiver showed last time
	// alter is between the receiver and the ledger; nil does nothing.
	alter func([]event) []event
}

// mark tells deliveries apart well enough to recognise a row of them.
type mark struct {
	id        string
	timestamp int64
}

const observeEvery = 500 * time.Millisecond

// skip passes over what was delivered before the run.
func (o *observer) skip(ctx context.Context) error {
	events, err := o.read(ctx)
	o.last = marks(events)
	return err
}

// watch looks until ctx ends. What it could not read it reads next time.
func (o *observer) watch(ctx context.Context) {
	for sleep(ctx, observeEvery) {
		_ = o.look(ctx)
	}
}

// look notes what was delivered since the last time.
func (o *observer) look(ctx context.Context) error {
	events, err := o.read(ctx)
	if err != nil {
		return err
	}
	shown := marks(events)
	fresh, seamless := following(o.last, shown)
	if !seamless {
		o.ledger.violation("observer.gap", "between two looks the receiver forgot events that had not been seen, or was cleared by somebody")
	}
	fed := events[len(events)-fresh:]
	if o.alter != nil {
		fed = o.alter(fed)
	}
	o.ledger.deliver(fed, time.Now())
	o.last = shown
	return nil
}

func (o *observer) read(ctx context.Context) ([]event, error) {
	var events []event
	err := o.wire.local(ctx, http.MethodGet, "/_local/events", nil, &events)
	return events, err
}

func marks(events []event) []mark {
	list := make([]mark, len(events))
	for i, e := range events {
		list[i] = mark{e.ID, e.Timestamp}
	}
	return list
}

// following returns how many of the last entries of shown came after before:
// the receiver drops old entries in front and adds new ones behind. Without
// any overlap, entries may have come and gone between the two.
func following(before, shown []mark) (fresh int, seamless bool) {
	for dropped := range before {
		rest := before[dropped:]
		if len(rest) <= len(shown) && slices.Equal(rest, shown[:len(rest)]) {
			return len(shown) - len(rest), true
		}
	}
	return len(shown), len(before) == 0
}
