package probe

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash/crc64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"ossupload/shared/signing"
)

var objectProbes = []Probe{
	{Fact: "put.forbid-overwrite", Calls: 7, Try: forbidOverwrite},
	{Fact: "put.forbid-overwrite-versioned", Calls: 2, Needs: []Need{NeedVersioning}, Try: forbidOverwriteVersioned},
	{Fact: "put.etag", Calls: 3, Try: etags},
	{Fact: "put.content-md5", Calls: 3, Try: contentMD5},
	{Fact: "put.five-gib", Calls: 1, Try: fiveGiB},
	{Fact: "head.crc64", Calls: 6, Try: headCRC},
	{Fact: "head.object-type", Calls: 6, Try: objectType},
	{Fact: "head.tag-count", Calls: 2, Try: tagCount},
	{Fact: "meta.names", Calls: 2, Try: metadataNames},
	{Fact: "meta.too-large", Calls: 2, Try: metadataTooLarge},
}

// forbids is the header, and the field of a form, that forbids to overwrite.
const forbids = "x-oss-forbid-overwrite"

func forbidOverwrite(ctx context.Context, r *run) Finding {
	if state := r.versioning(ctx); state != "" {
		return notTried("needs a bucket without versioning")
	}
	key := r.key("a")
	id := r.initiate(ctx, key)
	part := r.part(ctx, key, id, 1, "x", nil)
	header := map[string]string{forbids: "true"}
	r.put(ctx, key, "x", header)
	put := r.do(ctx, call{method: "PUT", key: key, header: header})
	form := r.post(ctx, r.form(signing.Form{Key: key, MaxSize: 10, Fields: signing.Header(header)}, r.Credentials), "x")
	completed := r.complete(ctx, key, id, header, part)
	holds := true
	for _, a := range []reply{put, form, completed} {
		holds = holds && a.status == http.StatusConflict && a.code == "FileAlreadyExists"
	}
	return found(holds, "of a key that exists: PUT %v, form %v, completion %v", put, form, completed)
}

func forbidOverwriteVersioned(ctx context.Context, r *run) Finding {
	c := call{method: "PUT", key: r.key("a"), header: map[string]string{forbids: "true"}}
	first, second := r.do(ctx, c), r.do(ctx, c)
	return found(first.ok() && second.ok(), "two PUTs of one key: %v, %v", first, second)
}

// hasETag reports whether an answer has the MD5 of a body as its ETag.
func hasETag(a reply, body string) bool {
	sum := md5.Sum([]byte(body))
	return a.header.Get("ETag") == `"`+strings.ToUpper(hex.EncodeToString(sum[:]))+`"`
}

func etags(ctx context.Context, r *run) Finding {
	put := r.put(ctx, r.key("put"), "123456789", nil)
	form := r.post(ctx, r.form(signing.Form{Key: r.key("form"), MaxSize: 10}, r.Credentials), "123456789")
	r.want(form)
	head := r.do(ctx, call{method: "HEAD", key: r.key("form")})
	holds := hasETag(put, "123456789") && hasETag(head, "123456789")
	return found(holds, "the MD5 of the bytes: of a PUT %v, of a form %v", hasETag(put, "123456789"), hasETag(head, "123456789"))
}

func contentMD5(ctx context.Context, r *run) Finding {
	sum := md5.Sum([]byte("another"))
	c := call{method: "PUT", key: r.key("a"), body: "one", header: map[string]string{"Content-MD5": base64.StdEncoding.EncodeToString(sum[:])}}
	wrong := r.do(ctx, c)
	head := r.do(ctx, call{method: "HEAD", key: c.key})
	c.body = "another"
	right := r.do(ctx, c)
	return found(!wrong.ok() && head.status == http.StatusNotFound && right.ok(),
		"other bytes: %v, after which a HEAD: %v; the right bytes: %v", wrong, head, right)
}

// errUnsent is what a body fails with that is not to be sent.
var errUnsent = errors.New("the body is not to be sent")

type unsentBody struct{}

func (unsentBody) Read([]byte) (int, error) { return 0, errUnsent }

