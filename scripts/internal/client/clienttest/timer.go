package clienttest

import (
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Pauses records how long a client would have waited between tries, and does
// not wait. It is safe for concurrent use.
type Pauses struct {
	mu   sync.Mutex
	list []time.Duration
}

// Timer is a client's Retry.Timer.
func (p *Pauses) Timer() backoff.Timer { return &timer{p, make(chan time.Time, 1)} }

// List returns the pauses so far.
func (p *Pauses) List() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

type timer struct {
	pauses *Pauses
	fired  chan time.Time
}

func (t *timer) Start(d time.Duration) {
	t.pauses.mu.Lock()
	defer t.pauses.mu.Unlock()
	t.pauses.list = append(t.pauses.list, d)
	t.fired <- time.Time{}
}

func (t *timer) Stop()               {}
func (t *timer) C() <-chan time.Time { return t.fired }
