package sim

import (
	"container/heap"
	"time"
)

// How the outbox is worked: shared/outbox, and the timer of functions/complete.
const (
	firstDue  = time.Minute
	lastPause = time.Hour
	doublings = 6

	hands = 16 // entries that are worked on at a time
	// startFor is how long a run begins with entries: of the minute that it has, eight
	// tenths less the quarter that one try may take.
	startFor  = 33 * time.Second
	page      = 1000
	mostPages = 10 // that are counted of what is not due
)

// waiting is an entry of the outbox.
type waiting struct {
	due   time.Duration
	first time.Duration // of its schedule
	check bool          // an object to be looked at
	u     *upload
}

type byDue []waiting

func (q byDue) Len() int           { return len(q) }
func (q byDue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q byDue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *byDue) Push(x any)        { *q = append(*q, x.(waiting)) }
func (q *byDue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// outbox is the queue of objects, and its worker.
type outbox struct {
	*play
	queue byDue
	grew  growth
	done  int
	last  time.Duration // when one was last done
}

// put queues an event, or a check.
func (o *outbox) put(t time.Duration, u *upload, check bool) {
	o.result.Queued++
	e := waiting{first: u.stored + firstDue, check: check, u: u}
	e.due = e.next(t)
	heap.Push(&o.queue, e)
}

// next is the first time of the schedule after t.
func (e waiting) next(t time.Duration) time.Duration {
	at, pause := e.first, time.Minute
	for n := 0; at <= t; n++ {
		at = e.first
		if n < doublings {
			at += time.Minute * (1<<(n+1) - 1)
		} else {
			at += time.Minute*(1<<doublings-1) + lastPause*time.Duration(n+1-doublings)
		}
		at += time.Duration(float64(pause) * e.u.chance / 5)
		pause = min(2*pause, lastPause)
	}
	return at
}

// run is a run of the worker, which has an instance. All its hands share that
// instance's part of a core.
func (o *outbox) run(i instance, began time.Duration) {
	r := &run{outbox: o, instance: i, asked: o.now, until: o.now, startUntil: began + startFor, core: began}
	o.takes(began, entry, nil, 1)
	listed := began + o.wait(o.Durations.Wait.List)
	r.working = hands
	for range hands {
		o.plan(listed, r.hand)
	}
}

// run is one of the worker's.
type run struct {
	*outbox
	instance          instance
	asked             time.Duration
	until, startUntil time.Duration
	core              time.Duration // when the core has done all that it was given
	working           int
	taken             int
}

// hand takes the next entry that is due, and ends when there is none, or no time.
func (r *run) hand() {
	if len(r.queue) == 0 || r.queue[0].due > r.until || r.now >= r.startUntil {
		if r.working--; r.working == 0 {
			r.count()
		}
		return
	}
	e := heap.Pop(&r.outbox.queue).(waiting)
	t := r.now
	if r.taken++; r.taken%page == 0 {
		r.takes(t, entry, nil, 1)
		t += r.wait(r.Durations.Wait.List)
	}
	r.core = max(r.core, t) + r.repair.stretched(r.Durations.CPU.Event)
	end, ok := r.settle(t, e)
	r.plan(max(end, r.core), func() {
		switch {
		case ok && e.check:
			e.u.marked = true
		case !ok: // it has its next time
			e.due = e.next(max(r.now, r.until))
			heap.Push(&r.outbox.queue, e)
		}
		r.done++
		r.last = r.now
		r.hand()
	})
}

// settle works on one entry. It has failed if it must be done again.
func (r *run) settle(t time.Duration, e waiting) (time.Duration, bool) {
	w := r.Durations.Wait
	t, ok := r.steps(t, e.u, step{w.Get, entry})
	if ok && e.check {
		t, ok = r.steps(t, e.u, step{w.Head, object})
	}
	if ok {
		t, ok = r.steps(t, e.u, step{w.Get, marker})
	}
	switch {
	case !ok:
		return t, false
	case e.check && e.u.marked:
	case e.check:
		if t, ok = r.announce(t, e.u); !ok {
			return t, false
		}
	case !e.u.told:
		if t, ok = r.deliver(t, patientBudget, e.u); !ok {
			t, _ = r.steps(t, e.u, step{w.Get, entry}, step{w.Put, entry}, step{w.Delete, entry})
			return t, false
		}
		t, _ = r.steps(t, e.u, step{w.Put, marker})
	}
	t, _ = r.steps(t, e.u, step{w.Delete, entry})
	return t, true
}

// count lists what is left, and ends the run.
func (r *run) count() {
	due := 0
	for _, e := range r.queue {
		if e.due <= r.until {
			due++
		}
	}
	r.grew.add(r.now, due)
	t := r.now
	for range min(mostPages, (len(r.queue)-due+page-1)/page) {
		r.takes(t, entry, nil, 1)
		t += r.wait(r.Durations.Wait.List)
	}
	r.plan(t, func() { r.repair.release(r.instance, r.asked, r.now) })
}

// sweepEvery, and how much a sweep walks: s.yaml and shared/sweep.
const (
	sweepEvery = 15 * time.Minute
	sweepKeys  = 100_000
)

// sweeper walks the objects in the order in which they were stored.
type sweeper struct {
	*play
	walked int
	grew   growth
}

func (s *sweeper) run(i instance, began time.Duration) {
	asked := s.now
	n := min(sweepKeys, len(s.all)-s.walked)
	t := began
	for range (n + page - 1) / page { // of objects, and of markers beside them
		for range 2 {
			t, _ = s.ask(t, s.Durations.Wait.List, marker, s.all[s.walked])
		}
	}
	for _, u := range s.all[s.walked : s.walked+n] {
		if !u.marked {
			t, _ = s.announce(t, u)
			u.marked = true
		}
	}
	s.walked += n
	s.grew.add(s.now, len(s.all)-s.walked)
	s.plan(t, func() { s.repair.release(i, asked, s.now) })
}
