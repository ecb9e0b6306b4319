package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stacktest"
)

// One small run of each kind, on a stack of its own.
func TestLoad(t *testing.T) {
	stacktest.EndToEnd(t)
	for _, source := range []string{"go.mod", "functions", "shared", "scripts/local", "scripts/internal/stack"} {
		stacktest.Watch(t, filepath.Join("..", "..", source))
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	tests := []struct {
		name    string
		args    string
		verdict string
	}{
		{
			"uploads survive faults and killed functions", "-uploads 60 -workers 8 -soak 60s -seed 4",
			`PASS: 60 uploads under [1-9]\d* faults and [1-9]\d* kills, and [1-9]\d* after them: all \d+ objects whole`,
		},
		{
			"a receiver that is down and then refuses some events, and two instances",
			"-uploads 40 -workers 8 -soak 60s -seed 6 -receiver-down 2s -refuse -instances 2",
			`PASS: 40 uploads under [1-9]\d* faults`,
		},
		{
			"every callback lost", "-uploads 40 -workers 8 -soak 60s -seed 7 -no-callbacks",
			`(?s)faults +\d+: callback [4-9]\d.*PASS: 4\d uploads under`,
		},
		{"load rises step by step", "-steps 1,6 -step-duration 500ms -seed 1", `PASS: [1-9]\d* uploads at rising concurrency`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), strings.Fields(tt.args), io.MultiWriter(&out, t.Output()), t.Output()); err != nil {
				t.Fatalf("run(%s) = %v", tt.args, err)
			}
			if !regexp.MustCompile(tt.verdict).Match(out.Bytes()) {
				t.Errorf("run(%s) does not say %q", tt.args, tt.verdict)
			}
			if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
				t.Errorf("run(%s) left %v, %v", tt.args, left, err)
			}
		})
	}
}

// What load checks, it finds.
func TestSelftest(t *testing.T) {
	stacktest.EndToEnd(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-selftest", "-seed", "3"}, io.MultiWriter(&out, t.Output()), t.Output()); err != nil {
		t.Fatalf("run(-selftest) = %v", err)
	}
	for _, b := range bugs {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(b.name) + ` +(\(nothing|` + regexp.QuoteMeta(b.want) + ` )`).Match(out.Bytes()) {
			t.Errorf("the table has no row of %q found by %q", b.name, b.want)
		}
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("run(-selftest) left %v, %v", left, err)
	}
}

func TestParseFlags(t *testing.T) {
	refused := []struct{ name, args, says string }{
		{"an argument that is no flag", "now", "only flags"},
		{"an unknown flag", "-fast", "not defined"},
		{"another machine", "-gateway http://192.0.2.1:8580 -token t", "only this machine"},
		{"another machine by its name", "-gateway http://example.com -token t", "only this machine"},
		{"another machine with our name in front", "-gateway http://localhost@example.com -token t", "is not http://host:port"},
		{"a path", "-gateway http://127.0.0.1:8580/x -token t", "is not http://host:port"},
		{"a gateway without its token", "-gateway http://127.0.0.1:8580", "go together"},
		{"a token without its gateway", "-token t", "go together"},
		{"no step", "-steps ,", "is not a number"},
		{"too many at once", "-steps 1,257", "from 1 to 256"},
		{"too many steps", "-steps 1" + strings.Repeat(",1", maxSteps), "more than 16"},
		{"a step that is too long", "-step-duration 1h", "is not from"},
		{"too long a soak", "-soak 61m", "is not from"},
		{"too many uploads", "-uploads 100001", "is not from"},
		{"too many workers", "-workers 257", "is not from"},
		{"a receiver that is down for too long", "-soak 1m -receiver-down 31s", "is not from"},
		{"no callbacks without faults", "-no-callbacks", "runs under faults"},
		{"no callbacks and no receiver", "-soak 1m -no-callbacks -receiver-down 10s", "not together"},
		{"too many instances", "-instances 17", "is not from"},
		{"no worker", "-workers 0", "is not from"},
	}
	for _, tt := range refused {
		t.Run(tt.name+" is refused", func(t *testing.T) {
			if _, err := parseFlags(strings.Fields(tt.args)); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("parseFlags(%s) = %v, want %v with %q", tt.args, err, errUsage, tt.says)
			}
		})
	}
	t.Run("the seed is drawn and a bound is set", func(t *testing.T) {
		o, err := parseFlags([]string{"-uploads", "5"})
		if err != nil || o.seed == 0 || o.soak == 0 || !o.soaks() {
			t.Errorf("parseFlags(-uploads 5) = %+v, %v, want a seed and a soak", o, err)
		}
	})
	t.Run("a stack that runs", func(t *testing.T) {
		for _, gateway := range []string{"http://127.0.0.1:8580", "http://localhost:8580/", "http://[::1]:8580"} {
			if _, err := parseFlags([]string{"-gateway", gateway, "-token", "t"}); err != nil {
				t.Errorf("parseFlags(-gateway %s) = %v", gateway, err)
			}
		}
	})
}

func TestWireRefusesOtherMachines(t *testing.T) {
	w := newWire("http://127.0.0.1:1", "t", 1)
	for _, target := range []string{"http://192.0.2.1/", "http://[2001:db8::1]/", "http://0.0.0.0:1/"} {
		_, err := w.Send(t.Context(), "GET", target, nil, client.Source{})
		if !errors.Is(err, errNotHere) {
			t.Errorf("Send(%s) = %v, want %v", target, err, errNotHere)
		}
	}
}
