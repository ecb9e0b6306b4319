package fchttp_test

import (
	"net/http"
	"testing"

	"ossupload/shared/fchttp"
	"ossupload/shared/rawjson"
)

// routes is shaped like the API that the package serves.
func routes() http.Handler {
	named := func(name string) fchttp.HandlerFunc {
		return func(r *http.Request) (any, error) {
			return map[string]string{"route": name, "pattern": r.Pattern, "id": r.PathValue("uploadId"), "n": r.PathValue("n")}, nil
		}
	}
	return fchttp.NewMux(
		fchttp.Route{Method: "POST", Pattern: "/s3/multipart", Handle: named("create")},
		fchttp.Route{Method: "GET", Pattern: "/s3/multipart/{uploadId}", Handle: named("list")},
		fchttp.Route{Method: "DELETE", Pattern: "/s3/multipart/{uploadId}", Handle: named("abort")},
		fchttp.Route{Method: "GET", Pattern: "/s3/multipart/{uploadId}/{n}", Handle: named("part")},
		fchttp.Route{Method: "GET", Pattern: "/s3/multipart/{uploadId}/batch", Handle: named("batch")},
		fchttp.Route{Method: "POST", Pattern: "/s3/multipart/{uploadId}/complete", Handle: named("complete")},
		fchttp.Route{Method: "GET", Pattern: "/tree/", Handle: named("tree")},
	)
}

func TestMux(t *testing.T) {
	tests := []struct {
		method, path string
		status       int
		body         string // of a 200; the code of an error; "" for none
		allow        string
	}{
		{"POST", "/s3/multipart", 200, `{"id":"","n":"","pattern":"/s3/multipart","route":"create"}`, ""},
		{"GET", "/s3/multipart/v1.k.a", 200, `{"id":"v1.k.a","n":"","pattern":"/s3/multipart/{uploadId}","route":"list"}`, ""},
		{"HEAD", "/s3/multipart/v1.k.a", 200, "", ""},
		{"DELETE", "/s3/multipart/v1.k.a", 200, `{"id":"v1.k.a","n":"","pattern":"/s3/multipart/{uploadId}","route":"abort"}`, ""},
		{"GET", "/s3/multipart/a/7", 200, `{"id":"a","n":"7","pattern":"/s3/multipart/{uploadId}/{n}","route":"part"}`, ""},
		{"GET", "/s3/multipart/a%2Fb/7", 200, `{"id":"a/b","n":"7","pattern":"/s3/multipart/{uploadId}/{n}","route":"part"}`, ""},
		{"GET", "/s3/multipart/a/batch", 200, `{"id":"a","n":"","pattern":"/s3/multipart/{uploadId}/batch","route":"batch"}`, ""},
		{"POST", "/s3/multipart/a/complete", 200, `{"id":"a","n":"","pattern":"/s3/multipart/{uploadId}/complete","route":"complete"}`, ""},
		{"GET", "/tree/a/b", 200, `{"id":"","n":"","pattern":"/tree/","route":"tree"}`, ""},

		{"GET", "/", 404, "not_found", ""},
		{"POST", "/s3", 404, "not_found", ""},
		{"POST", "/S3/multipart", 404, "not_found", ""},
		{"POST", "/s3/multipart/", 404, "not_found", ""},
		{"POST", "//s3/multipart", 404, "not_found", ""},
		{"POST", "/s3/./multipart", 404, "not_found", ""},
		{"POST", "/x/../s3/multipart", 404, "not_found", ""},
		{"GET", "/tree", 404, "not_found", ""},
		{"CONNECT", "/tree", 404, "not_found", ""},

		{"GET", "/s3/multipart", 405, "method_not_allowed", "OPTIONS, POST"},
		{"HEAD", "/s3/multipart", 405, "", "OPTIONS, POST"},
		{"get", "/s3/multipart/a", 405, "method_not_allowed", "DELETE, GET, HEAD, OPTIONS"},
		{"PUT", "/s3/multipart/a", 405, "method_not_allowed", "DELETE, GET, HEAD, OPTIONS"},
		{"GET", "/s3/multipart/a/complete", 405, "method_not_allowed", "OPTIONS, POST"},

		{"OPTIONS", "/s3/multipart", 204, "", ""},
		{"OPTIONS", "/nowhere", 204, "", ""},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			r := invoke(t, &fchttp.Adapter{Handler: routes()}, trigger(t, test.method, map[string]any{"rawPath": test.path}))
			body := r.Body
			if r.StatusCode >= 400 && body != "" {
				body = parseError(t, r).Code
			}
			if r.StatusCode != test.status || body != test.body || r.Headers["Allow"] != test.allow {
				t.Errorf("answer = %d %s, Allow %q, want %d %s, %q", r.StatusCode, r.Body, r.Headers["Allow"], test.status, test.body, test.allow)
			}
			if got := r.Headers["Location"]; got != "" {
				t.Errorf("Location = %q, want no redirect", got)
			}
		})
	}
}

func TestNewMuxRefusesMistakes(t *testing.T) {
	handle := func(*http.Request) (any, error) { return nil, nil }
	tests := map[string][]fchttp.Route{
		"no function":               {{Method: "GET", Pattern: "/"}},
		"no method":                 {{Pattern: "/", Handle: handle}},
		"no pattern":                {{Method: "GET", Handle: handle}},
		"a method in the pattern":   {{Method: "GET", Pattern: "GET /", Handle: handle}},
		"one route twice":           {{Method: "GET", Pattern: "/", Handle: handle}, {Method: "GET", Pattern: "/", Handle: handle}},
		"two names for one pattern": {{Method: "GET", Pattern: "/{a}", Handle: handle}, {Method: "POST", Pattern: "/{b}", Handle: handle}},
	}
	for name, routes := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("NewMux returned, want a panic")
				}
			}()
			fchttp.NewMux(routes...)
		})
	}
}

// itself encodes itself, other than encoding/json would.
type itself struct{ Text string }

func (v itself) AppendJSON(dst []byte) []byte {
	return append(rawjson.AppendQuote(append(dst, `{"itself":`...), v.Text), '}')
}

func TestValueEncodesItself(t *testing.T) {
	a := &fchttp.Adapter{Handler: fchttp.Handle(func(*http.Request) (any, error) { return itself{"a&b\n"}, nil })}
	if got, want := invoke(t, a, gateway(t, nil)), `{"itself":"a&b\n"}`; got.Body != want || got.Headers["Content-Type"] != "application/json" {
		t.Errorf("answer = %+v, want the JSON %s", got, want)
	}
}
