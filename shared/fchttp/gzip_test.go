package fchttp_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/fchttp"
)

// squeezed is an answer whose compressed form is its length in front of a mark.
type squeezed string

func (s squeezed) AppendJSON(dst []byte) []byte { return append(dst, s...) }

func (s squeezed) Gzip(text []byte) []byte {
	if strings.Contains(string(text), "secret") {
		return nil
	}
	return []byte("\x1f\x8b of " + string(text[:5]))
}

func TestGzip(t *testing.T) {
	const enough = 16 << 10
	long := squeezed(`"long` + strings.Repeat("x", enough-6) + `"`)
	tests := []struct {
		name   string
		accept any // of the event's header
		value  any
		want   bool
	}{
		{"no header", nil, long, false},
		{"empty", "", long, false},
		{"gzip", "gzip", long, true},
		{"as browsers say it", "gzip, deflate, br, zstd", long, true},
		{"in capitals", "GZIP", long, true},
		{"by its old name", "x-gzip", long, true},
		{"behind others", "br;q=1.0,gzip", long, true},
		{"anything", "*", long, true},
		{"a list of values", []string{"br", "gzip"}, long, true},
		{"with a weight", "gzip;q=0.5", long, true},
		{"with a weight and spaces", " gzip ; q=0.5 , br", long, true},
		{"the least weight", "gzip;q=0.001", long, true},
		{"with Q", "gzip;Q=1.000", long, true},
		{"others only", "br, deflate", long, false},
		{"a name that begins like it", "gzip2, xgzip", long, false},
		{"refused", "gzip;q=0", long, false},
		{"refused in full", "gzip; q=0.000, br", long, false},
		{"refused by name, anything else", "*, gzip;q=0", long, false},
		{"taken by name, nothing else", "*;q=0, gzip", long, true},
		{"nothing else", "*;q=0", long, false},
		{"identity first", "identity, gzip;q=0.5", long, false},
		{"identity last", "identity;q=0.5, gzip;q=0.6", long, true},
		{"identity refused", "identity;q=0, gzip;q=0.1", long, true},
		{"both alike", "gzip, identity", long, true},
		{"a weight that is none", "gzip;q=x", long, false},
		{"a weight above one", "gzip;q=2", long, false},
		{"a weight below zero", "gzip;q=-1", long, false},
		{"a weight that is not a number", "gzip;q=NaN", long, false},
		{"a weight of too many digits", "gzip;q=0.0001", long, false},
		{"another parameter", "gzip;level=1", long, false},
		{"too small", "gzip", long[1:], false},
		{"refused by the value", "gzip", squeezed(`"secret` + strings.Repeat("x", enough) + `"`), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			headers := map[string]any{"Accept": "*/*"}
			if test.accept != nil {
				headers["Accept-Encoding"] = test.accept
			}
			a := &fchttp.Adapter{Handler: answering(test.value, nil), CORSOrigins: []string{"https://app.example"}}
			fields := map[string]any{"headers": headers}
			for _, event := range []string{gateway(t, fields), trigger(t, "GET", fields)} {
				r := invoke(t, a, event)
				want := string(test.value.(squeezed))
				encoding := ""
				if test.want {
					want, encoding = "\x1f\x8b of "+want[:5], "gzip"
				}
				if r.StatusCode != http.StatusOK || r.Body != want || r.Headers["Content-Encoding"] != encoding || r.IsBase64Encoded != test.want {
					t.Errorf("answer = %d %q %.40q, base64 %t, want 200 %q %.40q, base64 %t",
						r.StatusCode, r.Headers["Content-Encoding"], r.Body, r.IsBase64Encoded, encoding, want, test.want)
				}
				vary := strings.Split(r.Headers["Vary"], ", ")
				if !slices.Contains(vary, "Accept-Encoding") || !slices.Contains(vary, "Origin") || r.Headers["Content-Type"] != "application/json" {
					t.Errorf("headers = %v, want JSON that varies by Accept-Encoding and Origin", r.Headers)
				}
			}
		})
	}
}

// What does not say that it may be compressed is not.
func TestGzipIsForThoseWhoSaySo(t *testing.T) {
	fields := map[string]any{"headers": map[string]string{"Accept-Encoding": "gzip"}}
	text := strings.Repeat("x", 32<<10)
	r := invoke(t, &fchttp.Adapter{Handler: answering(text, nil)}, gateway(t, fields))
	if r.Body != `"`+text+`"` || r.Headers["Content-Encoding"] != "" || r.Headers["Vary"] != "" || r.IsBase64Encoded {
		t.Errorf("answer = %.40q with %v, want it as it is", r.Body, r.Headers)
	}
}

// An answer without its body has one of no length in any encoding.
func TestGzipOfHead(t *testing.T) {
	fields := map[string]any{"httpMethod": "HEAD", "headers": map[string]string{"Accept-Encoding": "gzip"}}
	a := &fchttp.Adapter{Handler: answering(squeezed(`"`+strings.Repeat("x", 16<<10)+`"`), nil)}
	raw, err := a.Invoke(t.Context(), requestID, []byte(gateway(t, fields)))
	if err != nil || !strings.Contains(string(raw), `"isBase64Encoded":false,"body":""`) || !strings.Contains(string(raw), `"Content-Encoding":"gzip"`) {
		t.Errorf("answer = %s, %v, want one of gzip without a body", raw, err)
	}
}
