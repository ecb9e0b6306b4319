package grant_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/uploadtoken"
)

// now is still November in UTC, whose months keys have.
var now = time.Date(2026, 12, 1, 0, 30, 0, 0, time.FixedZone("", 8*3600))

func policy() grant.Policy {
	return grant.Policy{
		Bucket:         "examplebucket",
		Prefix:         "u/",
		MaxSize:        1 << 40,
		ContentTypes:   grant.Types{"image/*", "video/mp4", "application/octet-stream"},
		Methods:        []uploadtoken.Method{uploadtoken.Put, uploadtoken.URL, uploadtoken.MultipartPart},
		TokenTTL:       168 * time.Hour,
		StorageClasses: []string{"IA"},
		TagKeys:        []string{"project", "stage"},
	}
}

func caller() callerauth.Caller { return callerauth.Caller{Subject: "alice"} }

func wish() grant.Wish {
	return grant.Wish{Method: uploadtoken.Put, Filename: "夏 photo.JPG", Size: ptr(5), ContentType: "image/jpeg"}
}

func ptr(n int64) *int64 { return &n }

// uuidOf is the UUIDv7 of a time with only zeros as random bits.
func uuidOf(at time.Time) string {
	ms := fmt.Sprintf("%012x", at.UnixMilli())
	return ms[:8] + "-" + ms[8:] + "-7000-8000-000000000000"
}

// zeros makes keys predictable.
func zeros() *bytes.Reader { return bytes.NewReader(make([]byte, 16)) }

func TestGrantPut(t *testing.T) {
	w := wish()
	w.MD5 = "ICy5YqxZB1uWSwcVLSNLcA=="
	w.CRC64 = "0"
	w.Metadata = map[string]string{"album": "été 2026"}
	w.StorageClass = "IA"
	w.Tags = map[string]string{"stage": "a b", "project": "x+y/z"}
	w.Vars = map[string]string{"k": "v"}
	c := caller()
	c.Limits.Context = []byte(`{"order":1}`)
	g, err := policy().Grant(c, w, now, zeros())
	if err != nil {
		t.Fatalf("Grant: %v", err)
	}
	wantHeader := map[string]string{
		"Content-Type":                  "image/jpeg",
		"Content-MD5":                   "ICy5YqxZB1uWSwcVLSNLcA==",
		"x-oss-forbid-overwrite":        "true",
		"x-oss-meta-album":              "%C3%A9t%C3%A9%202026",
		"x-oss-meta-ossupload-filename": "%E5%A4%8F%20photo.JPG",
		"x-oss-storage-class":           "IA",
		"x-oss-tagging":                 "project=x%2By%2Fz&stage=a%20b",
	}
	if !maps.Equal(g.Header, wantHeader) {
		t.Errorf("Header = %v, want %v", g.Header, wantHeader)
	}
	id := uuidOf(now)
	wantClaims := uploadtoken.Claims{
		ID: id, Method: uploadtoken.Put, Place: uploadtoken.Place{Bucket: "examplebucket", Prefix: "u/"}, Key: "u/alice/2026/11/" + id + ".jpg",
		Subject: "alice", Size: ptr(5), MaxSize: grant.MaxSingle, ContentType: "image/jpeg", CRC64: "0", Tags: 2,
		// See TestMetadataSum.
		Metadata: grant.MetadataSum(map[string]string{"album": "%C3%A9t%C3%A9%202026", "ossupload-filename": "%E5%A4%8F%20photo.JPG"}),
		Vars:     map[string]string{"k": "v"}, Context: json.RawMessage(`{"order":1}`),
		IssuedAt: now.Unix(), ExpiresAt: now.Unix() + 168*3600,
	}
	if !reflect.DeepEqual(g.Claims, wantClaims) {
		t.Errorf("Claims = %+v, want %+v", g.Claims, wantClaims)
	}
}

