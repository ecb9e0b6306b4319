package fchttp_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"ossupload/shared/fchttp"
)

// corsHeaders picks the headers that CORS is about.
func corsHeaders(r reply) map[string]string {
	picked := map[string]string{}
	for name, value := range r.Headers {
		if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
			picked[name] = value
		}
	}
	return picked
}

func TestCORS(t *testing.T) {
	const app, expose = "https://app.example", "X-Request-Id, Retry-After, WWW-Authenticate"
	none := map[string]string{}
	vary := map[string]string{"Vary": "Origin"}
	simple := func(origin string) map[string]string {
		return map[string]string{"Vary": "Origin", "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": expose}
	}
	preflight := func(origin, headers string) map[string]string {
		h := simple(origin)
		h["Access-Control-Allow-Methods"] = "GET, POST, DELETE, OPTIONS"
		h["Access-Control-Allow-Headers"] = headers
		h["Access-Control-Max-Age"] = "7200"
		return h
	}
	const base = "Authorization, Content-Type"
	many, granted := make([]string, 30), base
	for i := range many {
		many[i] = fmt.Sprintf("x-h%d", i)
		if i < 20 {
			granted += ", " + many[i]
		}
	}
	tests := []struct {
		name    string
		origins []string
		method  string
		header  map[string]any
		want    map[string]string
	}{
		{"not configured", nil, "POST", map[string]any{"origin": app}, none},
		{"not configured, preflight", nil, "OPTIONS", map[string]any{"origin": app}, none},
		{"no origin", []string{app}, "POST", nil, vary},
		{"no origin, preflight", []string{app}, "OPTIONS", nil, vary},
		{"allowed", []string{"https://other.example", app}, "POST", map[string]any{"origin": app}, simple(app)},
		{"allowed, preflight", []string{app}, "OPTIONS", map[string]any{"origin": app}, preflight(app, base)},
		{"any", []string{"*"}, "GET", map[string]any{"origin": app}, simple("*")},
		{"any, preflight", []string{"*"}, "OPTIONS", map[string]any{"origin": app}, preflight("*", base)},
		{"disallowed", []string{app}, "POST", map[string]any{"origin": "https://evil.example"}, vary},
		{"disallowed, preflight", []string{app}, "OPTIONS", map[string]any{"origin": "https://evil.example"}, vary},
		{"a longer host", []string{app}, "POST", map[string]any{"origin": app + ".evil.example"}, vary},
		{"another port", []string{app}, "POST", map[string]any{"origin": app + ":8443"}, vary},
		{"another scheme", []string{app}, "POST", map[string]any{"origin": "http://app.example"}, vary},
		{"another letter case", []string{app}, "POST", map[string]any{"origin": "https://App.example"}, vary},
		{"a slash behind", []string{app}, "POST", map[string]any{"origin": app + "/"}, vary},
		{"two origins", []string{app}, "POST", map[string]any{"origin": []string{app, app}}, vary},
		{"two origins, joined", []string{app}, "POST", map[string]any{"origin": app + ", " + app}, vary},
		{"null", []string{app}, "POST", map[string]any{"origin": "null"}, vary},
		{"null, configured", []string{"null"}, "POST", map[string]any{"origin": "null"}, simple("null")},
		{"headers are asked for", []string{app}, "OPTIONS", map[string]any{"origin": app,
			"access-control-request-headers": "authorization,Content-Type, uppy-versions ,traceparent,TraceParent"},
			preflight(app, base+", uppy-versions, traceparent")},
		{"headers that are none are asked for", []string{app}, "OPTIONS", map[string]any{"origin": app,
			"access-control-request-headers": "*,a b,a:b,é,," + strings.Repeat("x", 65) + ",ok"},
			preflight(app, base+", ok")},
		{"too many headers are asked for", []string{app}, "OPTIONS", map[string]any{"origin": app,
			"access-control-request-headers": strings.Join(many, ",")}, preflight(app, granted)},
		{"headers are asked for without preflight", []string{app}, "POST", map[string]any{"origin": app,
			"access-control-request-headers": "x"}, simple(app)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := &fchttp.Adapter{CORSOrigins: test.origins, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "OPTIONS" {
					t.Error("the handler was called")
				}
				r.Header.Set("Origin", "https://changed.example") // has no effect
			})}
			r := invoke(t, a, gateway(t, map[string]any{"httpMethod": test.method, "headers": test.header}))
			if got := corsHeaders(r); !reflect.DeepEqual(got, test.want) {
				t.Errorf("headers = %v, want %v", got, test.want)
			}
			status := 200
			if test.method == "OPTIONS" {
				status = 204
			}
			if r.StatusCode != status || r.Body != "" || r.Headers["Cache-Control"] != "no-store" {
				t.Errorf("answer = %+v, want status %d, no body, no caching", r, status)
			}
		})
	}
}

func TestErrorsCarryCORSHeaders(t *testing.T) {
	const app = "https://app.example"
	tests := map[int]map[string]any{
		400: {"body": "*", "isBase64Encoded": true},
		404: {"path": "/nowhere"},
		405: {"path": "/s3/multipart", "httpMethod": "PUT"},
		413: {"body": "0123456789"},
	}
	for status, fields := range tests {
		fields["headers"] = map[string]any{"Origin": app}
		a := &fchttp.Adapter{CORSOrigins: []string{app}, MaxBody: 9, Handler: routes()}
		if r := invoke(t, a, gateway(t, fields)); r.StatusCode != status || r.Headers["Access-Control-Allow-Origin"] != app {
			t.Errorf("answer = %+v, want %d with CORS headers", r, status)
		}
	}
}
