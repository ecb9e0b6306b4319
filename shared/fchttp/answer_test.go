package fchttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/fchttp"
)

func TestAnswers(t *testing.T) {
	type m = map[string]any
	tests := []struct {
		name   string
		value  any
		err    error
		status int
		body   string
		header map[string]string
	}{
		{name: "a value", value: m{"url": "https://a/?b&c=<d>"}, status: 200, body: `{"url":"https://a/?b&c=<d>"}`},
		{name: "an empty object", value: struct{}{}, status: 200, body: `{}`},
		{name: "no value", status: 200, body: `null`},
		{name: "text beyond ASCII", value: "é\u2028", status: 200, body: `"é\u2028"`},
		{name: "a value that JSON cannot hold", value: math.NaN(), status: 500,
			body: `{"code":"internal","message":"Something went wrong on our side. The log has the cause, under the request id.","requestId":"` + requestID + `","error":"Something went wrong on our side. The log has the cause, under the request id."}`},
		{name: "an error of ours", err: &api.Error{Code: api.Forbidden, Message: "Not <you>.", Reason: "r"}, status: 403,
			body: `{"code":"forbidden","message":"Not <you>.","requestId":"` + requestID + `","error":"Not <you>."}`},
		{name: "an error of ours, wrapped", err: fmt.Errorf("secret: %w", &api.Error{Code: api.UploadGone, Message: "Gone."}), status: 410,
			body: `{"code":"upload_gone","message":"Gone.","requestId":"` + requestID + `","error":"Gone."}`},
		{name: "details", err: &api.Error{Code: api.PartsMismatch, Message: "Parts.", Details: []m{{"partNumber": 3, "reason": "missing"}}}, status: 422,
			body: `{"code":"parts_mismatch","message":"Parts.","requestId":"` + requestID + `","error":"Parts.","details":[{"partNumber":3,"reason":"missing"}]}`},
		{name: "faults of fields", err: api.Invalid(api.Fault{Field: "size", Reason: "is required"}), status: 400,
			body: `{"code":"invalid_request","message":"Some fields of the request are not valid: size is required.","requestId":"` + requestID +
				`","error":"Some fields of the request are not valid: size is required.","details":[{"field":"size","reason":"is required"}]}`},
		{name: "details that JSON cannot hold", err: &api.Error{Code: api.Throttled, Message: "m", Details: func() {}, RetryAfter: time.Second}, status: 500,
			body:   `{"code":"internal","message":"Something went wrong on our side. The log has the cause, under the request id.","requestId":"` + requestID + `","error":"Something went wrong on our side. The log has the cause, under the request id."}`,
			header: map[string]string{"Retry-After": ""}},
		{name: "no message", err: &api.Error{Code: api.NotFound}, status: 404,
			body: `{"code":"not_found","message":"Not Found.","requestId":"` + requestID + `","error":"Not Found."}`},
		{name: "whole seconds to wait", err: &api.Error{Code: api.Throttled, Message: "m", RetryAfter: 2 * time.Second}, status: 503,
			header: map[string]string{"Retry-After": "2"}},
		{name: "part of a second to wait", err: &api.Error{Code: api.Throttled, Message: "m", RetryAfter: 2*time.Second + 1}, status: 503,
			header: map[string]string{"Retry-After": "3"}},
		{name: "nothing to wait", err: &api.Error{Code: api.Throttled, Message: "m"}, status: 503,
			header: map[string]string{"Retry-After": "", "Www-Authenticate": ""}},
		{name: "a challenge", err: fmt.Errorf("reading: %w", &api.Error{Code: api.Unauthenticated, Message: "m", Challenge: `Bearer error="invalid_token"`}), status: 401,
			header: map[string]string{"Www-Authenticate": `Bearer error="invalid_token"`}},
		{name: "another error", err: errors.New("secret"), status: 500,
			body: `{"code":"internal","message":"Something went wrong on our side. The log has the cause, under the request id.","requestId":"` + requestID + `","error":"Something went wrong on our side. The log has the cause, under the request id."}`},
		{name: "a code outside the set", err: &api.Error{Code: "bogus", Message: "secret"}, status: 500,
			body: `{"code":"internal","message":"Something went wrong on our side. The log has the cause, under the request id.","requestId":"` + requestID + `","error":"Something went wrong on our side. The log has the cause, under the request id."}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := invoke(t, &fchttp.Adapter{Handler: answering(test.value, test.err)}, gateway(t, nil))
			if r.StatusCode != test.status || r.IsBase64Encoded || test.body != "" && r.Body != test.body {
				t.Errorf("answer = %d %s, want %d %s", r.StatusCode, r.Body, test.status, test.body)
			}
			want := map[string]string{
				"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
				"Referrer-Policy": "no-referrer", "X-Request-Id": requestID,
			}
			for name, value := range test.header {
				want[name] = value
			}
			for name, value := range want {
				if got := r.Headers[name]; got != value {
					t.Errorf("header %s = %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestPlainHandlers(t *testing.T) {
	tests := []struct {
		name    string
		method  string
		handler http.HandlerFunc
		status  int
		body    string
		base64  bool
		header  map[string]string
	}{
		{"writes nothing", "GET", func(http.ResponseWriter, *http.Request) {}, 200, "", false, nil},
		{"writes text", "GET", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("hi")) }, 200, "hi", false,
			map[string]string{"Content-Type": "application/octet-stream"}},
		{"writes bytes", "GET", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte{0xff, 0}) }, 200, "\xff\x00", true, nil},
		{"writes encoded content", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "identity")
			w.Write([]byte("hi"))
		}, 200, "hi", true, nil},
		{"writes as much text as is escaped", "GET", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("<", 64<<10-1)) },
			200, strings.Repeat("<", 64<<10-1), false, nil},
		{"writes more", "GET", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("<", 64<<10)) },
			200, strings.Repeat("<", 64<<10), true, nil},
		{"answers HEAD", "HEAD", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("hi")) }, 200, "", false, nil},
		{"answers 204", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(204)
			w.Write([]byte("hi"))
		}, 204, "", false, nil},
		{"answers 304", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(304)
			w.Write([]byte("hi"))
		}, 304, "", false, nil},
		{"writes two statuses", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(202)
			w.WriteHeader(500)
		}, 202, "", false, nil},
		{"writes no status", "GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(7) }, 500, "", false,
			map[string]string{"Content-Type": "application/json"}},
		{"sets headers late", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-A", "1")
			w.WriteHeader(200)
			w.Header().Set("X-A", "2")
		}, 200, "", false, map[string]string{"X-A": "1"}},
		{"sets headers behind a route", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-A", "1")
			kept := w.Header()
			answering(1, nil).ServeHTTP(w, r)
			kept.Set("X-A", "2")
			w.Header().Set("X-A", "3")
			w.WriteHeader(500)
		}, 200, "1", false, map[string]string{"X-A": "1", "Content-Type": "application/json"}},
		{"sets a header to nothing", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header()["X-A"], w.Header()["Vary"] = nil, []string{""}
		}, 200, "", false, map[string]string{"X-A": "", "Vary": "", "Cache-Control": "no-store"}},
		{"sets a header twice", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("x-a", "1")
			w.Header().Add("X-A", "2")
			w.Header().Set("X-B", "1\r\nX-C: 2")
		}, 200, "", false, map[string]string{"X-A": "1, 2", "X-B": "1  X-C: 2", "X-C": ""}},
		{"sets a usual header twice", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Vary"] = []string{"A", "B\r\nX-C: 2"}
		}, 200, "", false, map[string]string{"Vary": "A, B  X-C: 2", "X-C": ""}},
		{"loosens what is fixed", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public")
			w.Header().Set("X-Request-Id", "other")
			w.Header().Set("Access-Control-Allow-Credentials", "true")
			w.Header().Set("Content-Length", "99")
		}, 200, "", false, map[string]string{"Cache-Control": "no-store", "X-Request-Id": requestID,
			"Access-Control-Allow-Credentials": "", "Content-Length": ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := &fchttp.Adapter{Handler: test.handler}
			r := invoke(t, a, trigger(t, test.method, nil))
			if test.status != 500 && r.Body != test.body || r.StatusCode != test.status || r.IsBase64Encoded != test.base64 {
				t.Errorf("answer = %d %q, base64 %v, want %d %q, %v", r.StatusCode, r.Body, r.IsBase64Encoded, test.status, test.body, test.base64)
			}
			for name, value := range test.header {
				if got := r.Headers[name]; got != value {
					t.Errorf("header %s = %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestAnswerEventIsExactlyWhatTriggersRead(t *testing.T) {
	a := &fchttp.Adapter{Handler: answering(map[string]int{"a": 1}, nil), Log: slog.New(slog.DiscardHandler)}
	raw, err := a.Invoke(t.Context(), "id", []byte(trigger(t, "POST", nil)))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"statusCode":200,"headers":{"Cache-Control":"no-store","Content-Type":"application/json",` +
		`"Referrer-Policy":"no-referrer","X-Content-Type-Options":"nosniff","X-Request-Id":"id"},` +
		`"isBase64Encoded":false,"body":"{\"a\":1}"}`
	if string(raw) != want {
		t.Errorf("Invoke = %s, want %s", raw, want)
	}
}

func TestPanics(t *testing.T) {
	const secret = "marker-of-a-secret"
	tests := []struct {
		name, want string
		handler    func()
	}{
		{"a text", "panic of type string", func() { panic(secret) }},
		{"an error", "panic of type *errors.errorString", func() { panic(errors.New(secret)) }},
		{"the runtime's own", "panic: runtime error: index out of range [3] with length 0", func() { var s []int; _ = s[len("abc")] }},
		{"nil", "panic: panic called with nil argument", func() { panic(nil) }},
		{"an aborted answer", "panic of type *errors.errorString", func() { panic(http.ErrAbortHandler) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log, buf, lines := logLines(t)
			var late http.ResponseWriter
			a := &fchttp.Adapter{Log: log, CORSOrigins: []string{"*"}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				late = w
				w.Header().Set("X-Half", "written")
				w.WriteHeader(201)
				fmt.Fprint(w, secret)
				test.handler()
			})}
			r := invoke(t, a, gateway(t, map[string]any{"path": "/" + secret, "headers": map[string]any{"Origin": "https://a.example"}}))
			if e := parseError(t, r); r.StatusCode != 500 || e.Code != "internal" || r.Headers["X-Half"] != "" ||
				r.Headers["Access-Control-Allow-Origin"] != "*" {
				t.Errorf("answer = %+v, want a fresh 500 internal with CORS headers", r)
			}
			got := lines()
			if len(got) != 1 || got[0]["msg"] != "failed" || got[0]["reason"] != "panic" ||
				!strings.Contains(fmt.Sprint(got[0]["err"]), test.want) ||
				!strings.Contains(fmt.Sprint(got[0]["stack"]), "answer_test.go") {
				t.Errorf("log = %s, want one line with %q and the stack", buf, test.want)
			}
			if strings.Contains(buf.String()+r.Body, secret) {
				t.Errorf("log %s or answer %s holds a part of the request", buf, r.Body)
			}
			if _, err := late.Write(nil); err == nil {
				t.Error("a write after the answer succeeded, want an error")
			}
		})
	}
}

