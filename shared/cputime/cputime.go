// Package cputime measures what code costs in CPU time, the collector's work
// included. That is what the functions are paid for, and unlike the time that
// passes it says the same while other programs keep a machine busy.
//
// It is for tests alone: it imports testing, and no function links it.
package cputime

import "testing"

// Metric is the unit in which Bench reports.
const Metric = "cpu-ns/op"

// Bench runs op as the benchmark called name, and reports its CPU time beside
// what every benchmark tells. It runs op once before: what is made for the first
// and kept for the others does not count.
func Bench(b *testing.B, name string, op func() error) {
	b.Run(name, func(b *testing.B) {
		if err := op(); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		began := Used()
		for b.Loop() {
			if err := op(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(Used()-began)/float64(b.N), Metric)
	})
}
