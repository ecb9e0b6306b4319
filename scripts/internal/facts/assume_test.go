package facts_test

import (
	"strings"
	"testing"

	"ossupload/scripts/internal/facts"
)

func TestAssume(t *testing.T) {
	a, err := facts.Assume("sign.too-early=400", "form.repeated-field=last")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id, value string
		want      bool
	}{
		{"sign.too-early", "400", true},
		{"sign.too-early", "403", false},
		{"form.repeated-field", "refused", false},
		{"form.repeated-field", "last", true},
		{"meta.names", "refused", true}, // is not set
		{"meta.names", "taken", false},
	} {
		if got := a.Is(tt.id, tt.value); got != tt.want {
			t.Errorf("Is(%s, %s) = %v", tt.id, tt.value, got)
		}
	}
	if got, want := a.String(), "form.repeated-field=last sign.too-early=400"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	for _, f := range facts.All() {
		if f.Status == facts.Unknown && !facts.AssumeWorst().Is(f.ID, f.Worst) {
			t.Errorf("AssumeWorst() does not take %s to be %s", f.ID, f.Worst)
		}
	}
}

func TestAssumeReadsWhatItSays(t *testing.T) {
	if worst, err := facts.Assume("worst"); err != nil || worst.String() != facts.AssumeWorst().String() {
		t.Errorf("Assume(worst) = %v, %v", worst, err)
	}
	for _, a := range append(facts.Positions(), facts.AssumeWorst()) {
		if got, err := facts.Assume(a.Settings()...); err != nil || got.String() != a.String() {
			t.Errorf("Assume of the settings of %q = %q, %v", a, got, err)
		}
	}
}

func TestAnd(t *testing.T) {
	a, err := facts.Assume("sign.too-early=400", "form.repeated-field=first")
	if err != nil {
		t.Fatal(err)
	}
	b, err := facts.Assume("form.repeated-field=last", "meta.names=taken")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.And(b).String(), "form.repeated-field=last meta.names=taken sign.too-early=400"; got != want {
		t.Errorf("And() = %q, want %q", got, want)
	}
	if got, want := a.String(), "form.repeated-field=first sign.too-early=400"; got != want {
		t.Errorf("And() has changed what it was asked of: %q, want %q", got, want)
	}
}

// Each value of each unknown fact is either the first or a position of its own.
func TestPositions(t *testing.T) {
	values := 0
	for _, f := range facts.All() {
		values += max(0, len(f.Values)-1)
	}
	var zero facts.Assumptions
	for _, a := range facts.Positions() {
		settings := a.Settings()
		id, value, _ := strings.Cut(settings[0], "=")
		if len(settings) != 1 || zero.Is(id, value) || !a.Is(id, value) {
			t.Errorf("%q is not one fact otherwise than the stand-in has it", a)
		}
	}
	if got := len(facts.Positions()); got != values {
		t.Errorf("%d positions, want %d", got, values)
	}
}

func TestAssumeRefuses(t *testing.T) {
	for fault, settings := range map[string][]string{
		"not fact=value":     {"sign.too-early"},
		"no unknown fact":    {"sign.week=400"},
		"its values are":     {"sign.too-early=404"},
		"is set twice":       {"sign.too-early=400", "sign.too-early=403"},
		`unknown fact ""`:    {"=400"},
		`["403" "400"]`:      {"sign.too-early="},
		`assuming "a.b=c=d"`: {"a.b=c=d"},
	} {
		if _, err := facts.Assume(settings...); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("Assume(%q) = %v, want %q in it", settings, err, fault)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Is of a value that there is not does not panic")
		}
	}()
	facts.AssumeWorst().Is("sign.too-early", "404")
}
