package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
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

// What calls take. Of the time, CPU is measured and waiting estimated: 10 ms for a
// HEAD or a GET at OSS, 20 for a PUT, 50 for a list, 80 for the receiver.
const (
	askHead  = 10 * time.Millisecond
	askPut   = 20 * time.Millisecond
	askList  = 50 * time.Millisecond
	askHook  = 80 * time.Millisecond
	ownCPU   = 10 * time.Millisecond // at most 1.1 ms of a whole vCPU, which an instance has a tenth of
	perPart  = 150 * time.Microsecond
	pageSize = 1000
)

// way is a way to upload, or to download.
type way struct {
	name     string
	calls    []call
	put, get float64 // the client's own requests
}

// single is an upload by one request: HEAD, the receiver and the marker are what a
// callback waits for.
func single(name string) way {
	return way{name, []call{
		{of: presign, took: 5 * time.Millisecond},
		{callback, ownCPU + askHead + askHook + askPut, 1, 1},
	}, 1, 0}
}

// parts is an upload by multipart, with as few calls as there can be: one to begin,
// one for up to a thousand URLs, one to complete.
func parts(n int) way {
	batches := math.Ceil(float64(n) / pageSize)
	each := time.Duration(min(n, pageSize)) * perPart
	w := way{name: fmt.Sprintf("multipart, %s parts", thousands(float64(n))), put: float64(n)}
	w.calls = append(w.calls, call{complete, ownCPU + askPut, 1, 0})
	for range int(batches) {
		w.calls = append(w.calls, call{of: complete, took: ownCPU + each})
	}
	// The parts are listed by pages, the object is completed, looked at, and marked.
	pages := time.Duration(batches) * askList
	w.calls = append(w.calls, call{complete, ownCPU + pages + 2*askPut + askHead + askHook, batches + 2, 1})
	return w
}

var ways = []way{
	single("PUT"), single("form"), parts(10), parts(100), parts(10_000),
	{"download", []call{{presign, ownCPU + askHead, 0, 1}}, 0, 1},
	{"and the trigger's look", []call{{repair, ownCPU + 2*askHead, 0, 2}}, 0, 0},
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
func sweeping(objects float64) million {
	const runs, most = 30 * 24 * 4, 100_000
	lists := 2 * math.Ceil(min(objects, most)/pageSize)
	w := way{calls: []call{{repair, ownCPU + time.Duration(lists)*askList, lists, 0}}}
	m := w.million()
	return million{m.cu * runs / 1e6, m.put * runs / 1e6, 0}
}

// delivering is what a month of the queue's timer costs with nothing to do.
func delivering() million {
	const runs = 30 * 24 * 60
	m := way{calls: []call{{repair, ownCPU + askList, 1, 0}}}.million()
	return million{m.cu * runs / 1e6, m.put * runs / 1e6, 0}
}

// printCost prints what uploads cost.
func printCost(w io.Writer) {
	fmt.Fprintln(w, "| a million of | CU | USD of Function Compute | requests to OSS, put type | get type |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	row := func(name string, m million) {
		fmt.Fprintf(w, "| %s | %s | %.2f | %s | %s |\n", name, thousands(m.cu), m.cu*dollarsPerCU, thousands(m.put*1e6), thousands(m.get*1e6))
	}
	for _, way := range ways {
		row(way.name, way.million())
	}
	fmt.Fprintln(w, "\n| each month | CU | USD of Function Compute | requests to OSS, put type | get type |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	row("the timer that delivers, with nothing to do", delivering())
	for _, objects := range []float64{1e4, 1e6} {
		row(fmt.Sprintf("the sweep over %s objects", thousands(objects)), sweeping(objects))
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
