package fc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

var triggers = []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP}

// everyByte is no text in any encoding that matters.
var everyByte = func() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

func TestGatewayRoundTrip(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, trigger := range triggers {
		t.Run(string(trigger), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(fc.NewGateway(trigger, []fc.Route{{Prefix: "/", Function: f}}, facts.Assumptions{}, nil))
			t.Cleanup(server.Close)
			for name, body := range map[string]string{
				"binary":  string(everyByte),
				"text":    `{"a":"<&>","b":"é"}`,
				"nothing": "",
			} {
				response, got := post(t, server.URL+"/any/path?mode=answer", body)
				if response.StatusCode != 201 || got != body {
					t.Errorf("%s: answer = %d %q, want 201 %q", name, response.StatusCode, got, body)
				}
				if got := response.Header.Get("X-Echo"); got != "a&b<c>" {
					t.Errorf("%s: X-Echo = %q", name, got)
				}
				if got := response.Header.Get("Content-Type"); got != "application/x-echo" {
					t.Errorf("%s: Content-Type = %q", name, got)
				}
				if response.ContentLength != int64(len(body)) {
					t.Errorf("%s: Content-Length = %d, want %d", name, response.ContentLength, len(body))
				}
			}
		})
	}
}

func post(t *testing.T, url, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(got)
}

