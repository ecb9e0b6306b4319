package main

import (
	"encoding/json"
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
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
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
		{"the longest key", map[string]any{"key": "u/alice/" + strings.Repeat("x", 512)}, "/u/alice/" + strings.Repeat("x", 512), plain},
		{"an odd key", map[string]any{"key": "u/alice/a-_.~+=@,()/..a/b"}, "/u/alice/a-_.~+=@,()/..a/b", plain},
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
	s := newSetup(t)
	f := s.function(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := strings.TrimPrefix(tt.path, "/")
			s.vault.store(t, "alice", key)
			if version, ok := tt.in["versionId"].(string); ok {
				s.vault.objects[key+"?"+version] = s.vault.objects[key]
				delete(s.vault.objects, key)
			}
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
		s := newSetup(t)
		s.vault.store(t, "alice", "u/alice/a+.png")
		s.vault.objects["u/alice/a+.png?CAEQ"] = s.vault.objects["u/alice/a+.png"]
		body := `{"key":"u/alice/a+.png","versionId":"CAEQ","process":"image/resize,w_1","filename":"夏.png","inline":true}`
		s.function(t).post(t, "/download", body).granted(t, &got)
		bucket, key := "examplebucket", "u/alice/a+.png"
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

// Nobody learns whether there is an object that is not theirs, and nobody but the
// owner of a key makes the function ask.
func TestDownloadOfWhatIsNotYours(t *testing.T) {
	s := newSetup(t)
	f := s.function(t)
	const same = `{"code":"not_found","message":"There is no object under this key that you may read.","requestId":"request-1",` +
		`"error":"There is no object under this key that you may read."}`
	for _, key := range []string{
		"u/bob/a.png", "u/alice", "u/alice/", "u/alicex/a.png", "u/Alice/a.png", "u/_sts/alice/a.png", "_ossupload/u/_announced/alice/a", "_ossupload/u/_pending/1-x",
		"alice/a.png", "/u/alice/a.png", "x/u/alice/a.png", "U/alice/a", "u/alice/_a", "u/alice/a/_b/c", "u/alice//a", "u/alice/a b", "u/alice/夏",
		"u/alice/" + strings.Repeat("x", 513),
	} {
		s.vault.store(t, "alice", key) // it is there, and even granted
		if a := f.post(t, "/download", map[string]string{"key": key}); a.Status != http.StatusNotFound || a.Body != same {
			t.Errorf("%q: answer %d %s, want 404 %s", key, a.Status, a.Body, same)
		}
	}
	if len(s.vault.heads) != 0 {
		t.Errorf("HEADs of %q, want none", s.vault.heads)
	}
	if a := f.post(t, "/download", `{"key":"u/alice/absent.png"}`); a.Status != http.StatusNotFound || a.Body != same {
		t.Errorf("absent: answer %d %s, want 404 %s", a.Status, a.Body, same)
	}
	if a := f.post(t, "/download", `{"key":"u/alice/a.png","versionId":"absent"}`); a.Status != http.StatusNotFound || a.Body != same {
		t.Errorf("no such version: answer %d %s, want 404 %s", a.Status, a.Body, same)
	}
	s.vault.store(t, "bob", "u/alice/bobs.png")
	if a := f.post(t, "/download", `{"key":"u/alice/bobs.png"}`); a.Status != http.StatusNotFound || a.Body != same {
		t.Errorf("another's grant: answer %d %s, want 404 %s", a.Status, a.Body, same)
	}
	s.vault.store(t, "bob", "u/bob/a.png")
	bob := token(t, "bob", nil)
	f.postAs(t, bob, "/download", someDownload).refused(t, http.StatusNotFound, "not_found")
	var got signed
	f.postAs(t, bob, "/download", `{"key":"u/bob/a.png"}`).granted(t, &got)
}

// The application may name keys that a caller reads, whoever uploaded them.
func TestDownloadOfNamedKeys(t *testing.T) {
	tests := []struct {
		name, key string
		want      int
	}{
		{"another's object", "u/bob/2026/11/" + testID + ".png", 200},
		{"one whose name the application chose", "u/_41/orders/7.pdf", 200},
		{"what was stored with credentials", "u/_sts/bob/a.png", 404},
		{"another deployment's", "v/bob/a.png", 404},
		{"our own", "_ossupload/u/_pending/1796056200-evt_1", 404},
		{"ours, named as if below the prefix", "u/bob/_announced/a", 404},
		{"no subject's", "u/Bob/a.png", 404},
		{"not a name", "u/bob/a b", 404},
	}
	s := newSetup(t)
	f := s.function(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.vault.store(t, "bob", tt.key)
			proof := token(t, "alice", map[string]any{"download": map[string]any{"keys": []string{"u/x/y", tt.key}}})
			if a := f.postAs(t, proof, "/download", map[string]string{"key": tt.key}); a.Status != tt.want {
				t.Errorf("answer %d %s, want %d", a.Status, a.Body, tt.want)
			}
			f.post(t, "/download", map[string]string{"key": tt.key}).refused(t, http.StatusNotFound, "not_found")
		})
	}
	t.Run("those alone", func(t *testing.T) {
		s.vault.store(t, "bob", "u/bob/b.png")
		proof := token(t, "alice", map[string]any{"download": map[string]any{"keys": []string{"u/bob/b.pn", "u/bob/"}}})
		f.postAs(t, proof, "/download", `{"key":"u/bob/b.png"}`).refused(t, http.StatusNotFound, "not_found")
		// They add to what is the caller's own.
		var got signed
		f.postAs(t, proof, "/download", someDownload).granted(t, &got)
	})
	t.Run("absent", func(t *testing.T) {
		proof := token(t, "alice", map[string]any{"download": map[string]any{"keys": []string{"u/bob/absent"}}})
		f.postAs(t, proof, "/download", `{"key":"u/bob/absent"}`).refused(t, http.StatusNotFound, "not_found")
	})
	t.Run("held against its grant as well", func(t *testing.T) {
		s.vault.store(t, "bob", "u/bob/c.png", func(_ *uploadtoken.Claims, o *storage.Object) { o.Size++ })
		proof := token(t, "alice", map[string]any{"download": map[string]any{"keys": []string{"u/bob/c.png"}}})
		f.postAs(t, proof, "/download", `{"key":"u/bob/c.png"}`).refused(t, http.StatusUnprocessableEntity, "object_mismatch")
	})
}

