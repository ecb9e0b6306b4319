package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"ossupload/scripts/cost/sim"
)

// caps are reservedConcurrency of the functions.
type caps struct{ presign, callback, complete, repair int }

// advised are for a million uploads an hour, by PUT or by multipart of ten parts.
var advised = caps{30, 100, 120, 20}

func (c caps) String() string {
	return fmt.Sprintf("presign %d, callback %d, complete %d, repair %d", c.presign, c.callback, c.complete, c.repair)
}

// seed of all that the page shows.
const seed = 12

// free is a world in which there is as much as anybody wants of everything.
func (m model) free(perHour float64) sim.World {
	size := func(f function) sim.Size { return sim.Size{VCPU: f.vCPU} }
	return sim.World{
		Seed: seed, Durations: m.Durations, Idle: idle, Role: true,
		Presign: size(presign), Callback: size(callback), Complete: size(complete), Repair: size(repair),
		PerHour: perHour, Rise: 5 * time.Second, For: 25 * time.Second,
	}
}

// real is one with the limits that an account has, and these caps.
func (m model) real(perHour float64, c caps) sim.World {
	w := m.free(perHour)
	w.Account = sim.Account{
		Instances: accountInstances, Burst: startBurst, PerMinute: startsPerMinute,
		OSS: ossRequests, InOrder: ossInOrder, STS: assumeRole, MBytes: megabytes,
	}
	w.Rise = time.Minute
	w.Presign.Cap, w.Callback.Cap, w.Complete.Cap, w.Repair.Cap = c.presign, c.callback, c.complete, c.repair
	return w
}

// How long is played of an hour that is even: enough for a 99th percentile.
const (
	evenPut   = 10 * time.Minute
	evenParts = 4 * time.Minute
)

// even is so many uploads an hour, one minute like the other.
func (m model) even(perHour float64, c caps, way sim.Way, d time.Duration) sim.World {
	w := m.real(perHour, c)
	w.Way, w.Parts, w.For, w.Settle = way, 10, d, 5*time.Minute
	return w
}

// comparison prints rows of what was computed beside what came out.
type comparison struct {
	model
	w    io.Writer
	part float64 // of a million an hour
}

func (c comparison) row(what, computed, simulated string) {
	fmt.Fprintf(c.w, "| %s | %s | %s |\n", what, computed, simulated)
}

func (c comparison) busy(what string, way way, f function, r sim.Result) {
	got := r.Functions[f.name]
	c.row(what+", busy instances of `"+f.name+"`", number(c.part*way.instances(f)), fmt.Sprintf("%s, at most %d", number(got.Mean), got.Peak))
}

func (c comparison) starts(what string, way way, f function, most int, measured time.Duration, r sim.Result) {
	hourly := coldStarts(most, c.part*way.callsOf(f), c.part*way.instances(f), idle.Hours())
	c.row(what+", cold starts of `"+f.name+"`", number(hourly*measured.Hours())+", once it is warm", count(r.Functions[f.name].Starts))
}

func (c comparison) rate(what, of string, computed float64, r sim.Result) {
	c.row(what, number(c.part*computed), fmt.Sprintf("%s, at most %s", number(r.Rates[of].Mean), count(r.Rates[of].Peak)))
}

func (c comparison) took(f function, w way, r sim.Result) {
	calls, sum := 0, time.Duration(0)
	for _, call := range w.calls {
		if call.of == f {
			calls, sum = calls+1, sum+call.took
		}
	}
	got := r.Functions[f.name]
	c.row("answer of `"+f.name+"`: mean; p50, p99", milliseconds(sum/time.Duration(calls)), milliseconds(got.P50)+", "+milliseconds(got.P99))
}

// printEven prints what was computed beside what came out in the simulation.
func (m model) printEven(w io.Writer, perHour float64, caps caps) {
	worlds := []sim.World{m.even(perHour, caps, sim.Put, evenPut), m.even(perHour, caps, sim.Multipart, evenParts)}
	results := playAll(worlds)
	put, ten := results[0], results[1]
	c := comparison{m, w, perHour / uploadsAnHour}
	single, parts, look := m.single("PUT"), m.parts(10), m.look()
	fmt.Fprintf(w, "| %s an hour, %v min of PUT, %v of multipart; caps: %s | computed | simulated |\n|---|---|---|\n",
		thousands(perHour), evenPut.Minutes(), evenParts.Minutes(), caps)
	c.busy("PUT", single, presign, put)
	c.busy("PUT", single, callback, put)
	c.busy("PUT", look, repair, put)
	c.busy("multipart of 10", parts, complete, ten)
	measured := worlds[0].For - worlds[0].Rise
	c.starts("PUT", single, presign, caps.presign, measured, put)
	c.starts("PUT", single, callback, caps.callback, measured, put)
	c.rate("PUT, requests to OSS a second", sim.OSSAll, m.requests(single), put)
	c.rate("multipart of 10, the same", sim.OSSAll, m.requests(parts), ten)
	c.took(presign, single, put)
	c.took(callback, single, put)
	c.took(complete, parts, ten)
	c.took(repair, look, put)
	c.row("calls that found no instance, PUT; multipart", "under 1 in 1,000", refused(put)+"; "+refused(ten))
	c.row("clients that gave up; events lost", "0; 0", fmt.Sprintf("%d; %d", put.Lost+ten.Lost, put.Untold+ten.Untold))
}

