package stack

import (
	"slices"
	"testing"
)

func TestOverride(t *testing.T) {
	e := Settings{{"A", "1"}, {"B", "2"}}
	got := e.Override(map[string]string{"B": "", "D": "4", "C": "3"}).Variables()
	if want := []string{"A=1", "B=", "C=3", "D=4"}; !slices.Equal(got, want) {
		t.Errorf("Override() = %q, want %q", got, want)
	}
	if e.Get("B") != "2" {
		t.Error("Override() changed what it was called on")
	}
}
