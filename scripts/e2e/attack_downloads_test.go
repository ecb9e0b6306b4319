package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/scripts/internal/stack/fc"
)

// link makes a symlink as the bucket's owner could.
func (r *rig) link(t *testing.T, key, target string, header map[string]string) {
	t.Helper()
	headers := map[string]string{}
	for name, value := range header {
		if name != "x-oss-forbid-overwrite" {
			headers[name] = value
		}
	}
	if _, err := r.developer.PutSymlink(t.Context(), &oss.PutSymlinkRequest{
		Bucket: &r.Ready.Bucket, Key: &key, Target: &target, RequestCommon: oss.RequestCommon{Headers: headers},
	}); err != nil {
		t.Fatal(err)
	}
}

// signedGet asks for a download that must be granted.
func (r *rig) signedGet(t *testing.T, in map[string]any) storageRequest {
	t.Helper()
	var out struct{ Method, URL string }
	r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, in).into(t, "POST /download", &out)
	r.logged.secret(out.URL, signatureOf(out.URL))
	return storageRequest{method: out.Method, url: out.URL, header: http.Header{}}
}

var processTricks = []string{
	"image/watermark,image_cGFuZGEucG5n", "image/resize,w_9/watermark,text_SGVsbG8=", "image/blindwatermark,image_cGFuZGEucG5n", "style/thumbnail", "style/../x",
	"sys/saveas,o_a2V5,b_YnVja2V0", "image/resize,w_9|sys/saveas,o_a2V5", "image/info|sys/saveas,o_a2V5", "image/info%7Csys/saveas,o_a2V5", "image/saveas,o_a2V5",
	"image/resize,w_9/sys/saveas,o_a2V5", "image/resize,w_9&x-oss-process=style/x", "image/resize,w_9\nsys/saveas", "image/resize,w_9;sys/saveas", "image/crop,g_face",
	"doc/preview", "audio/convert,f_mp3", "video/convert,f_mp4", "hls/sign", "image/resize,w_999999999", "image/resize,w_-1", "image/resize,w_9/../../style/x",
	"IMAGE/INFO", "image/INFO", " image/info", "image/info ", "image//info", "/image/info", "image/", "image", "\x00", "image/ínfo", strings.Repeat("image/rotate,1/", 60),
	"image/format,svg", "image/format,html", "imm/previewdoc", "udf/x", "x-oss-process=image/info",
}

var filenameTricks = []string{
	`a"; filename="evil.html`, `"; inline; x="`, `a\"; filename=b`, `\`, `"`, `""`, `a;b`, `a,b`, `a=b`, `';alert(1)//`, `../../etc/passwd`, `..\..\evil.exe`, `C:\evil.exe`,
	`/etc/passwd`, `%22;filename=evil`, `%0d%0aX-Evil: 1`, `%2e%2e%2f`, `UTF-8''evil.html`, `a%00.png`, "\u202egnp.exe", "a\u2028b", `=?utf-8?b?ZXZpbA==?=`,
	"ａ；ｂ", "名字\"名字.png", "<script>alert(1)</script>", " ", ".", strings.Repeat("\"", 255), strings.Repeat("☀", 255),
}