// playAll plays worlds, each of which is for itself, at the same time.
func playAll(worlds []sim.World) []sim.Result {
	results := make([]sim.Result, len(worlds))
	var wg sync.WaitGroup
	for i, w := range worlds {
		wg.Go(func() { results[i] = sim.Play(w) })
	}
	wg.Wait()
	return results
}

// callsOf is how many calls of f a million uploads are.
func (w way) callsOf(f function) (n float64) {
	for _, c := range w.calls {
		if c.of == f {
			n += uploadsAnHour
		}
	}
	return n
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/1e6) }

// refused is the share of the calls by clients and OSS that found no instance.
func refused(r sim.Result) string {
	asked, refused := 0, 0
	for _, name := range []string{"presign", "callback", "complete"} {
		asked += r.Functions[name].Asked
		refused += r.Functions[name].Refused
	}
	return fmt.Sprintf("%d of %s", refused, thousands(float64(asked)))
}

// trouble is what goes wrong for a while.
type trouble struct {
	what string
	ends time.Duration // after which all should be told soon
	set  func(w *sim.World)
}

// threeMinutes of trouble show what an hour has twenty times as much of.
var threeMinutes = sim.Span{From: time.Minute, To: 4 * time.Minute}

var troubles = []trouble{
	{"from nothing to all, at once", 0, func(w *sim.World) { w.Rise, w.For = 0, 2*time.Minute }},
	{"the receiver answers 500, for three minutes", threeMinutes.To, func(w *sim.World) { w.Down = threeMinutes }},
	{"the receiver is silent, for three minutes", threeMinutes.To, func(w *sim.World) { w.Silent = threeMinutes }},
	{"no callback arrives and no client asks, for five minutes", 5 * time.Minute, func(w *sim.World) { w.Deaf = true }},
}

// burstOf is a minute of so many times as many.
func burstOf(times float64) trouble {
	minute := sim.Span{From: 2 * time.Minute, To: 3 * time.Minute}
	return trouble{number(times) + " times as many, for one minute", minute.To, func(w *sim.World) { w.Times, w.Burst = times, minute }}
}

// withBurst is all trouble, that of a burst among it.
func withBurst(times float64) []trouble { return append(slices.Clone(troubles), burstOf(times)) }

// printTroubles prints how trouble ends.
func (m model) printTroubles(w io.Writer, perHour float64, c caps, all []trouble) {
	fmt.Fprintf(w, "| trouble, at %s an hour | breaks | clients gave up before, of | stored | had to ask `/confirm` | waited in the outbox | events lost | all told after |\n", thousands(perHour))
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	worlds := make([]sim.World, len(all))
	for i, t := range all {
		worlds[i] = m.troubled(perHour, c, t)
	}
	for i, r := range playAll(worlds) {
		t := all[i]
		fmt.Fprintf(w, "| %s | %s | %s of %s | %s | %s | %s | %d | %s |\n", t.what, list(r.Broken), count(r.Lost), count(r.Uploads),
			count(r.Stored), count(r.Confirmed), count(r.Queued), r.Untold, told(r, t.ends))
	}
}

// troubled is a world in which t happens, and which has three hours to mend.
func (m model) troubled(perHour float64, c caps, t trouble) sim.World {
	w := m.real(perHour, c)
	w.For, w.Settle = 5*time.Minute, 3*time.Hour
	t.set(&w)
	return w
}

func count(n int) string { return thousands(float64(n)) }

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// told is when the last event was delivered that had waited.
func told(r sim.Result, ends time.Duration) string {
	if r.Waiting+r.Pending > 0 {
		return fmt.Sprintf("more than three hours: %s left", count(r.Waiting+r.Pending))
	}
	return fmt.Sprintf("%.0f min", (r.Drained - ends).Minutes())
}
