package sim

import "time"

// account is what all functions of an account in a region share.
type account struct {
	most     meter // instances
	starting meter // how fast they may start
	limits   Account

	running int
	starts  float64 // that are left of the burst
	counted time.Duration
	fleets  []*fleet
}

// start reports whether one more instance may be started. As many as the burst may
// start at once, and it fills again with so many a minute.
func (a *account) start(now time.Duration) bool {
	if a.limits.Instances > 0 && a.running >= a.limits.Instances {
		a.reclaim(now)
	}
	if !a.most.count(now, a.limits.Instances == 0 || a.running < a.limits.Instances) {
		return false
	}
	a.starts = min(float64(a.limits.Burst), a.starts+(now-a.counted).Minutes()*float64(a.limits.PerMinute))
	a.counted = now
	if !a.starting.count(now, a.limits.Burst == 0 || a.starts >= 1) {
		return false
	}
	a.starts--
	a.running++
	return true
}

// reclaim ends the instance that has been idle for longest, whose ever it is.
func (a *account) reclaim(now time.Duration) {
	var longest *fleet
	for _, f := range a.fleets {
		f.expire(now)
		if len(f.idle) > 0 && f.running > f.size.Provisioned && (longest == nil || f.idle[0].freed < longest.idle[0].freed) {
			longest = f
		}
	}
	if longest != nil && a.running >= a.limits.Instances {
		longest.idle = longest.idle[1:]
		longest.running--
		a.running--
	}
}

// instance has one request at a time.
type instance struct {
	freed   time.Duration // when its last request ended
	renewed time.Duration // when it got the role that signs; 0: never
}

// fleet is the instances of a function.
type fleet struct {
	meter
	account *account
	size    Size
	cold    time.Duration // from nothing to the begin of the first request
	keep    time.Duration // how long an instance stays without a request

	idle    []instance // by when they were freed: the one that was last is the next
	running int

	started  int
	from, to time.Duration // of what is measured
	busy     time.Duration
	peak     int
	took     spread
}

// expire ends what was idle for too long.
func (f *fleet) expire(now time.Duration) {
	n := 0
	for n < len(f.idle) && now-f.idle[n].freed > f.keep && f.running > f.size.Provisioned {
		n++
		f.running--
		f.account.running--
	}
	f.idle = f.idle[n:]
}

// acquire gives an instance for a request, and tells when it is ready for it. There
// may be none: 429.
func (f *fleet) acquire(now time.Duration) (i instance, ready time.Duration, ok bool) {
	f.expire(now)
	if n := len(f.idle); n > 0 {
		i = f.idle[n-1]
		f.idle = f.idle[:n-1]
		f.count(now, true)
		return i, now, true
	}
	if !f.count(now, f.size.Cap == 0 || f.running < f.size.Cap) || !f.account.start(now) {
		return instance{}, 0, false
	}
	f.running++
	if now >= f.from {
		f.started++
	}
	return instance{}, now + f.cold, true
}

// release takes an instance back from a request that had it since began.
func (f *fleet) release(i instance, began, now time.Duration) {
	i.freed = now
	f.idle = append(f.idle, i)
	f.busy += max(0, min(now, f.to)-max(began, f.from))
	if began >= f.from {
		f.peak = max(f.peak, f.running-len(f.idle)+1)
		f.took.add(now - began)
	}
}

// stretched is what CPU time takes with the share of a core that an instance has.
func (f *fleet) stretched(cpu time.Duration) time.Duration {
	return time.Duration(float64(cpu) / f.size.VCPU)
}
