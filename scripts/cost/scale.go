package main

import (
	"fmt"
	"io"
	"math"
	"time"
)

// What a region gives an account, unless more is asked for.
const (
	accountInstances  = 300    // FC, "Quotas and limits"
	mostReserved      = 0.9    // of them, for the caps of all functions together
	ossRequests       = 10_000 // a second, OSS, "Limits and performance metrics"
	ossOnePrefix      = 2_000  // a second, with names in order, same page
	assumeRole        = 100    // a second, STS, "Quotas of API operations"
	deliverTogether   = 16     // by a run of the queue's worker
	sweepKeys         = 100_000
	sweepsAnHour      = 4
	roleRenewed       = 30 * time.Minute // half the life of an hour
	uploadGbit        = 10               // public, most mainland regions, OSS, same page
	hour              = 3600.0
	uploadsAnHour     = 1e6
	callbackGivenUp   = 3400 * time.Millisecond
	deliveryOfQueued  = 3*askHead + askHook + askPut // read entry and marker, deliver, mark, delete
	instancesThatSign = 80                           // the caps of presign and complete
)

// rate is something of which there is so much, and how much a million uploads an
// hour need.
type rate struct {
	what       string
	need, have float64
	unit       string
	basis      string
}

// most is how many uploads an hour that allows.
func (r rate) most() float64 { return uploadsAnHour * r.have / r.need }

// instances is how many instances of f a million uploads an hour keep busy.
func (w way) instances(f function) float64 {
	busy := 0.0
	for _, c := range w.calls {
		if c.of == f {
			busy += c.took.Seconds()
		}
	}
	return busy * uploadsAnHour / hour
}

// requests is how many requests a second OSS gets, the trigger's looks included.
func (w way) requests() float64 {
	own, look := w.million(), ways[len(ways)-1].million()
	return (own.put + own.get + look.put + look.get) * uploadsAnHour / hour
}

func rates() []rate {
	put, ten, hundred, look := ways[0], ways[2], ways[3], ways[len(ways)-1]
	persecond := uploadsAnHour / hour
	silent := callbackGivenUp.Seconds() * persecond
	return []rate{
		{"sweep, without the trigger", uploadsAnHour, sweepKeys * sweepsAnHour, "keys an hour", "100,000 keys in each of 4 runs"},
		{"queue, while the receiver takes nothing at once", persecond, deliverTogether / deliveryOfQueued.Seconds(), "events a second", "16 at a time, by one run after the other; estimate"},
		{"callback's cap, silent receiver", silent, float64(callback.cap), "instances", "each callback lasts 3.4 s; what finds no instance is announced by the trigger"},
		{"complete's cap, multipart of 10 parts", ten.instances(complete), float64(complete.cap), "instances", "s.yaml; durations are estimates"},
		{"OSS, multipart of 100 parts", hundred.requests(), ossRequests, "requests a second", "of an account in a region"},
		{"OSS, multipart of 10 parts", ten.requests(), ossRequests, "requests a second", "same"},
		{"OSS, PUT, all of one subject", put.requests(), ossOnePrefix, "requests a second", "names in order: keys of one subject are"},
		{"OSS, PUT", put.requests(), ossRequests, "requests a second", "of an account in a region"},
		{"repair's cap, trigger", look.instances(repair), float64(repair.cap - 2), "instances", "less one for each timer; waits in the asynchronous queue"},
		{"callback's cap, PUT", put.instances(callback), float64(callback.cap), "instances", "s.yaml; durations are estimates"},
		{"presign's cap", put.instances(presign), float64(presign.cap), "instances", "s.yaml"},
		{"STS, `POST /sts` for each upload", persecond, assumeRole, "calls a second", "one AssumeRole each"},
		{"STS, the role that signs", instancesThatSign / roleRenewed.Seconds(), assumeRole, "calls a second", "each instance renews it each half hour"},
		{"bandwidth, at 1 MB an upload", persecond * 8 / 1000, uploadGbit, "Gbit/s", "public upload, most mainland regions"},
	}
}

// printScale prints what a million uploads an hour need, the scarcest first.
func printScale(w io.Writer) {
	fmt.Fprintln(w, "| what | needs | has | | so at most, an hour | basis |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	for _, r := range sorted(rates()) {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", r.what, number(r.need), number(r.have), r.unit, thousands(rounded(r.most())), r.basis)
	}
}

// number prints what is small with a digit more.
func number(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.2g", x)
	}
	return thousands(math.Round(x))
}

// rounded has two digits that count.
func rounded(x float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Round(x/unit) * unit
}
