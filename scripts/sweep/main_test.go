package main

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"
	"time"

	"ossupload/shared/sweep"
)

func TestParseFlags(t *testing.T) {
	dry := sweep.Defaults()
	dry.DryRun = true
	tests := []struct {
		args string
		want sweep.Options
		err  error
	}{
		{"", dry, nil},
		{"-dry-run=false", sweep.Defaults(), nil},
		{
			"-dry-run=false -delete -max-objects 5 -look-back 1h -min-age 0s -grace 48h",
			sweep.Options{Delete: true, MaxObjects: 5, LookBack: time.Hour, Grace: 48 * time.Hour}, nil,
		},
		{"-help", dry, flag.ErrHelp},
		{"-min-age 15", dry, errUsage},
		{"-no-such-flag", dry, errUsage},
		{"false", dry, errUsage},
	}
	for _, tt := range tests {
		got, err := parseFlags(strings.Fields(tt.args))
		if !errors.Is(err, tt.err) || err == nil && got != tt.want {
			t.Errorf("parseFlags(%s) = %+v, %v, want %+v, %v", tt.args, got, err, tt.want, tt.err)
		}
	}
}

func TestRunWithoutSettings(t *testing.T) {
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), nil, func(string) (string, bool) { return "", false }, &stdout, &stderr)
	if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), "OSS_BUCKET: is required") || stdout.Len() > 0 {
		t.Errorf("run = %v and %q, want what is missing", err, &stdout)
	}
}
