package tiny_test

import (
	"slices"
	"testing"

	"ossupload/scripts/mutate/testdata/tiny"
)

func TestClamp(t *testing.T) {
	for n, want := range map[int]int{1: 2, 2: 2, 3: 3, 4: 4, 5: 4} {
		if got := tiny.Clamp(n, 2, 4); got != want {
			t.Errorf("Clamp(%d, 2, 4) = %d, want %d", n, got, want)
		}
	}
}

func TestSorted(t *testing.T) {
	if got := tiny.Sorted([]string{"b", "a"}); !slices.IsSorted(got) {
		t.Errorf("Sorted = %q", got)
	}
}
