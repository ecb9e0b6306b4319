package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"ossupload/scripts/cost/sim"
)

// What a region gives an account, unless more is asked for.
const (
	accountInstances = 300    // FC, "Set function quotas" (2026-04); other pages have 100
	mostReserved     = 0.9    // of them, for the caps of all functions together
	startBurst       = 300    // FC, "Instance scaling limits": Hangzhou, Shanghai, Beijing, Zhangjiakou, Shenzhen
	startsPerMinute  = 300    // beyond that, same page; 100 and 100 elsewhere
	ossRequests      = 10_000 // a second, OSS, "Limits and performance metrics"
	ossInOrder       = 2_000  // a second, with names in order, same page
	assumeRole       = 100    // a second, in a region, STS, "Quotas of API operations"
	uploadGbit       = 10     // public, most mainland regions, OSS, same page
	megabytes        = uploadGbit * 1000 / 8
	idle             = 3 * time.Minute // FC: an instance ends after 3 to 5 minutes without a request
)

// What is ours, and no setting.
const (
	deliverTogether = 16   // by a run of the outbox's worker
	deliverFor      = 0.55 // of each minute: a run begins with entries for 33 s
	sweepKeys       = 100_000
	sweepsAnHour    = 4
	hour            = 3600.0
	uploadsAnHour   = 1e6
	// failingShare is of deliveries that do not succeed, in one of the rows.
	failingShare = 0.2
)

const persecond = uploadsAnHour / hour

// tries in vain are what a delivery consists of while an uploader waits: three, with
// pauses of 100 and 200 ms. A silent receiver has half of what is left of 2 s each time.
func (m model) refusedDelivery() time.Duration { return 3*m.Wait.Receiver + 300*time.Millisecond }

const silentDelivery = 1875 * time.Millisecond

// limit is something of which there is so much, and how much a million uploads an
// hour need.
type limit struct {
	what       string
	breaks     string // what the simulation calls it
	need, have float64
	unit       string
	basis      string
	set        string // what helps
	// world is what it is tried in: only this may break there.
	world func(w *sim.World)
	// fills is whether the receiver takes nothing there, so that the outbox fills, as
	// it is there for.
	fills bool
	// atMost is how many uploads an hour it allows, where that is not in proportion.
	atMost float64
}

// most is how many uploads an hour it allows.
func (l limit) most() float64 {
	if l.atMost > 0 {
		return l.atMost
	}
	return uploadsAnHour * l.have / l.need
}

// instances is how many instances of f a million uploads an hour keep busy.
func (w way) instances(f function) float64 {
	busy := 0.0
	for _, c := range w.calls {
		if c.of == f {
			busy += c.took.Seconds()
		}
	}
	return busy * persecond
}

// requests is how many requests a second OSS gets, the trigger's looks included.
func (m model) requests(w way) float64 {
	own, look := w.million(), m.look().million()
	return (own.put + own.get + look.put + look.get) * persecond
}

// startsAtOnce is how many instances of presign start if all come from one moment
// on: until the first of them is ready and has answered, each request starts one.
func (m model) startsAtOnce() float64 {
	first := m.Wait.Instance + presign.of(m.CPU.PresignFirst+m.CPU.Presign) + m.Wait.STS
	return persecond * first.Seconds()
}

// failing is how a callback goes on whose event was not taken: marker and entry are
// read, the entry is written.
func (m model) failing() time.Duration { return 2*m.Wait.Get + m.Wait.Put }

// entries is how many entries the outbox's worker does in a second, over the minutes.
// Each is read, and its marker, and deleted in the end; between takes what it takes.
func (m model) entries(between time.Duration) float64 {
	waiting := deliverTogether / (2*m.Wait.Get + between + m.Wait.Delete).Seconds()
	return deliverFor * min(waiting, 1/repair.of(m.CPU.Event).Seconds())
}

// worker is entries, for events of which such a share is not taken again.
func (m model) worker(failing float64) float64 {
	between := (1-failing)*float64(m.Wait.Receiver) + failing*float64(m.refusedDelivery()+m.Wait.Get)
	return m.entries(m.Wait.Put + time.Duration(between))
}

// failedAgain is how many requests a second the worker makes of entries while all
// deliveries fail: it reads two, writes one and deletes one.
func (m model) failedAgain() float64 { return 4 * m.worker(1) / deliverFor }

// limits are all of them, the scarcest first.
func (m model) limits() []limit {
	all := slices.Concat(m.functionLimits(), m.storageLimits(), m.otherLimits())
	slices.SortStableFunc(all, func(a, b limit) int { return cmp.Compare(a.most(), b.most()) })
	return all
}

