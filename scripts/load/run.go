package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"text/tabwriter"
	"time"
)

// loadRun is one run and what it is about to find out.
type loadRun struct {
	options
	out      io.Writer
	wire     *wire
	ledger   *ledger
	observer *observer
	memory   *memory
	traffic  *traffic
	chaos    *chaos // nil in steps
	summary  summary
	calm     int     // uploads after the trouble
	storage  storage // nil: of a stack that is not ours
	place    place
	timer    string        // path of the stack's timer
	sweep    *sweepPayload // with which it sweeps, too; nil: the trigger does that work
	patience time.Duration // until all that waits has been delivered
}

// newRun asks for one URL, which shows that the stack answers, what its bucket
// is and where.
func newRun(ctx context.Context, o options, s *localStack, out io.Writer) (*loadRun, error) {
	w := newWire(s.gateway, s.token, maxWorkers)
	l := newLedger(s.ready != nil)
	first := &worker{w, rand.New(rand.NewPCG(o.seed, 0))}
	patient, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	g, err := first.presign(patient, &operation{}, "load.bin", 1)
	if err != nil {
		return nil, fmt.Errorf("asking the stack for a first URL: %w", err)
	}
	e, err := newEnemy(g.URL, l)
	if err != nil {
		return nil, err
	}
	r := &loadRun{
		patience: settlePatience,
		timer:    "/_local/timer",
		options:  o, out: out, wire: w, ledger: l,
		observer: &observer{wire: w, ledger: l},
		memory:   &memory{wire: w, lives: map[process]*life{}},
		traffic:  &traffic{seed: o.seed, wire: w, ledger: l, enemy: e},
	}
	if o.refuse {
		l.refuses = refused
	}
	if s.ready != nil {
		r.storage, r.place = newBucket(*s.ready, w.HTTP), place{s.ready.OSS, s.ready.Bucket}
	}
	if err := r.observer.skip(ctx); err != nil {
		e.close()
		return nil, err
	}
	return r, nil
}

func (r *loadRun) close() {
	r.traffic.enemy.close()
	r.wire.HTTP.CloseIdleConnections()
}

// background runs what watches beside the traffic, until the returned function
// is called.
func background(ctx context.Context, watch func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { watch(ctx) })
	return func() {
		cancel()
		group.Wait()
	}
}

// climb measures one step after the other.
func (r *loadRun) climb(ctx context.Context) error {
	defer background(ctx, r.observer.watch)()
	stop := background(ctx, r.memory.watch)
	defer stop()
	for i, workers := range r.steps {
		fmt.Fprintf(r.out, "\nstep %d of %d: %d at once for %v\n", i+1, len(r.steps), workers, r.stepDuration)
		rec := r.stretch(ctx, workers, r.stepDuration, 0)
		if ctx.Err() != nil {
			return nil
		}
		rec.write(r.out, kinds)
		r.memory.look(ctx)
		fmt.Fprintf(r.out, "memory: %s\n", r.memory.now())
		r.compareCost(rec, workers)
	}
	stop()
	return r.check(ctx)
}

// compareCost holds the cost of junk against that of the uploads it imitates.
func (r *loadRun) compareCost(rec *recorder, workers int) {
	const enough = 100
	junk, n := rec.of(kindJunk, 50)
	put, m := rec.of(kindPut, 50)
	if n >= enough && m >= enough && junk > put {
		r.ledger.violation("junk.dear", "junk is not refused cheaply: with %d at once half of it took longer than %v, and half of the uploads %v", workers, short(junk), short(put))
	}
}

// stretch is one piece of a run that is measured by itself.
func (r *loadRun) stretch(ctx context.Context, workers int, d time.Duration, most int) *recorder {
	rec := newRecorder(time.Now())
	timed, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	r.traffic.flow(timed, ctx, rec, workers, most)
	rec.end(time.Now())
	return rec
}

// soak uploads under faults and kills, and then for a quarter of that time
// without, which shows recovery and lets the memory of functions be compared.
func (r *loadRun) soak(ctx context.Context) error {
	const least, most = 3 * time.Second, time.Minute
	defer background(ctx, r.observer.watch)()
	stop := background(ctx, r.memory.watch)
	defer stop()
	goal := fmt.Sprintf("for %v", r.options.soak)
	if r.uploads > 0 {
		goal = fmt.Sprintf("until %d uploads are done, at most %v", r.uploads, r.options.soak)
	}
	fmt.Fprintf(r.out, "\nfaults and kills: %d at once %s\n", r.workers, goal)
	r.chaos = newChaos(r.wire, r.seed)
	r.traffic.before, r.traffic.lose, r.traffic.silent = r.chaos.tick, true, r.noCallbacks
	if r.noCallbacks {
		r.chaos.standing = &fault{"callback", "Callback", "500", always}
		if err := r.chaos.stand(ctx); err != nil {
			return err
		}
	}
	raging, calm := context.WithCancel(ctx)
	defer calm()
	raged, down := make(chan error, 1), make(chan error, 1)
	first := r.options.soak / 4
	if r.uploads > 0 {
		first = 0 // they may be done long before
	}
	go func() { down <- r.chaos.silence(raging, first, r.receiverDown) }()
	go func() { raged <- errors.Join(r.chaos.rage(raging), <-down) }()
	rec := r.stretch(ctx, r.workers, r.options.soak, r.uploads)
	calm()
	err := <-raged
	r.traffic.before = nil
	if err != nil || ctx.Err() != nil {
		return err
	}
	rec.write(r.out, kinds)
	done := r.ledger.count()
	if done < r.uploads {
		r.ledger.violation("uploads.few", "only %d of %d uploads were done in %v", done, r.uploads, r.options.soak)
	}

	if err := r.awaitFunctions(ctx); err != nil {
		return err
	}
	quiet := min(max(rec.ended.Sub(rec.began)/4, least), most).Round(time.Second)
	fmt.Fprintf(r.out, "\nno more faults: %d at once for %v\n", r.workers, quiet)
	rec = r.stretch(ctx, r.workers, quiet, 0)
	if ctx.Err() != nil {
		return nil
	}
	rec.write(r.out, kinds)
	r.calm = r.ledger.count() - done
	stop()
	return r.check(ctx)
}

