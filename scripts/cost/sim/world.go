package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Durations are what things take. The CPU is that of a whole core.
type Durations struct {
	CPU struct {
		Presign, Callback, Confirm, Create, URLs, Complete, Look, Event time.Duration
		// Of a process until it has answered its first request.
		PresignFirst, CallbackFirst, CompleteFirst time.Duration
	}
	Wait struct {
		Head, Get, Put, Delete, List time.Duration // at OSS
		Receiver                     time.Duration
		STS                          time.Duration
		Instance                     time.Duration // until the platform has one, its process not begun
		Client                       time.Duration // a client's own PUT
		Trigger                      time.Duration // from stored to the trigger's event
	}
}

// Size is how a function is deployed.
type Size struct {
	VCPU        float64
	Cap         int // 0: none
	Provisioned int // instances that are always there
}

// Account is what an account has in a region; 0 is without a limit.
type Account struct {
	Instances        int
	Burst, PerMinute int // of starting instances
	OSS              int // requests a second
	InOrder          int // of them to names in order
	STS              int // AssumeRole a second
	MBytes           int // a second, of uploads
}

// Way is how the clients upload.
type Way int

// The ways.
const (
	Put       Way = iota
	Multipart     // as few calls as there can be
	STS           // credentials for each upload
	URL           // a URL that nobody uses
)

// Span is a time from the beginning on; the zero Span is never.
type Span struct{ From, To time.Duration }

func (s Span) has(t time.Duration) bool { return s.From <= t && t < s.To }

// World is what is played.
type World struct {
	Seed      uint64
	Durations Durations
	Account   Account
	Presign   Size
	Callback  Size
	Complete  Size
	Repair    Size
	Idle      time.Duration // after which an instance ends

	Way     Way
	Parts   int
	PerHour float64       // uploads
	For     time.Duration // how long they come
	Rise    time.Duration // in which they become so many; nothing is measured before
	Settle  time.Duration // for what is under way, after the last
	Burst   Span          // in which there are Times as many
	Times   float64

	Hot          float64 // the share of the uploads that one subject has
	OnePartition bool    // OSS has all names of the bucket together
	Role         bool    // UPLOAD_ROLE_ARN: instances that sign assume a role
	Deaf         bool    // no callback reaches us, and no client asks
	NoTrigger    bool
	Sweep        bool // instead of the trigger

	Refusing float64 // the share of deliveries that the receiver answers with 500
	Down     Span    // in which it answers all with 500
	Silent   Span    // in which it does not answer
}

// The names of what can break, in Result.
const (
	CapPresign  = "presign's cap"
	CapCallback = "callback's cap"
	CapComplete = "complete's cap"
	Queue       = "the trigger's queue"
	Instances   = "instances of the account"
	Starts      = "starts of instances"
	OSSAll      = "OSS, all requests"
	OSSInOrder  = "OSS, names in order"
	STSCalls    = "STS"
	Bandwidth   = "bandwidth"
	Outbox      = "the outbox's worker"
	Sweeping    = "the sweep"
)

// upload is one, from its client's first call to its announcement.
type upload struct {
	hot    bool
	marked bool // taken or queued: nobody need announce it
	told   bool // the receiver took its event
	stored time.Duration
	chance float64 // by which its times in the outbox differ from others'
}

// play is a World that is being played.
type play struct {
	World
	clock
	random  *rand.Rand
	account account

	presign, callback, complete, repair *fleet

	oss, sts, mbytes        *rate
	objects, markers, queue *rate // names that are in order

	outbox  outbox
	async   async
	sweeper sweeper
	all     []*upload // that are stored, in this order
	result  Result
}

// Play plays w to its end.
func Play(w World) Result {
	p := &play{World: w, random: rand.New(rand.NewPCG(w.Seed, 0))}
	p.account.limits, p.account.starts = w.Account, float64(w.Account.Burst)
	p.account.most, p.account.starting = p.meter(Instances), p.meter(Starts)
	cpu := w.Durations.CPU
	p.presign = p.fleet(CapPresign, w.Presign, cpu.PresignFirst)
	p.callback = p.fleet(CapCallback, w.Callback, cpu.CallbackFirst)
	p.complete = p.fleet(CapComplete, w.Complete, cpu.CompleteFirst)
	p.repair = p.fleet("repair's cap", w.Repair, cpu.CompleteFirst)
	p.oss, p.sts, p.mbytes = p.rate(OSSAll, w.Account.OSS), p.rate(STSCalls, w.Account.STS), p.rate(Bandwidth, w.Account.MBytes)
	p.objects, p.markers, p.queue = p.rate(OSSInOrder, w.Account.InOrder), p.rate(OSSInOrder, w.Account.InOrder), p.rate(OSSInOrder, w.Account.InOrder)
	if w.OnePartition {
		p.markers, p.queue = p.objects, p.objects
	}
	p.outbox.play, p.async.play, p.sweeper.play = p, p, p

	p.plan(0, p.arrivals)
	p.every(time.Minute, p.outbox.run)
	p.watch()
	if w.Sweep {
		p.every(sweepEvery, p.sweeper.run)
	}
	p.run(w.For + w.Settle)
	return p.sum()
}

func (p *play) meter(name string) meter { return meter{name: name, from: p.Rise} }

func (p *play) rate(name string, most int) *rate { return &rate{meter: p.meter(name), most: most} }

func (p *play) fleet(name string, s Size, first time.Duration) *fleet {
	f := &fleet{meter: p.meter(name), account: &p.account, size: s, keep: p.Idle, from: p.Rise, to: p.For}
	f.cold = p.Durations.Wait.Instance + f.stretched(first)
	f.idle, f.running = make([]instance, s.Provisioned), s.Provisioned
	p.account.running += s.Provisioned
	p.account.fleets = append(p.account.fleets, f)
	return f
}

// every invokes through the asynchronous queue, as a timer does.
func (p *play) every(d time.Duration, do func(i instance, began time.Duration)) {
	var fire func()
	fire = func() {
		p.async.send(&event{run: do})
		p.plan(p.now+d, fire)
	}
	p.plan(d, fire)
}

// watch notes each minute how much the asynchronous queue has.
func (p *play) watch() {
	p.async.grew.add(p.now, p.async.waiting)
	p.plan(p.now+time.Minute, p.watch)
}

// wait draws how long something takes: lognormal, with that mean.
func (p *play) wait(mean time.Duration) time.Duration {
	const sigma = 0.55 // the 99th percentile is e^(2.33σ-σ²/2) = 3.1 times the mean
	return time.Duration(float64(mean) * math.Exp(float64(sigma*p.random.NormFloat64())-sigma*sigma/2))
}

// arrivals begins an upload, and plans the next.
func (p *play) arrivals() {
	if p.now >= p.For {
		return
	}
	perSecond, most := p.PerHour/3600, p.PerHour/3600*max(1, p.Times)
	if p.Burst.has(p.now) {
		perSecond *= p.Times
	}
	if p.now < p.Rise {
		perSecond *= p.now.Seconds() / p.Rise.Seconds()
	}
	// Those that are too many for the time that it is are left out.
	if p.random.Float64() < perSecond/most {
		u := &upload{hot: p.random.Float64() < p.Hot, chance: p.random.Float64()}
		p.result.Uploads++
		p.begin(u)
	}
	p.plan(p.now+time.Duration(p.random.ExpFloat64()/most*float64(time.Second)), p.arrivals)
}
