package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ossupload/scripts/internal/stack"
)

// process is one that is watched, as GET /_local/functions shows it.
type process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
}

// processes asks for those of the functions.
func (w *wire) processes(ctx context.Context) ([]process, error) {
	var list []process
	err := w.local(ctx, http.MethodGet, "/_local/functions", nil, &list)
	return list, err
}

// memory watches the resident set size of the stack's processes.
type memory struct {
	wire *wire

	mu    sync.Mutex
	lives map[process]*life
}

// life is what one process held, from the first look to the last.
type life struct {
	samples []int // bytes
	last    time.Time
}

const sampleEvery = 250 * time.Millisecond

// watch looks until ctx ends.
func (m *memory) watch(ctx context.Context) {
	for sleep(ctx, sampleEvery) {
		m.look(ctx)
	}
}

// look samples every function, and the stack, which is their parent.
func (m *memory) look(ctx context.Context) {
	list, err := m.wire.processes(ctx)
	if err != nil {
		return
	}
	for _, p := range list {
		if p.PID == 0 {
			continue
		}
		m.sample(p)
		if parent := parentOf(p.PID); parent > 1 && p.Name == list[0].Name {
			m.sample(process{"stack", parent})
		}
	}
}

func (m *memory) sample(p process) {
	rss := residentBytes(p.PID)
	if rss == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lives[p] == nil {
		m.lives[p] = &life{}
	}
	m.lives[p].samples = append(m.lives[p].samples, rss)
	m.lives[p].last = time.Now()
}

// latest returns, by name, the lives of the processes that were seen last: of
// a function that was killed, its present process.
func (m *memory) latest() map[string]life {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]life{}
	for p, l := range m.lives {
		if l.last.After(found[p.Name].last) {
			found[p.Name] = life{slices.Clone(l.samples), l.last}
		}
	}
	return found
}

// now is what the processes hold, for a line of a table.
func (m *memory) now() string {
	latest := m.latest()
	var list []string
	for _, name := range watched {
		if l, ok := latest[name]; ok {
			list = append(list, fmt.Sprintf("%s %s", name, mebibytes(l.samples[len(l.samples)-1])))
		}
	}
	return cmp.Or(strings.Join(list, ", "), "not available on this system")
}

// watched are the processes in the order of tables.
var watched = []string{"presign", "callback", "complete", stack.Repair, "stack"}

// A process may hold at its end half more than after warm-up, and a fixed
// amount on top, which is what the collector of a small heap varies by. The
// stack may hold more for every object: it keeps an index of them in memory.
const (
	growthFactor    = 1.5
	growthFixed     = 32 << 20 // bytes
	growthPerObject = 8 << 10  // bytes, of the stack
	fewSamples      = 12       // 3 s: less tells nothing
)

// growth compares what a process held after warm-up, which is its second
// quarter, with its last quarter, by the peak of each. ok is false if it was
// watched too shortly.
func (l life) growth() (warm, end int, ok bool) {
	n := len(l.samples)
	if n < fewSamples {
		return 0, 0, false
	}
	return slices.Max(l.samples[n/4 : n/2]), slices.Max(l.samples[n-n/4:]), true
}

// bound is what a process may hold at its end, in bytes.
func bound(name string, warm, objects int) int {
	most := int(growthFactor*float64(warm)) + growthFixed
	if name == "stack" {
		most += objects * growthPerObject
	}
	return most
}

func mebibytes(n int) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// residentBytes is the memory that a process holds; 0 where it is not told.
func residentBytes(pid int) int { return status(pid, "VmRSS") << 10 }

// parentOf is the process that started another; 0 where it is not told.
func parentOf(pid int) int { return status(pid, "PPid") }

// status reads a number of /proc/<pid>/status; 0 where there is none.
//
//	PPid:	4711
//	VmRSS:	   18432 kB
func status(pid int, name string) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("\n"+name+":"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(string(fields[0]))
	return n
}

// named reports whether a process bears the name of a function, where that can
// be known: nobody's word is enough to kill a process.
func named(p process) bool {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID))
	if err != nil {
		_, missing := os.Stat("/proc/self/comm")
		return missing != nil // no /proc: it cannot be known
	}
	program := p.Name
	if program == stack.Repair {
		program = "complete" // a second time
	}
	return strings.TrimSpace(string(comm)) == program
}