// Every fault that a single field can have, one at a time.
func TestGrantRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*grant.Wish)
		field  string // "" means: granted
	}{
		{"nothing wrong", func(w *grant.Wish) {}, ""},
		{"no size", func(w *grant.Wish) { w.Size = nil }, "size"},
		{"a size of zero", func(w *grant.Wish) { w.Size = ptr(0) }, ""},
		{"the greatest size of a PUT", func(w *grant.Wish) { w.Size = ptr(5 << 30) }, ""},
		{"one byte more", func(w *grant.Wish) { w.Size = ptr(5<<30 + 1) }, "size"},
		{"a type that is not allowed", func(w *grant.Wish) { w.ContentType = "text/html" }, "contentType"},
		{"a type that a wildcard never covers", func(w *grant.Wish) { w.ContentType = "image/svg+xml" }, "contentType"},
		{"a type in capitals", func(w *grant.Wish) { w.ContentType = "IMAGE/PNG" }, ""},
		{"a type with a parameter", func(w *grant.Wish) { w.ContentType = "image/png; q=1" }, "contentType"},
		{"two types", func(w *grant.Wish) { w.ContentType = "image/png,image/gif" }, "contentType"},
		{"a charset", func(w *grant.Wish) { w.ContentType = "image/png;charset=utf8" }, ""},
		{"a charset behind a space", func(w *grant.Wish) { w.ContentType = "image/png; charset=UTF-8" }, ""},
		{"a charset of a type that is not allowed", func(w *grant.Wish) { w.ContentType = "text/html;charset=utf8" }, "contentType"},
		{"two charsets", func(w *grant.Wish) { w.ContentType = "image/png;charset=utf8;charset=utf8" }, "contentType"},
		{"a charset and another parameter", func(w *grant.Wish) { w.ContentType = "image/png;charset=utf8;q=1" }, "contentType"},
		{"no charset behind its name", func(w *grant.Wish) { w.ContentType = "image/png;charset=" }, "contentType"},
		{"nothing behind the semicolon", func(w *grant.Wish) { w.ContentType = "image/png;" }, "contentType"},
		{"a quoted charset", func(w *grant.Wish) { w.ContentType = `image/png;charset="utf8"` }, "contentType"},
		{"two types with a charset", func(w *grant.Wish) { w.ContentType = "image/png;charset=utf8,text/html" }, "contentType"},
		{"a long charset", func(w *grant.Wish) { w.ContentType = "image/png;charset=" + strings.Repeat("x", 41) }, "contentType"},
		{"a charset with a line break", func(w *grant.Wish) { w.ContentType = "image/png;charset=utf8\r\nx: y" }, "contentType"},
		{"a wildcard as type", func(w *grant.Wish) { w.ContentType = "image/*" }, "contentType"},
		{"a type with a line break", func(w *grant.Wish) { w.ContentType = "image/png\r\nx: y" }, "contentType"},
		{"an unknown storage class", func(w *grant.Wish) { w.StorageClass = "Glacier" }, "storageClass"},
		{"a storage class that is not allowed", func(w *grant.Wish) { w.StorageClass = "Archive" }, "storageClass"},
		{"a tag that is not allowed", func(w *grant.Wish) { w.Tags = map[string]string{"owner": "x"} }, "tags.owner"},
		{"our own metadata name", func(w *grant.Wish) { w.Metadata = map[string]string{"ossupload-grant": "x"} }, "metadata.ossupload-grant"},
		{"a name like our own", func(w *grant.Wish) { w.Metadata = map[string]string{"ossuploads": "x"} }, ""},
		{"metadata of exactly 2 KiB", func(w *grant.Wish) { w.Metadata = map[string]string{"a": strings.Repeat("x", 2047)} }, ""},
		{"metadata of one byte more", func(w *grant.Wish) { w.Metadata = map[string]string{"a": strings.Repeat("x", 2048)} }, "metadata"},
		{"metadata over 2 KiB once encoded", func(w *grant.Wish) { w.Metadata = map[string]string{"a": strings.Repeat("夏", 228)} }, "metadata"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := wish()
			tt.change(&w)
			_, err := policy().Grant(caller(), w, now, zeros())
			if got := faultFields(t, err); got != tt.field {
				t.Errorf("Grant refused %q, want %q", got, tt.field)
			}
		})
	}
}

func faultFields(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, ok := errors.AsType[*api.Error](err)
	if !ok || refusal.Code != api.InvalidRequest {
		t.Fatalf("Grant = %v, want %s", err, api.InvalidRequest)
	}
	faults := refusal.Details.([]api.Fault)
	fields := make([]string, len(faults))
	for i, f := range faults {
		if f.Reason == "" {
			t.Errorf("fault of %q has no reason", f.Field)
		}
		fields[i] = f.Field
	}
	return strings.Join(fields, " ")
}

