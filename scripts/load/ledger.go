package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// ledger is what a run knows of uploads and events, and what was wrong with
// them. It is safe for concurrent use.
type ledger struct {
	alone bool // whether all events of the stack are this run's

	mu         sync.Mutex
	uploads    []upload                  // of which there is a receipt
	announced  map[string]map[string]int // key to event id to number of deliveries
	violations []string
	unsaid     int // violations past maxViolations
	rechecked  int // confirmations of what had its receipt
	forged     tally
	junk       tally
}

// tally counts what has to be refused.
type tally struct{ sent, refused, unanswered, accepted int }

// maxViolations bounds what is said of a product that is entirely broken.
const maxViolations = 50

func newLedger(alone bool) *ledger {
	return &ledger{alone: alone, announced: map[string]map[string]int{}}
}

// violation notes a broken promise.
func (l *ledger) violation(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violate(format, args...)
}

func (l *ledger) violate(format string, args ...any) {
	if len(l.violations) >= maxViolations {
		l.unsaid++
		return
	}
	l.violations = append(l.violations, fmt.Sprintf(format, args...))
}

// add notes an upload.
func (l *ledger) add(u upload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uploads = append(l.uploads, u)
}

// count is how many uploads have their receipt.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.uploads)
}

// any returns one of the uploads, if there is one.
func (l *ledger) any(r *rand.Rand) (upload, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.uploads) == 0 {
		return upload{}, false
	}
	return l.uploads[r.IntN(len(l.uploads))], true
}

// confirmed holds the receipt of a confirmation against the first one.
func (l *ledger) confirmed(u upload, again receipt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rechecked++
	if again != u.receipt {
		l.violate("%s %s: confirmed as %+v, its receipt was %+v", u.kind, u.receipt.Key, again, u.receipt)
	}
}

// refused notes the answer to something that must not be accepted.
func (l *ledger) refused(t *tally, what string, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.sent++
	switch status / 100 {
	case 4:
		t.refused++
	case 5, 0: // 0: the answer was lost
		t.unanswered++
	default:
		t.accepted++
		l.violate("%s was answered %d", what, status)
	}
}

// event is a delivery, as the stack's receiver shows it.
type event struct {
	ID        string `json:"id"`
	Timestamp int64  `json:"timestamp"`
	Verified  bool   `json:"verified"`
	Body      struct {
		Type string  `json:"type"`
		Data receipt `json:"data"`
	} `json:"body"`
}

// deliver notes events that the receiver got.
func (l *ledger) deliver(events []event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		key := e.Body.Data.Key
		switch {
		case !e.Verified:
			l.violate("the signature of event %s does not verify", e.ID)
		case e.Body.Type != "upload.completed" || e.ID == "" || e.ID != e.Body.Data.EventID:
			l.violate("event %q is a %q about event %q", e.ID, e.Body.Type, e.Body.Data.EventID)
		}
		if l.announced[key] == nil {
			l.announced[key] = map[string]int{}
		}
		l.announced[key][e.ID]++
	}
}

// summary is the outcome of a run in numbers.
type summary struct {
	uploads    int // with a receipt
	whole      int // stored byte for byte
	announced  int // under their own event id
	ids        int // distinct event ids of uploads
	deliveries int // of those
	missing    int // not announced
	ambiguous  int // announced under other ids as well
}

// audit holds receipts against events.
func (l *ledger) audit() summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := summary{uploads: len(l.uploads)}
	keys := make(map[string]bool, len(l.uploads))
	owner := make(map[string]string, len(l.uploads)) // event id to key
	for _, u := range l.uploads {
		key, id := u.receipt.Key, u.receipt.EventID
		if keys[key] {
			l.violate("key %s was given to two uploads", key)
		}
		keys[key] = true
		if other, taken := owner[id]; taken {
			l.violate("event id %s is of %s and of %s", id, other, key)
		}
		owner[id] = key
		ids := l.announced[key]
		for _, n := range ids {
			s.deliveries += n
		}
		if ids[id] == 0 {
			s.missing++
			l.violate("%s %s: event %s was never delivered", u.kind, key, id)
		} else {
			s.announced++
		}
		if others := len(ids) - min(ids[id], 1); others > 0 {
			s.ambiguous++
			l.violate("%s %s: it was announced as %v, its receipt says %s", u.kind, key, slices.Sorted(maps.Keys(ids)), id)
		}
	}
	s.ids = len(owner)
	if l.alone {
		for key, ids := range l.announced {
			if !keys[key] {
				l.violate("key %q has no receipt, but was announced as %v", key, slices.Sorted(maps.Keys(ids)))
			}
		}
	}
	return s
}

// readBack counts the uploads that are stored byte for byte. fetch reads an
// object; it is called by several goroutines, each with a number of its own
// below workers.
func (l *ledger) readBack(ctx context.Context, workers int, fetch func(ctx context.Context, worker int, key string) ([]byte, error)) (whole int, err error) {
	l.mu.Lock()
	uploads := slices.Clone(l.uploads)
	l.mu.Unlock()
	group, ctx := errgroup.WithContext(ctx)
	share := make([]int, workers)
	for worker := range workers {
		group.Go(func() error {
			for i := worker; i < len(uploads); i += workers {
				u := uploads[i]
				stored, err := fetch(ctx, worker, u.receipt.Key)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				switch sum := sha256.Sum256(stored); {
				case err != nil:
					l.violation("%s %s: reading the object: %v", u.kind, u.receipt.Key, err)
				case !bytes.Equal(sum[:], u.sum[:]):
					l.violation("%s %s: %d bytes are stored that are not the %d that were sent", u.kind, u.receipt.Key, len(stored), u.size)
				default:
					share[worker]++
				}
			}
			return nil
		})
	}
	err = group.Wait()
	for _, n := range share {
		whole += n
	}
	return whole, err
}
