package fchttp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"ossupload/shared/fchttp"
)

func TestDocumentedEvents(t *testing.T) {
	const posted = `{"filename":"a.jpg","size":5}`
	tests := []struct {
		file, method, path, escapedPath, host, body string
		query                                       url.Values
		header                                      [2]string
	}{
		{file: "documented-apigateway-post.json", method: "POST", path: "/presign",
			host: "0123456789abcdef-cn-hangzhou.alicloudapi.com", body: posted,
			header: [2]string{"Authorization", "Bearer caller"}},
		{file: "documented-apigateway-get.json", method: "GET", path: "/s3/params", host: "api.example",
			query: url.Values{"filename": {"holiday photo.jpg"}, "type": {"image/jpeg"}, "metadata[name]": {"100%25.jpg"}}},
		{file: "documented-trigger-post.json", method: "POST", path: "/presign",
			host: "upload-abcdefghij.cn-hangzhou.fcapp.run", body: posted,
			header: [2]string{"Content-Type", "application/json"}},
		{file: "documented-trigger-get.json", method: "GET", path: "/s3/multipart/v1.k1.a/b/7",
			escapedPath: "/s3/multipart/v1.k1.a%2Fb/7", host: "upload-abcdefghij.cn-hangzhou.fcapp.run",
			query:  url.Values{"key": {"uploads/u/1.jpg"}, "parameter2": {"value1,value2"}},
			header: [2]string{"X-Values", "value1,value2"}},
		{file: "documented-trigger-binary.json", method: "POST", path: "/",
			host: "upload-abcdefghij.cn-hangzhou.fcapp.run", body: "\xff\xd8\xff\xe0\x00"},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			r := capture(t, readEvent(t, test.file))
			if test.escapedPath == "" {
				test.escapedPath = test.path
			}
			if test.query == nil {
				test.query = url.Values{}
			}
			want := []any{test.method, test.path, test.escapedPath, test.host, test.body, int64(len(test.body)), "203.0.113.7", requestID}
			got := []any{r.Method, r.URL.Path, r.URL.EscapedPath(), r.Host, r.body, r.ContentLength, r.RemoteAddr, r.id}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("request = %q, want %q", got, want)
			}
			if got := r.URL.Query(); !reflect.DeepEqual(got, test.query) {
				t.Errorf("query = %v, want %v", got, test.query)
			}
			if name := test.header[0]; name != "" && r.Header.Get(name) != test.header[1] {
				t.Errorf("header %s = %q, want %q", name, r.Header.Get(name), test.header[1])
			}
			wantURI := test.escapedPath
			if q := test.query.Encode(); q != "" {
				wantURI += "?" + q
			}
			if r.RequestURI != wantURI {
				t.Errorf("RequestURI = %q, want %q", r.RequestURI, wantURI)
			}
		})
	}
}

func TestRequestPath(t *testing.T) {
	tests := []struct{ name, sent, path, escaped string }{
		{"plain", "/a/b", "/a/b", "/a/b"},
		{"an encoded slash stays apart from a separator", "/a%2Fb/c", "/a/b/c", "/a%2Fb/c"},
		{"two slashes are a path and no host", "//evil.example/x", "//evil.example/x", "//evil.example/x"},
		{"encoded space", "/a%20b", "/a b", "/a%20b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, event := range []string{
				gateway(t, map[string]any{"path": test.sent}),
				trigger(t, "POST", map[string]any{"rawPath": test.sent}),
			} {
				u := capture(t, event).URL
				if u.Path != test.path || u.EscapedPath() != test.escaped || u.Host != "" {
					t.Errorf("URL of %q = %q, %q, host %q, want %q, %q", test.sent, u.Path, u.EscapedPath(), u.Host, test.path, test.escaped)
				}
			}
		})
	}
	literal := []struct{ name, sent, escaped string }{
		{"a lone percent sign", "/100%", "/100%25"},
		{"a space", "/a b", "/a%20b"},
		{"a question mark", "/what?a=b", "/what%3Fa=b"},
		{"a letter beyond ASCII", "/é", "/%C3%A9"},
		{"a line break", "/a\nb", "/a%0Ab"},
	}
	for _, test := range literal {
		t.Run("the gateway's path may be decoded: "+test.name, func(t *testing.T) {
			r := capture(t, gateway(t, map[string]any{"path": test.sent}))
			if r.URL.Path != test.sent || r.URL.EscapedPath() != test.escaped || r.URL.RawQuery != "" {
				t.Errorf("URL of %q = %q, %q, want the path itself and %q", test.sent, r.URL.Path, r.URL.EscapedPath(), test.escaped)
			}
		})
	}
}

