package sim

import "time"

// clock does what was planned, in the order of its time, and what is planned for one
// time in the order in which it was planned. Time is counted from the beginning.
type clock struct {
	now  time.Duration
	made uint64
	heap []planned // the earliest first, as container/heap has it, which would allocate for each
}

type planned struct {
	at   time.Duration
	made uint64
	do   func()
}

func (p planned) before(q planned) bool { return p.at < q.at || p.at == q.at && p.made < q.made }

// plan has do called at a time, or now if that has passed.
func (c *clock) plan(at time.Duration, do func()) {
	c.made++
	p := planned{max(at, c.now), c.made, do}
	c.heap = append(c.heap, p)
	i := len(c.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !p.before(c.heap[parent]) {
			break
		}
		c.heap[i] = c.heap[parent]
		i = parent
	}
	c.heap[i] = p
}

func (c *clock) next() planned {
	first, last := c.heap[0], c.heap[len(c.heap)-1]
	c.heap[len(c.heap)-1] = planned{}
	c.heap = c.heap[:len(c.heap)-1]
	for i := 0; len(c.heap) > 0; {
		child := 2*i + 1
		if child+1 < len(c.heap) && c.heap[child+1].before(c.heap[child]) {
			child++
		}
		if child >= len(c.heap) || !c.heap[child].before(last) {
			c.heap[i] = last
			break
		}
		c.heap[i] = c.heap[child]
		i = child
	}
	return first
}

// run does all that is planned up to end.
func (c *clock) run(end time.Duration) {
	for len(c.heap) > 0 && c.heap[0].at <= end {
		p := c.next()
		c.now = p.at
		p.do()
	}
	c.now = end
}
