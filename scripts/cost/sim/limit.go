package sim

import (
	"math"
	"time"
)

// meter counts what was asked of something that there is only so much of. It is
// broken when more than one in a thousand was refused, and knows since when.
type meter struct {
	name           string
	from           time.Duration // nothing is counted before
	asked, refused int
	broken         bool
	brokenAt       time.Duration
}

// fewRefused may be chance, whatever their share.
const fewRefused = 20

func (m *meter) count(at time.Duration, taken bool) bool {
	if at < m.from {
		return taken
	}
	m.asked++
	if !taken {
		m.refused++
		if !m.broken && m.refused >= fewRefused && m.refused*1000 > m.asked {
			m.broken, m.brokenAt = true, at
		}
	}
	return taken
}

// rate is a limit of so many in a second, as the wall clock has it.
type rate struct {
	meter
	most int     // 0: any number
	used []int32 // by second
	full int     // all seconds before have none left, for wait
}

// take takes n of the second of a time, which need not come in order.
func (r *rate) take(at time.Duration, n int) bool {
	second := int(at / time.Second)
	for len(r.used) <= second {
		r.used = append(r.used, 0)
	}
	ok := r.most == 0 || int(r.used[second])+n <= r.most
	if ok {
		r.used[second] += int32(n)
	}
	return r.count(at, ok)
}

// wait takes one of the next second that has one left. Who must wait for it counts
// as refused.
func (r *rate) wait(at time.Duration) time.Duration {
	second := int(at / time.Second)
	for len(r.used) <= second {
		r.used = append(r.used, 0)
	}
	r.full = max(r.full, second)
	for r.most > 0 && int(r.used[r.full]) >= r.most {
		if r.full++; r.full == len(r.used) {
			r.used = append(r.used, 0)
		}
	}
	r.used[r.full]++
	r.count(at, r.full == second)
	return max(at, time.Duration(r.full)*time.Second)
}

// mean is how many were taken in a second of a span, and peak the most.
func (r *rate) mean(from, to time.Duration) (mean float64, peak int) {
	for s := int(from / time.Second); s < int(to/time.Second) && s < len(r.used); s++ {
		mean += float64(r.used[s])
		peak = max(peak, int(r.used[s]))
	}
	return mean / (to - from).Seconds(), peak
}

// spread counts durations by size, in steps of five in a hundred.
type spread struct {
	n     int
	sizes [300]int
}

const (
	spreadStep  = 1.05
	spreadLeast = float64(time.Millisecond)
)

func (s *spread) add(d time.Duration) {
	step := math.Log(max(float64(d), spreadLeast)/spreadLeast) / math.Log(spreadStep)
	s.sizes[min(int(step), len(s.sizes)-1)]++
	s.n++
}

// under is what so large a share of all stays under.
func (s *spread) under(share float64) time.Duration {
	seen := 0
	for i, n := range s.sizes {
		if seen += n; s.n > 0 && float64(seen) >= share*float64(s.n) {
			return time.Duration(spreadLeast * math.Pow(spreadStep, float64(i+1)))
		}
	}
	return 0
}
