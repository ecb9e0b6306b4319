package sim

import "time"

// How the asynchronous queue tries again: "Retry policy" of asynchronous
// invocations, and asyncInvokeConfig of repair.
const (
	throttledPause = 500 * time.Millisecond // then twice as long each time
	throttledFor   = 5 * time.Hour
	failedTries    = 3
	failedPause    = time.Second // not documented
)

// event waits in the asynchronous queue: the trigger's, or a timer's.
type event struct {
	look *upload
	run  func(i instance, began time.Duration)

	since     time.Duration
	throttled int // times that there was no instance
	failed    int
}

// async is the queue in front of repair.
type async struct {
	*play
	waiting int // for an instance
	grew    growth
	waits   spread
}

func (a *async) send(e *event) {
	e.since = a.now
	a.waiting++
	a.try(e)
}

func (a *async) try(e *event) {
	i, ready, ok := a.repair.acquire(a.now)
	if !ok {
		if a.now-e.since > throttledFor {
			a.waiting--
			a.result.Dropped++
			return
		}
		a.plan(a.now+throttledPause<<e.throttled, func() { a.try(e) })
		e.throttled++
		return
	}
	a.waiting--
	if a.now >= a.Rise {
		a.waits.add(a.now - e.since)
	}
	if e.run != nil {
		e.run(i, ready)
		return
	}
	began := a.now
	end, ok, then := a.look(ready, e.look)
	a.plan(end, func() {
		a.repair.release(i, began, a.now)
		if ok {
			then()
			return
		}
		if e.failed++; e.failed > failedTries {
			a.result.Dropped++
			return
		}
		a.waiting++
		a.plan(a.now+failedPause<<(e.failed-1), func() { a.try(e) })
	})
}

// settled is the age from which on nobody else announces an object: shared/confirm.
const settled = 15 * time.Second

// look sees to it that an object is announced, at once or later. What it changes
// shows when it ends.
func (p *play) look(t time.Duration, u *upload) (end time.Duration, ok bool, then func()) {
	w := p.Durations.Wait
	t += p.repair.stretched(p.Durations.CPU.Look)
	p.result.Looks++
	if t, ok = p.steps(t, u, step{w.Head, object}, step{w.Get, marker}); !ok {
		return t, false, nil
	}
	switch {
	case u.marked:
		return t, true, func() {}
	case t-u.stored < settled:
		t, ok = p.steps(t, u, step{w.Put, entry})
		return t, ok, func() {
			p.result.Checks++
			p.outbox.put(p.now, u, true)
		}
	}
	t, ok = p.announce(t, u)
	return t, ok, func() { u.marked = true }
}
