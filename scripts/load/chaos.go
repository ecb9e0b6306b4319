package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"ossupload/scripts/internal/stack"
)

// fault is what POST /_local/faults takes.
type fault struct {
	Target    string `json:"target"`
	Operation string `json:"operation"`
	Mode      string `json:"mode"`
	Count     int    `json:"count"`
}

// faulty are the calls that can be made to fail, and the modes. None waits for
// a timeout: a run would measure that.
var faulty = []struct {
	target, operation string
	modes             []string
}{
	{"oss", "PutObject", changing},
	{"oss", "UploadPart", changing},
	{"oss", "InitiateMultipartUpload", changing},
	{"oss", "CompleteMultipartUpload", changing},
	{"oss", "ListParts", reading},
	{"oss", "HeadObject", reading},
	{"webhook", "Deliver", changing},
	{"callback", "Callback", changing},
}

var (
	reading  = []string{"500", "503", "reset"}
	changing = []string{"500", "503", "reset", "stored-then-reset"}
)

const (
	always     = 1_000_000 // faults: more than there are calls in a run
	faultEvery = 2         // uploads, on average
	killEvery  = 25        // uploads, on average, but not more often than killPause
	maxWaiting = 16        // faults that have not happened yet: no more are set
	maxLag     = 50 * time.Millisecond
	maxRepeats = 3 // of one fault
	// killPause leaves the worker of the outbox time to get something done. Real
	// instances live for minutes.
	killPause = 10 * time.Second
)

// chaos sets faults and kills functions, at the pace of the uploads and a little
// after each began.
type chaos struct {
	wire  *wire
	rand  *rand.Rand
	begun chan struct{}
	// standing is a fault that never ends; nil: there is none.
	standing *fault

	mu       sync.Mutex
	faults   map[string]int // by target
	kills    map[string]int // by function
	doubling int            // faults that may have an event delivered again, though no client sees it
}

func newChaos(w *wire, seed uint64) *chaos {
	return &chaos{
		wire: w, rand: rand.New(rand.NewPCG(seed, 0xc4a05)),
		begun:  make(chan struct{}, maxWorkers),
		faults: map[string]int{}, kills: map[string]int{},
	}
}

// tick tells that an upload begins. It does not wait.
func (c *chaos) tick() {
	select {
	case c.begun <- struct{}{}:
	default:
	}
}

// rage answers ticks until ctx ends, and then forgets the faults that are left.
func (c *chaos) rage(ctx context.Context) error {
	var killed time.Time
	for {
		select {
		case <-ctx.Done():
			return c.calm(context.WithoutCancel(ctx))
		case <-c.begun:
		}
		// Drawn in any case, so that the draws do not depend on the outcome.
		set, kill, lag := c.rand.IntN(faultEvery) == 0, c.rand.IntN(killEvery) == 0, c.rand.Int64N(int64(maxLag))
		kill = kill && time.Since(killed) >= killPause
		if (set || kill) && sleep(ctx, time.Duration(lag)) {
			var err error
			if set {
				err = c.set(ctx, c.draw())
			}
			if kill && err == nil {
				killed, err = time.Now(), c.kill(ctx)
			}
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("making trouble: %w", err)
			}
		}
	}
}

func (c *chaos) draw() fault {
	f := faulty[c.rand.IntN(len(faulty))]
	for c.standing != nil && f.target == c.standing.Target { // it would never happen
		f = faulty[c.rand.IntN(len(faulty))]
	}
	return fault{f.target, f.operation, f.modes[c.rand.IntN(len(f.modes))], 1 + c.rand.IntN(maxRepeats)}
}

// set adds a fault, unless enough are waiting.
func (c *chaos) set(ctx context.Context, f fault) error {
	var waiting []fault
	if err := c.wire.local(ctx, http.MethodGet, "/_local/faults", nil, &waiting); err != nil || len(waiting) >= maxWaiting {
		return err
	}
	if err := c.wire.local(ctx, http.MethodPost, "/_local/faults", f, nil); err != nil {
		return err
	}
	c.count(c.faults, f.Target, f.Count)
	if f.doubles() {
		c.mu.Lock()
		c.doubling += f.Count
		c.mu.Unlock()
	}
	return nil
}