// fiveGiB announces a body that is too large and waits for the server to say
// whether it wants it ("Expect: 100-continue"). No byte of it is sent.
func fiveGiB(ctx context.Context, r *run) Finding {
	request := r.sign(ctx, call{method: "PUT", key: r.key("a")}, odd{})
	request.Body, request.ContentLength = io.NopCloser(unsentBody{}), 5<<30+1
	request.GetBody = nil
	request.Header.Set("Expect", "100-continue")
	a, err := exchange(metered(expecting(r.HTTP.Transport), r.budget), request)
	if errors.Is(err, errUnsent) {
		return notTried("the server asked for the body, or did not say whether it wants it")
	}
	if err != nil {
		stop("PUT: %s", reason(err))
	}
	r.notice(a, true)
	return found(a.status == http.StatusBadRequest && a.code == "EntityTooLarge", "a byte more than 5 GiB, announced: %v", a)
}

// expecting is a transport like base that waits for "100 Continue".
func expecting(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	transport, ok := base.(*http.Transport)
	if !ok {
		return base
	}
	transport = transport.Clone()
	transport.ExpectContinueTimeout, transport.DisableKeepAlives = callTimeout, true
	return transport
}

func headCRC(ctx context.Context, r *run) Finding {
	const body = "123456789"
	key := r.key("multipart")
	r.put(ctx, r.key("put"), body, nil)
	id := r.initiate(ctx, key)
	r.want(r.complete(ctx, key, id, nil, r.part(ctx, key, id, 1, body, nil)))
	want := strconv.FormatUint(crc64.Checksum([]byte(body), crc64.MakeTable(crc64.ECMA)), 10)
	shows := func(key string) bool {
		return r.do(ctx, call{method: "HEAD", key: key}).header.Get("x-oss-hash-crc64ecma") == want
	}
	put, multipart := shows(r.key("put")), shows(key)
	return found(put && multipart, "x-oss-hash-crc64ecma of the bytes: of a PUT %v, of a multipart upload %v", put, multipart)
}

func objectType(ctx context.Context, r *run) Finding {
	r.put(ctx, r.key("a"), "123456789", nil)
	r.want(r.do(ctx, call{method: "PUT", key: r.key("link"), query: map[string]string{"symlink": ""},
		header: map[string]string{"x-oss-symlink-target": url.PathEscape(r.key("a"))}}))
	plainHead, link := r.do(ctx, call{method: "HEAD", key: r.key("a")}), r.do(ctx, call{method: "HEAD", key: r.key("link")})
	types := plainHead.header.Get("x-oss-object-type") == "Normal" && link.header.Get("x-oss-object-type") == "Symlink"
	target := link.header.Get("Content-Length") == "9" && hasETag(link, "123456789")
	return found(types && target, "types as they are: %v; size and ETag of the symlink's target: %v", types, target)
}

func tagCount(ctx context.Context, r *run) Finding {
	r.put(ctx, r.key("a"), "", map[string]string{"x-oss-tagging": "a=1&b=2"})
	head := r.do(ctx, call{method: "HEAD", key: r.key("a")})
	shown := head.header.Get("x-oss-tagging-count")
	return found(shown == "2", "a HEAD of an object with two tags shows x-oss-tagging-count: %v", shown == "2")
}

func metadataNames(ctx context.Context, r *run) Finding {
	a := r.do(ctx, call{method: "PUT", key: r.key("a"), header: map[string]string{"x-oss-meta-a.b_c": "1"}})
	if !a.ok() {
		return seen("refused", "a name with a dot and an underscore: %v", a)
	}
	kept := r.do(ctx, call{method: "HEAD", key: r.key("a")}).header.Get("x-oss-meta-a.b_c") == "1"
	value := ""
	if kept {
		value = "taken"
	}
	return seen(value, "a name with a dot and an underscore: %v, and it is shown: %v", a, kept)
}

func metadataTooLarge(ctx context.Context, r *run) Finding {
	// In several headers, lest one is too long for the server, and not at the very
	// limit: what counts towards it is another question.
	header := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d"} {
		header["x-oss-meta-"+name] = strings.Repeat("x", 1900)
	}
	r.want(r.do(ctx, call{method: "PUT", key: r.key("a"), header: header}))
	header["x-oss-meta-e"] = strings.Repeat("x", 1900)
	a := r.do(ctx, call{method: "PUT", key: r.key("a"), header: header})
	value := ""
	switch a.code {
	case "InvalidArgument", "MetadataTooLarge":
		value = a.code
	}
	return seen(value, "over 8 KB of metadata: %v", a)
}