// awaitFunctions waits until every function has a process again.
func (r *loadRun) awaitFunctions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		list, err := r.wire.processes(ctx)
		if err != nil {
			return err
		}
		down := ""
		for _, p := range list {
			if p.PID == 0 {
				down = p.Name
			}
		}
		if down == "" {
			return nil
		}
		if !sleep(ctx, firstPause) {
			return fmt.Errorf("waiting for function %q: it did not come back after it was killed", down)
		}
	}
}

// check reads back everything.
func (r *loadRun) check(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	if err := r.settle(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	explained := 0
	if r.chaos != nil {
		explained = r.chaos.explained()
	}
	buried := r.summary.dead
	r.summary = r.ledger.audit(explained)
	r.summary.explained, r.summary.dead = explained, buried
	fmt.Fprintf(r.out, "\nreading %d objects back\n", r.summary.uploads)
	readers := make([]*worker, min(r.workers, 16))
	for i := range readers {
		readers[i] = &worker{r.wire, rand.New(rand.NewPCG(r.seed, uint64(i)))}
	}
	var err error
	r.summary.whole, err = r.ledger.readBack(ctx, len(readers), func(ctx context.Context, worker int, key string) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return readers[worker].fetch(ctx, &operation{}, key)
	})
	if err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// judge prints the final table and the verdict. logFile is the stack's log, if
// there is one to point at.
func (r *loadRun) judge(logFile string) error {
	l, s := r.ledger, r.summary
	fmt.Fprintln(r.out)
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("uploads", "%d, %d of them of clients that went away", s.uploads, s.gone)
	row("stored byte for byte", "%d", s.whole)
	row("distinct event ids", "%d", s.ids)
	row("announced under their id", "%d, %d missing, %d under another id too", s.announced, s.missing, s.ambiguous)
	row("deliveries", "%d, %d of them repetitions: %d that no client asked for, at most %d", s.deliveries, s.deliveries-s.announced, s.unasked, s.explained)
	row("refused for good", "%d, all of them among the dead letters unless it is said", s.dead)
	row("confirmed again", "%d", l.rechecked)
	row("forged callbacks", "%v", l.forged)
	row("junk", "%v", l.junk)
	trouble := "at rising concurrency"
	if r.chaos != nil {
		faults, f := list(r.chaos.faults)
		kills, k := list(r.chaos.kills)
		row("faults", "%d: %s", f, cmp.Or(faults, "none"))
		row("killed functions", "%d: %s", k, cmp.Or(kills, "none"))
		trouble = fmt.Sprintf("under %d faults and %d kills, and %d after them", f, k, r.calm)
	}
	r.compareMemory(row)
	table.Flush()

	if len(l.violations) > 0 {
		fmt.Fprintln(r.out)
		for _, v := range l.violations {
			fmt.Fprintln(r.out, "VIOLATION:", v)
		}
		fmt.Fprintf(r.out, "FAIL: %d violations (seed %d)%s\n", len(l.violations)+l.unsaid, r.seed, pointer(logFile))
		return errViolated
	}
	if s.whole == 0 {
		fmt.Fprintf(r.out, "FAIL: nothing was uploaded (seed %d)%s\n", r.seed, pointer(logFile))
		return errViolated
	}
	fmt.Fprintf(r.out, "PASS: %d uploads %s: all %d objects whole, %d distinct event ids, none missing, none under two ids (seed %d)\n",
		s.uploads-s.gone-r.calm, trouble, s.whole, s.ids, r.seed)
	return nil
}

func pointer(logFile string) string {
	if logFile == "" {
		return ""
	}
	return "; the stack's log is " + logFile
}

func (t tally) String() string {
	return fmt.Sprintf("%d sent, %d refused, %d without an answer of the function, %d accepted", t.sent, t.refused, t.unanswered, t.accepted)
}

// compareMemory adds a row for each process. Memory is compared where there was
// steady traffic, and not between steps of rising concurrency.
func (r *loadRun) compareMemory(row func(name, format string, args ...any)) {
	latest := r.memory.latest()
	for _, name := range watched {
		l, known := latest[name]
		warm, end, ok := l.growth()
		switch {
		case !known:
			row("memory of "+name, "not available on this system")
		case r.chaos == nil:
			row("memory of "+name, "%s at the end", mebibytes(l.samples[len(l.samples)-1]))
		case !ok:
			row("memory of "+name, "not watched long enough")
		default:
			most := bound(name, warm, r.summary.uploads)
			row("memory of "+name, "%s after warm-up, %s at the end, at most %s", mebibytes(warm), mebibytes(end), mebibytes(most))
			if end > most {
				r.ledger.violation("memory.grown", "memory of %s grew from %s to %s", name, mebibytes(warm), mebibytes(end))
			}
		}
	}
}
