package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"ossupload/scripts/cost/sim"
)

// function is a function as s.yaml sizes it.
type function struct {
	name     string
	vCPU, gb float64
	cap      int // reservedConcurrency: instances, each of which has one request at a time
}

var (
	presign  = function{"presign", 0.1, 0.125, 40}
	callback = function{"callback", 0.1, 0.125, 80}
	complete = function{"complete", 0.15, 0.25, 40}
	repair   = function{"repair", 0.15, 0.25, 10}

	functions = []function{presign, callback, complete, repair}
)

// The price of Function Compute ("Pay-as-you-go", billing of FC).
const (
	cuPerCall    = 75.0 / 10_000
	cuPerVCPU    = 1.0 // and second
	cuPerGB      = 0.15
	dollarsPerCU = 0.00002
)

// call is one invocation, and what it asks of OSS.
type call struct {
	of       function
	took     time.Duration
	put, get float64 // requests to OSS, by how OSS bills them; a list is a put
}

const (
	pageSize = 1000
	// perPart is a URL more in a batch, at 0.15 vCPU: 7 µs of a whole one
	// (functions/complete, BenchmarkRowPartURLsHandler).
	perPart = 50 * time.Microsecond
)

// model is what follows from durations.
type model struct{ sim.Durations }

// of is CPU time, stretched by what of a core a function has.
func (f function) of(cpu time.Duration) time.Duration {
	return time.Duration(float64(cpu) / f.vCPU)
}

// way is a way to upload, or to download.
type way struct {
	name     string
	calls    []call
	put, get float64 // the client's own requests
}

// single is an upload by one request: HEAD, the receiver and the marker are what a
// callback waits for.
func (m model) single(name string) way {
	return way{name, []call{
		{of: presign, took: presign.of(m.CPU.Presign)},
		{callback, callback.of(m.CPU.Callback) + m.Wait.Head + m.Wait.Receiver + m.Wait.Put, 1, 1},
	}, 1, 0}
}

// parts is an upload by multipart, with as few calls as there can be: one to begin,
// one for up to a thousand URLs, one to complete.
func (m model) parts(n int) way {
	batches := math.Ceil(float64(n) / pageSize)
	more := time.Duration(max(0, min(n, pageSize)-10)) * perPart
	w := way{name: fmt.Sprintf("multipart, %s parts", thousands(float64(n))), put: float64(n)}
	w.calls = append(w.calls, call{complete, complete.of(m.CPU.Create) + m.Wait.Put, 1, 0})
	for range int(batches) {
		w.calls = append(w.calls, call{of: complete, took: complete.of(m.CPU.URLs) + more})
	}
	// The parts are listed by pages, the object is completed, looked at, and marked.
	waits := time.Duration(batches)*m.Wait.List + 2*m.Wait.Put + m.Wait.Head + m.Wait.Receiver
	w.calls = append(w.calls, call{complete, complete.of(m.CPU.Complete) + waits, batches + 2, 1})
	return w
}

// look is the trigger's, at an upload that is announced.
func (m model) look() way {
	return way{"and the trigger's look", []call{{repair, repair.of(m.CPU.Look) + m.Wait.Head + m.Wait.Get, 0, 2}}, 0, 0}
}

func (m model) ways() []way {
	return []way{
		m.single("PUT"), m.single("form"), m.parts(10), m.parts(100), m.parts(10_000),
		{"download", []call{{presign, presign.of(m.CPU.Presign) + m.Wait.Head, 0, 1}}, 0, 1},
		m.look(),
	}
}

// million is what so many of w cost.
type million struct {
	cu       float64
	put, get float64 // in millions
}

func (w way) million() million {
	m := million{put: w.put, get: w.get}
	for _, c := range w.calls {
		seconds := c.took.Seconds()
		m.cu += 1e6 * (cuPerCall + seconds*(c.of.vCPU*cuPerVCPU+c.of.gb*cuPerGB))
		m.put += c.put
		m.get += c.get
	}
	return m
}

// sweeping is what a month of sweeps costs, with so many objects to walk: a run
// each 15 minutes, of 100,000 keys at most, whose markers are listed beside them.
func (m model) sweeping(objects float64) million {
	const runs, most = 30 * 24 * 4, 100_000
	lists := 2 * math.Ceil(min(objects, most)/pageSize)
	one := way{calls: []call{{repair, repair.of(m.CPU.Look) + time.Duration(lists)*m.Wait.List, lists, 0}}}.million()
	return million{one.cu * runs / 1e6, one.put * runs / 1e6, 0}
}

// delivering is what a month of the queue's timer costs with nothing to do.
func (m model) delivering() million {
	const runs = 30 * 24 * 60
	one := way{calls: []call{{repair, repair.of(m.CPU.Event) + m.Wait.List, 1, 0}}}.million()
	return million{one.cu * runs / 1e6, one.put * runs / 1e6, 0}
}

// printCost prints what uploads cost.
func (m model) printCost(w io.Writer) {
	fmt.Fprintln(w, "| a million of | CU | USD of Function Compute | requests to OSS, put type | get type |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	row := func(name string, m million) {
		fmt.Fprintf(w, "| %s | %s | %.2f | %s | %s |\n", name, thousands(m.cu), m.cu*dollarsPerCU, thousands(m.put*1e6), thousands(m.get*1e6))
	}
	for _, way := range m.ways() {
		row(way.name, way.million())
	}
	fmt.Fprintln(w, "\n| each month | CU | USD of Function Compute | requests to OSS, put type | get type |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	row("the timer that delivers, with nothing to do", m.delivering())
	for _, objects := range []float64{1e4, 1e6} {
		row(fmt.Sprintf("the sweep over %s objects", thousands(objects)), m.sweeping(objects))
	}
}

// thousands is a number with commas.
func thousands(x float64) string {
	digits := fmt.Sprintf("%.0f", x)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