func downloadAttacks(t *testing.T, c *campaign) []attack {
	mine, theirs := c.grantPut(t, nil), c.caller(t, "somebody", nil)
	c.store(t, mine.key, mine.header, mine.content)
	page := c.grantPut(t, map[string]any{"filename": "x.bin", "contentType": "application/octet-stream"})
	c.store(t, page.key, page.header, page.content)
	whole := map[string]any{"key": mine.key, "filename": "my \"holiday\" ☀.png"}
	control := func(t *testing.T) string {
		a := c.signedGet(t, whole).sendTo(t, c.client)
		if kind, parameters, err := mime.ParseMediaType(a.Header.Get("Content-Disposition")); !bytes.Equal(a.Body, mine.content) || err != nil || kind != "attachment" || parameters["filename"] != whole["filename"] {
			return fmt.Sprintf("OSS answered %v with %q", a, a.Header.Get("Content-Disposition"))
		}
		return ""
	}
	var rows []attack
	add := func(name string, try func(t *testing.T) string) { rows = append(rows, attack{name, try, control}) }
	ask := func(t *testing.T, in map[string]any) reply {
		return c.call(t, http.MethodPost, "/download", c.Ready.CallerToken, in)
	}

	add("another's key", func(t *testing.T) string {
		return denied(c.call(t, http.MethodPost, "/download", theirs, map[string]any{"key": mine.key}), "not_found")
	})
	for _, process := range processTricks {
		add(fmt.Sprintf("the process %.50q", process), func(t *testing.T) string {
			return faulty(ask(t, map[string]any{"key": mine.key, "process": process}), "process")
		})
	}
	for _, name := range filenameTricks {
		add(fmt.Sprintf("the file name %.30q", name), func(t *testing.T) string {
			a := c.signedGet(t, map[string]any{"key": mine.key, "filename": name}).sendTo(t, c.client)
			dispositions := a.Header.Values("Content-Disposition")
			kind, parameters, err := mime.ParseMediaType(strings.Join(dispositions, "|"))
			if a.Status != http.StatusOK || err != nil || len(dispositions) != 1 || kind != "attachment" || len(parameters) != 1 || parameters["filename"] != name ||
				a.Header.Get("Content-Type") != "image/png" || a.Header.Get("X-Evil") != "" {
				return fmt.Sprintf("OSS answered %d with %q, want one attachment of this name", a.Status, dispositions)
			}
			return ""
		})
	}
	for _, name := range []string{"a\r\nX-Evil: 1", "a\nb", "a\x00", "a\x7f", "a\u0085", "a\x1b[m"} {
		add(fmt.Sprintf("the file name %q", name), func(t *testing.T) string {
			return faulty(ask(t, map[string]any{"key": mine.key, "filename": name}), "filename")
		})
	}
	for _, version := range []string{"x&response-content-type=text/html", "x y", "../x", "x\n", "%26", strings.Repeat("x", 129)} {
		add(fmt.Sprintf("the version %.30q", version), func(t *testing.T) string {
			return faulty(ask(t, map[string]any{"key": mine.key, "versionId": version}), "versionId")
		})
	}
	for _, field := range []string{"response-content-type", "contentType", "bucket", "subject", "headers", "query", "Key", "method"} {
		add("the field "+field, func(t *testing.T) string {
			return faulty(ask(t, map[string]any{"key": mine.key, field: "text/html"}), field)
		})
	}
	add("inline, of what is not known", func(t *testing.T) string {
		return faulty(ask(t, map[string]any{"key": page.key, "inline": true}), "inline")
	})
	for _, extension := range []string{".html", ".svg", ".xhtml", ".xml", ".js", ".htm", ".png.html", ".", "", ".PNG.SVG"} {
		add("inline, of "+extension, func(t *testing.T) string {
			return faulty(ask(t, map[string]any{"key": "uploads/demo/2026/01/x" + extension, "inline": true}), "inline")
		})
	}
	add("inline, of a page stored as a picture", func(t *testing.T) string {
		// Stored as what nobody granted, with the honest grant beside it.
		u := c.grantPut(t, nil)
		header := maps.Clone(u.header)
		header["Content-Type"] = "text/html"
		c.store(t, u.key, header, u.content)
		return denied(ask(t, map[string]any{"key": u.key, "inline": true}), "object_mismatch")
	})

	for _, ch := range []change{
		{name: "another key", do: otherKey},
		{name: "another's key in the URL", do: func(s *storageRequest) { s.url = strings.Replace(s.url, mine.key, "uploads/somebody/x", 1) }},
		{name: "a climbing path", do: func(s *storageRequest) { s.url = strings.Replace(s.url, "/uploads/", "/uploads/x/%2e%2e/", 1) }},
		{name: "shown in place", do: setQuery("response-content-disposition", "inline")},
		{name: "no disposition", do: setQuery("response-content-disposition", "")},
		{name: "another type", do: setQuery("response-content-type", "text/html")},
		{name: "another process", do: setQuery("x-oss-process", "image/info")},
		{name: "its ACL", do: setQuery("acl", " ")},
		{name: "its tags", do: setQuery("tagging", " ")},
		{name: "its link", do: setQuery("symlink", " ")},
		{name: "another version", do: setQuery("versionId", "null")},
		{name: "a longer life", do: setQuery("x-oss-expires", "604800")},
		{name: "no token", do: setQuery("x-oss-security-token", "")},
		{name: "a PUT", do: setMethod(http.MethodPut)},
		{name: "a DELETE", do: setMethod(http.MethodDelete)},
		{name: "a HEAD", do: setMethod(http.MethodHead)},
	} {
		add(ch.name+" in a signed URL", func(t *testing.T) string {
			s := c.signedGet(t, whole)
			ch.do(&s)
			return deniedByOSS(s.sendTo(t, c.client), mismatch, "InvalidAccessKeyId", "AccessDenied")
		})
	}
	return rows
}

