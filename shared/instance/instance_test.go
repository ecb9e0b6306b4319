package instance_test

import (
	"runtime"
	"testing"

	"ossupload/shared/instance"
)

func TestFit(t *testing.T) {
	before := runtime.GOMAXPROCS(3)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	fit := func(value string, set bool) int {
		instance.Fit(func(name string) (string, bool) { return value, set && name == "GOMAXPROCS" })
		return runtime.GOMAXPROCS(0)
	}
	if got := fit("8", true); got != 3 {
		t.Errorf("with GOMAXPROCS=8 it changed what Go had set, 3, to %d", got)
	}
	if got := fit("", true); got != 1 {
		t.Errorf("with an empty GOMAXPROCS goroutines run %d at a time, want 1", got)
	}
	runtime.GOMAXPROCS(3)
	if got := fit("", false); got != 1 {
		t.Errorf("goroutines run %d at a time, want 1", got)
	}
}
