package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// asFunction in the environment makes this test binary the function itself.
const asFunction = "OSSUPLOAD_TEST_AS_FUNCTION"

func TestMain(m *testing.M) {
	if os.Getenv(asFunction) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// newProcess is the function as a process of its own, with no environment but env.
func newProcess(t *testing.T, env ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env, cmd.Stderr = append(env, asFunction+"=1"), log
	return cmd, log
}

// invoke starts the function on a runtime API that has one event for it. It
// returns the answer and the log.
func invoke(t *testing.T, event []byte, env ...string) (answer []byte, log string) {
	t.Helper()
	answers := make(chan []byte, 1)
	const base = "/2020-11-11/runtime/invocation/"
	mux, events := http.NewServeMux(), make(chan []byte, 1)
	events <- event
	mux.HandleFunc("GET "+base+"next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case event := <-events:
			header := map[string]string{
				"x-fc-request-id": "request-1", "x-fc-function-type": "0", "x-fc-function-timeout": "10",
				"x-fc-function-deadline": strconv.FormatInt(time.Now().Add(10*time.Second).UnixMilli(), 10),
				"x-fc-access-key-id":     "STS.fc", "x-fc-access-key-secret": "fc-secret", "x-fc-security-token": "fc-token",
			}
			for name, value := range header {
				w.Header().Set(name, value)
			}
			w.Write(event)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST "+base+"request-1/{outcome}", func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			answers <- body
		}
	})
	platform := httptest.NewServer(mux)
	defer platform.Close()

	cmd, logged := newProcess(t, append(env, "FC_RUNTIME_API="+platform.Listener.Addr().String())...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case answer = <-answers:
		cmd.Process.Kill()
		<-ended
	case err := <-ended:
		t.Fatalf("the function ended without an answer: %v\n%s", err, logged)
	}
	return answer, logged.String()
}

func TestRefusesToStart(t *testing.T) {
	cmd, log := newProcess(t)
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("without settings it ends with %v, want status 1", err)
	}
	if text := log.String(); !strings.Contains(text, `"msg":"refusing to start"`) || !strings.Contains(text, "OSS_BUCKET") {
		t.Errorf("log %s, want the reason", text)
	}
}

func TestStarts(t *testing.T) {
	event := `{"version":"v1","rawPath":"/presign","headers":{"Origin":"https://app.example.com","Content-Type":"application/json"},"body":"{\"filename\":\"a.png\",\"size\":1}",` +
		`"requestContext":{"http":{"method":"POST","path":"/presign"}}}`
	out, log := invoke(t, []byte(event),
		"OSS_REGION=cn-hangzhou", "OSS_BUCKET=examplebucket", "UPLOAD_MAX_SIZE=10", "UPLOAD_CONTENT_TYPES=image/*", "CALLBACK_URL=https://api.example.com/callback",
		"UPLOAD_TOKEN_SECRETS=k1:ZmVkY2JhOTg3NjU0MzIxMGFiY2RlZmdoaWprbG1ub3A=", "AUTH_MODE=none", "AUTH_ALLOW_NONE=true", "CORS_ORIGINS=https://app.example.com")
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	var got upload
	a.granted(t, &got)
	q := query(t, got.URL)
	date, err := time.Parse("20060102T150405Z", q.Get("x-oss-date"))
	if err != nil || time.Since(date).Abs() > time.Minute {
		t.Errorf("signed at %v, %v, want now", date, err)
	}
	// The invocation's own credentials, which do not say when they end.
	if !strings.HasPrefix(q.Get("x-oss-credential"), "STS.fc/") || q.Get("x-oss-security-token") != "fc-token" || got.Expires < 899 || got.Expires > 900 {
		t.Errorf("URL %s for %d s, want one signed by the invocation's credentials", got.URL, got.Expires)
	}
	if a.Header["X-Request-Id"] != "request-1" || a.Header["Access-Control-Allow-Origin"] != "https://app.example.com" {
		t.Errorf("headers %v, want the request id and the origin", a.Header)
	}
	for _, line := range []string{"AUTH_MODE is none", `"route":"/presign"`} {
		if !strings.Contains(log, line) {
			t.Errorf("log %s, want %s", log, line)
		}
	}
}
