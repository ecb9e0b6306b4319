package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	tests := []struct {
		name   string
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{"of none", nil, 50, 0},
		{"of one", []time.Duration{7}, 1, 7},
		{"of one, the most", []time.Duration{7}, 100, 7},
		{"of two, half are not above the first", []time.Duration{1, 2}, 50, 1},
		{"of two, more than half need the second", []time.Duration{1, 2}, 51, 2},
		{"of three, the middle", []time.Duration{1, 2, 3}, 50, 2},
		{"of a hundred, 50", hundred, 50, 50},
		{"of a hundred, 90", hundred, 90, 90},
		{"of a hundred, 99", hundred, 99, 99},
		{"of a hundred, all", hundred, 100, 100},
		{"of ten, 99 percent are all", hundred[:10], 99, 10},
		{"the least", hundred, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := percentile(tt.sorted, tt.p); got != tt.want {
				t.Errorf("percentile(%v, %v) = %d, want %d", tt.sorted, tt.p, got, tt.want)
			}
		})
	}
}

func TestRecorderCounts(t *testing.T) {
	began := time.Unix(1, 0)
	r := newRecorder(began)
	r.add(&operation{kind: kindPut, errors: []string{"throttled", "connection lost", "throttled"}}, 3*time.Millisecond, false)
	r.add(&operation{kind: kindPut, errors: []string{"storage_error"}}, time.Millisecond, true)
	r.add(&operation{kind: kindJunk}, 2*time.Second, false)
	r.end(began.Add(2 * time.Second))

	if got, n := r.of(kindPut, 50); got != time.Millisecond || n != 2 {
		t.Errorf("of(put, 50) = %v of %d, want 1ms of 2", got, n)
	}
	if got, n := r.of(kindForged, 50); got != 0 || n != 0 {
		t.Errorf("of(forged, 50) = %v of %d, want 0 of 0", got, n)
	}
	var out strings.Builder
	r.write(&out, kinds)
	var rows [][]string
	for line := range strings.Lines(out.String()) {
		rows = append(rows, strings.Fields(line))
	}
	want := [][]string{
		strings.Fields("kind ops ops/s p50 p90 p99 max errors"),
		strings.Fields("put 2 1.0 1ms 3ms 3ms 3ms throttled ×2, connection lost ×1, storage_error ×1, GIVEN UP ×1"),
		strings.Fields("junk 1 0.5 2s 2s 2s 2s -"),
		strings.Fields("all 3 1.5"),
	}
	if !slices.EqualFunc(rows, want, slices.Equal[[]string]) {
		t.Errorf("write prints\n%swant\n%v", out.String(), want)
	}
}

func TestGrowth(t *testing.T) {
	const mib = 1 << 20
	samples := func(quarters ...int) life {
		var l life
		for _, q := range quarters {
			l.samples = append(l.samples, q*mib, q*mib, q*mib)
		}
		return l
	}
	tests := []struct {
		name  string
		l     life
		ok    bool
		grown bool
	}{
		{"nothing was seen", life{}, false, false},
		{"too little was seen", life{samples: samples(1, 1, 1, 1).samples[1:]}, false, false},
		{"it is steady", samples(10, 20, 20, 20), true, false},
		{"it grew while it warmed up", samples(10, 200, 200, 200), true, false},
		{"it is at the bound", samples(10, 20, 20, 62), true, false},
		{"it is above the bound", samples(10, 20, 20, 63), true, true},
		{"it shrank", samples(90, 80, 20, 10), true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			warm, end, ok := tt.l.growth()
			if grown := end > bound("presign", warm, 1000); ok != tt.ok || ok && grown != tt.grown {
				t.Errorf("growth = %d, %d, %v, grown %v; want %v, grown %v", warm, end, ok, grown, tt.ok, tt.grown)
			}
		})
	}
	if got, want := bound("stack", 20*mib, 1024)-bound("presign", 20*mib, 1024), 8*mib; got != want {
		t.Errorf("the stack may hold %d more than a function, want %d", got, want)
	}
}