func TestGrantNamesEveryFault(t *testing.T) {
	w := grant.Wish{Method: uploadtoken.Put, ContentType: "x", StorageClass: "y", Tags: map[string]string{"owner": "x", "stage": "y"}, Metadata: map[string]string{"ossupload": "x"}}
	_, err := policy().Grant(caller(), w, now, zeros())
	const want = "contentType size storageClass tags.owner metadata.ossupload"
	if got := faultFields(t, err); got != want {
		t.Errorf("Grant refused %q, want %q", got, want)
	}
}

// What a client reads. Check says so even where nothing will be granted: no
// method is enabled here.
func TestReasons(t *testing.T) {
	url := func(w *grant.Wish) { w.Method = uploadtoken.URL }
	multipart := func(w *grant.Wish) { w.Method, w.ContentType = uploadtoken.MultipartPart, "video/mp4" }
	tests := []struct {
		name   string
		change func(*grant.Wish)
		want   string // field and reason
	}{
		{"no type", func(w *grant.Wish) { w.ContentType = "png" }, `contentType must be one type/subtype, with one charset at most`},
		{"a type that the policy leaves out", func(w *grant.Wish) { w.ContentType = "text/html" }, `contentType "text/html" is not an allowed type; allowed are image/*, video/mp4, application/octet-stream (a wildcard covers no html, xml, svg or script)`},
		{"a type that the token leaves out", func(w *grant.Wish) { w.ContentType = "image/gif" }, `contentType "image/gif" is not a type that your token allows; allowed are image/png, image/jpeg, video/mp4, text/html`},
		{"no size", func(w *grant.Wish) { w.Size = nil }, `size is required`},
		{"a url of any size", func(w *grant.Wish) { url(w); w.Size = nil }, `size is required with "url": nothing else would bound what is stored`},
		{"a PUT that is too large", func(w *grant.Wish) { w.Size = ptr(5<<30 + 1) }, `size must be at most 5368709120 bytes`},
		{"an object that is too large", func(w *grant.Wish) { multipart(w); w.Size = ptr(1<<40 + 1) }, `size must be at most 1099511627776 bytes`},
		{"parts that are too small", func(w *grant.Wish) { multipart(w); w.PartSize = 1 }, `partSize must be 102400 to 5368709120 bytes`},
		{"too many parts", func(w *grant.Wish) { multipart(w); w.PartSize, w.Size = 102_400, ptr(1_024_000_001) },
			`partSize 1024000001 bytes need more than 10000 parts of this size`},
		{"a storage class", func(w *grant.Wish) { w.StorageClass = "Archive" }, `storageClass is not an allowed storage class`},
		{"a tag", func(w *grant.Wish) { w.Tags = map[string]string{"owner": "x"} }, `tags.owner is not an allowed tag`},
		{"a tag of ours, although the policy has it", func(w *grant.Wish) { w.Tags = map[string]string{"OSSupload-x": "x"} }, `tags.OSSupload-x is not an allowed tag`},
		{"metadata of ours", func(w *grant.Wish) { w.Metadata = map[string]string{"ossupload-x": "x"} }, `metadata.ossupload-x is a reserved name`},
		{"much metadata", func(w *grant.Wish) { w.Metadata = map[string]string{"a": strings.Repeat("x", 2048)} },
			`metadata must be at most 2048 bytes, names and percent-encoded values together`},
		{"much metadata in small pieces", func(w *grant.Wish) {
			w.Metadata = map[string]string{"a": strings.Repeat("x", 1023), "b": strings.Repeat("x", 1024)}
		}, `metadata must be at most 2048 bytes, names and percent-encoded values together`},
		{"an MD5 of parts", func(w *grant.Wish) { multipart(w); w.MD5 = "ICy5YqxZB1uWSwcVLSNLcA==" }, `checksum.md5 can be used with "put" only`},
		{"metadata by URL", func(w *grant.Wish) { url(w); w.Metadata = map[string]string{"a": "b"} }, `metadata cannot be used with "url", which sends no headers`},
	}
	for _, tt := range tests {
		w := wish()
		tt.change(&w)
		p, c := policy(), caller()
		p.TagKeys = append(p.TagKeys, "OSSupload-x")
		c.Limits.ContentTypes = []string{"image/png", "image/jpeg", "video/mp4", "text/html"}
		p.Methods = nil
		faults := p.Check(c, w)
		if len(faults) != 1 || faults[0].Field+" "+faults[0].Reason != tt.want {
			t.Errorf("%s: Check = %+v, want %q", tt.name, faults, tt.want)
		}
	}
	if faults := policy().Check(caller(), wish()); len(faults) != 0 {
		t.Errorf("Check of a wish that is granted = %+v, want none", faults)
	}
}

