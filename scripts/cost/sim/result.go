package sim

import (
	"slices"
	"time"
)

// growth is how much a queue had left behind, now and then.
type growth struct {
	at   []time.Duration
	left []int
}

func (g *growth) add(at time.Duration, left int) {
	g.at, g.left = append(g.at, at), append(g.left, left)
}

// fewLeft may be left behind by chance, each time.
const fewLeft = 50

// growing reports whether ever more was left behind, up to the end, and since when.
func (g *growth) growing(end time.Duration) (bool, time.Duration) {
	n := 0
	for n < len(g.at) && g.at[n] <= end {
		n++
	}
	first := n - 1 // of those that each have more than the one before
	for first > 0 && g.left[first]-g.left[first-1] > fewLeft {
		first--
	}
	if n-1-first < 2 {
		return false, 0
	}
	return true, g.at[first+1]
}

// Result is what a World came to.
type Result struct {
	Uploads, Stored int
	Lost            int // clients that gave up
	Confirmed       int // uploads whose clients asked for an announcement
	Unconfirmed     int // of them in vain
	Looks, Checks   int // of the trigger, and what they left for later
	Queued          int // entries of the outbox
	Dropped         int // events that the asynchronous queue gave up
	Waiting         int // entries of the outbox in the end
	Pending         int // events of the asynchronous queue in the end
	Untold          int // stored, and no longer on their way to the receiver
	Drained         time.Duration

	Functions map[string]Function
	Rates     map[string]Rate
	Delay     time.Duration // of the asynchronous queue, for 99 in 100
	Broken    []string      // the first first
}

// Function is what instances of a function did while uploads came.
type Function struct {
	Mean     float64 // that were busy
	Peak     int
	Starts   int
	Asked    int
	Refused  int
	P50, P99 time.Duration
}

// Rate is what was taken in a second.
type Rate struct {
	Mean float64
	Peak int
}

// sum is the result of what was played.
func (p *play) sum() Result {
	r := p.result
	r.Functions, r.Rates = map[string]Function{}, map[string]Rate{}
	for name, f := range map[string]*fleet{"presign": p.presign, "callback": p.callback, "complete": p.complete, "repair": p.repair} {
		r.Functions[name] = Function{
			Mean: f.busy.Seconds() / (f.to - f.from).Seconds(), Peak: f.peak, Starts: f.started,
			Asked: f.asked, Refused: f.refused, P50: f.took.under(0.5), P99: f.took.under(0.99),
		}
	}
	for name, l := range map[string]*rate{OSSAll: p.oss, STSCalls: p.sts, Bandwidth: p.mbytes, OSSInOrder: p.objects} {
		mean, peak := l.mean(p.Rise, p.For)
		r.Rates[name] = Rate{mean, peak}
	}
	r.Delay = p.async.waits.under(0.99)
	r.Pending, r.Waiting, r.Drained = p.async.waiting, len(p.outbox.queue), p.outbox.last
	r.Untold = p.untold()
	r.Broken = p.broken()
	return r
}

// untold counts the events that nobody will deliver any more.
func (p *play) untold() int {
	onTheWay := p.async.waiting
	for _, e := range p.outbox.queue {
		if !e.u.told {
			onTheWay++
		}
	}
	n := 0
	for _, u := range p.all {
		if !u.told {
			n++
		}
	}
	return max(0, n-onTheWay)
}

// broken names what broke, in the order in which it did.
func (p *play) broken() (names []string) {
	type broke struct {
		name string
		at   time.Duration
	}
	var all []broke
	for _, m := range []*meter{
		&p.presign.meter, &p.callback.meter, &p.complete.meter, &p.account.most, &p.account.starting,
		&p.oss.meter, &p.objects.meter, &p.markers.meter, &p.queue.meter, &p.sts.meter, &p.mbytes.meter,
	} {
		if m.broken {
			all = append(all, broke{m.name, m.brokenAt})
		}
	}
	for _, q := range []struct {
		name string
		*growth
	}{{Queue, &p.async.grew}, {Outbox, &p.outbox.grew}, {Sweeping, &p.sweeper.grew}} {
		if growing, since := q.growing(p.For); growing {
			all = append(all, broke{q.name, since})
		}
	}
	slices.SortStableFunc(all, func(a, b broke) int { return int(a.at - b.at) })
	for _, b := range all {
		if !slices.Contains(names, b.name) {
			names = append(names, b.name)
		}
	}
	return names
}
