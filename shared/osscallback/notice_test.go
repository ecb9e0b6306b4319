package osscallback_test

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"ossupload/shared/osscallback"
)

const noticeBody = "bucket=photos&object=u%2F2026%2Fa+b.jpg&etag=%22ABC123%22&size=42&reqId=R1&token=v1.k.t"

var notice = osscallback.Notice{
	Bucket: "photos", Object: "u/2026/a b.jpg", ETag: "ABC123", Size: 42, RequestID: "R1", Token: "v1.k.t",
}

func TestParseNotice(t *testing.T) {
	changed := func(change func(*osscallback.Notice)) osscallback.Notice {
		n := notice
		change(&n)
		return n
	}
	replace := func(old, new string) string { return strings.Replace(noticeBody, old, new, 1) }
	tests := []struct {
		name, body string
		want       osscallback.Notice
		ok         bool
	}{
		{"as configured", noticeBody, notice, true},
		{"another order", "token=v1.k.t&reqId=R1&size=42&etag=ABC123&object=u/2026/a%20b.jpg&bucket=photos", notice, true},
		{"an etag without quotes", replace("%22ABC123%22", "ABC123"), notice, true},
		{"an etag in lower case stays so", replace("%22ABC123%22", "abc"), changed(func(n *osscallback.Notice) { n.ETag = "abc" }), true},
		{"size zero", replace("size=42", "size=0"), changed(func(n *osscallback.Notice) { n.Size = 0 }), true},
		{"the largest size", replace("size=42", "size=9223372036854775807"), changed(func(n *osscallback.Notice) { n.Size = 1<<63 - 1 }), true},
		{"an equals sign in a value", replace("u%2F2026", "u=2026"), changed(func(n *osscallback.Notice) { n.Object = "u=2026/a b.jpg" }), true},

		{"an empty body", "", osscallback.Notice{}, false},
		{"a field is missing", strings.TrimPrefix(noticeBody, "bucket=photos&"), osscallback.Notice{}, false},
		{"a field is repeated", noticeBody + "&bucket=photos", osscallback.Notice{}, false},
		{"a field is added", noticeBody + "&mimeType=image%2Fpng", osscallback.Notice{}, false},
		{"a field name in another case", replace("reqId", "reqid"), osscallback.Notice{}, false},
		{"an escaped field name", replace("bucket", "%62ucket"), osscallback.Notice{}, false},
		{"a trailing separator", noticeBody + "&", osscallback.Notice{}, false},
		{"a semicolon as separator", replace("&token", ";token"), osscallback.Notice{}, false},
		{"a trailing line feed after a number", replace("size=42", "size=42\n"), osscallback.Notice{}, false},
		{"a value is empty", replace("v1.k.t", ""), osscallback.Notice{}, false},
		{"a field without equals sign", replace("token=v1.k.t", "token"), osscallback.Notice{}, false},
		{"a broken escape", replace("photos", "%zz"), osscallback.Notice{}, false},
		{"a key that is not UTF-8", replace("a+b", "%ff"), osscallback.Notice{}, false},
		{"an etag of quotes only", replace("ABC123", ""), osscallback.Notice{}, false},
		{"an etag with one quote", replace("%22ABC123%22", "%22ABC123"), osscallback.Notice{}, false},
		{"a negative size", replace("size=42", "size=-1"), osscallback.Notice{}, false},
		{"a size with a plus", replace("size=42", "size=%2B42"), osscallback.Notice{}, false},
		{"a size with a leading zero", replace("size=42", "size=042"), osscallback.Notice{}, false},
		{"a size in hexadecimal", replace("size=42", "size=0x2A"), osscallback.Notice{}, false},
		{"a size too large", replace("size=42", "size=9223372036854775808"), osscallback.Notice{}, false},
		{"a JSON body", `{"bucket":"photos","size":42}`, osscallback.Notice{}, false},
		{"64 KiB", noticeBody + strings.Repeat("t", 64<<10-len(noticeBody)), changed(func(n *osscallback.Notice) {
			n.Token += strings.Repeat("t", 64<<10-len(noticeBody))
		}), true},
		{"64 KiB and one byte", noticeBody + strings.Repeat("t", 64<<10+1-len(noticeBody)), osscallback.Notice{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := osscallback.ParseNotice([]byte(tt.body))
			if got != tt.want || tt.ok != (err == nil) {
				t.Errorf("ParseNotice = %.200v, %v, want %.200v", got, err, tt.want)
			}
			if err != nil && !errors.Is(err, osscallback.ErrBody) {
				t.Errorf("ParseNotice = %v, want ErrBody", err)
			}
			if err != nil && strings.Contains(err.Error(), "v1.k.t") {
				t.Errorf("ParseNotice = %v, which repeats the token", err)
			}
		})
	}
}

// FuzzParseNotice: what is accepted says the same when written again, so no two
// readings of one body exist.
func FuzzParseNotice(f *testing.F) {
	f.Add([]byte(noticeBody))
	for _, vec := range loadVectors(f).Vectors {
		f.Add([]byte(vec.Body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := osscallback.ParseNotice(body)
		if err != nil {
			if !errors.Is(err, osscallback.ErrBody) || n != (osscallback.Notice{}) {
				t.Fatalf("ParseNotice = %+v, %v, want nothing and ErrBody", n, err)
			}
			return
		}
		if n.Bucket == "" || n.Object == "" || n.ETag == "" || n.RequestID == "" || n.Token == "" || n.Size < 0 {
			t.Fatalf("ParseNotice(%q) = %+v, which has an empty field", body, n)
		}
		again := url.Values{
			"bucket": {n.Bucket}, "object": {n.Object}, "etag": {`"` + n.ETag + `"`},
			"size": {strconv.FormatInt(n.Size, 10)}, "reqId": {n.RequestID}, "token": {n.Token},
		}.Encode()
		if got, err := osscallback.ParseNotice([]byte(again)); err != nil || got != n {
			t.Errorf("ParseNotice(%q) = %+v, %v, want %+v", again, got, err, n)
		}
	})
}