func TestURLMethodSendsNoHeaders(t *testing.T) {
	w := grant.Wish{Method: uploadtoken.URL, Filename: "page.html", Size: ptr(5)}
	g, err := policy().Grant(caller(), w, now, zeros())
	if err != nil {
		t.Fatalf("Grant: %v", err)
	}
	if len(g.Header) != 0 || g.Claims.ContentType != "" || g.Claims.Filename != "page.html" {
		t.Errorf("Grant = %v, %+v, want no header, no type, the name in the claims", g.Header, g.Claims)
	}
	if strings.HasSuffix(g.Claims.Key, ".html") {
		t.Errorf("Key = %q, want no extension from which OSS could guess a type", g.Claims.Key)
	}

	w.ContentType, w.Filename = "image/png", "a.png"
	if g, err = policy().Grant(caller(), w, now, zeros()); err != nil || !maps.Equal(g.Header, map[string]string{"Content-Type": "image/png"}) {
		t.Errorf("Grant with a type = %v, %v, want that one header", g.Header, err)
	}

	w.Metadata, w.Tags, w.StorageClass, w.MD5 = map[string]string{"a": "b"}, map[string]string{"stage": "x"}, "IA", "ICy5YqxZB1uWSwcVLSNLcA=="
	_, err = policy().Grant(caller(), w, now, zeros())
	if got, want := faultFields(t, err), "metadata tags storageClass checksum.md5"; got != want {
		t.Errorf("Grant refused %q, want %q", got, want)
	}
}

func TestMethodThatIsOff(t *testing.T) {
	w := wish()
	w.Method = uploadtoken.Form
	if _, err := policy().Grant(caller(), w, now, zeros()); !errors.Is(err, grant.ErrMethod) {
		t.Errorf("Grant = %v, want ErrMethod", err)
	}
}

func TestCallerNarrowsAndNeverWidens(t *testing.T) {
	tests := []struct {
		name  string
		up    callerauth.Limits
		size  int64
		kind  string
		field string
	}{
		{"within both", callerauth.Limits{MaxSize: ptr(10), ContentTypes: []string{"image/*"}}, 10, "image/png", ""},
		{"over the token's size", callerauth.Limits{MaxSize: ptr(10)}, 11, "image/png", "size"},
		{"a token's size over the policy's", callerauth.Limits{MaxSize: ptr(1 << 50)}, 5<<30 + 1, "image/png", "size"},
		{"a type that the token leaves out", callerauth.Limits{ContentTypes: []string{"image/png"}}, 1, "image/gif", "contentType"},
		{"a type that only the token has", callerauth.Limits{ContentTypes: []string{"text/html"}}, 1, "text/html", "contentType"},
		{"a token's wildcard does not cover svg", callerauth.Limits{ContentTypes: []string{"*/*"}}, 1, "image/svg+xml", "contentType"},
		{"a token without any type", callerauth.Limits{ContentTypes: []string{}}, 1, "image/png", "contentType"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := wish()
			w.Size, w.ContentType = &tt.size, tt.kind
			c := callerauth.Caller{Subject: "alice", Limits: tt.up}
			g, err := policy().Grant(c, w, now, zeros())
			if got := faultFields(t, err); got != tt.field {
				t.Errorf("Grant refused %q, want %q", got, tt.field)
			}
			if err == nil && tt.up.MaxSize != nil && g.Claims.MaxSize != *tt.up.MaxSize {
				t.Errorf("MaxSize = %d, want %d", g.Claims.MaxSize, *tt.up.MaxSize)
			}
		})
	}
}

