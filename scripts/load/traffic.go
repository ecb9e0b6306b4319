package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The kinds of traffic, in the order of tables.
const (
	kindPresign   = "presign"   // a URL that is not used
	kindPut       = "put"       // a URL, the bytes, the callback, the receipt
	kindMultipart = "multipart" // create, two or three parts, complete
	kindVanish    = "vanish"    // a URL, the bytes, and the client goes away
	kindSilent    = "silent"    // a URL, the bytes, the callback is lost, and the client leaves it at that
	kindConfirm   = "confirm"   // of an upload that has its receipt: the same again
	kindForged    = "forged"    // callbacks that OSS did not send
	kindJunk      = "junk"      // requests that no client makes
)

var kinds = []string{kindPresign, kindPut, kindMultipart, kindVanish, kindSilent, kindConfirm, kindForged, kindJunk}

// mix says how often each kind comes.
var mix = []struct {
	kind   string
	weight int
}{{kindPresign, 3}, {kindPut, 5}, {kindMultipart, 2}, {kindVanish, 1}, {kindConfirm, 2}, {kindForged, 3}, {kindJunk, 5}}

// pick draws from the mix.
func pick(r *rand.Rand) string {
	total := 0
	for _, m := range mix {
		total += m.weight
	}
	n := r.IntN(total)
	for _, m := range mix {
		if n -= m.weight; n < 0 {
			return m.kind
		}
	}
	return kindPresign // not reached
}

const (
	maxPut      = 32 << 10 // bytes: what is measured is the functions, not the disk
	maxLastPart = 8 << 10
)

// traffic is a run's stream of operations.
type traffic struct {
	seed   uint64
	wire   *wire
	ledger *ledger
	enemy  *enemy
	begun  atomic.Int64 // uploads
	gone   atomic.Int64 // uploads whose clients went away
	// lose has half of the clients that go away lose their callback, too.
	lose bool
	// silent has every callback lost and no client confirm: the trigger alone is
	// left to announce.
	silent bool
	// before is called before each upload; nil does nothing.
	before func()
}

// flow runs workers until ctx ends or until most uploads were begun in this
// run; 0 is any number. What was begun is brought to an end: only whole's end
// breaks it off.
func (t *traffic) flow(ctx, whole context.Context, rec *recorder, workers, most int) {
	stream := t.begun.Load() // other draws in each stretch of the run
	var group sync.WaitGroup
	for n := range workers {
		group.Go(func() {
			w := &worker{t.wire, rand.New(rand.NewPCG(t.seed+uint64(stream)<<32, uint64(n)))}
			for ctx.Err() == nil && whole.Err() == nil {
				if most > 0 && t.begun.Load() >= int64(most) {
					return
				}
				t.perform(whole, w, rec, most)
			}
		})
	}
	group.Wait()
}

// perform does one operation of the mix.
func (t *traffic) perform(ctx context.Context, w *worker, rec *recorder, most int) {
	op := &operation{kind: t.pick(w.rand)}
	if op.kind == kindPut || op.kind == kindMultipart || op.kind == kindSilent {
		number := t.begun.Add(1)
		if most > 0 && number > int64(most) {
			return
		}
		if t.before != nil {
			t.before()
		}
		t.measure(ctx, rec, op, func(ctx context.Context) error { return t.upload(ctx, w, op, int(number)) })
		return
	}
	about, any := t.ledger.any(w.rand)
	t.measure(ctx, rec, op, func(ctx context.Context) error {
		switch op.kind {
		case kindForged:
			t.enemy.forge(ctx, t.wire, w.rand, op, about)
		case kindVanish:
			return t.vanish(ctx, w, op)
		case kindJunk:
			t.enemy.flood(ctx, t.wire, w.rand, op)
		case kindConfirm:
			if any {
				again, err := w.confirm(ctx, op, about.token)
				t.ledger.ask(about, 1+len(op.errors))
				if err == nil {
					t.ledger.confirmed(about, again)
				}
				return err
			}
			op.kind = kindPresign // nothing to confirm yet
			fallthrough
		default:
			_, err := w.presign(ctx, op, "load.bin", w.rand.IntN(maxPut))
			return err
		}
		return nil
	})
}

// pick draws a kind from the mix.
func (t *traffic) pick(r *rand.Rand) string {
	kind := pick(r)
	if t.silent && (kind == kindPut || kind == kindMultipart || kind == kindVanish || kind == kindConfirm) {
		return kindSilent
	}
	return kind
}

func (t *traffic) upload(ctx context.Context, w *worker, op *operation, number int) error {
	send, what := w.put, content{number, w.rand.IntN(maxPut + 1)}
	switch {
	case op.kind == kindMultipart:
		send, what.size = w.multipart, partSize*(1+w.rand.IntN(2))+1+w.rand.IntN(maxLastPart)
	case w.rand.IntN(50) == 0:
		what.size = 0 // is a size
	}
	if op.kind == kindSilent {
		send = w.silent
	}
	u, err := send(ctx, op, what, t.seed)
	if err == nil {
		t.ledger.add(u)
	}
	return err
}

// vanishingNumbers are those of uploads whose clients go away: in no other's way.
const vanishingNumbers = 1_000_000_000

// vanish uploads as a client that goes away: a third of the time in parts, and
// otherwise half of the time with its callback lost.
func (t *traffic) vanish(ctx context.Context, w *worker, op *operation) error {
	number := vanishingNumbers + int(t.gone.Add(1))
	if w.rand.IntN(3) == 0 {
		u, err := w.vanishInParts(ctx, op, content{number, partSize + 1 + w.rand.IntN(maxLastPart)}, t.seed)
		if err == nil {
			t.ledger.add(u)
		}
		return err
	}
	if w.rand.IntN(2) == 0 && t.lose {
		if err := w.local(ctx, http.MethodPost, "/_local/faults", fault{"callback", "Callback", "500", 1}, nil); err != nil {
			return err
		}
	}
	u, err := w.vanish(ctx, op, content{number, w.rand.IntN(maxPut + 1)}, t.seed)
	if err == nil {
		t.ledger.add(u)
	}
	return err
}

// measure does one operation, in the time that a client has patience for. That
// it is given up is a broken promise: no fault lasts so long.
func (t *traffic) measure(ctx context.Context, rec *recorder, op *operation, do func(context.Context) error) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begin := time.Now()
	err := do(patient)
	rec.add(op, time.Since(begin), err != nil)
	if err != nil && ctx.Err() == nil {
		t.ledger.violation("operation.failed", "%s was given up after %v and %d errors: %v", op.kind, time.Since(begin).Round(time.Millisecond), len(op.errors), err)
	}
}
