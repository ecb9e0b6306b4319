package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/cost/sim"
)

func runWith(args ...string) (string, error) {
	var out bytes.Buffer
	err := run(context.Background(), args, nil, &out, &out)
	return out.String(), err
}

func TestRun(t *testing.T) {
	m := builtInModel(t)
	if got, err := runWith(); err != nil || got != m.tables() {
		t.Errorf("run = %q, %v", got, err)
	}
	got, err := runWith("-simulate", "-uploads", "2000", "-burst", "3", "-caps", "4,5,6,7")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 2,000 an hour, ", "presign 4, callback 5, complete 6, repair 7", "| 3 times as many, for one minute | "} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"more"}, {"-uploads", "999"}, {"-uploads", "NaN"}, {"-burst", "0.5"}, {"-burst", "NaN"}, {"-caps", "1,2,3"}, {"-caps", "1,2,3,0"}, {"-caps", "1,2,3,x"}, {"-durations", "no/such.json"},
	} {
		if out, err := runWith(args...); !errors.Is(err, errUsage) || out != "" {
			t.Errorf("run(%q) = %q, %v, want %v", args, out, err, errUsage)
		}
	}
}

func TestDurationsOfYourOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.json")
	read := func(text string) (sim.Durations, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return loadDurations(path)
	}
	want := builtInModel(t).Durations
	want.Wait.Receiver, want.CPU.Look = 1500*time.Microsecond, 2*time.Millisecond
	if got, err := read(`{"assumed": {"receiver": 1.5}, "measured": {"look": 2}}`); err != nil || got != want {
		t.Errorf("loadDurations = %+v, %v, want %+v", got, err, want)
	}
	for _, text := range []string{`{"assumed": {"reciever": 1}}`, `{"assumed": {"receiver": 0}}`, `{"assumed": {"receiver": 1e300}}`, `{"guessed": {}}`, `[`} {
		if _, err := read(text); err == nil {
			t.Errorf("loadDurations took %s", text)
		}
	}
}