// What is not what was granted is not handed out in our name.
func TestDownloadIsHeldAgainstItsGrant(t *testing.T) {
	type change = func(*uploadtoken.Claims, *storage.Object)
	object := func(edit func(*storage.Object)) change {
		return func(_ *uploadtoken.Claims, o *storage.Object) { edit(o) }
	}
	elsewhere := func(place uploadtoken.Place) change {
		return func(c *uploadtoken.Claims, o *storage.Object) {
			other, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: testKeys, Place: place, Random: zeros{}})
			if err != nil {
				t.Fatal(err)
			}
			if o.Metadata[grant.MetaGrant], err = other.Seal(uploadtoken.Grant, *c); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		change change
		code   string // "" means: granted
	}{
		{"as granted", func(*uploadtoken.Claims, *storage.Object) {}, ""},
		{"as granted, in parts", object(func(o *storage.Object) { o.Type = "Multipart" }), ""},
		{"a grant of a former place", elsewhere(uploadtoken.Place{Bucket: "oldbucket", Prefix: "u/"}), ""},
		{"another size", object(func(o *storage.Object) { o.Size = 6 }), "object_mismatch"},
		{"more than the most", func(c *uploadtoken.Claims, o *storage.Object) { c.Size, o.Size = nil, 11 }, "object_mismatch"},
		{"another type", object(func(o *storage.Object) { o.ContentType = "text/html" }), "object_mismatch"},
		{"another value of metadata", object(func(o *storage.Object) { o.Metadata["ossupload-filename"] = "b.png" }), "object_mismatch"},
		{"metadata nobody granted", object(func(o *storage.Object) { o.Metadata["a"] = "b" }), "object_mismatch"},
		{"tags nobody granted", object(func(o *storage.Object) { o.Tags = 1 }), "object_mismatch"},
		{"a Content-Encoding nobody granted", object(func(o *storage.Object) { o.ContentEncoding = "gzip" }), "object_mismatch"},
		{"a symlink", object(func(o *storage.Object) { o.Type = "Symlink" }), "object_mismatch"},
		{"another CRC-64", func(c *uploadtoken.Claims, _ *storage.Object) { c.CRC64 = "124" }, "checksum_mismatch"},
		{"no grant", object(func(o *storage.Object) { o.Metadata[grant.MetaGrant] = "" }), "object_mismatch"},
		{"a grant that does not open", object(func(o *storage.Object) { o.Metadata[grant.MetaGrant] = "v1.k1.AAAA" }), "object_mismatch"},
		{"another key's grant", func(c *uploadtoken.Claims, _ *storage.Object) { c.Key = "u/alice/other.png" }, "object_mismatch"},
		{"a grant of another prefix", elsewhere(uploadtoken.Place{Bucket: "examplebucket", Prefix: "v/"}), "object_mismatch"},
		{"a grant of another bucket", elsewhere(uploadtoken.Place{Bucket: "otherbucket", Prefix: "u/"}), "object_mismatch"},
	}
	s := newSetup(t)
	s.settings.Policy.Methods = []uploadtoken.Method{uploadtoken.Put}
	s.settings.Former = []uploadtoken.Place{{Bucket: "oldbucket", Prefix: "u/"}}
	f := s.function(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.vault.store(t, "alice", "u/alice/a.png", tt.change)
			a := f.post(t, "/download", someDownload)
			if tt.code == "" {
				var got signed
				a.granted(t, &got)
				return
			}
			var got struct{ Code string }
			if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusUnprocessableEntity || got.Code != tt.code {
				t.Errorf("answer %d %s, want 422 %s", a.Status, a.Body, tt.code)
			}
		})
	}
}

