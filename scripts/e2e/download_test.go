package e2e

import (
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

// signedDownload is the answer to POST /download.
type signedDownload struct {
	Method    string    `json:"method"`
	URL       string    `json:"url"`
	Expires   int64     `json:"expires"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// download asks for the URL of a GET as the caller of the ready line.
func (r *rig) download(t *testing.T, in map[string]any) signedDownload {
	t.Helper()
	a := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, in)
	var d signedDownload
	a.into(t, "POST /download", &d)
	if got, want := memberNames(t, a.Body), []string{"expires", "expiresAt", "method", "url"}; d.Method != http.MethodGet || !slices.Equal(got, want) {
		t.Errorf("POST /download answers %q for a %s, want %q for a GET", got, d.Method, want)
	}
	checkEnd(t, d.URL, d.ExpiresAt)
	r.logged.secret(d.URL)
	return d
}

// get follows a signed URL, with nothing but the URL.
func (r *rig) get(t *testing.T, target string) reply {
	t.Helper()
	return r.request(t, http.MethodGet, target, nil, nil)
}

// uploaded is the key of an object that the caller of the ready line uploaded.
func (r *rig) uploaded(t *testing.T, wish map[string]any) grantedPut {
	t.Helper()
	u := r.grantPut(t, wish)
	if a := u.put(t); a.Status != http.StatusOK {
		t.Fatalf("PUT = %v, want 200", a)
	}
	return u
}

// nothingSigned checks that a refusal holds no URL.
func (a reply) nothingSigned(t *testing.T, what string) {
	t.Helper()
	for _, text := range []string{"x-oss-signature", "x-oss-credential", "://"} {
		if strings.Contains(strings.ToLower(string(a.Body)), text) {
			t.Errorf("%s: the refusal holds %q", what, text)
		}
	}
}

func TestDownloadDispositions(t *testing.T) {
	stacktest.EndToEnd(t)
	t.Parallel()
	tests := []struct {
		name    string
		wish    map[string]any // of the upload
		in      map[string]any
		want    string // "" means refused
		plain   string // the file name for old clients
		full    string // the file name itself
		shownAs string // the Content-Type, if not the one of the object
		faults  []string
	}{
		{name: "saved without a name", want: "attachment"},
		{name: "saved, though it is a page", wish: map[string]any{"filename": "a.html", "contentType": "text/html"}, want: "attachment"},
		{name: "saved under a name", in: map[string]any{"filename": "My report.pdf"}, want: "attachment", plain: "My report.pdf", full: "My report.pdf"},
		{name: "under a Chinese name", in: map[string]any{"filename": "假日 ☀.png"}, want: "attachment", plain: "__ _.png", full: "假日 ☀.png"},
		{name: "under a name of another script and half an emoji", in: map[string]any{"filename": "Übung 👩‍🚀.pdf"}, want: "attachment", plain: "_bung ___.pdf", full: "Übung 👩‍🚀.pdf"},
		{name: "under a name with quotes", in: map[string]any{"filename": `the "best" one.txt`}, want: "attachment", plain: "the _best_ one.txt", full: `the "best" one.txt`},
		{name: "under a name that would add a parameter", in: map[string]any{"filename": `a"; filename="evil.exe`}, want: "attachment", plain: "a__ filename=_evil.exe", full: `a"; filename="evil.exe`},
		{name: "under a name that would end the extended form", in: map[string]any{"filename": `a'b*c;d%22e`}, want: "attachment", plain: "a'b*c_d_22e", full: `a'b*c;d%22e`},
		{name: "under a name with a path", in: map[string]any{"filename": `../../etc/passwd\x`}, want: "attachment", plain: ".._.._etc_passwd_x", full: `../../etc/passwd\x`},
		{name: "under a name that ends the query", in: map[string]any{"filename": "a&x-oss-process=image/info#?.txt"}, want: "attachment", plain: "a&x-oss-process=image_info#?.txt", full: "a&x-oss-process=image/info#?.txt"},
		{name: "a picture shown", in: map[string]any{"inline": true}, want: "inline", shownAs: "image/png"},
		{name: "a picture shown under a name", in: map[string]any{"inline": true, "filename": "b.png"}, want: "inline", plain: "b.png", full: "b.png", shownAs: "image/png"},
		{name: "a page not shown, though named as text", wish: map[string]any{"filename": "a.txt", "contentType": "text/html"}, in: map[string]any{"inline": true}, faults: []string{"inline"}},
		{name: "a document shown", wish: map[string]any{"filename": "a.pdf", "contentType": "application/pdf"}, in: map[string]any{"inline": true}, want: "inline", shownAs: "application/pdf"},
		{name: "a page not shown", wish: map[string]any{"filename": "a.html", "contentType": "text/html"}, in: map[string]any{"inline": true}, faults: []string{"inline"}},
		{name: "a page not shown, though stored as a picture", wish: map[string]any{"filename": "a.htm"}, in: map[string]any{"inline": true}, faults: []string{"inline"}},
		{name: "a drawing not shown", wish: map[string]any{"filename": "a.svg", "contentType": "image/svg+xml"}, in: map[string]any{"inline": true}, faults: []string{"inline"}},
		{name: "a script not shown", wish: map[string]any{"filename": "a.js"}, in: map[string]any{"inline": true}, faults: []string{"inline"}},
		{name: "XML not shown", wish: map[string]any{"filename": "a.xml"}, in: map[string]any{"inline": true}, faults: []string{"inline"}},
		{name: "what has no extension not shown", wish: map[string]any{"filename": "a"}, in: map[string]any{"inline": true}, faults: []string{"inline"}},
		{name: "a name with a line break", in: map[string]any{"filename": "a\r\nSet-Cookie: b=c"}, faults: []string{"filename"}},
		{name: "a name with a NUL", in: map[string]any{"filename": "a\x00.txt"}, faults: []string{"filename"}},
		{name: "a name of 800 bytes", in: map[string]any{"filename": strings.Repeat("a", 800)}, faults: []string{"filename"}},
		{name: "two faults at once", in: map[string]any{"filename": "a\n", "process": "style/x"}, faults: []string{"filename", "process"}},
	}
	pages := "text/html,image/svg+xml,*/*"
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		t.Run("behind the trigger "+string(trigger), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, trigger, map[string]string{"UPLOAD_CONTENT_TYPES": pages})
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					u := r.uploaded(t, tt.wish)
					in := map[string]any{"key": u.key}
					maps.Copy(in, tt.in)
					if tt.want == "" {
						a := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, in)
						got := a.refused(t, "POST /download", http.StatusBadRequest, "invalid_request").fields(t)
						if slices.Sort(got); !slices.Equal(got, tt.faults) {
							t.Errorf("fields = %q, want %q", got, tt.faults)
						}
						a.nothingSigned(t, tt.name)
						in = map[string]any{"key": u.key} // the honest control
					}
					a := r.get(t, r.download(t, in).URL)
					if a.Status != http.StatusOK || string(a.Body) != string(u.content) {
						t.Fatalf("GET = %v, want the object", a)
					}
					if tt.want == "" {
						return
					}
					checkDisposition(t, a.Header.Values("Content-Disposition"), tt.want, tt.plain, tt.full)
					want := tt.shownAs
					if want == "" {
						want = u.header["Content-Type"]
					}
					if got := a.Header.Get("Content-Type"); got != want {
						t.Errorf("Content-Type = %q, want %q", got, want)
					}
					if got := a.Header.Values("Set-Cookie"); got != nil {
						t.Errorf("Set-Cookie = %q, want none", got)
					}
				})
			}
		})
	}
}

