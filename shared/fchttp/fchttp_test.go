package fchttp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"ossupload/shared/fchttp"
)

const requestID = "1-64f6cd87-0123456789abcdef01234567"

// reply is the answer event, with the body decoded.
type reply struct {
	StatusCode      int
	Headers         map[string]string
	IsBase64Encoded bool
	Body            string
}

// errorBody is the JSON of an error.
type errorBody struct {
	Code, Message, RequestID, Error string
	Details                         any
}

func parseReply(t *testing.T, raw []byte) reply {
	t.Helper()
	var r reply
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		t.Fatalf("decoding the answer %s: %v", raw, err)
	}
	if r.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			t.Fatalf("decoding the answer's body: %v", err)
		}
		r.Body = string(body)
	}
	return r
}

func parseError(t *testing.T, r reply) errorBody {
	t.Helper()
	var e errorBody
	if err := json.Unmarshal([]byte(r.Body), &e); err != nil {
		t.Fatalf("decoding the error %q: %v", r.Body, err)
	}
	return e
}

// invoke runs one event; an error of the invocation fails the test.
func invoke(t *testing.T, a *fchttp.Adapter, event string) reply {
	t.Helper()
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	raw, err := a.Invoke(t.Context(), requestID, []byte(event))
	if err != nil {
		t.Fatalf("Invoke(%.200s) = %v, want an answer", event, err)
	}
	return parseReply(t, raw)
}

// seen is what a handler saw of a request.
type seen struct {
	*http.Request
	body string
	id   string
}

// capture invokes event and returns the request that the handler got.
func capture(t *testing.T, event string) seen {
	t.Helper()
	var got *seen
	a := &fchttp.Adapter{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole, err := fchttp.ReadBody(r)
		if err != nil {
			t.Errorf("ReadBody: %v", err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(body, whole) {
			t.Errorf("reading the body = %q, %v, want what ReadBody returns: %q", body, err, whole)
		}
		got = &seen{r, string(body), fchttp.RequestID(r.Context())}
	})}
	r := invoke(t, a, event)
	if got == nil {
		t.Fatalf("Invoke(%.200s) = %d %s, want the handler to be called", event, r.StatusCode, r.Body)
	}
	return *got
}

func readEvent(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// gateway returns an API gateway event of these fields over sound defaults; nil
// removes a field.
func gateway(t *testing.T, fields map[string]any) string {
	t.Helper()
	return merge(t, map[string]any{
		"httpMethod": "POST", "path": "/", "headers": map[string]any{},
		"queryParameters": map[string]any{}, "body": "", "isBase64Encoded": false,
	}, fields)
}

// trigger does the same for the HTTP trigger.
func trigger(t *testing.T, method string, fields map[string]any) string {
	t.Helper()
	return merge(t, map[string]any{
		"version": "v1", "rawPath": "/", "headers": map[string]any{},
		"queryParameters": map[string]any{}, "body": "", "isBase64Encoded": false,
		"requestContext": map[string]any{"http": map[string]any{"method": method, "path": "/", "sourceIp": "203.0.113.7"}},
	}, fields)
}

func merge(t *testing.T, event, fields map[string]any) string {
	t.Helper()
	for name, value := range fields {
		if value == nil {
			delete(event, name)
		} else {
			event[name] = value
		}
	}
	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// answering is a handler of one fixed answer on any path.
func answering(value any, err error) http.Handler {
	return fchttp.Handle(func(*http.Request) (any, error) { return value, err })
}

// logLines returns a logger and a function that decodes what it has logged.
func logLines(t *testing.T) (*slog.Logger, *bytes.Buffer, func() []map[string]any) {
	t.Helper()
	var buf bytes.Buffer
	return slog.New(slog.NewJSONHandler(&buf, nil)), &buf, func() []map[string]any {
		t.Helper()
		var lines []map[string]any
		for dec := json.NewDecoder(bytes.NewReader(buf.Bytes())); ; {
			var line map[string]any
			if err := dec.Decode(&line); err == io.EOF {
				return lines
			} else if err != nil {
				t.Fatalf("decoding the log: %v", err)
			}
			lines = append(lines, line)
		}
	}
}

func background(context.Context, string) (any, error) { return nil, nil }