func TestQuery(t *testing.T) {
	tests := []struct {
		name, sent string
		want       url.Values
	}{
		{"missing map", `null`, url.Values{}},
		{"decoded: a space cannot stand in a raw query", `{"a":"x y","b":"%41"}`, url.Values{"a": {"x y"}, "b": {"%41"}}},
		{"decoded: nor can a bracket", `{"metadata[n]":"%41"}`, url.Values{"metadata[n]": {"%41"}}},
		{"decoded: nor can an ampersand", `{"a":"x&y%41"}`, url.Values{"a": {"x&y%41"}}},
		{"decoded: an escape that is none", `{"a":"100%","b":"%41"}`, url.Values{"a": {"100%"}, "b": {"%41"}}},
		{"decoded: a letter beyond ASCII", `{"a":"é","b":"%41"}`, url.Values{"a": {"é"}, "b": {"%41"}}},
		{"decoded: a name with an equals sign", `{"a=b":"%41"}`, url.Values{"a=b": {"%41"}}},
		{"nothing to decode: a plus stays", `{"a":"x+y"}`, url.Values{"a": {"x+y"}}},
		{"raw: all are decoded, once", `{"a":"x+y","%5Bb%5D":"%2541"}`, url.Values{"a": {"x y"}, "[b]": {"%41"}}},
		{"a name that appears twice", `{"a":"1","a":"2"}`, url.Values{"a": {"1", "2"}}},
		{"a list", `{"a":["1","2"]}`, url.Values{"a": {"1", "2"}}},
		{"no value", `{"a":null,"b":""}`, url.Values{"a": {""}, "b": {""}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := capture(t, gateway(t, map[string]any{"queryParameters": json.RawMessage(test.sent)}))
			if got := r.URL.Query(); !reflect.DeepEqual(got, test.want) {
				t.Errorf("query of %s = %v, want %v", test.sent, got, test.want)
			}
			if !reflect.DeepEqual(r.Form, test.want) {
				t.Errorf("form of %s = %v, want %v", test.sent, r.Form, test.want)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	tests := []struct {
		name, sent string
		want       http.Header
	}{
		{"missing map", `null`, http.Header{}},
		{"letter case does not matter", `{"x-FORWARDED-for":"1"}`, http.Header{"X-Forwarded-For": {"1"}}},
		{"two letter cases are two values in order", `{"x-user":"b","X-User":"a"}`, http.Header{"X-User": {"b", "a"}}},
		{"a duplicate key is two values in order", `{"x-user":"b","a":"1","x-user":"a"}`, http.Header{"X-User": {"b", "a"}, "A": {"1"}}},
		{"a list is several values", `{"x-user":["b","a"]}`, http.Header{"X-User": {"b", "a"}}},
		{"joined values are left joined", `{"x-user":"b,a"}`, http.Header{"X-User": {"b,a"}}},
		{"null is no value", `{"x-user":null}`, http.Header{}},
		{"a text beyond ASCII", `{"x-user":"é"}`, http.Header{"X-User": {"é"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, event := range []string{
				gateway(t, map[string]any{"headers": json.RawMessage(test.sent)}),
				trigger(t, "POST", map[string]any{"headers": json.RawMessage(test.sent)}),
			} {
				if got := capture(t, event).Header; !reflect.DeepEqual(got, test.want) {
					t.Errorf("header of %s = %v, want %v", test.sent, got, test.want)
				}
			}
		})
	}
}

func TestBody(t *testing.T) {
	tests := []struct {
		name          string
		body, encoded any
		want          string
	}{
		{"text", "a=1&b=%2F", false, "a=1&b=%2F"},
		{"text, no statement of encoding", "aGk=", nil, "aGk="},
		{"text, encoding null", "aGk=", json.RawMessage(`null`), "aGk="},
		{"text, false as text", "aGk=", "false", "aGk="},
		{"base64, true", "aGk=", true, "hi"},
		{"base64, true as text", "aGk=", "true", "hi"},
		{"base64, true as text in capitals", "aGk=", "True", "hi"},
		{"base64 of bytes that are no text", "//79", true, "\xff\xfe\xfd"},
		{"base64 with escapes of JSON", json.RawMessage(`"\/\u002f79"`), true, "\xff\xfe\xfd"},
		{"missing, text", nil, false, ""},
		{"missing, base64", nil, true, ""},
		{"null", json.RawMessage(`null`), true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fields := map[string]any{"body": test.body, "isBase64Encoded": test.encoded}
			for _, event := range []string{gateway(t, fields), trigger(t, "POST", fields)} {
				r := capture(t, event)
				if r.body != test.want || r.ContentLength != int64(len(test.want)) {
					t.Errorf("body = %q of length %d, want %q", r.body, r.ContentLength, test.want)
				}
			}
		})
	}
}

// A request that no event describes has its body read.
func TestReadBody(t *testing.T) {
	if got, err := fchttp.ReadBody(httptest.NewRequest("POST", "/", strings.NewReader("hi"))); string(got) != "hi" || err != nil {
		t.Errorf("ReadBody = %q, %v, want hi", got, err)
	}
	failing := io.MultiReader(strings.NewReader("hi"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := fchttp.ReadBody(httptest.NewRequest("POST", "/", failing)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ReadBody = %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if got, err := fchttp.ReadBody(&http.Request{}); len(got) > 0 || err != nil {
		t.Errorf("ReadBody = %q, %v, want nothing", got, err)
	}
}

func TestBodyLimit(t *testing.T) {
	for _, limit := range []int{0, 1, 2, 3, 4, 1000} {
		for over := range 5 {
			size, want := limit+over, http.StatusOK
			maxBody := int64(limit)
			if limit == 0 {
				size, maxBody = 2<<20+over, 0
			}
			if over > 0 {
				want = http.StatusRequestEntityTooLarge
			}
			text := strings.Repeat("x", size)
			for encoding, fields := range map[string]map[string]any{
				"text":   {"body": text},
				"base64": {"body": base64.StdEncoding.EncodeToString([]byte(text)), "isBase64Encoded": true},
			} {
				a := &fchttp.Adapter{MaxBody: maxBody, Handler: answering("ok", nil)}
				r := invoke(t, a, gateway(t, fields))
				if r.StatusCode != want {
					t.Errorf("limit %d, body of %d bytes as %s: status = %d, want %d", maxBody, size, encoding, r.StatusCode, want)
				}
				if over > 0 {
					if got := parseError(t, r); got.Code != "too_large" || got.RequestID != requestID {
						t.Errorf("error = %+v, want too_large with the request id", got)
					}
				}
			}
		}
	}
}

func TestUnreadableEvents(t *testing.T) {
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	tests := []struct{ name, event, field string }{
		{"malformed base64", gateway(t, map[string]any{"body": "a*b=", "isBase64Encoded": true}), "body"},
		{"unpadded base64", gateway(t, map[string]any{"body": "aGk", "isBase64Encoded": true}), "body"},
		{"body is a number", gateway(t, map[string]any{"body": 5}), "body"},
		{"body is nested deeply", gateway(t, map[string]any{"body": json.RawMessage(deep)}), "body"},
		{"two bodies", `{"httpMethod":"POST","path":"/","body":"a","body":"b"}`, "body"},
		{"encoding is a number", gateway(t, map[string]any{"isBase64Encoded": 1}), "isBase64Encoded"},
		{"encoding is another word", gateway(t, map[string]any{"isBase64Encoded": "yes"}), "isBase64Encoded"},
		{"two statements of encoding", `{"httpMethod":"POST","path":"/","isBase64Encoded":true,"isBase64Encoded":false}`, "isBase64Encoded"},
		{"headers are a list", gateway(t, map[string]any{"headers": []string{"a"}}), "headers"},
		{"header value is a number", gateway(t, map[string]any{"headers": map[string]any{"a": 5}}), "headers"},
		{"header value is a list of numbers", gateway(t, map[string]any{"headers": map[string]any{"a": []int{5}}}), "headers"},
		{"header value is nested deeply", gateway(t, map[string]any{"headers": json.RawMessage(`{"a":` + deep + `}`)}), "headers"},
		{"header name with a space", gateway(t, map[string]any{"headers": map[string]any{"a b": "c"}}), "headers"},
		{"header value with a line break", gateway(t, map[string]any{"headers": map[string]any{"a": "b\r\nc: d"}}), "headers"},
		{"two hosts", gateway(t, map[string]any{"headers": map[string]any{"host": "a", "Host": "b"}}), "headers"},
		{"query is a string", gateway(t, map[string]any{"queryParameters": "a=b"}), "queryParameters"},
		{"query value is a number", gateway(t, map[string]any{"queryParameters": map[string]any{"a": 5}}), "queryParameters"},
		{"method is a number", gateway(t, map[string]any{"httpMethod": 5}), "httpMethod"},
		{"method is null", gateway(t, map[string]any{"httpMethod": json.RawMessage(`null`)}), "httpMethod"},
		{"method is no token", gateway(t, map[string]any{"httpMethod": "GET /"}), "httpMethod"},
		{"path is a number", gateway(t, map[string]any{"path": 5}), "path"},
		{"path is missing", gateway(t, map[string]any{"path": nil}), "path"},
		{"path is a URL", gateway(t, map[string]any{"path": "https://evil.example/"}), "path"},
		{"fields of both events", gateway(t, map[string]any{"version": "v1", "rawPath": "/"}), "rawPath"},
		{"rawPath is missing", trigger(t, "POST", map[string]any{"rawPath": nil}), "rawPath"},
		{"rawPath has a query", trigger(t, "POST", map[string]any{"rawPath": "/?a=b"}), "rawPath"},
		{"rawPath has a broken escape", trigger(t, "POST", map[string]any{"rawPath": "/%zz"}), "rawPath"},
		{"rawPath is an asterisk", trigger(t, "POST", map[string]any{"rawPath": "*"}), "rawPath"},
		{"requestContext is missing", trigger(t, "POST", map[string]any{"requestContext": nil}), "requestContext.http.method"},
		{"requestContext is a string", trigger(t, "POST", map[string]any{"requestContext": "x"}), "requestContext"},
		{"requestContext.http is a number", trigger(t, "POST", map[string]any{"requestContext": map[string]any{"http": 1}}), "http"},
		{"trigger's method is missing", trigger(t, "", nil), "requestContext.http.method"},
		{"source address is a number", trigger(t, "", map[string]any{"requestContext": map[string]any{"http": map[string]any{"method": "GET", "sourceIp": 1}}}), "sourceIp"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := &fchttp.Adapter{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				t.Error("the handler was called")
			})}
			r := invoke(t, a, test.event)
			e := parseError(t, r)
			if r.StatusCode != http.StatusBadRequest || e.Code != "invalid_request" || e.RequestID != requestID {
				t.Errorf("answer = %d %s, want 400 invalid_request", r.StatusCode, r.Body)
			}
			details, _ := e.Details.([]any)
			if len(details) != 1 || details[0].(map[string]any)["field"] != test.field {
				t.Errorf("details = %v, want the field %q", e.Details, test.field)
			}
		})
	}
}

func TestUnknownEvents(t *testing.T) {
	const secret = "marker-of-a-secret"
	events := map[string]string{
		"empty":                          ``,
		"no JSON":                        secret,
		"a string":                       `"` + secret + `"`,
		"null":                           `null`,
		"a list":                         `[{"httpMethod":"GET","path":"/"}]`,
		"an empty object":                `{}`,
		"a direct payload":               `{"filename":"` + secret + `"}`,
		"an unfinished event":            `{"httpMethod":"GET","path":"/` + secret,
		"an event with something behind": `{"httpMethod":"GET","path":"/"}{}`,
		"another version of the trigger": strings.Replace(trigger(t, "GET", nil), `"v1"`, `"v2"`, 1),
		"two versions of the trigger":    `{"version":"v1","version":"v2","rawPath":"/"}`,
		"a version that is a number":     `{"version":1,"rawPath":"/"}`,
		"a CloudEvent without data":      `{"specversion":"1.0","source":"acs.oss"}`,
		"data of no CloudEvent":          `{"data":{"eventSource":"acs:oss"}}`,
		"nesting without end":            strings.Repeat(`{"a":`, 100_000),
		"field names in other case":      `{"HTTPMETHOD":"GET","PATH":"/"}`,
	}
	for name, event := range events {
		t.Run(name, func(t *testing.T) {
			log, buf, lines := logLines(t)
			a := &fchttp.Adapter{Log: log, Timer: background, Handler: answering("ok", nil)}
			raw, err := a.Invoke(t.Context(), requestID, []byte(event))
			if err == nil || raw != nil {
				t.Fatalf("Invoke(%.100s) = %s, nil, want an error", event, raw)
			}
			for _, want := range []string{"httpMethod", "rawPath", "triggerName", "OSS"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %q, want it to name %s", err, want)
				}
			}
			if strings.Contains(err.Error()+buf.String(), secret) {
				t.Errorf("error %q or log %s repeats the event", err, buf)
			}
			if got := lines(); len(got) != 1 || got[0]["level"] != "ERROR" || got[0]["requestId"] != requestID {
				t.Errorf("log = %s, want one line of level ERROR", buf)
			}
		})
	}
}

func TestTimer(t *testing.T) {
	event := readEvent(t, "documented-timer.json")
	cause := errors.New("listing uploads")
	tests := []struct {
		name, event string
		timer       func(context.Context, string) (any, error)
		want        string // part of the error
		result      string // where there is none
	}{
		{"runs", event, func(_ context.Context, payload string) (any, error) {
			if payload != `{"dryRun":true}` {
				t.Errorf("payload = %q", payload)
			}
			return map[string]int{"announced": 3}, nil
		}, "", `{"announced":3}`},
		{"without a payload", `{"triggerTime":"2023-12-26T07:49:00Z","triggerName":"sweep"}`, background, "", "{}"},
		{"fails", event, func(context.Context, string) (any, error) { return "half", cause }, "running the timer: listing uploads", ""},
		{"has a result that is no JSON", event, func(context.Context, string) (any, error) { return func() {}, nil }, "encoding the timer's result", ""},
		{"panics", event, func(context.Context, string) (any, error) { panic("secret") }, "panic of type string", ""},
		{"payload is a number", `{"triggerTime":"","triggerName":"sweep","payload":5}`, background, "payload is not a string", ""},
		{"is not expected", event, nil, "unexpected timer event", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log, buf, lines := logLines(t)
			a := &fchttp.Adapter{Timer: test.timer, Log: log}
			raw, err := a.Invoke(t.Context(), requestID, []byte(test.event))
			if test.want == "" {
				if err != nil || string(raw) != test.result {
					t.Errorf("Invoke = %s, %v, want %s", raw, err, test.result)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Invoke = %s, %v, want an error with %q", raw, err, test.want)
			}
			if len(lines()) != 1 || strings.Contains(buf.String(), "secret") {
				t.Errorf("log = %s, want one line without the panic's value", buf)
			}
		})
	}
	t.Run("keeps the cause", func(t *testing.T) {
		a := &fchttp.Adapter{Log: slog.New(slog.DiscardHandler), Timer: func(context.Context, string) (any, error) { return nil, cause }}
		if _, err := a.Invoke(t.Context(), requestID, []byte(event)); !errors.Is(err, cause) {
			t.Errorf("Invoke = %v, want %v inside", err, cause)
		}
	})
}

func FuzzInvoke(f *testing.F) {
	for _, event := range []string{
		`{"httpMethod":"POST","path":"/a%2F","headers":{"a":"b","A":["c"]},"queryParameters":{"a":"%41"},"body":"aGk=","isBase64Encoded":"true"}`,
		`{"version":"v1","rawPath":"/a","requestContext":{"http":{"method":"GET","sourceIp":"::1"}}}`,
		`{"triggerTime":"","triggerName":"","payload":"x"}`,
		`{"httpMethod":"OPTIONS","path":"/","headers":{"Origin":"https://app.example","Access-Control-Request-Headers":"a,b"}}`,
		`{"httpMethod":5}`,
		`{"events":[{"eventName":"ObjectCreated:PutObject","eventSource":"acs:oss","oss":{"bucket":{"name":"b"},"object":{"key":"k","eTag":"E"},"xVars":{"x:u":"v1.k.t"}}}]}`,
		`{"specversion":"1.0","source":"acs.oss","data":{"eventName":"ObjectCreated:PostObject","oss":{"bucket":{"name":"b"},"object":{"key":"k"}}}}`,
	} {
		f.Add([]byte(event))
	}
	a := &fchttp.Adapter{
		Log: slog.New(slog.DiscardHandler), MaxBody: 64, Timer: background, CORSOrigins: []string{"https://app.example"},
		Stored: func(_ context.Context, objects []fchttp.StoredObject) error {
			for _, o := range objects {
				if o.Bucket == "" || o.Key == "" {
					panic("an object without a name")
				}
			}
			return nil
		},
		Handler: fchttp.NewMux(fchttp.Route{Method: "POST", Pattern: "/{path...}", Handle: func(r *http.Request) (any, error) {
			body, err := io.ReadAll(r.Body)
			if len(body) > 64 {
				panic("a body beyond the limit")
			}
			return map[string]any{"body": body, "path": r.PathValue("path"), "query": r.URL.Query(), "header": r.Header}, err
		}}),
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		raw, err := a.Invoke(t.Context(), requestID, event)
		if err != nil {
			if strings.Contains(err.Error(), "panic") {
				t.Errorf("Invoke = %v", err)
			}
			return
		}
		if string(raw) == "{}" { // a timer's or a trigger's
			return
		}
		r := parseReply(t, raw)
		if r.StatusCode < 200 || r.StatusCode >= 500 || r.Headers["X-Request-Id"] != requestID {
			t.Errorf("answer = %s", raw)
		}
	})
}