// silence has the receiver refuse everything for d, after a while, and then
// forgets all faults that wait.
func (c *chaos) silence(ctx context.Context, after, d time.Duration) error {
	if d == 0 || !sleep(ctx, after) {
		return nil
	}
	if err := c.calm(ctx); err != nil { // makes room
		return ignoreEnd(ctx, err)
	}
	if err := c.set(ctx, fault{"webhook", "Deliver", "503", always}); err != nil {
		return ignoreEnd(ctx, err)
	}
	if !sleep(ctx, d) {
		return c.calm(context.WithoutCancel(ctx))
	}
	return ignoreEnd(ctx, c.calm(ctx))
}

// ignoreEnd is err, unless that is because ctx ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// kill ends the process of a function as the platform's loss of an instance
// does. Half of the new processes meet an STS or a key server that is at a
// loss: only a new process asks for credentials and the key.
func (c *chaos) kill(ctx context.Context) error {
	list, err := c.wire.processes(ctx)
	if err != nil {
		return err
	}
	victim, unlucky := list[c.rand.IntN(len(list))], c.rand.IntN(2) == 0
	first := fault{"sts", "AssumeRole", reading[c.rand.IntN(len(reading))], 1}
	if victim.Name == "callback" {
		first.Target, first.Operation = "keys", "GetPublicKey"
	}
	if victim.PID <= 1 || !named(victim) {
		return nil // it is just starting
	}
	if unlucky {
		if err := c.set(ctx, first); err != nil {
			return err
		}
	}
	p, err := os.FindProcess(victim.PID)
	if err == nil {
		err = p.Kill()
	}
	if err == nil { // otherwise it has ended by itself
		c.count(c.kills, victim.Name, 1)
	}
	return nil
}

// calm takes back what has not happened. A standing fault stays.
func (c *chaos) calm(ctx context.Context) error {
	var waiting []fault
	if err := c.wire.local(ctx, http.MethodGet, "/_local/faults", nil, &waiting); err != nil {
		return err
	}
	for _, f := range waiting {
		if c.standing != nil && f.Target == c.standing.Target {
			c.count(c.faults, f.Target, always)
		}
		c.count(c.faults, f.Target, -f.Count)
	}
	if err := c.wire.local(ctx, http.MethodDelete, "/_local/faults", nil, nil); err != nil {
		return err
	}
	return c.stand(ctx)
}

// stand sets the standing fault, if there is one.
func (c *chaos) stand(ctx context.Context) error {
	if c.standing == nil {
		return nil
	}
	return c.wire.local(ctx, http.MethodPost, "/_local/faults", c.standing, nil)
}

func (c *chaos) count(in map[string]int, name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in[name] += n
}

// doubles reports whether a fault may have an event delivered again, though no
// client sees it: the receiver took it, but the function does not know, or cannot
// mark it or read its mark.
func (f fault) doubles() bool {
	return f.Target == "webhook" && f.Mode == "stored-then-reset" ||
		f.Target == "oss" && (f.Operation == "PutObject" || f.Operation == "HeadObject")
}

// inRepair is how many events repair has at hand when it is killed.
const inRepair = 8

// explained is how many repetitions faults and kills explain that no client saw.
// A client sees it when another function is killed that works for it.
func (c *chaos) explained() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doubling + inRepair*c.kills[stack.Repair]
}

// list is "oss 12, webhook 3" and their sum.
func list(counts map[string]int) (text string, sum int) {
	var items []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		items = append(items, fmt.Sprintf("%s %d", name, counts[name]))
		sum += counts[name]
	}
	return strings.Join(items, ", "), sum
}
