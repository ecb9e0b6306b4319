package sim

import "time"

// family is of which names an object is: those of one family stand together, and
// those of one subject in order of time within it.
type family int

const (
	object family = iota
	marker
	entry // of the outbox, whose names begin with the time
)

// How often the functions ask OSS, and how long they pause: shared/storage.
const (
	ossTries = 3
	ossPause = 200 * time.Millisecond
)

// ask asks OSS from t on for something that takes so long, and returns when it has
// answered. It may have refused each try.
func (p *play) ask(t, mean time.Duration, f family, u *upload) (time.Duration, bool) {
	for range ossTries {
		if p.takes(t, f, u, 1) {
			return t + p.wait(mean), true
		}
		t += ossPause
	}
	return t, false
}

// takes reports whether OSS takes n requests at a time.
func (p *play) takes(t time.Duration, f family, u *upload, n int) bool {
	if !p.oss.take(t, n) {
		return false
	}
	switch {
	case p.OnePartition, f == object && u.hot:
		return p.objects.take(t, n)
	case f == marker && u.hot:
		return p.markers.take(t, n)
	case f == entry:
		return p.queue.take(t, n)
	}
	return true
}

// steps asks OSS for one thing after the other, and ends with the first that is
// refused.
func (p *play) steps(t time.Duration, u *upload, all ...step) (time.Duration, bool) {
	for _, s := range all {
		var ok bool
		if t, ok = p.ask(t, s.mean, s.family, u); !ok {
			return t, false
		}
	}
	return t, true
}

type step struct {
	mean   time.Duration
	family family
}

// How a delivery is tried: shared/confirm.
const (
	deliveryTries = 3
	firstPause    = 100 * time.Millisecond
	quickBudget   = 2 * time.Second  // while an uploader waits
	patientBudget = 15 * time.Second // of the outbox's worker
)

// deliver posts an event, and returns when its receiver took it or all tries were
// in vain.
func (p *play) deliver(t, budget time.Duration, u *upload) (time.Duration, bool) {
	refused := p.Refusing > 0 && p.random.Float64() < p.Refusing
	end := t + budget
	for n := range deliveryTries {
		if n > 0 {
			t += time.Duration((0.5 + p.random.Float64()) * float64(firstPause<<(n-1)))
		}
		switch {
		case t >= end:
			return end, false
		case p.Silent.has(t) && budget == patientBudget:
			return end, false
		case p.Silent.has(t):
			t += (end - t) / 2
		case refused, p.Down.has(t):
			t = min(end, t+p.wait(p.Durations.Wait.Receiver))
		default:
			u.told = true
			return t + p.wait(p.Durations.Wait.Receiver), true
		}
	}
	return t, false
}