func TestLateWritesDoNotRace(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	slow := fchttp.Handle(func(r *http.Request) (any, error) {
		defer wg.Done()
		close(started)
		<-release
		return nil, errors.New("too late")
	})
	a := &fchttp.Adapter{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(202)
		go slow.ServeHTTP(w, r)
		<-started
		go close(release)
	})}
	if r := invoke(t, a, gateway(t, nil)); r.StatusCode != 202 {
		t.Errorf("status = %d, want 202", r.StatusCode)
	}
	wg.Wait()
}

func TestAnswerAfterTheDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := &fchttp.Adapter{Log: slog.New(slog.DiscardHandler), Handler: fchttp.Handle(func(r *http.Request) (any, error) {
		cancel()
		<-r.Context().Done()
		return "done", nil
	})}
	raw, err := a.Invoke(ctx, requestID, []byte(gateway(t, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if r := parseReply(t, raw); r.StatusCode != 200 || r.Body != `"done"` {
		t.Errorf("answer = %d %s, want what the handler gave", r.StatusCode, r.Body)
	}
}

func TestRequestIDOutsideOfAnInvocation(t *testing.T) {
	if got := fchttp.RequestID(t.Context()); got != "" {
		t.Errorf("RequestID = %q, want none", got)
	}
}

func TestHandlersRunWithoutAnAdapter(t *testing.T) {
	w := httptest.NewRecorder()
	answering(nil, &api.Error{Code: api.Aborted, Message: "m"}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	var e errorBody
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != 409 || e.Code != "aborted" {
		t.Errorf("answer = %d %s, want 409 aborted", w.Code, w.Body)
	}
}
