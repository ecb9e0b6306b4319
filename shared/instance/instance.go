// Package instance fits Go's runtime to an instance of Function Compute, which has
// a fraction of a core and one request at a time.
//
// The garbage collector is left as it is. Of a warm presign, GOGC=200 to 800 saved
// at most what the larger heap cost in page faults, for 4 to 27 MB more.
package instance

import "runtime"

// Fit lets goroutines run one at a time, unless GOMAXPROCS says how many. A request
// has several, the HTTP client's among them, and takes CPU time for each thread that
// is woken for one: with the two that Go counts at the least, however small the
// instance, a warm presign took 10 to 20 % more.
//
// It changes the whole process. To change it takes 0.3 ms, a twelfth of a start: what
// Go holds ready for the processors that are given up goes back. So s.yaml sets it
// in the environment, and this is for whoever deploys otherwise.
func Fit(lookup func(name string) (value string, ok bool)) {
	if value, _ := lookup("GOMAXPROCS"); value == "" {
		runtime.GOMAXPROCS(1)
	}
}
