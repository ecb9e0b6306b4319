package trace_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"ossupload/shared/trace"
)

const (
	given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	fresh = "000102030405060708090a0b0c0d0e0f"
	span  = "1011121314151617"
)

// counting is randomness that counts up.
func counting() io.Reader {
	b := make([]byte, 24)
	for i := range b {
		b[i] = byte(i)
	}
	return bytes.NewReader(b)
}

func TestNew(t *testing.T) {
	begun := "00-" + fresh + "-" + span + "-02"
	tests := []struct {
		name   string
		header []string
		want   string
	}{
		{"none came", nil, begun},
		{"one came", []string{given}, "00-0af7651916cd43dd8448eb211c80319c-" + span + "-01"},
		{"not sampled", []string{strings.TrimSuffix(given, "01") + "00"}, "00-0af7651916cd43dd8448eb211c80319c-" + span + "-00"},
		{"flags of the future", []string{strings.TrimSuffix(given, "01") + "ff"}, "00-0af7651916cd43dd8448eb211c80319c-" + span + "-03"},

		{"two came", []string{given, given}, begun},
		{"two in one line", []string{given + ", " + given}, begun},
		{"an empty one", []string{""}, begun},
		{"another version", []string{"01" + given[2:]}, begun},
		{"the version that is forbidden", []string{"ff" + given[2:]}, begun},
		{"capitals", []string{strings.ToUpper(given)}, begun},
		{"one capital", []string{strings.Replace(given, "a", "A", 1)}, begun},
		{"no hex digit", []string{strings.Replace(given, "a", "g", 1)}, begun},
		{"a trace of zeros", []string{"00-" + strings.Repeat("0", 32) + given[35:]}, begun},
		{"a parent of zeros", []string{given[:36] + strings.Repeat("0", 16) + given[52:]}, begun},
		{"a short trace and a long parent", []string{"00-0af7651916cd43dd8448eb211c8031-9cb7ad6b7169203331-01"}, begun},
		{"more behind it", []string{given + "-01"}, begun},
		{"one character less", []string{given[:54]}, begun},
		{"a space", []string{" " + given[:54]}, begun},
		{"a line break", []string{given[:54] + "\n"}, begun},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := trace.New(time.Now, counting(), tt.header)
			if got := tr.Parent(); got != tt.want {
				t.Errorf("Parent = %q, want %q", got, tt.want)
			}
			if got := tr.ID(); got != tt.want[3:35] {
				t.Errorf("ID = %q, want %q", got, tt.want[3:35])
			}
		})
	}
}

func TestNoRandomness(t *testing.T) {
	tr := trace.New(time.Now, iotest.ErrReader(errors.New("out of it")), []string{given})
	if tr.ID() != "" || tr.Parent() != "" {
		t.Errorf("ID %q, Parent %q, want none", tr.ID(), tr.Parent())
	}
}

// Calls that overlap are waited for once.
func TestWaited(t *testing.T) {
	clock := time.Unix(1, 0)
	tr := trace.New(func() time.Time { return clock }, counting(), nil)
	pass := func(d time.Duration) { clock = clock.Add(d) }

	if d, ok := tr.Waited(trace.OSS); ok || d != 0 {
		t.Errorf("before any call: Waited = %v, %v, want 0, false", d, ok)
	}
	a := tr.Begin(trace.OSS)
	pass(time.Second)
	b := tr.Begin(trace.OSS)
	pass(time.Second)
	a()
	a()
	pass(time.Second)
	b()
	pass(time.Hour)
	c := tr.Begin(trace.OSS)
	pass(time.Second)
	if d, ok := tr.Waited(trace.OSS); !ok || d != 4*time.Second {
		t.Errorf("with a call under way: Waited = %v, %v, want 4 s", d, ok)
	}
	c()
	if d, ok := tr.Waited(trace.OSS); !ok || d != 4*time.Second {
		t.Errorf("Waited = %v, %v, want 4 s", d, ok)
	}
	if d, ok := tr.Waited(trace.STS); ok {
		t.Errorf("Waited for another = %v, want none", d)
	}
}

// What a queued event goes on with is its own trace, in the same invocation.
func TestContinue(t *testing.T) {
	ctx := trace.NewContext(t.Context(), trace.New(time.Now, counting(), nil))
	same := trace.Continue(ctx, "00-not-a-trace")
	if got := trace.From(same).ID(); got != fresh {
		t.Errorf("with no trace, ID = %q, want %q", got, fresh)
	}
	other := trace.From(trace.Continue(ctx, given))
	if want := "00-0af7651916cd43dd8448eb211c80319c-" + span + "-01"; other.Parent() != want {
		t.Errorf("Parent = %q, want %q", other.Parent(), want)
	}
	other.Begin(trace.Webhook)()
	if _, ok := trace.From(ctx).Waited(trace.Webhook); !ok {
		t.Error("what the continued trace waited for is not the invocation's")
	}
	if ctx := trace.Continue(context.Background(), given); trace.From(ctx) != nil {
		t.Error("a trace was made of nothing")
	}
}

func TestNil(t *testing.T) {
	none := trace.From(t.Context())
	none.Begin(trace.OSS)()
	none.Ask("alice")
	none.Announce(trace.Announced{Event: "e"})
	if _, ok := none.Waited(trace.OSS); ok || none.ID() != "" || none.Parent() != "" || none.Subject() != "" || none.Announced() != (trace.Announced{}) {
		t.Error("no trace knows something")
	}
}