// A url upload carries no grant: today's policy decides.
func TestDownloadOfURLUploads(t *testing.T) {
	tests := []struct {
		name   string
		on     bool
		change func(*storage.Object)
		want   int
	}{
		{"allowed today", true, func(*storage.Object) {}, 200},
		{"a type with a charset", true, func(o *storage.Object) { o.ContentType = "image/png; charset=utf-8" }, 200},
		{"the greatest", true, func(o *storage.Object) { o.Size = 1000 }, 200},
		{"too great", true, func(o *storage.Object) { o.Size = 1001 }, 422},
		{"of a type that is not allowed", true, func(o *storage.Object) { o.ContentType = "text/html" }, 422},
		{"of no type", true, func(o *storage.Object) { o.ContentType = "" }, 422},
		{"with metadata", true, func(o *storage.Object) { o.Metadata["a"] = "b" }, 422},
		{"with a file name", true, func(o *storage.Object) { o.Metadata[grant.MetaName] = "b" }, 422},
		{"with a tag", true, func(o *storage.Object) { o.Tags = 1 }, 422},
		{"with a disposition", true, func(o *storage.Object) { o.ContentDisposition = "inline" }, 422},
		{"a symlink", true, func(o *storage.Object) { o.Type = "Symlink" }, 422},
		{"a grant that does not open", true, func(o *storage.Object) { o.Metadata[grant.MetaGrant] = "v1.k1.AAAA" }, 422},
		{"when url is off", false, func(*storage.Object) {}, 422},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			s.settings.Policy.MaxSize = 1000
			if !tt.on {
				s.settings.Policy.Methods = []uploadtoken.Method{uploadtoken.Put, uploadtoken.Form}
			}
			object := storage.Object{Size: 5, ContentType: "image/png", Type: "Normal", Metadata: map[string]string{}}
			tt.change(&object)
			s.vault.objects["u/alice/a"], s.vault.objects["u/bob/a"] = object, object
			f := s.function(t)
			if a := f.post(t, "/download", `{"key":"u/alice/a"}`); a.Status != tt.want {
				t.Errorf("answer %d %s, want %d", a.Status, a.Body, tt.want)
			}
			f.post(t, "/download", `{"key":"u/bob/a"}`).refused(t, http.StatusNotFound, "not_found")
		})
	}
}