// functionLimits are of instances. A cap is good for less than its number: requests
// come unevenly, and no more than one in a thousand should find all busy.
func (m model) functionLimits() []limit {
	put, ten := m.single("PUT"), m.parts(10)
	callbackWith := func(delivery time.Duration) float64 {
		return (put.calls[1].took - m.Wait.Receiver + delivery + m.failing()).Seconds() * persecond
	}
	withCap := func(set func(w *sim.World)) func(w *sim.World) {
		return func(w *sim.World) { w.NoTrigger = true; set(w) }
	}
	all := put.instances(presign) + put.instances(callback) + m.look().instances(repair)
	return []limit{
		{what: "cold starts, from nothing to all at once", breaks: sim.Starts, need: m.startsAtOnce(), have: startBurst,
			basis: "`presign` alone; 300 at once and 300 a minute, in smaller regions 100 and 100", set: "its cap, which is lower and keeps from it; or provisioned instances",
			world: withCap(func(w *sim.World) {
				w.Account.Burst, w.Account.PerMinute, w.Way, w.Rise = startBurst, startsPerMinute, sim.URL, 0
			})},
		{what: "callback's cap, silent receiver", breaks: sim.CapCallback, need: callbackWith(silentDelivery), have: carries(callback.cap),
			basis: "each callback waits 1.9 s for it", set: "a receiver that answers first and works then; more `reservedConcurrency` is no help", fills: true,
			world: withCap(func(w *sim.World) { w.Callback.Cap, w.Silent = callback.cap, sim.Span{To: w.For + w.Settle} })},
		{what: "callback's cap, receiver answers 500", breaks: sim.CapCallback, need: callbackWith(m.refusedDelivery()), have: carries(callback.cap),
			basis: "three tries in each callback", set: "`callback` `reservedConcurrency: 210`, where that is to be answered 200", fills: true,
			world: withCap(func(w *sim.World) { w.Callback.Cap, w.Down = callback.cap, sim.Span{To: w.For + w.Settle} })},
		{what: "callback's cap", breaks: sim.CapCallback, need: put.instances(callback), have: carries(callback.cap),
			basis: "PUT and form", set: "`callback` `reservedConcurrency: 100`, or more",
			world: withCap(func(w *sim.World) { w.Callback.Cap = callback.cap })},
		{what: "presign's cap", breaks: sim.CapPresign, need: put.instances(presign), have: carries(presign.cap),
			basis: "PUT and form", set: "`presign` `reservedConcurrency`, with more instances for the account",
			world: withCap(func(w *sim.World) { w.Presign.Cap, w.Way = presign.cap, sim.URL })},
		{what: "complete's cap, multipart of 10 parts", breaks: sim.CapComplete, need: ten.instances(complete), have: carries(complete.cap),
			basis: "three calls of `complete` for each", set: "`complete` `reservedConcurrency: 120`",
			world: withCap(func(w *sim.World) { w.Complete.Cap, w.Way, w.Parts = complete.cap, sim.Multipart, 10 })},
		{what: "trigger's queue", breaks: sim.Queue, need: m.look().instances(repair), have: float64(repair.cap - 1),
			basis: "waits, so that all instances count, less one for the timers", set: "`repair` `reservedConcurrency: 20`",
			world: func(w *sim.World) { w.Repair.Cap, w.For = repair.cap, 185*time.Second }},
		{what: "instances of the account", breaks: sim.Instances, need: all, have: carries(accountInstances),
			basis: "PUT; 300, or 100 in some accounts", set: "Quota Center, Function Compute, instances in a region",
			world: func(w *sim.World) { w.Account.Instances = accountInstances }},
	}
}

