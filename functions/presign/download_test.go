package main

import (
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/shared/api"
)

func TestDownloadQuery(t *testing.T) {
	const saved, shown = "attachment", "inline"
	tests := []struct {
		name  string
		in    downloadRequest
		want  map[string]string
		fault string
	}{
		{"saved by default", downloadRequest{Key: "u/a/x.html"}, map[string]string{"response-content-disposition": saved}, ""},
		{"under a name", downloadRequest{Key: "u/a/x", Filename: "a b.txt"},
			map[string]string{"response-content-disposition": `attachment; filename="a b.txt"; filename*=UTF-8''a%20b.txt`}, ""},
		{"an image shown", downloadRequest{Key: "u/a/x.png", Inline: true},
			map[string]string{"response-content-disposition": shown, "response-content-type": "image/png"}, ""},
		{"a page not shown", downloadRequest{Key: "u/a/x.html", Inline: true}, nil, "inline"},
		{"a drawing with scripts not shown", downloadRequest{Key: "u/a/x.svg", Inline: true}, nil, "inline"},
		{"an unknown kind not shown", downloadRequest{Key: "u/a/x", Inline: true}, nil, "inline"},
		{"a version", downloadRequest{Key: "u/a/x", VersionID: "CAEQNhiBgM0BYiIDc4MGZjZGI2OTBjOTRmNTE5NmU5NmFhZjhjYmY0"},
			map[string]string{"response-content-disposition": saved, "versionId": "CAEQNhiBgM0BYiIDc4MGZjZGI2OTBjOTRmNTE5NmU5NmFhZjhjYmY0"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, faults := downloadQuery(tt.in)
			if fields := fieldsOf(faults); fields != tt.fault {
				t.Fatalf("faults of %q, want %q", fields, tt.fault)
			}
			if tt.fault == "" && !maps.Equal(got, tt.want) {
				t.Errorf("downloadQuery = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDispositionName(t *testing.T) {
	const name = "\x1f !~\x7f\u0080é\"\\%/;'"
	const want = `filename="_ !~___` + "_____'" + `"; filename*=UTF-8''%1F%20%21~%7F%C2%80%C3%A9%22%5C%25%2F%3B%27`
	if got := dispositionName(name); got != want {
		t.Errorf("dispositionName = %s, want %s", got, want)
	}
}

func fieldsOf(faults []api.Fault) string {
	var fields []string
	for _, f := range faults {
		fields = append(fields, f.Field)
	}
	return strings.Join(fields, " ")
}

// Whatever the name holds, one parameter named filename comes out, and what a
// browser decodes is the name itself.
func FuzzDispositionName(f *testing.F) {
	f.Add(`a"; filename="b.exe`)
	f.Add("夏 100%.txt")
	f.Add(`\";x=y`)
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) || name == "" {
			return // no request gets so far
		}
		header := "attachment; " + dispositionName(name)
		media, params, err := mime.ParseMediaType(strings.Replace(header, "filename*=", "star*=", 1))
		if err != nil || media != "attachment" || len(params) != 2 {
			t.Fatalf("%q parses as %q, %v, %v", header, media, params, err)
		}
		if params["star"] != name {
			t.Errorf("%q decodes to %q, want %q", header, params["star"], name)
		}
		if strings.ContainsAny(params["filename"], `/\";%`) {
			t.Errorf("%q has the plain name %q", header, params["filename"])
		}
	})
}

func TestDownload(t *testing.T) {
	const plain = "response-content-disposition=attachment"
	tests := []struct {
		name string
		in   map[string]any
		path string
		want string // the parameters beside the signature's, decoded and sorted
	}{
		{"a key", map[string]any{"key": "u/alice/2026/11/a.html"}, "/u/alice/2026/11/a.html", plain},
		{"the longest key", map[string]any{"key": "u/alice/" + strings.Repeat("x", 1015)}, "/u/alice/" + strings.Repeat("x", 1015), plain},
		{"an odd key", map[string]any{"key": "u/alice/夏 +%#?/..a/b"}, "/u/alice/夏 +%#?/..a/b", plain},
		{"a name", map[string]any{"key": "u/alice/a", "filename": `夏 "1".txt`}, "/u/alice/a",
			`response-content-disposition=attachment; filename="_ _1_.txt"; filename*=UTF-8''%E5%A4%8F%20%221%22.txt`},
		{"an image shown", map[string]any{"key": "u/alice/a.png", "inline": true, "filename": "b.png"}, "/u/alice/a.png",
			`response-content-disposition=inline; filename="b.png"; filename*=UTF-8''b.png|response-content-type=image/png`},
		{"not shown", map[string]any{"key": "u/alice/a.png", "inline": false}, "/u/alice/a.png", plain},
		{"a version", map[string]any{"key": "u/alice/a", "versionId": strings.Repeat("aZ9_.-", 20) + "12345678"}, "/u/alice/a",
			plain + "|versionId=" + strings.Repeat("aZ9_.-", 20) + "12345678"},
		{"processed", map[string]any{"key": "u/alice/a.png", "process": "image/resize,w_300/format,webp"}, "/u/alice/a.png",
			plain + "|x-oss-process=image/resize,w_300/format,webp"},
		{"processed and shown, whatever its name says", map[string]any{"key": "u/alice/a.html", "process": "image/resize,w_300", "inline": true}, "/u/alice/a.html",
			"response-content-disposition=inline|x-oss-process=image/resize,w_300"},
		{"nothing for what is null", map[string]any{"key": "u/alice/a", "versionId": nil, "process": nil, "filename": nil, "inline": nil, "expiresIn": nil}, "/u/alice/a", plain},
	}
	f := newSetup(t).function(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got signed
			f.post(t, "/download", tt.in).granted(t, &got)
			u, err := url.Parse(got.URL)
			if err != nil {
				t.Fatal(err)
			}
			// The bucket's own domain, which is that of downloads alone.
			if got.Method != "GET" || u.Scheme != "https" || u.Host != "cdn.example.com" || u.Path != tt.path || got.Expires != 900 || got.ExpiresAt != "2026-11-30T16:45:00Z" {
				t.Errorf("%s %s for %d s until %s, want a GET of %q", got.Method, got.URL, got.Expires, got.ExpiresAt, tt.path)
			}
			var rest []string
			for name, values := range signature(t, u.Query(), "") {
				rest = append(rest, name+"="+strings.Join(values, ","))
			}
			slices.Sort(rest)
			if strings.Join(rest, "|") != tt.want {
				t.Errorf("parameters %q, want %q", rest, tt.want)
			}
		})
	}
}

