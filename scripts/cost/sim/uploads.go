package sim

import "time"

// How clients try again: scripts/internal/client, with the tries of its programs.
const (
	clientTries = 6
	clientPause = 500 * time.Millisecond // then twice as long each time, half of it by chance
	// ossGivesUp is when OSS does not wait for a callback any more.
	ossGivesUp = 5 * time.Second
	// roleRenewed is how old a role may be: half of its life.
	roleRenewed = 30 * time.Minute
)

// call is a request to a function: what it does from a time on, until when, and
// whether it succeeds.
type call func(i *instance, t time.Duration) (end time.Duration, ok bool)

// invoke has a function do what is called, and tells at its end. What finds no
// instance has failed at once.
func (p *play) invoke(f *fleet, work call, done func(ok bool)) {
	i, ready, ok := f.acquire(p.now)
	if !ok {
		done(false)
		return
	}
	began := p.now
	end, ok := work(&i, ready)
	p.plan(end, func() {
		f.release(i, began, p.now)
		done(ok)
	})
}

// patiently tries until it succeeds, as a client does; lost is when it gives up.
func (p *play) patiently(try func(done func(ok bool)), then func(), lost func()) {
	p.again(1, try, then, lost)
}

func (p *play) again(n int, try func(done func(ok bool)), then func(), lost func()) {
	try(func(ok bool) {
		switch {
		case ok:
			then()
		case n == clientTries:
			lost()
		default:
			pause := time.Duration((0.5 + p.random.Float64()/2) * float64(clientPause<<(n-1)))
			p.plan(p.now+pause, func() { p.again(n+1, try, then, lost) })
		}
	})
}

func (p *play) lost() { p.result.Lost++ }

// begin is a client's first call.
func (p *play) begin(u *upload) {
	if p.Way == Multipart {
		p.beginParts(u)
		return
	}
	p.patiently(func(done func(bool)) {
		p.invoke(p.presign, func(i *instance, t time.Duration) (time.Duration, bool) {
			t += p.presign.stretched(p.Durations.CPU.Presign)
			if p.Way == STS {
				return p.assume(t)
			}
			return p.role(i, t)
		}, done)
	}, func() {
		if p.Way != URL {
			p.plan(p.now+p.wait(p.Durations.Wait.Client), func() { p.send(u) })
		}
	}, p.lost)
}

// role renews the role that signs, if it is time.
func (p *play) role(i *instance, t time.Duration) (time.Duration, bool) {
	if !p.Role || i.renewed > 0 && t-i.renewed < roleRenewed {
		return t, true
	}
	end, ok := p.assume(t)
	if ok {
		i.renewed = end
	}
	return end, ok || i.renewed > 0 // the old one still serves
}

func (p *play) assume(t time.Duration) (time.Duration, bool) {
	if !p.sts.take(t, 1) {
		return t, false
	}
	return t + p.wait(p.Durations.Wait.STS), true
}

// send is a client's PUT of a megabyte, as OSS gets it.
func (p *play) send(u *upload) {
	p.patiently(func(done func(bool)) {
		done(p.takes(p.now, object, u, 1))
	}, func() {
		p.plan(p.mbytes.wait(p.now), func() {
			p.stored(u)
			if p.Way == Put {
				p.called(u)
			}
		})
	}, p.lost)
}

// stored is when OSS has an object, and tells the trigger.
func (p *play) stored(u *upload) {
	u.stored = p.now
	p.result.Stored++
	p.all = append(p.all, u)
	if !p.NoTrigger {
		p.plan(p.now+p.wait(p.Durations.Wait.Trigger), func() {
			p.async.send(&event{look: u})
		})
	}
}

// called is OSS's callback. A client whose upload it could not announce asks for
// that itself.
func (p *play) called(u *upload) {
	if p.Deaf {
		return
	}
	began := p.now
	p.invoke(p.callback, func(_ *instance, t time.Duration) (time.Duration, bool) {
		t += p.callback.stretched(p.Durations.CPU.Callback)
		return p.confirm(t, u)
	}, func(ok bool) {
		u.marked = u.marked || ok
		if ok && p.now-began < ossGivesUp {
			return
		}
		p.result.Confirmed++
		p.patiently(func(done func(bool)) {
			p.invoke(p.complete, func(_ *instance, t time.Duration) (time.Duration, bool) {
				t += p.complete.stretched(p.Durations.CPU.Confirm)
				t, ok := p.steps(t, u, step{p.Durations.Wait.Get, marker})
				if !ok {
					return t, false
				}
				return p.confirm(t, u)
			}, done)
		}, func() { u.marked = true }, func() { p.result.Unconfirmed++ })
	})
}

// confirm looks at an object, and has it announced while somebody waits.
func (p *play) confirm(t time.Duration, u *upload) (time.Duration, bool) {
	t, ok := p.steps(t, u, step{p.Durations.Wait.Head, object})
	if !ok {
		return t, false
	}
	return p.announce(t, u)
}

// announce delivers an event or queues it, and marks that.
func (p *play) announce(t time.Duration, u *upload) (time.Duration, bool) {
	w := p.Durations.Wait
	t, taken := p.deliver(t, quickBudget, u)
	if !taken {
		var ok bool
		if t, ok = p.steps(t, u, step{w.Get, marker}, step{w.Get, entry}, step{w.Put, entry}); !ok {
			return t, false
		}
		p.outbox.put(t, u, false)
	}
	end, _ := p.steps(t, u, step{w.Put, marker})
	return end, true // marked or not: it is taken or queued
}

// beginParts is a multipart upload: one call to begin, one for all URLs, one to
// complete.
func (p *play) beginParts(u *upload) {
	w, cpu := p.Durations.Wait, p.Durations.CPU
	ask := func(work call, then func()) {
		p.patiently(func(done func(bool)) { p.invoke(p.complete, work, done) }, then, p.lost)
	}
	create := func(_ *instance, t time.Duration) (time.Duration, bool) {
		return p.steps(t+p.complete.stretched(cpu.Create), u, step{w.Put, object})
	}
	urls := func(i *instance, t time.Duration) (time.Duration, bool) {
		return p.role(i, t+p.complete.stretched(cpu.URLs))
	}
	complete := func(_ *instance, t time.Duration) (time.Duration, bool) {
		t, ok := p.steps(t+p.complete.stretched(cpu.Complete), u, step{w.List, object}, step{w.Put, object}, step{w.Head, object})
		if !ok {
			return t, false
		}
		return p.announce(t, u)
	}
	ask(create, func() {
		ask(urls, func() {
			p.parts(u, func() {
				ask(complete, func() { u.marked = true; p.stored(u) })
			})
		})
	})
}

// parts sends all parts of an upload, one after the other.
func (p *play) parts(u *upload, then func()) {
	left := p.Parts
	var next func()
	next = func() {
		if left == 0 {
			then()
			return
		}
		left--
		p.patiently(func(done func(bool)) { done(p.takes(p.now, object, u, 1)) }, func() {
			p.plan(p.now+p.wait(p.Durations.Wait.Client), next)
		}, p.lost)
	}
	next()
}
