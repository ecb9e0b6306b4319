package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"ossupload/scripts/cost/sim"
)

func builtInModel(t *testing.T) model {
	t.Helper()
	d, err := loadDurations("")
	if err != nil {
		t.Fatal(err)
	}
	return model{d}
}

// Each limit of the page breaks in the simulation where it is computed to: with a
// fifth more uploads it is what breaks first, with a fifth fewer nothing does. Of
// all else there is as much as anybody wants.
func TestLimits(t *testing.T) {
	t.Parallel()
	m := builtInModel(t)
	for _, l := range m.limits() {
		for _, of := range []float64{0.8, 1.2} {
			t.Run(fmt.Sprintf("%s x %v", l.what, of), func(t *testing.T) {
				t.Parallel()
				w := m.free(of * l.most())
				l.world(&w)
				broken := sim.Play(w).Broken
				if l.fills {
					broken = slices.DeleteFunc(broken, func(name string) bool { return name == sim.Outbox })
				}
				switch {
				case of < 1 && len(broken) > 0:
					t.Errorf("at %.0f an hour, %q broke", w.PerHour, broken)
				case of > 1 && (len(broken) == 0 || broken[0] != l.breaks):
					t.Errorf("at %.0f an hour, %q broke, want %q first", w.PerHour, broken, l.breaks)
				}
			})
		}
	}
}

// A million an hour with what is recommended: nothing is lost, nobody is refused, and
// 99 in 100 answers of each route come in time.
func TestMillionAnHour(t *testing.T) {
	t.Parallel()
	m := builtInModel(t)
	for way, d := range map[sim.Way]time.Duration{sim.Put: evenPut, sim.Multipart: evenParts} {
		w := m.even(uploadsAnHour, advised, way, d)
		w.Settle = 20 * time.Minute // for what the outbox has
		r := sim.Play(w)
		if len(r.Broken) > 0 || r.Lost+r.Unconfirmed+r.Untold+r.Dropped+r.Waiting+r.Pending > 0 {
			t.Errorf("way %d: %q broke, %+v", way, r.Broken, r)
		}
		if r.Stored != r.Uploads || float64(r.Uploads) < 0.9*w.PerHour*(d-w.Rise).Hours() {
			t.Errorf("way %d: %d of %d uploads are stored", way, r.Stored, r.Uploads)
		}
		for name, most := range map[string]time.Duration{
			"presign": 20 * time.Millisecond, "callback": 350 * time.Millisecond,
			"complete": 400 * time.Millisecond, "repair": 80 * time.Millisecond,
		} {
			f := r.Functions[name]
			if name != "repair" && f.Refused > 0 {
				t.Errorf("way %d: %s refused %d of %d", way, name, f.Refused, f.Asked)
			}
			if f.P99 > most {
				t.Errorf("way %d: %s has a 99th percentile of %v, want at most %v", way, name, f.P99, most)
			}
		}
		if r.Delay > time.Second {
			t.Errorf("way %d: the trigger's events wait %v, want at most a second", way, r.Delay)
		}
	}
}

// Nothing is lost in trouble: who gives up has stored nothing, and all that is stored
// is told in the end.
func TestTrouble(t *testing.T) {
	t.Parallel()
	m := builtInModel(t)
	for _, trouble := range withBurst(10) {
		r := sim.Play(m.troubled(uploadsAnHour/8, advised, trouble))
		if r.Uploads == 0 || r.Stored+r.Lost != r.Uploads || r.Untold+r.Dropped+r.Waiting+r.Pending > 0 {
			t.Errorf("%s: %+v", trouble.what, r)
		}
	}
}

// One world gives one result.
func TestSeed(t *testing.T) {
	w := builtInModel(t).troubled(20_000, advised, burstOf(10))
	r := sim.Play(w)
	if a, b := fmt.Sprintf("%+v", r), fmt.Sprintf("%+v", sim.Play(w)); a != b {
		t.Errorf("a world gave two results:\n%s\n%s", a, b)
	}
	w.Seed++
	if other := sim.Play(w); other.Uploads == r.Uploads {
		t.Errorf("another seed gave the same %d uploads", r.Uploads)
	}
}

func TestErlang(t *testing.T) {
	// Erlang's own table: 10 lines carry 3.09 at one in a thousand, 100 carry 75.2.
	for n, want := range map[int]float64{10: 3.09, 100: 75.2} {
		if got := carries(n); got < want*0.995 || got > want*1.005 {
			t.Errorf("carries(%d) = %.3f, want %v", n, got, want)
		}
	}
	if got := blocked(1, 1); got != 0.5 {
		t.Errorf("blocked(1, 1) = %v, want 0.5", got)
	}
}

// What is played makes much garbage and keeps little of it.
func TestMain(m *testing.M) {
	debug.SetGCPercent(1000)
	os.Exit(m.Run())
}