func TestDownloadIsSignedAsTheSDKSigns(t *testing.T) {
	atTestNow(t, func(t *testing.T) {
		var got signed
		body := `{"key":"u/alice/夏 +.png","versionId":"CAEQ","process":"image/resize,w_1","filename":"夏.png","inline":true}`
		newSetup(t).function(t).post(t, "/download", body).granted(t, &got)
		bucket, key := "examplebucket", "u/alice/夏 +.png"
		want, err := official("https://cdn.example.com", true).Presign(t.Context(), &oss.GetObjectRequest{
			Bucket: &bucket, Key: &key,
			RequestCommon: oss.RequestCommon{Parameters: map[string]string{
				"versionId": "CAEQ", "x-oss-process": "image/resize,w_1",
				"response-content-disposition": `inline; filename="_.png"; filename*=UTF-8''%E5%A4%8F.png`,
			}},
		}, oss.PresignExpires(900*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if got.URL != want.URL {
			t.Errorf("URL =\n%s\nwant, as the SDK,\n%s", got.URL, want.URL)
		}
	})
}

func TestDownloadRefuses(t *testing.T) {
	type obj = map[string]any
	tests := []struct {
		name   string
		change obj
		field  string
	}{
		{"no key", obj{"key": nil}, "key"},
		{"an empty key", obj{"key": ""}, "key"},
		{"a key of 1,024 bytes", obj{"key": "u/alice/" + strings.Repeat("x", 1016)}, "key"},
		{"a key that goes up", obj{"key": "u/alice/../bob/a"}, "key"},
		{"a key that ends in going up", obj{"key": "u/alice/.."}, "key"},
		{"a key that stays", obj{"key": "u/alice/./a"}, "key"},
		{"a key with a control character", obj{"key": "u/alice/a\u0000"}, "key"},
		{"a number for a key", obj{"key": 1}, "key"},
		{"a version of 129 bytes", obj{"versionId": strings.Repeat("a", 129)}, "versionId"},
		{"a version with a slash", obj{"versionId": "a/b"}, "versionId"},
		{"a version with a line break", obj{"versionId": "a\n"}, "versionId"},
		{"an unknown operation", obj{"process": "image/watermark,text_x"}, "process"},
		{"a style", obj{"process": "style/small"}, "process"},
		{"a pipe", obj{"process": "image/resize,w_1|sys/saveas,o_x"}, "process"},
		{"a process shown", obj{"process": "sys/saveas,o_x", "inline": true}, "process"},
		{"a file name of 766 bytes", obj{"filename": strings.Repeat("夏", 255) + "x"}, "filename"},
		{"a file name with a line break", obj{"filename": "a\r\nSet-Cookie: x"}, "filename"},
		{"a page shown", obj{"key": "u/alice/a.html", "inline": true}, "inline"},
		{"a drawing shown", obj{"key": "u/alice/a.svg", "inline": true}, "inline"},
		{"what nobody knows shown", obj{"key": "u/alice/a", "inline": true}, "inline"},
		{"text for inline", obj{"inline": "true"}, "inline"},
		{"no time at all", obj{"expiresIn": 0}, "expiresIn"},
		{"an unknown field", obj{"versionID": "x"}, "versionID"},
	}
	f := newSetup(t).function(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := obj{"key": "u/alice/a.png"}
			maps.Copy(body, tt.change)
			f.post(t, "/download", body).refused(t, http.StatusBadRequest, "invalid_request", tt.field)
		})
	}
	t.Run("all faults together", func(t *testing.T) {
		body := `{"odd":1,"key":"","versionId":"/","process":"x","filename":"\u0000","inline":true,"expiresIn":-1}`
		f.post(t, "/download", body).refused(t, http.StatusBadRequest, "invalid_request",
			"odd", "key", "versionId", "filename", "expiresIn", "process")
		f.post(t, "/download", `{"odd":1,"key":"u/alice/a.html","inline":true}`).refused(t, http.StatusBadRequest, "invalid_request", "odd", "inline")
	})
	t.Run("the reason says what may be shown", func(t *testing.T) {
		a := f.post(t, "/download", `{"key":"u/alice/a.html","inline":true}`)
		if !strings.Contains(a.Body, "inline is for images, audio, video, plain text and PDF.") {
			t.Errorf("answer %s", a.Body)
		}
	})
}

