package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The environment is read before anything is started, and all that is missing
// is told at once.
func TestRunRefusesToStart(t *testing.T) {
	for _, name := range []string{"OSS_REGION", "OSS_BUCKET", "UPLOAD_TOKEN_SECRETS", "CALLBACK_URL", "AUTH_MODE"} {
		t.Setenv(name, "")
	}
	err := run(slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "OSS_REGION") || !strings.Contains(err.Error(), "CALLBACK_URL") {
		t.Errorf("run = %v, want what is missing", err)
	}
}

// What settings cannot see is refused before the runtime is started.
func TestRunRefusesARoleThatCannotBeAssumed(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent.pem")
	for name, value := range map[string]string{
		"OSS_REGION": "cn-hangzhou", "OSS_BUCKET": bucketName, "CALLBACK_URL": callback,
		"UPLOAD_TOKEN_SECRETS": "k1:" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrstuv")),
		"UPLOAD_MAX_SIZE":      "1", "UPLOAD_CONTENT_TYPES": "image/png", "AUTH_MODE": "none", "AUTH_ALLOW_NONE": "true",
		"UPLOAD_ROLE_ARN": "acs:ram::1:role/uploads", "STS_CA_FILE": absent,
	} {
		t.Setenv(name, value)
	}
	var log bytes.Buffer
	err := run(slog.New(slog.NewJSONHandler(&log, nil)))
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("run = %v, want %v", err, os.ErrNotExist)
	}
	if !strings.Contains(log.String(), `"level":"WARN"`) || !strings.Contains(log.String(), "AUTH_MODE is none") {
		t.Errorf("log = %s, want the warnings", log.String())
	}
}

// TestMainRefusesToStart runs this very test again as the function.
func TestMainRefusesToStart(t *testing.T) {
	const asMain = "OSSUPLOAD_TEST_MAIN"
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMainRefusesToStart$")
	cmd.Env = []string{asMain + "=1"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 1 || !strings.Contains(stderr.String(), `"msg":"refusing to start"`) || !strings.Contains(stderr.String(), "OSS_REGION") {
		t.Errorf("main ended with %v and said %s", err, stderr.String())
	}
}
