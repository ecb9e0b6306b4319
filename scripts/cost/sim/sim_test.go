package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestClockKeepsOrder(t *testing.T) {
	var c clock
	random := rand.New(rand.NewPCG(1, 0))
	type mark struct {
		at time.Duration
		n  int
	}
	var want, got []mark
	for n := range 500 {
		m := mark{time.Duration(random.IntN(50)) * time.Second, n}
		want = append(want, m)
		c.plan(m.at, func() {
			if c.now != m.at {
				t.Errorf("at %v, it is %v", m.at, c.now)
			}
			got = append(got, m)
		})
	}
	slices.SortStableFunc(want, func(a, b mark) int { return int(a.at - b.at) })
	c.run(time.Minute)
	if !slices.Equal(got, want) || c.now != time.Minute {
		t.Errorf("the clock did not keep the order, or ended at %v", c.now)
	}
}

func TestRate(t *testing.T) {
	r := rate{most: 2}
	for i, want := range []bool{true, true, false} {
		if got := r.take(500*time.Millisecond, 1); got != want {
			t.Errorf("take %d = %v, want %v", i, got, want)
		}
	}
	if !r.take(time.Second, 2) || r.take(1900*time.Millisecond, 1) {
		t.Error("a second later, two are free, and no third")
	}
	if at := r.wait(1500 * time.Millisecond); at != 2*time.Second {
		t.Errorf("wait = %v, want the next second", at)
	}
	if r.asked != 6 || r.refused != 3 {
		t.Errorf("%d of %d refused, want 3 of 6", r.refused, r.asked)
	}
	if mean, peak := r.mean(0, 2*time.Second); mean != 2 || peak != 2 {
		t.Errorf("mean and peak = %v, %v, want 2, 2", mean, peak)
	}
}

func testFleet(limits Account, size Size) *fleet {
	a := &account{limits: limits, starts: float64(limits.Burst)}
	f := &fleet{account: a, size: size, cold: time.Second, keep: time.Minute, to: time.Hour}
	a.fleets = []*fleet{f}
	return f
}

func TestFleet(t *testing.T) {
	f := testFleet(Account{}, Size{Cap: 1})
	i, ready, ok := f.acquire(0)
	if !ok || ready != time.Second {
		t.Fatalf("the first is ready at %v, %v, want after a cold start", ready, ok)
	}
	if _, _, ok := f.acquire(time.Millisecond); ok {
		t.Error("an instance had two requests at a time")
	}
	f.release(i, 0, 2*time.Second)
	if i, ready, ok = f.acquire(10 * time.Second); !ok || ready != 10*time.Second {
		t.Errorf("a warm one is ready at %v, %v", ready, ok)
	}
	f.release(i, 10*time.Second, 11*time.Second)
	if _, ready, ok = f.acquire(2 * time.Minute); !ok || ready != 2*time.Minute+f.cold {
		t.Errorf("one that was idle too long is ready at %v, %v", ready, ok)
	}
	if f.started != 2 || f.busy != 3*time.Second || f.refused != 1 {
		t.Errorf("started %d, busy %v, refused %d, want 2, 3s, 1", f.started, f.busy, f.refused)
	}
}

// Provisioned instances answer at once, and stay.
func TestProvisioned(t *testing.T) {
	w := World{Seed: 1, Way: URL, PerHour: 36_000, For: time.Minute, Idle: time.Second}
	w.Durations.CPU.Presign, w.Durations.CPU.PresignFirst, w.Durations.Wait.Instance = time.Millisecond, time.Millisecond, time.Second
	w.Presign, w.Callback, w.Complete, w.Repair = Size{VCPU: 0.1}, Size{VCPU: 1}, Size{VCPU: 1}, Size{VCPU: 1}
	if cold := Play(w).Functions["presign"]; cold.Starts == 0 {
		t.Fatalf("without them: %+v, want cold starts", cold)
	}
	w.Presign.Provisioned = 20
	if warm := Play(w).Functions["presign"]; warm.Starts != 0 || warm.Asked < 400 || warm.P99 > 11*time.Millisecond {
		t.Errorf("with them: %+v, want none, and all as fast", warm)
	}
}

func TestStartsComeBackByTheMinute(t *testing.T) {
	f := testFleet(Account{Burst: 2, PerMinute: 60}, Size{})
	for n, want := range []bool{true, true, false} {
		if _, _, ok := f.acquire(0); ok != want {
			t.Errorf("start %d = %v, want %v", n, ok, want)
		}
	}
	if _, _, ok := f.acquire(time.Second); !ok {
		t.Error("a second later none could start")
	}
	if _, _, ok := f.acquire(time.Second); ok {
		t.Error("a second later two could start")
	}
}

func TestGrowing(t *testing.T) {
	for _, c := range []struct {
		left []int
		want bool
	}{
		{[]int{0, 100, 200, 300}, true},
		{[]int{500, 0, 100, 200}, true},
		{[]int{0, 100, 200, 210}, false}, // by chance
		{[]int{0, 100, 0, 100}, false},
		{[]int{0, 100}, false},
	} {
		var g growth
		for i, n := range c.left {
			g.add(time.Duration(i)*time.Minute, n)
		}
		if got, _ := g.growing(time.Hour); got != c.want {
			t.Errorf("growing %v = %v", c.left, got)
		}
	}
}

// An entry is due by the schedule of the outbox: after 1, 2, 4 … 32 minutes, then
// every hour, a fifth of the pause later at most.
func TestSchedule(t *testing.T) {
	e := waiting{first: time.Minute, u: &upload{}}
	at := time.Duration(0)
	var got []int
	for range 9 {
		at = e.next(at)
		got = append(got, int(at.Minutes()))
	}
	if want := []int{1, 2, 4, 8, 16, 32, 64, 124, 184}; !slices.Equal(got, want) {
		t.Errorf("due after %v minutes, want %v", got, want)
	}
}
