package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stacktest"
)

// A script that runs the documented command in the background and kills it
// afterwards must not leave the stack on its ports.
func TestEndsWithGoRun(t *testing.T) {
	stacktest.EndToEnd(t)
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "-buildvcs=false", ".", "-addr", "127.0.0.1:0", "-oss-addr", "127.0.0.1:0", "-sts-addr", "127.0.0.1:0")
	// The stack holds the other end of stdout, so that reading ends with it.
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var r stack.Ready
	if err := json.NewDecoder(stdout).Decode(&r); err != nil {
		t.Fatalf("reading the ready line: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(stdout); err != nil || len(rest) > 0 {
		t.Errorf("after the ready line stdout has %q, %v; want its end", rest, err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("go run ended with status 0 on SIGTERM, so this test tests nothing")
	}
}