func TestContentTypeThatNobodyAsked(t *testing.T) {
	tests := []struct{ filename, want string }{
		{"a.png", "image/png"},
		{"a.PNG", "image/png"},
		{"a.mp4", "video/mp4"},
		{"a", "application/octet-stream"},
		{"a.html", "application/octet-stream"}, // text/html is not allowed here
		{"a.svg", "application/octet-stream"},
		{"a.unknown", "application/octet-stream"},
	}
	for _, tt := range tests {
		w := wish()
		w.ContentType, w.Filename = "", tt.filename
		g, err := policy().Grant(caller(), w, now, zeros())
		if err != nil || g.Claims.ContentType != tt.want || g.Header["Content-Type"] != tt.want {
			t.Errorf("type for %q = %q, %v, want %q", tt.filename, g.Claims.ContentType, err, tt.want)
		}
	}
	p := policy()
	p.ContentTypes = grant.Types{"image/png"}
	w := wish()
	w.ContentType, w.Filename = "", "a.bin"
	if _, err := p.Grant(caller(), w, now, zeros()); faultFields(t, err) != "contentType" {
		t.Errorf("Grant where not even octet-stream is allowed = %v, want a fault of contentType", err)
	}
}

func TestPartSize(t *testing.T) {
	const mib, tb = 1 << 20, 1_000_000_000_000
	tests := []struct {
		name           string
		size           *int64
		asked          int64
		want           int64
		count          int64
		field          string
		policyMaxBytes int64
	}{
		{name: "neither agreed: the client chooses"},
		{name: "a small object", size: ptr(1), want: 5 * mib, count: 1},
		{name: "an empty object", size: ptr(0), want: 5 * mib, count: 1},
		{name: "as many parts as fit", size: ptr(5 * mib * 10000), want: 5 * mib, count: 10000},
		{name: "one byte more needs larger parts", size: ptr(5*mib*10000 + 1), want: 6 * mib, count: 8334},
		{name: "exactly as many larger parts as fit", size: ptr(6 * mib * 10000), want: 6 * mib, count: 10000},
		{name: "one byte more needs still larger ones", size: ptr(6*mib*10000 + 1), want: 7 * mib, count: 8572},
		{name: "48.8 TB", size: ptr(48_800_000_000_000), want: 4654 * mib, count: 10000, policyMaxBytes: 1 << 60},
		{name: "one byte over 48.8 TB", size: ptr(48_800_000_000_001), field: "size", policyMaxBytes: 1 << 60},
		{name: "asked for", size: ptr(300_000), asked: 102_400, want: 102_400, count: 3},
		{name: "asked for without a size", asked: 102_400, want: 102_400},
		{name: "asked for too small", size: ptr(300_000), asked: 102_399, field: "partSize"},
		{name: "asked for as large as they may be", asked: 5 << 30, want: 5 << 30},
		{name: "asked for too large", asked: 5<<30 + 1, field: "partSize"},
		{name: "10,000 parts", size: ptr(102_400 * 10000), asked: 102_400, want: 102_400, count: 10000},
		{name: "10,001 parts", size: ptr(102_400*10000 + 1), asked: 102_400, field: "partSize"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := policy()
			p.MaxSize = max(p.MaxSize, tt.policyMaxBytes)
			w := grant.Wish{Method: uploadtoken.MultipartPart, Filename: "a.mp4", ContentType: "video/mp4", Size: tt.size, PartSize: tt.asked}
			g, err := p.Grant(caller(), w, now, zeros())
			if got := faultFields(t, err); got != tt.field {
				t.Fatalf("Grant refused %q, want %q", got, tt.field)
			}
			if g.Claims.PartSize != tt.want || g.Claims.PartCount() != tt.count {
				t.Errorf("part size %d, count %d, want %d, %d", g.Claims.PartSize, g.Claims.PartCount(), tt.want, tt.count)
			}
		})
	}
}

func TestPartSizeIsOfMultipartAlone(t *testing.T) {
	w := wish()
	w.PartSize = 1
	if g, err := policy().Grant(caller(), w, now, zeros()); err != nil || g.Claims.PartSize != 0 {
		t.Errorf("a PUT has parts of %d bytes, %v, want none", g.Claims.PartSize, err)
	}
}

func TestNoRandomnessNoKey(t *testing.T) {
	if _, err := policy().Grant(caller(), wish(), now, bytes.NewReader(nil)); err == nil {
		t.Error("Grant without randomness = nil error, want one")
	}
}

