package main

import (
	"bytes"
	"encoding/base64"
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

	"ossupload/shared/uploadtoken"
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
	w := newWorld(t)
	signedBy := make(chan string, 10)
	site := httptest.NewServer(http.HandlerFunc(func(res http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/key.pem" {
			res.Write(w.keys.document)
			return
		}
		signedBy <- r.Method + " " + r.Header.Get("Authorization")
		for name, value := range map[string]string{
			"ETag": `"` + testETag + `"`, "Content-Length": "5", "Content-Type": "image/png", "x-oss-object-type": "Normal", "Last-Modified": "Mon, 30 Nov 2026 16:30:00 GMT",
		} {
			res.Header().Set(name, value)
		}
	}))
	defer site.Close()

	c := claims()
	c.Metadata = ""
	c.ExpiresAt = time.Now().Unix() + 60
	m := callback(t)
	m.header["x-oss-pub-key-url"] = []string{base64.StdEncoding.EncodeToString([]byte(site.URL + "/key.pem"))}
	m.says(t, notice(t, map[string]string{"token": seal(t, tokenKeys, uploadtoken.Upload, c)}))
	out, log := invoke(t, m.event(t),
		"OSS_REGION=cn-hangzhou", "OSS_BUCKET=examplebucket", "OSS_ENDPOINT=oss-cn-hangzhou.aliyuncs.com", "OSS_INTERNAL_ENDPOINT="+site.URL,
		"UPLOAD_TOKEN_SECRETS=k1:"+base64.StdEncoding.EncodeToString(tokenKeys[0].Secret), "UPLOAD_PREFIX=u/",
		"CALLBACK_URL=https://api.example.com/hooks/callback?tenant=a%2Fb&x=1", "CALLBACK_KEY_URLS="+site.URL+"/key.pem")
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if a.Status != http.StatusOK || a.Header["X-Request-Id"] != "request-1" {
		t.Errorf("answer %d %v %s, want 200 with the request id", a.Status, a.Header, a.Body)
	}
	for i, method := range []string{"HEAD", "PUT"} {
		got := <-signedBy
		for i > 0 && strings.HasPrefix(got, "HEAD ") { // tried again, on a slow machine
			got = <-signedBy
		}
		if !strings.HasPrefix(got, method+" OSS4-HMAC-SHA256 Credential=STS.fc/") {
			t.Errorf("OSS was asked by %q, want a %s with the invocation's credentials", got, method)
		}
	}
	for _, line := range []string{"OSS_ENDPOINT is the default public domain", `"msg":"event"`, `"route":"/{path...}"`} {
		if !strings.Contains(log, line) {
			t.Errorf("log %s, want %s", log, line)
		}
	}
}