// checkDisposition reads a Content-Disposition as clients do ("Use of the
// Content-Disposition header field", RFC 6266): old ones take filename, the
// others filename*.
func checkDisposition(t *testing.T, got []string, kind, plain, full string) {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("Content-Disposition = %q, want one", got)
	}
	want := map[string]string{}
	if full != "" {
		want = map[string]string{"filename": plain, "extended": full}
	}
	// Of both, the parser would return one alone.
	media, params, err := mime.ParseMediaType(strings.Replace(got[0], "filename*=", "extended*=", 1))
	if err != nil || media != kind || !maps.Equal(params, want) {
		t.Errorf("Content-Disposition %q reads as %s %q, %v; want %s %q", got[0], media, params, err, kind, want)
	}
}

func TestDownloadProcess(t *testing.T) {
	t.Parallel()
	accepted := []string{
		"image/resize,w_300", "image/resize,m_fill,w_100,h_100/quality,q_90/format,webp", "image/auto-orient,1/rotate,90", "image/crop,g_center,w_10,h_10",
		"image/circle,r_100/format,png", "image/blur,r_3,s_2", "image/info", "image/average-hue", "video/snapshot,t_7000,f_jpg,w_800,h_600,m_fast",
	}
	refused := map[string]string{
		"a watermark of another object":          "image/watermark,image_cGFuZGEucG5n",
		"a watermark of text":                    "image/watermark,text_SGVsbG8=",
		"a watermark behind what is allowed":     "image/resize,w_9/watermark,image_cGFuZGEucG5nP3gtb3NzLXByb2Nlc3M9aW1hZ2UvcmVzaXplLFBfMzA",
		"a blind watermark":                      "image/blindwatermark,image_cGFuZGEucG5n",
		"a style":                                "style/thumbnail",
		"a style behind a slash":                 "/style/thumbnail",
		"saving as another object":               "sys/saveas,o_a2V5,b_YnVja2V0",
		"saving behind a pipe":                   "image/resize,w_9|sys/saveas,o_a2V5,b_YnVja2V0",
		"saving behind an encoded pipe":          "image/info%7Csys/saveas,o_a2V5",
		"a pipe of two allowed ones":             "image/resize,w_9|image/info",
		"a pipe at the end":                      "image/info|",
		"an ampersand":                           "image/info&x-oss-process=style/a",
		"a value in base64":                      "aW1hZ2UvcmVzaXplLHdfMzAw",
		"base64 in a parameter":                  "image/resize,w_MzAw",
		"a dot segment":                          "image/../style/a",
		"another case":                           "Image/resize,w_300",
		"another case of an operation":           "image/Resize,w_300",
		"a space":                                "image/resize, w_300",
		"a line break":                           "image/info\n",
		"an operation twice":                     "image/format,png/format,jpg",
		"eleven operations":                      "image/resize,w_9/crop,w_9/resize,w_9/crop,w_9/rotate,1/rotate,1/blur,r_1,s_1/bright,1/contrast,1/sharpen,50/interlace,1",
		"a number out of range":                  "image/resize,w_16385",
		"a face, which another service looks at": "image/crop,g_face",
		"documents":                              "doc/preview",
		"video, converted":                       "video/convert,f_mp4",
		"work on a snapshot":                     "video/snapshot,t_0/resize,w_9",
		"nothing but a category":                 "image/",
		"513 bytes":                              "image/resize,w_" + strings.Repeat("1", 498),
	}
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		u := r.uploaded(t, nil)
		for _, value := range accepted {
			for _, inline := range []bool{false, true} {
				d := r.download(t, map[string]any{"key": u.key, "process": value, "inline": inline})
				a := r.get(t, d.URL)
				kind := map[bool]string{false: "attachment", true: "inline"}[inline]
				if got := a.Header.Get("x-oss-local-process"); a.Status != http.StatusOK || got != value || a.Header.Get("Content-Disposition") != kind {
					t.Errorf("process %q arrives as %q with status %d, %s; want it unchanged, %s", value, got, a.Status, a.Header.Get("Content-Disposition"), kind)
				}
			}
		}
		for name, value := range refused {
			a := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": u.key, "process": value})
			if got := a.refused(t, name, http.StatusBadRequest, "invalid_request").fields(t); !slices.Equal(got, []string{"process"}) {
				t.Errorf("%s: fields = %q, want process", name, got)
			}
			a.nothingSigned(t, name)
		}
		// Without one, nothing is processed.
		if a := r.get(t, r.download(t, map[string]any{"key": u.key, "process": ""}).URL); a.Status != http.StatusOK || a.Header.Get("x-oss-local-process") != "" {
			t.Errorf("GET without process = %d, process %q, want 200 and none", a.Status, a.Header.Get("x-oss-local-process"))
		}
	})
}

