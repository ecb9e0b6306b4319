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
	alone   bool                 // whether all events of the stack are this run's
	refuses func(id string) bool // whether the receiver refuses an event for good

	mu         sync.Mutex
	uploads    []upload                    // of which there is a receipt, or that are found to be stored
	vanished   []upload                    // of clients that went away, until it is known whether they are stored
	asked      map[string]int              // by key: confirmations and their repetitions
	announced  map[string]map[string]*told // key to event id
	violations []violation
	unsaid     int // violations past maxViolations
	rechecked  int // confirmations of what had its receipt
	forged     tally
	junk       tally
}

// tally counts what has to be refused.
type tally struct{ sent, refused, unanswered, accepted int }

// violation is a broken promise: which one, and how it shows.
type violation struct{ name, text string }

func (v violation) String() string { return v.name + ": " + v.text }

// told is what came under one event id.
type told struct {
	event event // the first
	count int
}

// maxViolations bounds what is said of a product that is entirely broken.
const maxViolations = 50

func newLedger(alone bool) *ledger {
	return &ledger{alone: alone, refuses: func(string) bool { return false }, announced: map[string]map[string]*told{}, asked: map[string]int{}}
}

// violation notes a broken promise.
func (l *ledger) violation(name, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violate(name, format, args...)
}

func (l *ledger) violate(name, format string, args ...any) {
	if len(l.violations) >= maxViolations {
		l.unsaid++
		return
	}
	l.violations = append(l.violations, violation{name, fmt.Sprintf(format, args...)})
}

// add notes an upload.
func (l *ledger) add(u upload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u.vanished && u.receipt.EventID == "" && u.receipt.Location == "" {
		l.vanished = append(l.vanished, u)
		return
	}
	l.uploads = append(l.uploads, u)
}

// takeVanished returns the uploads of clients that went away, once.
func (l *ledger) takeVanished() []upload {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.vanished
	l.vanished = nil
	return list
}

// all returns the uploads.
func (l *ledger) all() []upload {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.uploads)
}

// buried returns the event ids of the uploads whose events the receiver refuses.
func (l *ledger) buried() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := map[string]bool{}
	for _, u := range l.uploads {
		for id := range l.announced[u.receipt.Key] {
			if l.refuses(id) {
				ids[id] = true
			}
		}
	}
	return ids
}

// due is what the marker of an upload must say in the end.
func (l *ledger) due(u upload) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.announced[u.receipt.Key] {
		if l.refuses(id) {
			return givenUp
		}
	}
	return taken
}

// unannounced returns the keys of uploads about which no event came.
func (l *ledger) unannounced() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	silent := map[string]bool{}
	for _, u := range l.uploads {
		if len(l.announced[u.receipt.Key]) == 0 {
			silent[u.receipt.Key] = true
		}
	}
	return silent
}

// ask notes that a client had an upload confirmed, or tried to, so often.
func (l *ledger) ask(u upload, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[u.receipt.Key] += times
}

// count is how many uploads are known to be stored.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.uploads)
	for _, u := range l.vanished {
		if u.stored {
			n++
		}
	}
	return n
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
		l.violate("confirm.other", "%s %s: confirmed as %+v, its receipt was %+v", u.kind, u.receipt.Key, again, u.receipt)
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
		l.violate("refusal.missing", "%s was answered %d", what, status)
	}
}

// summary is the outcome of a run in numbers.
type summary struct {
	uploads    int // with a receipt
	gone       int // of clients that went away
	whole      int // stored byte for byte
	announced  int // under their own event id
	ids        int // distinct event ids of uploads
	deliveries int // of those
	explained  int // repetitions that faults and kills explain
	unasked    int // deliveries that no client's request explains
	dead       int // of which the receiver refuses the event for good
	missing    int // not announced
	ambiguous  int // announced under other ids as well
}

// audit holds receipts against events. explained is how many deliveries faults and
// kills explain that no client asked for.
func (l *ledger) audit(explained int) summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := audit{ledger: l, keys: make(map[string]bool, len(l.uploads)), owner: make(map[string]string, len(l.uploads))}
	for _, u := range l.uploads {
		a.upload(u)
	}
	a.summary.uploads, a.summary.ids = len(l.uploads), len(a.owner)
	if a.summary.unasked > explained {
		l.violate("event.repeated", "%d deliveries are repetitions that no client asked for, and faults and kills explain %d", a.summary.unasked, explained)
	}
	if l.alone {
		for key, ids := range l.announced {
			if !a.keys[key] {
				l.violate("event.stranger", "key %q has no receipt, but was announced as %v", key, slices.Sorted(maps.Keys(ids)))
			}
		}
	}
	return a.summary
}

// audit is the way through the uploads of a locked ledger.
type audit struct {
	summary summary
	ledger  *ledger
	keys    map[string]bool
	owner   map[string]string // event id to key
}

// upload holds one upload against its events.
func (a *audit) upload(u upload) {
	key := u.receipt.Key
	if u.vanished && !u.stored {
		a.summary.gone++
	}
	if a.keys[key] {
		a.ledger.violate("key.twice", "key %s was given to two uploads", key)
	}
	a.keys[key] = true
	id := a.idOf(u)
	a.ledger.compareEvents(u)
	if other, taken := a.owner[id]; taken && id != "" {
		a.ledger.violate("event.shared-id", "event id %s is of %s and of %s", id, other, key)
	}
	a.owner[id] = key
	a.count(u, id)
	ids := a.ledger.announced[key]
	if ids[id] == nil {
		a.summary.missing++
		a.ledger.violate("event.missing", "%s %s: event %s was never delivered", u.kind, key, id)
	} else {
		a.summary.announced++
	}
	if ids[id] == nil && len(ids) > 0 || len(ids) > 1 {
		a.summary.ambiguous++
		a.ledger.violate("event.second-id", "%s %s: it was announced as %v, its receipt says %s", u.kind, key, slices.Sorted(maps.Keys(ids)), id)
	}
}

// idOf is the event id of an upload. Where nobody was told, it must be one all the
// same.
func (a *audit) idOf(u upload) string {
	id := u.receipt.EventID
	if u.vanished && id == "" {
		for only := range a.ledger.announced[u.receipt.Key] {
			id = only
		}
	}
	return id
}

// count adds up the deliveries of an upload, and those that nobody asked for.
func (a *audit) count(u upload, id string) {
	told := 0
	for _, t := range a.ledger.announced[u.receipt.Key] {
		told += t.count
	}
	a.summary.deliveries += told
	due := u.asked + a.ledger.asked[u.receipt.Key]
	if a.ledger.refuses(id) {
		due *= 2 // each time it is queued, and tried by the worker as well
	}
	a.summary.unasked += max(0, told-due)
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
					l.violation("object.missing", "%s %s: reading the object: %v", u.kind, u.receipt.Key, err)
				case !bytes.Equal(sum[:], u.sum[:]):
					l.violation("object.bytes", "%s %s: %d bytes are stored that are not the %d that were sent", u.kind, u.receipt.Key, len(stored), u.size)
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
