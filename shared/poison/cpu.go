package poison

import (
	"math"
	"testing"
	"time"

	"ossupload/shared/cputime"
)

// runs is how often a ratio is measured before it counts: what else a machine does
// only ever adds to what a piece of work takes, and other packages' tests may keep
// both of its cores busy for many seconds.
const runs = 400

// Ratio is how many times the CPU of yardstick work takes. Both are run in turns,
// and the least of each counts. It ends as soon as the ratio is at most enough.
func Ratio(work, yardstick func(), enough float64) float64 {
	leastWork, leastYard := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	ratio := math.Inf(1)
	for i := range runs {
		leastYard = min(leastYard, took(yardstick))
		leastWork = min(leastWork, took(work))
		// With a single measure of the yardstick a passing disturbance of it could
		// excuse anything.
		leastYard = min(leastYard, took(yardstick))
		if ratio = float64(leastWork) / float64(max(leastYard, time.Microsecond)); i > 0 && ratio <= enough || ratio <= enough/2 {
			break
		}
	}
	return ratio
}

// took is the CPU time of f and of all that the process does meanwhile: the
// collector's work is f's doing, too.
func took(f func()) time.Duration {
	before := cputime.Used()
	f()
	return cputime.Used() - before
}

// NeedsCPU skips a test where CPU time says nothing.
func NeedsCPU(tb testing.TB) {
	tb.Helper()
	if race {
		tb.Skip("the race detector slows our code down, and json.Valid less")
	}
	if cputime.Used() == 0 {
		tb.Skip("the CPU time of a process is not known on this system")
	}
}