func (m model) storageLimits() []limit {
	put, ten, hundred := m.single("PUT"), m.parts(10), m.parts(100)
	quota := "a ticket to OSS: requests a second"
	all := func(set func(w *sim.World)) func(w *sim.World) {
		return func(w *sim.World) { w.Account.OSS = ossRequests; set(w) }
	}
	return []limit{
		{what: "OSS, multipart of 100 parts", breaks: sim.OSSAll, need: m.requests(hundred), have: ossRequests, unit: "/s",
			basis: "of an account in a region", set: "larger parts: `partSize`; " + quota,
			world: all(func(w *sim.World) { w.Way, w.Parts, w.For = sim.Multipart, 100, 50*time.Second })},
		{what: "OSS, multipart of 10 parts", breaks: sim.OSSAll, need: m.requests(ten), have: ossRequests, unit: "/s",
			basis: "of an account in a region", set: quota, world: all(func(w *sim.World) { w.Way, w.Parts = sim.Multipart, 10 })},
		{what: "OSS, PUT", breaks: sim.OSSAll, need: m.requests(put), have: ossRequests, unit: "/s",
			basis: "PUT, two HEADs, marker written and read", set: quota, world: all(func(*sim.World) {})},
		{what: "OSS, names in order: all of one subject", breaks: sim.OSSInOrder, need: 3 * persecond, have: ossInOrder, unit: "/s",
			basis: "its objects: PUT and two HEADs; UUIDs of version 7 begin with the time", set: "many subjects; `upload.key` of the caller's token, with names that begin by chance",
			world: func(w *sim.World) { w.Account.InOrder, w.Hot = ossInOrder, 1 }},
		{what: "OSS, names in order: all of the bucket", breaks: sim.OSSInOrder, need: m.requests(put), have: ossInOrder, unit: "/s",
			basis: "if a new bucket is one partition until it was split, which no page says", set: "nothing: OSS splits; or " + quota,
			world: func(w *sim.World) { w.Account.InOrder, w.OnePartition = ossInOrder, true }},
		{what: "OSS, names in order: the outbox, all deliveries failing", breaks: sim.OSSInOrder, need: 2*persecond + m.failedAgain(), have: ossInOrder, unit: "/s",
			basis: "`_pending/` and the time: read and written by each callback, and by the worker", set: "a receiver that answers", fills: true,
			atMost: (ossInOrder - m.failedAgain()) / 2 * hour,
			world: func(w *sim.World) {
				w.Account.InOrder, w.NoTrigger, w.Down = ossInOrder, true, sim.Span{To: w.For + w.Settle}
			}},
	}
}

func (m model) otherLimits() []limit {
	return []limit{
		{what: "STS, `POST /sts` for each upload", breaks: sim.STSCalls, need: persecond, have: assumeRole, unit: "/s",
			basis: "one AssumeRole each, unless of one subject and prefix", set: "presigned uploads; Quota Center, STS, AssumeRole",
			world: func(w *sim.World) { w.Way, w.Account.STS, w.NoTrigger = sim.STS, assumeRole, true }},
		{what: "outbox's worker, 20% of deliveries failing", breaks: sim.Outbox, need: persecond * failingShare / (1 - failingShare), have: m.worker(failingShare), unit: "/s",
			basis: "16 at a time, for 33 s of each minute", set: "the receiver; nothing of ours: events wait, and none is lost",
			world: func(w *sim.World) { w.Refusing, w.NoTrigger, w.For = failingShare, true, 12*time.Minute }},
		{what: "outbox's worker, no callback arrives and no client asks", breaks: sim.Outbox, need: persecond, have: m.entries(m.Wait.Head + m.Wait.Receiver + m.Wait.Put), unit: "/s",
			basis: "`CALLBACK_URL` is wrong: the trigger's looks wait for the worker", set: "`go run ./scripts/doctor`; clients that ask `POST /confirm`",
			world: func(w *sim.World) { w.Deaf, w.For = true, 8*time.Minute }},
		{what: "outbox's worker, trigger faster than the callback", breaks: sim.Outbox, need: persecond, have: m.entries(m.Wait.Head), unit: "/s",
			basis: "each look finds no marker yet; how fast the trigger is, no page says", set: "nothing: they wait, and none is lost",
			world: func(w *sim.World) { w.Durations.Wait.Trigger, w.For = time.Millisecond, 8*time.Minute }},
		{what: "sweep, without the trigger", breaks: sim.Sweeping, need: uploadsAnHour, have: sweepKeys * sweepsAnHour, unit: "/h",
			basis: "100,000 keys in each of 4 runs", set: "the trigger",
			world: func(w *sim.World) { w.NoTrigger, w.Sweep, w.For = true, true, 46*time.Minute }},
		{what: "bandwidth, at 1 MB an upload", breaks: sim.Bandwidth, need: persecond, have: megabytes, unit: " MB/s",
			basis: "10 Gbit/s of public upload; 5 in Singapore, 20 in Hangzhou", set: "a ticket to OSS: bandwidth",
			world: func(w *sim.World) { w.Account.MBytes, w.NoTrigger = megabytes, true }},
	}
}

// printScale prints what a million uploads an hour need, the scarcest first.
func (m model) printScale(w io.Writer) {
	fmt.Fprintln(w, "| what | a million an hour needs | has | breaks at, uploads an hour | because | then set |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	for _, l := range m.limits() {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", l.what, number(l.need)+l.unit, number(l.have)+l.unit, thousands(rounded(l.most())), l.basis, l.set)
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
