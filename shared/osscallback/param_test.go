package osscallback_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"ossupload/shared/osscallback"
)

const template = "bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&reqId=${reqId}&token=${x:u}"

func TestParam(t *testing.T) {
	tests := []struct {
		name, url string
		want      map[string]any
	}{
		{"https asks for SNI", "https://api.example.com/callback?v=1&w=%20", map[string]any{
			"callbackUrl":      "https://api.example.com/callback?v=1&w=%20",
			"callbackBody":     template,
			"callbackBodyType": "application/x-www-form-urlencoded",
			"callbackSNI":      true,
		}},
		{"http does not", "http://127.0.0.1:8580/callback", map[string]any{
			"callbackUrl":      "http://127.0.0.1:8580/callback",
			"callbackBody":     template,
			"callbackBodyType": "application/x-www-form-urlencoded",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			param, err := osscallback.Param(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if got := decoded(t, param); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Param holds %v, want %v", got, tt.want)
			}
		})
	}
}

// decoded is the JSON that a parameter holds.
func decoded(t *testing.T, param string) map[string]any {
	t.Helper()
	doc, err := base64.StdEncoding.Strict().DecodeString(param)
	if err != nil {
		t.Fatalf("%q is not base64: %v", param, err)
	}
	var got map[string]any
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatalf("%q is not JSON: %v", doc, err)
	}
	return got
}

func TestVars(t *testing.T) {
	got, err := osscallback.Vars("v1.k-1.A_b-9")
	if err != nil {
		t.Fatal(err)
	}
	// base64 of {"x:u":"v1.k-1.A_b-9"}
	if want := "eyJ4OnUiOiJ2MS5rLTEuQV9iLTkifQ=="; got != want {
		t.Errorf("Vars = %q, want %q", got, want)
	}
}

// What Param asks for is what ParseNotice reads, after OSS has put the values
// in form-encoded.
func TestParamRoundTrip(t *testing.T) {
	param, err := osscallback.Param("https://api.example.com/callback")
	if err != nil {
		t.Fatal(err)
	}
	vars, err := osscallback.Vars("v1.k.tok-en_")
	if err != nil {
		t.Fatal(err)
	}
	want := osscallback.Notice{
		Bucket: "photos", Object: "u/é & =+.jpg", ETag: "D41D8CD98F00B204E9800998ECF8427E",
		Size: 5 << 30, RequestID: "5B9CDDCC9D2B0CA88AE2BEA1", Token: "v1.k.tok-en_",
	}
	body := strings.NewReplacer(
		"${bucket}", url.QueryEscape(want.Bucket),
		"${object}", url.QueryEscape(want.Object),
		"${etag}", url.QueryEscape(want.ETag),
		"${size}", "5368709120",
		"${reqId}", url.QueryEscape(want.RequestID),
		"${"+osscallback.Variable+"}", url.QueryEscape(decoded(t, vars)[osscallback.Variable].(string)),
	).Replace(decoded(t, param)["callbackBody"].(string))
	got, err := osscallback.ParseNotice([]byte(body))
	if err != nil || got != want {
		t.Errorf("ParseNotice(%q) = %+v, %v, want %+v", body, got, err, want)
	}
}

func TestParamLimits(t *testing.T) {
	const callbackURL = "https://api.example.com/"
	for name, sizeFor := range map[string]func(n int) (string, error){
		"Param": func(n int) (string, error) { return osscallback.Param(callbackURL + strings.Repeat("a", n)) },
		"Vars":  func(n int) (string, error) { return osscallback.Vars(strings.Repeat("a", n)) },
	} {
		// An upload token has at most 2,048 bytes: that always fits.
		if _, err := sizeFor(2048); err != nil {
			t.Errorf("%s with 2,048 bytes: %v", name, err)
		}
		longest := 0
		for n := 3000; n < 4000; n++ {
			param, err := sizeFor(n)
			if err != nil {
				break
			}
			longest = len(param)
		}
		if longest != 5<<10 {
			t.Errorf("the longest %s has %d bytes, want %d", name, longest, 5<<10)
		}
	}
}

// A token is of an alphabet that no template of OSS and no form encoding changes.
func TestVarsTakesTheAlphabet(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"
	for c := range 256 {
		want := strings.IndexByte(alphabet, byte(c)) >= 0
		if _, err := osscallback.Vars("a" + string([]byte{byte(c)}) + "b"); (err == nil) != want {
			t.Errorf("Vars with the byte %#02x = %v, want it taken %v", c, err, want)
		}
	}
}

func TestVarsRefusesTokens(t *testing.T) {
	for _, token := range []string{"", "a b", "a&bucket=other", "${object}", "a+b", "a/b", "a=", "a%20b", "a\"b", "é", "a\n"} {
		if vars, err := osscallback.Vars(token); err == nil {
			t.Errorf("Vars with token %q = %q, want an error", token, vars)
		} else if token != "" && strings.Contains(err.Error(), token) && len(token) > 3 {
			t.Errorf("Vars with token %q = %v, which repeats the token", token, err)
		}
	}
}

func TestURI(t *testing.T) {
	tests := []struct{ url, want string }{
		{"https://api.example.com", "/"},
		{"https://api.example.com?a=b", "/?a=b"},
		{"https://api.example.com/callback", "/callback"},
		{"https://api.example.com:8443/a%20b/c+d?e=%20f&g=h+i", "/a%20b/c+d?e=%20f&g=h+i"},
		{"https://api.example.com/a%2Fb", "/a%2Fb"},
		{"https://api.example.com/callback?", "/callback"},
		{"http://203.0.113.7/callback/", "/callback/"},
	}
	for _, tt := range tests {
		if got, err := osscallback.URI(tt.url); err != nil || got != tt.want {
			t.Errorf("URI(%q) = %q, %v, want %q", tt.url, got, err, tt.want)
		}
	}
}

func TestURIRefuses(t *testing.T) {
	for _, callbackURL := range []string{
		"", "/callback", "api.example.com/callback", "ftp://api.example.com/", "https://", "https:///callback",
		"https://user:secret@api.example.com/", "https://api.example.com/#a", "https://a.example.com;https://b.example.com",
		"https://[2001:db8::1]/callback", "https://[::ffff:203.0.113.7]/", "https://api.example.com/ü", "https://api.example.com/a b",
		"https://api.example.com/\n", "https://api.example.com/%zz", "https://api.example.com:notanumber/",
	} {
		got, err := osscallback.URI(callbackURL)
		if err == nil {
			t.Errorf("URI(%q) = %q, want an error", callbackURL, got)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("URI(%q) = %v, which repeats the password", callbackURL, err)
		}
		if _, err := osscallback.Param(callbackURL); err == nil {
			t.Errorf("Param(%q) = nil, want an error", callbackURL)
		}
	}
}
