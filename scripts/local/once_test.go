package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

func TestRehearsalPasses(t *testing.T) {
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		t.Run("behind the trigger "+string(trigger), func(t *testing.T) {
			t.Parallel()
			for _, assume := range []facts.Assumptions{{}, facts.AssumeWorst()} {
				rehearsalPasses(t, stack.Options{Trigger: trigger, Assume: assume})
			}
		})
	}
}

func rehearsalPasses(t *testing.T, o stack.Options) {
	t.Helper()
	s := stacktest.Start(t, o)
	var out strings.Builder
	if err := rehearse(t.Context(), s.Stack, &out); err != nil {
		t.Errorf("rehearse() = %v, want nil", err)
	}
	t.Log("\n" + out.String())
	for method, steps := range map[string]int{"put": 4, "form": 4, "url": 4, "multipart": 7} {
		if got := strings.Count("\n"+out.String(), "\n"+method+" "); got != steps {
			t.Errorf("rehearse() printed %d lines about %s, want %d", got, method, steps)
		}
	}
}

func TestRehearsalFails(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]string
		fault    fault.Fault
		say      []string
	}{
		{
			name:  "when a callback is lost, and goes on with the other methods",
			fault: fault.Fault{Target: "callback", Operation: "*", Mode: "reset"},
			say:   []string{"FAULT: storage answered 203 CallbackFailed", "multipart  find its event"},
		},
		{
			name:  "when an event is delivered twice",
			fault: fault.Fault{Target: "webhook", Operation: "*", Mode: "stored-then-reset"},
			say:   []string{"delivered 2 times"},
		},
		{
			name:     "when a method is refused",
			settings: map[string]string{"UPLOAD_MAX_SIZE": "500000"},
			say:      []string{"FAULT: asking for a URL: the endpoint answered 400 invalid_request", "url        find its event"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := stacktest.Start(t, stack.Options{Settings: tt.settings})
			if tt.fault.Target != "" {
				if err := s.Faults.Set(tt.fault); err != nil {
					t.Fatal(err)
				}
			}
			var out strings.Builder
			if err := rehearse(t.Context(), s.Stack, &out); err == nil {
				t.Errorf("rehearse() = nil, want an error")
			}
			for _, text := range tt.say {
				if !strings.Contains(out.String(), text) {
					t.Errorf("rehearse() printed\n%swant %q in it", out.String(), text)
				}
			}
		})
	}
}

// What somebody sees who tries the first command of the README.
func TestOncePrintsItsTableAndNothingElse(t *testing.T) {
	functions := stacktest.Binaries(t)
	small := filepath.Join(t.TempDir(), "small.env")
	if err := os.WriteFile(small, []byte("UPLOAD_MAX_SIZE=500000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		err  error
		end  string // of what it prints
		log  string // begins the log; "": there is none
	}{
		{"all goes well", nil, nil, "all uploads stored and announced in ", ""},
		{"with its log", []string{"-v"}, nil, "all uploads stored and announced in ", `{"time":`},
		{"something fails", []string{"-env", small}, errFaults, "faults: 2", "\nthe "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr strings.Builder
			err := run(t.Context(), append([]string{"-once", "-functions", functions}, tt.args...), &stdout, &stderr)
			if !errors.Is(err, tt.err) {
				t.Errorf("run() = %v, want %v", err, tt.err)
			}
			lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
			for _, line := range lines[:len(lines)-1] {
				if method, _, _ := strings.Cut(line, " "); !slices.Contains([]string{"put", "form", "url", "multipart"}, method) {
					t.Errorf("it prints %q, which is no step", line)
				}
			}
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, tt.end) {
				t.Errorf("it ends with %q, want %q", last, tt.end)
			}
			if tt.log == "" && stderr.Len() > 0 || !strings.HasPrefix(stderr.String(), tt.log) {
				t.Errorf("stderr begins with %.300q, want %q", stderr.String(), tt.log)
			}
			if tt.err != nil && !strings.Contains(stderr.String(), `"code":"invalid_request"`) {
				t.Errorf("stderr has no line about the refusal:\n%s", &stderr)
			}
		})
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	keep := stack.Options{DataDir: dir}
	const secretsFile = "secrets.json"
	content := []byte("stored before the restart")

	before := stacktest.Start(t, keep)
	// The callback is lost, so that only the token knows of the upload.
	if err := before.Faults.Set(fault.Fault{Target: "callback", Operation: "*", Mode: "reset"}); err != nil {
		t.Fatal(err)
	}
	caller := before.Client()
	granted, err := caller.Presign(t.Context(), client.PresignRequest{Filename: "a.txt", ContentType: "text/plain", Size: new(int64(len(content)))})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := caller.Send(t.Context(), granted.Method, granted.URL, granted.Headers, client.Bytes(content))
	if err != nil || sent.Status != http.StatusNonAuthoritativeInfo {
		t.Fatalf("PUT with a lost callback = %v, %v, want 203", sent, err)
	}
	if err := before.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}

	after := stacktest.Start(t, keep)
	if got, want := after.Ready.AccessKeySecret, before.Ready.AccessKeySecret; got != want {
		t.Error("the access key is another after the restart")
	}
	// What the caller and the functions hold from before is still good.
	r := newRehearsal(after.Ready, io.Discard)
	r.caller.Token = before.Ready.CallerToken
	receipt, err := r.caller.Confirm(t.Context(), granted.UploadToken)
	if err != nil {
		t.Fatal(err)
	}
	confirmed := uploaded{receipt: receipt, content: content}
	if _, err := r.compare(t.Context(), confirmed); err != nil {
		t.Errorf("comparing the object after the restart: %v", err)
	}
	if _, err := r.findEvent(t.Context(), confirmed); err != nil {
		t.Errorf("finding the event after the restart: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, secretsFile))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode of %s = %v, want 0600", secretsFile, info.Mode())
	}
}

func TestOtherBucketPrefixAndNoRole(t *testing.T) {
	s := stacktest.Start(t, stack.Options{Settings: map[string]string{"OSS_REGION": "eu-central-1", "OSS_BUCKET": "another", "UPLOAD_PREFIX": "in/coming/", "UPLOAD_ROLE_ARN": ""}})
	if s.Ready.Bucket != "another" || s.Ready.Region != "eu-central-1" {
		t.Errorf("bucket, region = %q, %q, want what was set", s.Ready.Bucket, s.Ready.Region)
	}
	var out strings.Builder
	if err := rehearse(t.Context(), s.Stack, &out); err != nil {
		t.Errorf("rehearse() = %v, want nil; it printed\n%s", err, out.String())
	}
}