func TestFaultsAreJSON(t *testing.T) {
	b, err := json.Marshal(api.Fault{Field: "size", Reason: "is required"})
	if err != nil || string(b) != `{"field":"size","reason":"is required"}` {
		t.Errorf("Marshal = %s, %v", b, err)
	}
}

// What stands before the semicolon is judged; the whole is granted as it was
// asked.
func TestCharset(t *testing.T) {
	for asked, want := range map[string]string{
		"text/plain;charset=utf8": "text/plain;charset=utf8", "Text/Plain; Charset=UTF-8": "Text/Plain; Charset=UTF-8", "TEXT/plain": "text/plain",
	} {
		p, w := policy(), wish()
		p.ContentTypes, w.ContentType, w.Filename = grant.Types{"text/plain"}, asked, "a.txt"
		c := caller()
		c.Limits.ContentTypes = []string{"text/*"}
		g, err := p.Grant(c, w, now, zeros())
		if err != nil || g.Claims.ContentType != want || g.Header["Content-Type"] != want || !strings.HasSuffix(g.Claims.Key, ".txt") {
			t.Errorf("Grant of %q = %+v, %v, want the type %q", asked, g, err, want)
		}
	}
}

func TestUnsizedURL(t *testing.T) {
	for unsized, want := range map[bool]string{false: "size", true: ""} {
		p := policy()
		p.URLUnsized = unsized
		g, err := p.Grant(caller(), grant.Wish{Method: uploadtoken.URL}, now, zeros())
		if got := faultFields(t, err); got != want || err == nil && g.Claims.MaxSize != grant.MaxSingle {
			t.Errorf("a url of any size, allowed %v: refused %q, want %q", unsized, got, want)
		}
	}
}

// The application names one object; the rest is as for any other.
func TestKeyOfTheApplication(t *testing.T) {
	c := caller()
	c.Limits.Key, c.Session = "orders/7/invoice.pdf", "session"
	g, err := policy().Grant(c, wish(), now, zeros())
	if err != nil {
		t.Fatal(err)
	}
	if g.Claims.Key != "u/alice/orders/7/invoice.pdf" || g.Claims.ID != uuidOf(now) || g.Header["x-oss-forbid-overwrite"] != "true" || g.Claims.Session != "session" {
		t.Errorf("Grant = %+v, want the chosen key below the subject's prefix, and nothing to be overwritten", g)
	}
	if p := policy(); !p.Mine("alice", g.Claims.Key) || !p.Anybodys(g.Claims.Key) {
		t.Errorf("%q is not alice's", g.Claims.Key)
	}
}

// A url upload could overwrite it, and be stored as what the key names.
func TestURLForTheApplicationsKey(t *testing.T) {
	for _, contentType := range []string{"", "image/png"} {
		c := caller()
		c.Limits.Key = "orders/7/picture.png"
		_, err := policy().Grant(c, grant.Wish{Method: uploadtoken.URL, Size: ptr(5), ContentType: contentType}, now, zeros())
		if got := faultFields(t, err); got != "as" {
			t.Errorf("a url of type %q for a chosen key: refused %q, want as", contentType, got)
		}
	}
}

// What a url upload has no grant for, today's policy judges.
func TestUngranted(t *testing.T) {
	p := policy()
	for contentType, want := range map[string]bool{
		"image/png": true, "image/png;charset=utf8": true, "IMAGE/png": true, "text/html": false, "image/svg+xml": false, "": false, "image/png;q=1": false,
	} {
		if got := p.AllowsUngranted(contentType); got != want {
			t.Errorf("AllowsUngranted(%q) = %v, want %v", contentType, got, want)
		}
	}
	got := p.Ungranted("alice", "image/png")
	if want := (uploadtoken.Claims{Method: uploadtoken.URL, Subject: "alice", MaxSize: grant.MaxSingle, ContentType: "image/png"}); !reflect.DeepEqual(got, want) {
		t.Errorf("Ungranted = %+v, want %+v", got, want)
	}
	p.Methods = []uploadtoken.Method{uploadtoken.Put}
	if p.AllowsUngranted("image/png") {
		t.Error("AllowsUngranted where url uploads are off = true")
	}
}
