package probe

import (
	"strings"
	"testing"
)

// A receiver that OSS does not reach is no finding about callbacks.
func TestCallbacksThatDoNotArrive(t *testing.T) {
	t.Parallel()
	target := standIn{}.target(t)
	target.Receiver = &Receiver{} // nobody serves this one
	var ids []string
	for _, p := range callbackProbes {
		ids = append(ids, p.Fact)
	}
	report, err := Run(t.Context(), target, ids...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Outcome != NotTried || !strings.HasPrefix(f.Saw, "no callback arrived") {
			t.Errorf("%s: %s: %s", f.Fact, f.Outcome, f.Saw)
		}
	}
}
