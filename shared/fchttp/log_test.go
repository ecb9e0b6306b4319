package fchttp_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/fchttp"
)

func TestLog(t *testing.T) {
	const marker = "marker-of-a-secret"
	type m = map[string]any
	handle := func(r *http.Request) (any, error) {
		switch r.PathValue("case") {
		case "refuse":
			return nil, fmt.Errorf("checking: %w: %w", &api.Error{Code: api.InvalidToken, Message: "The token is not valid.",
				Reason: "expired"}, errors.New("opening the token"))
		case "fail":
			return nil, errors.New("asking storage")
		}
		return m{marker: marker}, nil
	}
	mux := fchttp.NewMux(
		fchttp.Route{Method: "POST", Pattern: "/{case}/{secret}", Handle: handle},
		fchttp.Route{Method: "GET", Pattern: "/plain/only/get", Handle: handle},
	)
	tests := []struct {
		name   string
		fields m
		in     float64 // bytes of a body that could be read
		want   m
	}{
		{"an answer", m{"path": "/answer/" + marker}, 18,
			m{"level": "INFO", "msg": "request", "route": "/{case}/{secret}", "method": "POST", "status": 200.0}},
		{"a refusal", m{"path": "/refuse/" + marker}, 18,
			m{"level": "WARN", "msg": "refused", "route": "/{case}/{secret}", "method": "POST", "status": 403.0, "code": "invalid_token",
				"reason": "expired", "message": "The token is not valid.", "err": "checking: invalid_token: opening the token"}},
		{"a failure", m{"path": "/fail/" + marker}, 18,
			m{"level": "ERROR", "msg": "failed", "route": "/{case}/{secret}", "method": "POST", "status": 500.0, "code": "internal",
				"message": "Something went wrong on our side. The log has the cause, under the request id.", "err": "asking storage"}},
		{"no such path", m{"path": "/" + marker}, 18,
			m{"level": "WARN", "msg": "refused", "route": "unmatched", "method": "POST", "status": 404.0, "code": "not_found",
				"message": "There is nothing at this address.", "err": "not_found"}},
		{"no such method", m{"path": "/answer/" + marker, "httpMethod": marker}, 18,
			m{"level": "WARN", "msg": "refused", "route": "/{case}/{secret}", "method": "other", "status": 405.0, "code": "method_not_allowed",
				"message": "This address does not answer that method. The Allow header lists those it does.", "err": "method_not_allowed"}},
		{"a preflight", m{"path": "/" + marker, "httpMethod": "OPTIONS"}, 18,
			m{"level": "INFO", "msg": "request", "route": "unmatched", "method": "OPTIONS", "status": 204.0}},
		{"an unreadable event", m{"path": marker}, 0,
			m{"level": "WARN", "msg": "refused", "route": "unmatched", "method": "POST", "status": 400.0, "code": "invalid_request", "reason": "event",
				"fields": []any{"path"}, "err": "invalid_request: reading the event: path does not begin with a slash"}},
		{"a body of the wrong encoding", m{"path": "/answer/" + marker, "body": "*" + marker}, 0,
			m{"level": "WARN", "msg": "refused", "route": "unmatched", "method": "POST", "status": 400.0, "code": "invalid_request", "reason": "event",
				"fields": []any{"body"}, "err": "invalid_request: reading the event: body is not valid base64"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log, buf, lines := logLines(t)
			clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			a := &fchttp.Adapter{Handler: mux, Log: log, Random: strings.NewReader(strings.Repeat("\x01", 24)), Name: "presign", Now: func() time.Time {
				clock = clock.Add(1500 * time.Microsecond)
				return clock
			}}
			fields := m{
				"headers":         m{"authorization": "Bearer " + marker, "x-" + marker: marker},
				"queryParameters": m{marker: marker},
				"body":            base64.StdEncoding.EncodeToString([]byte(marker)),
				"isBase64Encoded": true,
			}
			for name, value := range test.fields {
				fields[name] = value
			}
			invoke(t, a, gateway(t, fields))
			got := lines()
			if len(got) != 1 {
				t.Fatalf("log = %s, want one line", buf)
			}
			maps.Copy(test.want, m{
				"requestId": requestID, "function": "presign", "traceId": strings.Repeat("01", 16),
				"durationMs": 1.0, "coldStart": true, "bytesIn": test.in, "bytesOut": got[0]["bytesOut"],
			})
			delete(got[0], "time")
			if !reflect.DeepEqual(got[0], test.want) {
				t.Errorf("line = %v, want %v", got[0], test.want)
			}
			if strings.Contains(buf.String(), marker) {
				t.Errorf("log = %s, want nothing of the request", buf)
			}
		})
	}
}

func TestLogOfOneRouteOnAnyPath(t *testing.T) {
	log, _, lines := logLines(t)
	a := &fchttp.Adapter{Handler: answering("ok", nil), Log: log}
	invoke(t, a, gateway(t, map[string]any{"path": "/marker"}))
	if got := lines(); len(got) != 1 || got[0]["route"] != "/" {
		t.Errorf("log = %v, want the route /", got)
	}
}

func TestLogOfAPlainHandler(t *testing.T) {
	for status, want := range map[int]string{200: "request", 418: "refused", 502: "failed"} {
		log, _, lines := logLines(t)
		a := &fchttp.Adapter{Log: log, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })}
		invoke(t, a, gateway(t, nil))
		if got := lines(); len(got) != 1 || got[0]["msg"] != want {
			t.Errorf("log of status %d = %v, want one line %q", status, got, want)
		}
	}
}

func TestRouteIsFoundBehindMiddleware(t *testing.T) {
	log, _, lines := logLines(t)
	inner := routes()
	a := &fchttp.Adapter{Log: log, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.Clone(r.Context()))
	})}
	invoke(t, a, gateway(t, map[string]any{"path": "/s3/multipart"}))
	if got := lines(); len(got) != 1 || got[0]["route"] != "/s3/multipart" {
		t.Errorf("log = %v, want the route /s3/multipart", got)
	}
}
