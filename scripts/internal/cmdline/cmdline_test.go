package cmdline

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
)

func newFlags() (*flag.FlagSet, *int) {
	flags := flag.NewFlagSet("tool", flag.ContinueOnError)
	return flags, flags.Int("n", 1, "how `many`")
}

func TestParse(t *testing.T) {
	flags, n := newFlags()
	if err := Parse(flags, []string{"-n", "3", "show", "-n", "4"}); err != nil || *n != 3 {
		t.Errorf("Parse() = %v with -n %d, want 3", err, *n)
	}
	if err := Parse(flags, flags.Args()[1:]); err != nil || *n != 4 {
		t.Errorf("Parse() of the rest = %v with -n %d, want 4", err, *n)
	}
}

func TestParseTellsAFaultInOneLine(t *testing.T) {
	for _, args := range [][]string{{"-m", "3"}, {"-n"}, {"-n", "x"}, {"-n", "x\ny"}, {"-a\nb"}} {
		flags, _ := newFlags()
		flags.SetOutput(failing{t})
		err := Parse(flags, args)
		if err == nil || errors.Is(err, flag.ErrHelp) || strings.Contains(err.Error(), "\n") || !strings.HasSuffix(err.Error(), "; -h lists the flags") {
			t.Errorf("Parse(%q) = %v, want one line that names -h", args, err)
		}
	}
}

// failing is where nothing may be written.
type failing struct{ t *testing.T }

func (f failing) Write(p []byte) (int, error) {
	f.t.Errorf("printed %q, want nothing", p)
	return len(p), nil
}

func TestHelpAndVersionAreAnswered(t *testing.T) {
	own := func(flags *flag.FlagSet) { flags.Usage = func() { fmt.Fprint(flags.Output(), "usage: tool [-n N]\n") } }
	tests := []struct {
		arg   string
		usage func(*flag.FlagSet)
		want  []string
	}{
		{"-h", func(*flag.FlagSet) {}, []string{"Usage of tool:", "-n many", "-version"}},
		{"-help", own, []string{"usage: tool [-n N]\n"}},
		{"-version", own, []string{Version("tool")}},
	}
	for _, tt := range tests {
		flags, _ := newFlags()
		tt.usage(flags)
		err := fmt.Errorf("tool: %w", Parse(flags, []string{tt.arg}))
		if !errors.Is(err, flag.ErrHelp) {
			t.Fatalf("Parse(%s) = %v, want an answer", tt.arg, err)
		}
		var stdout strings.Builder
		if !Answered(err, &stdout) {
			t.Errorf("Answered(%v) = false", err)
		}
		for _, text := range tt.want {
			if !strings.Contains(stdout.String(), text) {
				t.Errorf("%s prints %q, want %q in it", tt.arg, stdout.String(), text)
			}
		}
	}
	if Answered(errors.New("wrong"), io.Discard) || Answered(nil, io.Discard) {
		t.Error("Answered() = true of what is no answer")
	}
	fields := strings.Fields(Version("tool"))
	if len(fields) < 4 || fields[0] != "tool" || !strings.HasPrefix(fields[len(fields)-2], "go1.") || strings.Count(Version("tool"), "\n") != 1 {
		t.Errorf("Version() = %q", Version("tool"))
	}
}