func TestGatewayEventIsTheInvocations(t *testing.T) {
	t.Parallel()
	f := start(t, func(cfg *fc.FunctionConfig) { cfg.AccountID = "123456" })
	gateway := fc.NewGateway(fc.TriggerHTTP, []fc.Route{{Prefix: "", Function: f}}, facts.Assumptions{}, nil)
	recorder := httptest.NewRecorder()
	gateway.ServeHTTP(recorder, httptest.NewRequest("GET", "//odd/../path", nil))

	// A payload without statusCode is the body itself.
	if got := recorder.Header().Get("Content-Type"); recorder.Code != 200 || got != "application/json" {
		t.Fatalf("answer = %d %s, want 200 application/json", recorder.Code, got)
	}
	var r struct {
		RequestID string `json:"requestId"`
		Event     struct {
			RawPath        string `json:"rawPath"`
			RequestContext struct {
				AccountID string `json:"accountId"`
				RequestID string `json:"requestId"`
			} `json:"requestContext"`
		}
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	header := recorder.Header().Get("X-Fc-Request-Id")
	if header == "" || r.RequestID != header || r.Event.RequestContext.RequestID != header {
		t.Errorf("request ids = %q, %q, %q, want one", header, r.RequestID, r.Event.RequestContext.RequestID)
	}
	if r.Event.RawPath != "//odd/../path" || r.Event.RequestContext.AccountID != "123456" {
		t.Errorf("event = %+v", r.Event)
	}
}

func TestGatewayRoutes(t *testing.T) {
	t.Parallel()
	named := func(name string) *fc.Function {
		return start(t, func(cfg *fc.FunctionConfig) { cfg.Name = name })
	}
	complete, callback := named("complete"), named("callback")
	gateway := fc.NewGateway(fc.TriggerHTTP, []fc.Route{
		{Prefix: "/s3", Function: complete},
		{Prefix: "/s3/callback/", Function: callback},
	}, facts.Assumptions{}, nil)
	for path, want := range map[string]string{
		"/s3":                 "complete",
		"/s3/":                "complete",
		"/s3/multipart/x":     "complete",
		"/s3/callbacks":       "complete",
		"/s3/callback":        "callback",
		"/s3/callback/x":      "callback",
		"/s3x":                "",
		"/":                   "",
		"/presign/s3/":        "",
		"/%73%33/encoded":     "complete",
		"/s3/callback?a=/s3x": "callback",
	} {
		recorder := httptest.NewRecorder()
		gateway.ServeHTTP(recorder, httptest.NewRequest("GET", path, nil))
		var r report
		if err := json.Unmarshal(recorder.Body.Bytes(), &r); err != nil {
			t.Errorf("GET %s = %s, want JSON", path, recorder.Body)
		}
		if r.Function.Name != want {
			t.Errorf("GET %s went to %q, want %q", path, r.Function.Name, want)
		}
		if want == "" && recorder.Code != 404 {
			t.Errorf("GET %s = %d, want 404", path, recorder.Code)
		}
	}
}

func TestGatewayFaults(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	slow := start(t, func(cfg *fc.FunctionConfig) { cfg.Timeout = time.Second })
	const badAnswer = `{"statusCode":200,"headers":[],"isBase64Encoded":false,"body":""}`
	type outcome struct {
		status          int
		code, errorType string
	}
	for _, c := range []struct {
		mode, body              string
		httpTrigger, apiGateway outcome
	}{
		{"error", "", outcome{502, "FunctionError", "HandledInvocationError"}, outcome{502, "FunctionError", "HandledInvocationError"}},
		{"panic", "", outcome{502, "FunctionError", "UnhandledInvocationError"}, outcome{502, "FunctionError", "UnhandledInvocationError"}},
		{"sleep", "", outcome{504, "FunctionTimeout", "UnhandledInvocationError"}, outcome{504, "FunctionTimeout", "UnhandledInvocationError"}},
		{"report", "", outcome{200, "", ""}, outcome{503, "BadResponse", "UnhandledInvocationError"}},
		{"answer", "", outcome{201, "", ""}, outcome{201, "", ""}},
	} {
		for trigger, want := range map[fc.Trigger]outcome{fc.TriggerHTTP: c.httpTrigger, fc.TriggerAPIGateway: c.apiGateway} {
			t.Run(c.mode+" behind "+string(trigger), func(t *testing.T) {
				t.Parallel()
				var log bytes.Buffer
				behind := f
				if c.mode == "sleep" {
					behind = slow
				}
				gateway := fc.NewGateway(trigger, []fc.Route{{Prefix: "/s3", Function: behind}}, facts.Assumptions{}, slog.New(slog.NewJSONHandler(&log, nil)))
				recorder := httptest.NewRecorder()
				gateway.ServeHTTP(recorder, httptest.NewRequest("POST", "/s3/capability?mode="+c.mode, strings.NewReader(c.body)))
				checkRefusal(t, recorder, want.status, want.code, want.errorType)
				if failed := want.code != ""; failed != (log.Len() > 0) {
					t.Errorf("log = %s", &log)
				}
				if strings.Contains(log.String(), "capability") || strings.Contains(log.String(), "mode=") {
					t.Errorf("log = %s, want neither path nor query in it", &log)
				}
			})
		}
	}
	t.Run("an answer of the wrong types", func(t *testing.T) {
		t.Parallel()
		gateway := fc.NewGateway(fc.TriggerHTTP, []fc.Route{{Prefix: "", Function: f}}, facts.Assumptions{}, nil)
		recorder := httptest.NewRecorder()
		gateway.ServeHTTP(recorder, httptest.NewRequest("POST", "/?mode=raw", strings.NewReader(badAnswer)))
		checkRefusal(t, recorder, 502, "BadResponse", "UnhandledInvocationError")
	})
	t.Run("a process that exits", func(t *testing.T) {
		t.Parallel()
		gateway := fc.NewGateway(fc.TriggerHTTP, []fc.Route{{Prefix: "", Function: start(t, nil)}}, facts.Assumptions{}, nil)
		recorder := httptest.NewRecorder()
		gateway.ServeHTTP(recorder, httptest.NewRequest("GET", "/?mode=exit", nil))
		checkRefusal(t, recorder, 502, "FunctionUnavailable", "UnhandledInvocationError")
	})
	t.Run("a function that is stopped", func(t *testing.T) {
		t.Parallel()
		stopped := start(t, nil)
		if err := stopped.Stop(); err != nil {
			t.Fatal(err)
		}
		gateway := fc.NewGateway(fc.TriggerAPIGateway, []fc.Route{{Prefix: "", Function: stopped}}, facts.Assumptions{}, nil)
		recorder := httptest.NewRecorder()
		gateway.ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
		checkRefusal(t, recorder, 502, "FunctionUnavailable", "UnhandledInvocationError")
	})
}

// checkRefusal holds an answer of the gateway's own against its parts; with
// an empty code only the status counts.
func checkRefusal(t *testing.T, recorder *httptest.ResponseRecorder, status int, code, errorType string) {
	t.Helper()
	if recorder.Code != status {
		t.Errorf("status = %d %s, want %d", recorder.Code, recorder.Body, status)
	}
	if got := recorder.Header().Get("X-Fc-Error-Type"); got != errorType {
		t.Errorf("X-Fc-Error-Type = %q, want %q", got, errorType)
	}
	if code == "" {
		return
	}
	var body struct{ RequestId, Code, Message string }
	if err := json.Unmarshal(recorder.Body.Bytes(), &body); err != nil {
		t.Fatalf("body = %s, want JSON", recorder.Body)
	}
	id := recorder.Header().Get("X-Fc-Request-Id") + recorder.Header().Get("X-Ca-Request-Id")
	if body.Code != code || body.RequestId != id || id == "" || body.Message == "" {
		t.Errorf("body = %s, want code %s and the id %q of the header", recorder.Body, code, id)
	}
}

func TestGatewayLimits(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	const mode = "?mode=answer"
	withHeader := func(bytes int) *http.Request {
		r := httptest.NewRequest("GET", "/"+mode, nil)
		r.Host = "h"
		r.Header.Set("X", strings.Repeat("a", bytes-len("Host"+"h"+"X")))
		return r
	}
	withTarget := func(bytes int) *http.Request {
		return httptest.NewRequest("GET", "/"+strings.Repeat("a", bytes-len("/"+mode))+mode, nil)
	}
	for _, trigger := range triggers {
		gateway := fc.NewGateway(trigger, []fc.Route{{Prefix: "", Function: f}}, facts.Assumptions{}, nil)
		for _, c := range []struct {
			name    string
			request *http.Request
			status  int
		}{
			{"headers at the limit", withHeader(8 << 10), 201},
			{"headers one byte over", withHeader(8<<10 + 1), 400},
			{"path and query at the limit", withTarget(4 << 10), 201},
			{"path and query one byte over", withTarget(4<<10 + 1), 400},
			{"a body one byte over", httptest.NewRequest("PUT", "/"+mode, io.LimitReader(zeros{}, 32<<20+1)), 400},
			{"a body that breaks off", httptest.NewRequest("PUT", "/"+mode, brokenReader{}), 400},
		} {
			t.Run(c.name+" behind "+string(trigger), func(t *testing.T) {
				recorder := httptest.NewRecorder()
				gateway.ServeHTTP(recorder, c.request)
				code := ""
				if c.status == 400 {
					code = "InvalidArgument"
				}
				checkRefusal(t, recorder, c.status, code, "")
			})
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestGatewayStopsWaitingForAClientThatLeft(t *testing.T) {
	t.Parallel()
	logs := &logBuffer{}
	f := start(t, func(cfg *fc.FunctionConfig) { cfg.Stdout = logs })
	gateway := fc.NewGateway(fc.TriggerHTTP, []fc.Route{{Prefix: "", Function: f}}, facts.Assumptions{}, nil)
	returned := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		gateway.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/?mode=sleep", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(r)
		left <- err
	}()
	stacktest.Eventually(t, "the function is called", func() bool {
		return strings.Contains(logs.String(), "FC Invoke Start")
	})
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("Do() = %v, want the client to leave", err)
	}
	select {
	case <-returned:
	case <-time.After(10 * time.Second):
		t.Error("the gateway waits on, and the function's timeout is 20 s")
	}
}

func TestNewGatewayRefusesAnUnknownTrigger(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("NewGateway(lambda) returned, want a panic")
		}
	}()
	fc.NewGateway("lambda", nil, facts.Assumptions{}, nil)
}