func TestDownloadKeysOfOthers(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		own := r.uploaded(t, nil)
		name := own.key[strings.LastIndexByte(own.key, '/')+1:]
		// Each of these is there, so that only the refusal keeps it.
		there := map[string]string{
			"another user's":                    "uploads/demo2/2026/11/" + name,
			"of a user whose name begins so":    "uploads/demo-2/" + name,
			"of a user in capitals":             "uploads/Demo/" + name,
			"under a prefix in capitals":        "Uploads/demo/" + name,
			"outside of the prefix":             "demo/" + name,
			"at the root":                       name,
			"beside the prefix":                 "uploads/demo",
			"uploaded with STS":                 "uploads/_sts/demo/" + name,
			"a marker":                          "_ossupload/uploads/_announced/demo/" + name,
			"an event that waits":               "_ossupload/uploads/_pending/0000000000-evt_0",
			"of the sweep":                      "_ossupload/uploads/_sweep/cursor",
			"with a segment that is ours":       "uploads/demo/_pending/" + name,
			"with a segment of nothing":         "uploads//demo/" + name,
			"with an encoded slash":             "uploads%2Fdemo%2F" + name,
			"of a user who is named like a key": "uploads/demo_2fx/" + name,
		}
		for what, key := range there {
			r.store(t, key, nil, []byte("not for demo"))
			a := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": key})
			a.refused(t, "a key "+what, http.StatusNotFound, "not_found")
			a.nothingSigned(t, what)
		}
		for what, key := range map[string]string{
			"with two dots":            "uploads/demo/../demo2/2026/11/" + name,
			"with two dots at the end": "uploads/demo/..",
			"with a dot":               "uploads/./demo/" + name,
			"with a dot before":        "./uploads/demo/" + name,
			"with a line break":        "uploads/demo/\r\n" + name,
			"with a NUL":               "uploads/demo/\x00" + name,
			"of 1,024 bytes":           "uploads/demo/" + strings.Repeat("a", 1024-len("uploads/demo/")),
			"of nothing":               "",
		} {
			a := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": key})
			if got := a.refused(t, "a key "+what, http.StatusBadRequest, "invalid_request").fields(t); !slices.Equal(got, []string{"key"}) {
				t.Errorf("a key %s: fields = %q, want key", what, got)
			}
			a.nothingSigned(t, what)
		}
		for what, key := range map[string]string{"with a slash before": "/" + own.key, "with backslashes": `uploads\demo\` + name} {
			a := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": key})
			a.refused(t, "a key "+what, http.StatusNotFound, "not_found")
			a.nothingSigned(t, what)
		}
		// Others get no nearer to a key of demo's.
		for _, subject := range []string{"demo2", "dem", "Demo", "demo/", "../demo", "demo/2026", "*", "_sts/demo", "uploads/demo"} {
			a := r.call(t, http.MethodPost, "/download", r.caller(t, subject, nil), map[string]any{"key": own.key})
			a.refused(t, "demo's key for "+subject, http.StatusNotFound, "not_found")
			a.nothingSigned(t, subject)
		}
		r.call(t, http.MethodPost, "/download", "", map[string]any{"key": own.key}).refused(t, "demo's key for nobody", http.StatusUnauthorized, "unauthenticated")
		// What is there and what is not are refused in the same words.
		refusal := func(caller, key string) client.Problem {
			p := r.call(t, http.MethodPost, "/download", caller, map[string]any{"key": key}).refused(t, key, http.StatusNotFound, "not_found").Problem
			p.RequestID = ""
			return p
		}
		absent := refusal(r.Ready.CallerToken, "uploads/demo/2026/11/absent.png")
		for what, got := range map[string]client.Problem{
			"another's": refusal(r.Ready.CallerToken, there["another user's"]), "one's own, for another": refusal(r.caller(t, "demo2", nil), own.key),
		} {
			if !reflect.DeepEqual(got, absent) {
				t.Errorf("a key %s is refused with %+v, an absent one with %+v", what, got, absent)
			}
		}
		// A key of one's own is taken as it stands, and finds only itself.
		for what, key := range map[string]string{
			"that is not there":           "uploads/demo/2026/11/absent.png",
			"that looks like a query":     own.key + "?x-oss-process=style/a",
			"that looks encoded":          "uploads/demo/%2e%2e/demo2/2026/11/" + name,
			"with an empty segment":       "uploads/demo//" + name,
			"that ends with the own name": "uploads/demo/demo2/2026/11/" + name,
		} {
			a := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": key})
			a.refused(t, "a key "+what, http.StatusNotFound, "not_found")
			a.nothingSigned(t, what)
		}
		if a := r.get(t, r.download(t, map[string]any{"key": own.key}).URL); string(a.Body) != string(own.content) {
			t.Errorf("GET of the own key = %v, want the object", a)
		}
		// A name that the application chose may hold more characters than ours do.
		r.chosen(t, "a+b,c=d@(e)~f.png")
	})
}

// chosen uploads and downloads under a name that the application chose.
func (r *rig) chosen(t *testing.T, name string) {
	t.Helper()
	var u struct {
		URL, Key string
		Headers  map[string]string
	}
	content := []byte("under a chosen name")
	caller := r.caller(t, "demo", map[string]any{"key": name})
	r.call(t, http.MethodPost, "/presign", caller, map[string]any{"filename": "a.png", "size": len(content)}).into(t, "POST /presign", &u)
	if want := "uploads/demo/" + name; u.Key != want {
		t.Fatalf("key = %q, want %q", u.Key, want)
	}
	header := http.Header{}
	for name, value := range u.Headers {
		header.Set(name, value)
	}
	r.wantEvents(t, r.request(t, http.MethodPut, u.URL, header, content).receipt(t, "PUT", u.Key, content), 1)
	if a := r.get(t, r.download(t, map[string]any{"key": u.Key}).URL); string(a.Body) != string(content) {
		t.Errorf("GET of %s = %v, want the object", u.Key, a)
	}
}

func TestDownloadURLCannotBeChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerHTTP, nil)
	own, other := r.uploaded(t, nil), r.uploaded(t, nil)
	in := map[string]any{"key": own.key, "process": "image/resize,w_300", "filename": "a.png", "versionId": "null"}
	full, plain := r.download(t, in), r.download(t, map[string]any{"key": own.key})
	set := func(name, value string) func(*url.URL, url.Values) {
		return func(_ *url.URL, query url.Values) { query.Set(name, value) }
	}
	unset := func(name string) func(*url.URL, url.Values) {
		return func(_ *url.URL, query url.Values) { query.Del(name) }
	}
	tests := []struct {
		name   string
		of     signedDownload
		method string
		edit   func(*url.URL, url.Values)
		code   string
	}{
		{"another process", full, "GET", set("x-oss-process", "image/resize,w_301"), ""},
		{"a process that was refused", full, "GET", set("x-oss-process", "style/a"), ""},
		{"no process", full, "GET", unset("x-oss-process"), ""},
		{"a process where there was none", plain, "GET", set("x-oss-process", "image/info"), ""},
		{"shown instead of saved", full, "GET", set("response-content-disposition", "inline"), ""},
		{"under another name", full, "GET", set("response-content-disposition", `attachment; filename="b.exe"`), ""},
		{"under no name", full, "GET", unset("response-content-disposition"), ""},
		{"as another type", plain, "GET", set("response-content-type", "text/html"), ""},
		{"with a cache control", plain, "GET", set("response-cache-control", "public"), ""},
		{"another version", full, "GET", set("versionId", "CAEQ"), ""},
		{"no version", full, "GET", unset("versionId"), ""},
		{"a version where there was none", plain, "GET", set("versionId", "null"), ""},
		{"another key", plain, "GET", func(u *url.URL, _ url.Values) { u.Path = strings.Replace(u.Path, own.key, other.key, 1) }, ""},
		{"the list of the bucket", plain, "GET", func(u *url.URL, query url.Values) {
			u.Path = "/" + r.Ready.Bucket + "/"
			query.Set("list-type", "2")
		}, ""},
		{"a longer life", plain, "GET", set("x-oss-expires", "604800"), ""},
		{"another date", plain, "GET", func(_ *url.URL, query url.Values) {
			date := []byte(query.Get("x-oss-date")) // 20060102T150405Z
			date[len(date)-2] ^= 1                  // of the same day, which the credential has too
			query.Set("x-oss-date", string(date))
		}, ""},
		{"its tags", plain, "GET", set("tagging", ""), ""},
		{"a PUT", plain, "PUT", func(*url.URL, url.Values) {}, ""},
		{"a HEAD", plain, "HEAD", func(*url.URL, url.Values) {}, ""},
		{"a DELETE", plain, "DELETE", func(*url.URL, url.Values) {}, ""},
		{"without the signature", plain, "GET", unset("x-oss-signature"), "InvalidArgument"},
		{"without the token", plain, "GET", unset("x-oss-security-token"), "InvalidAccessKeyId"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(tt.of.URL)
			if err != nil {
				t.Fatal("the URL is not valid")
			}
			query := u.Query()
			tt.edit(u, query)
			u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
			a := r.request(t, tt.method, u.String(), nil, nil)
			status, code := http.StatusForbidden, "SignatureDoesNotMatch"
			if tt.code != "" {
				code = tt.code
			}
			if code == "InvalidArgument" {
				status = http.StatusBadRequest
			}
			a.wantStorageError(t, "the changed URL", status, code)
			if strings.Contains(string(a.Body), "a picture of") {
				t.Errorf("the refusal holds the object")
			}
			r.wantStored(t, own.key, own.content)
		})
	}
	for name, d := range map[string]signedDownload{"with everything": full, "plain": plain} {
		if a := r.get(t, d.URL); a.Status != http.StatusOK || string(a.Body) != string(own.content) {
			t.Errorf("the URL %s as it was signed = %v, want the object", name, a)
		}
	}
	absent := map[string]any{"key": own.key, "versionId": "CAEQNhiBgM0BYiIDc4MGZjZGI2OTBjOTRmNTE5NmU5NmFhZjhjYmY0"}
	r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, absent).refused(t, "a version that is not there", http.StatusNotFound, "not_found")
	for _, id := range []string{"a&b", "a b", "../x", strings.Repeat("a", 129), "夏"} {
		c := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": own.key, "versionId": id}).refused(t, "a malformed version", http.StatusBadRequest, "invalid_request")
		if got := c.fields(t); !slices.Equal(got, []string{"versionId"}) {
			t.Errorf("versionId %q: fields = %q, want versionId", id, got)
		}
	}
}

func TestDownloadEndsWhenItSays(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, map[string]string{"UPLOAD_MAX_EXPIRES": "1200"})
	u := r.uploaded(t, nil)
	for _, tt := range []struct {
		asked any
		want  int64
	}{{nil, 900}, {60, 60}, {1200, 1200}, {1201, 1200}, {int64(1) << 62, 1200}} {
		if d := r.download(t, map[string]any{"key": u.key, "expiresIn": tt.asked}); d.Expires != tt.want {
			t.Errorf("expiresIn %v: expires = %d, want %d", tt.asked, d.Expires, tt.want)
		}
	}
	for _, asked := range []any{0, -1, 1.5, "60"} {
		c := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": u.key, "expiresIn": asked}).refused(t, fmt.Sprintf("expiresIn %v", asked), http.StatusBadRequest, "invalid_request")
		if got := c.fields(t); !slices.Equal(got, []string{"expiresIn"}) {
			t.Errorf("expiresIn %v: fields = %q, want expiresIn", asked, got)
		}
	}
	r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": u.key, "bucket": "other"}).refused(t, "an unknown field", http.StatusBadRequest, "invalid_request")
	r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, "").refused(t, "no body", http.StatusBadRequest, "invalid_json")

	d := r.download(t, map[string]any{"key": u.key, "expiresIn": 2})
	if a := r.get(t, d.URL); a.Status != http.StatusOK && time.Now().Before(d.ExpiresAt) { // else a busy machine was late
		t.Errorf("GET before expiresAt = %v, want 200", a)
	}
	<-time.After(time.Until(refusedFrom(d.ExpiresAt))) // under three seconds
	r.get(t, d.URL).wantStorageError(t, "GET at expiresAt", http.StatusForbidden, "AccessDenied")
}