// The version that is signed is the one that was looked at.
func TestDownloadLooksAtTheVersion(t *testing.T) {
	s := newSetup(t)
	s.vault.store(t, "alice", "u/alice/a.png?old", func(c *uploadtoken.Claims, _ *storage.Object) { c.Key = "u/alice/a.png" })
	s.vault.store(t, "alice", "u/alice/a.png", func(_ *uploadtoken.Claims, o *storage.Object) { o.Size = 6 })
	f := s.function(t)
	f.post(t, "/download", someDownload).refused(t, http.StatusUnprocessableEntity, "object_mismatch")
	var got signed
	f.post(t, "/download", `{"key":"u/alice/a.png","versionId":"old"}`).granted(t, &got)
	if query(t, got.URL).Get("versionId") != "old" || !slices.Equal(s.vault.heads, []string{"u/alice/a.png", "u/alice/a.png?old"}) {
		t.Errorf("URL %s after HEADs of %q, want the version that was asked for", got.URL, s.vault.heads)
	}
}

// A delete marker is nothing to download, and neither is a version that OSS never
// made.
func TestDownloadOfNoVersion(t *testing.T) {
	marker := &storage.Error{Op: "HeadObject", Reason: storage.ErrUnavailable, Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed"}
	odd := &storage.Error{Op: "HeadObject", Reason: storage.ErrUnavailable, Status: http.StatusBadRequest, Code: "InvalidArgument"}
	denied := &storage.Error{Op: "HeadObject", Reason: storage.ErrDenied, Status: http.StatusForbidden, Code: "AccessDenied"}
	tests := []struct {
		name, version string
		fails         error
		status        int
		code          string
	}{
		{"a delete marker", "CAEQ", marker, 404, "not_found"},
		{"what is no version", "x", odd, 404, "not_found"},
		{"a version that may not be read", "CAEQ", denied, 502, "storage_denied"},
		{"no version, and a fault of another kind", "", odd, 502, "storage_error"},
	}
	s := newSetup(t)
	f := s.function(t)
	for _, tt := range tests {
		s.vault.fails = tt.fails
		f.post(t, "/download", map[string]string{"key": "u/alice/a.png", "versionId": tt.version}).refused(t, tt.status, tt.code)
	}
}

func TestDownloadWhenStorageFails(t *testing.T) {
	tests := []struct {
		reason      error
		status      int
		code, again string
	}{
		{storage.ErrDenied, 502, "storage_denied", ""},
		{storage.ErrUnavailable, 502, "storage_error", "1"},
		{storage.ErrThrottled, 503, "throttled", "1"},
		{storage.ErrCredentials, 500, "internal", ""},
		{storage.ErrTimeout, 504, "storage_timeout", "1"},
	}
	s := newSetup(t)
	f := s.function(t)
	for _, tt := range tests {
		s.vault.fails = tt.reason
		a := f.post(t, "/download", someDownload)
		if a.refused(t, tt.status, tt.code); a.Header["Retry-After"] != tt.again {
			t.Errorf("%v with Retry-After %q, want %q", tt.reason, a.Header["Retry-After"], tt.again)
		}
	}
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