func TestDownloadOfWhatIsNotYours(t *testing.T) {
	f := newSetup(t).function(t)
	for _, key := range []string{
		"u/bob/a.png", "u/alice", "u/alicex/a.png", "u/Alice/a.png", "u/_sts/alice/a.png", "u/_announced/alice/a", "alice/a.png", "/u/alice/a.png", "x/u/alice/a.png", "U/alice/a",
	} {
		a := f.post(t, "/download", map[string]string{"key": key})
		if a.refused(t, http.StatusForbidden, "forbidden"); !strings.Contains(a.Body, "This key is not yours.") {
			t.Errorf("answer %s", a.Body)
		}
	}
	var got signed
	f.postAs(t, token(t, "bob", nil), "/download", `{"key":"u/bob/a.png"}`).granted(t, &got)
	f.postAs(t, token(t, "bob", nil), "/download", someDownload).refused(t, http.StatusForbidden, "forbidden")
}

func TestDownloadWithoutAnEndpointOfItsOwn(t *testing.T) {
	s := newSetup(t)
	s.settings.Storage.Download = s.settings.Storage.Public
	var got signed
	s.function(t).post(t, "/download", someDownload).granted(t, &got)
	if !strings.HasPrefix(got.URL, "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/u/alice/a.png?") {
		t.Errorf("URL %s, want one at the endpoint of uploads", got.URL)
	}
}