// Whoever else may write to the bucket can put a link where uploads lie. It is no
// upload: it is neither announced nor signed for, whatever it says of itself.
func TestLinksOfTheBucketsOwnerAreNotServed(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerHTTP, nil)
	const target, key = "uploads/somebody/2026/01/a.png", "uploads/demo/2026/01/a.png"
	r.store(t, target, nil, []byte("of somebody"))
	u, honest := r.grantPut(t, nil), r.uploaded(t, nil)
	for _, key := range []string{key, u.key} {
		for _, header := range []map[string]string{u.header, nil} {
			r.link(t, key, target, header)
			a := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": key})
			a.refused(t, "a link's download", http.StatusUnprocessableEntity, "object_mismatch")
			a.nothingSigned(t, "a link's download")
			r.confirmKey(t, key).refused(t, "a link's confirmation", http.StatusUnprocessableEntity, "object_mismatch")
			r.wantNoEvent(t, key)
		}
	}
	if a := r.get(t, r.download(t, map[string]any{"key": honest.key}).URL); !bytes.Equal(a.Body, honest.content) {
		t.Errorf("GET of an upload = %v, want the object", a)
	}
}

// stsAttacks use the credentials of one subject for more than uploads below its
// own prefix.
func stsAttacks(t *testing.T, c *campaign) []attack {
	type granted struct {
		AccessKeyID     string `json:"AccessKeyId"`
		AccessKeySecret string
		SecurityToken   string
		Prefix          string `json:"prefix"`
	}
	issue := func(t *testing.T, in any) (granted, *oss.Client) {
		var g granted
		c.call(t, http.MethodPost, "/sts", c.Ready.CallerToken, in).into(t, "POST /sts", &g)
		c.logged.secret(g.AccessKeySecret, g.SecurityToken)
		return g, oss.NewClient(oss.LoadDefaultConfig().WithRegion(c.Ready.Region).WithEndpoint(c.Ready.OSS).WithUsePathStyle(true).WithRetryMaxAttempts(1).
			WithHttpClient(c.client.HTTP).WithCredentialsProvider(credentials.NewStaticCredentialsProvider(g.AccessKeyID, g.AccessKeySecret, g.SecurityToken)))
	}
	g, client := issue(t, map[string]any{})
	u := c.grantPut(t, nil)
	c.store(t, u.key, u.header, u.content)
	bucket := &c.Ready.Bucket
	put := func(t *testing.T, client *oss.Client, key string) error {
		_, err := client.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: bucket, Key: &key, Body: strings.NewReader("x")})
		return err
	}
	deniedTo := func(err error) string {
		if service := (*oss.ServiceError)(nil); errors.As(err, &service) && service.StatusCode == http.StatusForbidden {
			return ""
		}
		return fmt.Sprintf("OSS answered %v, want 403", err)
	}
	own := g.Prefix + "x.png"
	control := func(t *testing.T) string {
		if err := put(t, client, own); err != nil {
			return err.Error()
		}
		return ""
	}
	var rows []attack
	for _, key := range []string{
		u.key, "uploads/demo/2026/01/x.png", "uploads/somebody/x.png", "uploads/_sts/somebody/x.png", "uploads/_sts/demo", "uploads/_sts/demo2/x.png", "uploads/_sts/x.png",
		"_ossupload/uploads/_announced/demo/x", "_ossupload/uploads/_pending/0000000000-evt_x", "_ossupload/uploads/_dead/evt_x", "_ossupload/uploads/_sweep/cursor", "uploads/x.png", "x.png", "uploads/_sts/demo/../somebody/x.png", "_sts/demo/x.png",
	} {
		rows = append(rows, attack{"a PUT of " + key, func(t *testing.T) string {
			err := put(t, client, key)
			if err == nil && strings.HasPrefix(key, g.Prefix) {
				return "" // a dot segment is text to OSS: the key lies below the prefix
			}
			return deniedTo(err)
		}, control})
	}
	copyFrom := func(key string) *oss.CopyObjectRequest {
		to := g.Prefix + "copy.png"
		return &oss.CopyObjectRequest{Bucket: bucket, Key: &to, SourceKey: &key}
	}
	for name, try := range map[string]func(t *testing.T) error{
		"a GET of one's own": func(t *testing.T) error {
			_, err := client.GetObject(t.Context(), &oss.GetObjectRequest{Bucket: bucket, Key: &own})
			return err
		},
		"a GET of an upload": func(t *testing.T) error {
			_, err := client.GetObject(t.Context(), &oss.GetObjectRequest{Bucket: bucket, Key: &u.key})
			return err
		},
		"a HEAD of an upload": func(t *testing.T) error {
			_, err := client.HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: bucket, Key: &u.key})
			return err
		},
		"a DELETE of an upload": func(t *testing.T) error {
			_, err := client.DeleteObject(t.Context(), &oss.DeleteObjectRequest{Bucket: bucket, Key: &u.key})
			return err
		},
		"a DELETE of one's own": func(t *testing.T) error {
			_, err := client.DeleteObject(t.Context(), &oss.DeleteObjectRequest{Bucket: bucket, Key: &own})
			return err
		},
		"a list of the bucket": func(t *testing.T) error {
			_, err := client.ListObjectsV2(t.Context(), &oss.ListObjectsV2Request{Bucket: bucket})
			return err
		},
		"a list of uploads": func(t *testing.T) error {
			_, err := client.ListMultipartUploads(t.Context(), &oss.ListMultipartUploadsRequest{Bucket: bucket})
			return err
		},
		"a copy of an upload": func(t *testing.T) error { _, err := client.CopyObject(t.Context(), copyFrom(u.key)); return err },
		"a copy of one's own": func(t *testing.T) error { _, err := client.CopyObject(t.Context(), copyFrom(own)); return err },
		"a link in place of an upload": func(t *testing.T) error {
			_, err := client.PutSymlink(t.Context(), &oss.PutSymlinkRequest{Bucket: bucket, Key: &u.key, Target: &own})
			return err
		},
		"parts of an upload of another's": func(t *testing.T) error {
			_, err := client.InitiateMultipartUpload(t.Context(), &oss.InitiateMultipartUploadRequest{Bucket: bucket, Key: &u.key})
			return err
		},
	} {
		rows = append(rows, attack{name, func(t *testing.T) string { return deniedTo(try(t)) }, control})
	}
	rows = append(rows,
		attack{"a link to an upload of another's, downloaded", func(t *testing.T) string {
			// OSS lets whoever may put an object put a link as well; we never read
			// below this prefix.
			key := g.Prefix + "link.png"
			if _, err := client.PutSymlink(t.Context(), &oss.PutSymlinkRequest{Bucket: bucket, Key: &key, Target: &u.key}); err != nil {
				return err.Error()
			}
			if breach := denied(c.call(t, http.MethodPost, "/download", c.Ready.CallerToken, map[string]any{"key": key}), "not_found"); breach != "" {
				return breach
			}
			return denied(c.confirmKey(t, key), "not_found")
		}, control},
		attack{"an upload with a grant copied from another, confirmed", func(t *testing.T) string {
			key := g.Prefix + "granted.png"
			if _, err := client.PutObject(t.Context(), &oss.PutObjectRequest{Bucket: bucket, Key: &key, Body: strings.NewReader("x"), Metadata: map[string]string{"ossupload-grant": u.header[metaGrant]}}); err != nil {
				return err.Error()
			}
			c.keepSilent(key, "an STS upload with a copied grant")
			return denied(c.confirmKey(t, key), "not_found")
		}, control},
	)
	// Whatever prefix is asked for, the credentials stay below one's own.
	for _, prefix := range []string{
		"uploads/somebody/", "uploads/_sts/somebody/", "../somebody/", "uploads/_sts/demo/../somebody/", "/", "*", "?", "a*/", "${x}/", "a", "uploads/_sts/", "uploads/_sts/demo",
		"\x00/", "a//", ".", "./", "a/\",\"acs:oss:*:*:*/", strings.Repeat("a/", 200),
	} {
		rows = append(rows, attack{fmt.Sprintf("credentials for %.30q", prefix), func(t *testing.T) string {
			a := c.call(t, http.MethodPost, "/sts", c.Ready.CallerToken, map[string]any{"prefix": prefix})
			if faulty(a, "prefix") == "" {
				return ""
			}
			got, narrow := issue(t, map[string]any{"prefix": prefix})
			if !strings.HasPrefix(got.Prefix, g.Prefix) {
				return "they are for " + got.Prefix
			}
			for _, key := range []string{"uploads/somebody/x", "uploads/_sts/somebody/x", g.Prefix + "elsewhere"} {
				if breach := deniedTo(put(t, narrow, key)); breach != "" {
					return key + ": " + breach
				}
			}
			return ""
		}, control})
	}
	return rows
}
