package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ossupload/scripts/internal/stack/fc"
)

func TestParseFlags(t *testing.T) {
	env := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(env, []byte("A=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, once, err := parseFlags(nil, io.Discard)
	if err != nil || once || o.addr != "127.0.0.1:8580" || o.ossAddr != "127.0.0.1:8581" || o.stsAddr != "127.0.0.1:8582" || o.trigger != fc.TriggerAPIGateway {
		t.Errorf("parseFlags() = %+v, %v, %v, want the documented defaults", o, once, err)
	}
	o, once, err = parseFlags([]string{"-once", "-oss-addr", "127.0.0.1:9000", "-trigger", "http", "-env", env, "-data", "d", "-webhook", "http://x/"}, io.Discard)
	if err != nil || !once || o.addr != "127.0.0.1:0" || o.ossAddr != "127.0.0.1:9000" || o.stsAddr != "127.0.0.1:0" ||
		o.trigger != fc.TriggerHTTP || o.overrides["A"] != "1" || o.dataDir != "d" || o.webhook != "http://x/" {
		t.Errorf("parseFlags(-once …) = %+v, %v, %v, want chosen ports but for the one given", o, once, err)
	}
}

func TestParseFlagsRefuses(t *testing.T) {
	tests := []struct {
		name string
		args []string
		say  string
	}{
		{"an unknown flag", []string{"-port", "80"}, "-port"},
		{"an argument", []string{"up"}, `"up"`},
		{"an unknown trigger", []string{"-trigger", "timer"}, "timer"},
		{"a file of settings that is not there", []string{"-env", filepath.Join(t.TempDir(), "none")}, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if _, _, err := parseFlags(tt.args, &stderr); !errors.Is(err, errUsage) {
				t.Errorf("parseFlags(%q) = %v, want %v", tt.args, err, errUsage)
			}
			if !strings.Contains(stderr.String(), tt.say) {
				t.Errorf("parseFlags(%q) said %q, want %q in it", tt.args, stderr.String(), tt.say)
			}
		})
	}
	if _, _, err := parseFlags([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("parseFlags(-h) = %v, want %v", err, flag.ErrHelp)
	}
}
