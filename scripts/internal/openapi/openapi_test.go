package openapi_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"ossupload/scripts/internal/openapi"
	"ossupload/shared/api"
)

const receipt = `{"location":"https://b.oss.example/k","bucket":"b","key":"k","size":1,"etag":"E","crc64":"1","contentType":"a/b","filename":"f","metadata":{},"vars":null,
"uploadedAt":"2026-11-21T12:00:00Z","eventId":"evt_0123456789abcdef0123456789abcdef","delivered":true}`

// call is one that agrees with the contract.
func call(method, target, body string, status int, answer string) openapi.Call {
	return openapi.Call{
		Method: method, Target: target, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body),
		Status: status, Answer: []byte(answer),
		AnswerHeader: http.Header{
			"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
			"Referrer-Policy": {"no-referrer"}, "X-Request-Id": {"1"},
		},
	}
}

func allowing(c openapi.Call) openapi.Call {
	c.AnswerHeader.Set("Allow", "POST, OPTIONS")
	return c
}

func varying(c openapi.Call) openapi.Call {
	c.AnswerHeader.Set("Vary", "Accept-Encoding")
	return c
}

func zipped(c openapi.Call) openapi.Call {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(c.Answer) // to memory
	_ = w.Close()
	c.AnswerHeader.Set("Content-Encoding", "gzip")
	c.Answer = b.Bytes()
	return c
}

func problem(code string, more ...string) string {
	return `{"code":"` + code + `","message":"m","requestId":"1","error":"m"` + strings.Join(more, "") + `}`
}

func TestCheck(t *testing.T) {
	contract, err := openapi.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const presigned = `{"method":"PUT","url":"https://b.oss.example/k","headers":{},"key":"k","expires":900,"expiresAt":"2026-11-21T12:00:00Z","uploadToken":"v1"}`
	const urls = `{"presignedUrls":{"1":"https://b.oss.example/k"},"expiresAt":"2026-11-21T12:00:00Z"}`
	honest := map[string]openapi.Call{
		"a presigned PUT":                call("POST", "/presign", `{"filename":"f","size":0}`, 200, presigned),
		"a refusal, whatever was asked":  call("POST", "/presign", `[1]`, 400, problem("invalid_json")),
		"a refusal with faults":          call("POST", "/presign", `{}`, 400, problem("invalid_request", `,"details":[{"field":"filename","reason":"is required"}]`)),
		"a receipt":                      call("POST", "/confirm", `{"key":"k"}`, 200, receipt),
		"a session's route":              call("POST", "/c/v1.k1.x/s3/multipart/u/complete", `{"parts":[]}`, 200, receipt),
		"what Uppy sends on top":         call("POST", "/s3/multipart", `{"filename":"f","type":"a/b","more":1}`, 200, `{"key":"k","uploadId":"u","bucket":"b","expiresAt":"2026-11-21T12:00:00Z"}`),
		"part URLs":                      varying(call("GET", "/s3/multipart/u/batch?partNumbers=1,2", "", 200, urls)),
		"part URLs, compressed":          zipped(varying(call("GET", "/s3/multipart/u/batch?partNumbers=1,2", "", 200, urls))),
		"no route":                       call("GET", "/nothing", "", 404, problem("not_found")),
		"another method":                 allowing(call("PUT", "/presign", "", 405, problem("method_not_allowed"))),
		"a preflight":                    call("OPTIONS", "/presign", "", 204, ""),
		"a field that was added to both": call("POST", "/confirm", `{"key":"k"}`, 200, strings.Replace(receipt, `"size"`, `"new":1,"size"`, 1)),
	}
	for name, c := range honest {
		if err := contract.Check(t.Context(), c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	header := func(c openapi.Call, name string) openapi.Call { c.AnswerHeader.Del(name); return c }
	for name, c := range map[string]openapi.Call{
		"a field that is not known was taken": call("POST", "/presign", `{"filename":"f","sizes":1}`, 200, presigned),
		"no filename":                         call("POST", "/presign", `{}`, 200, presigned),
		"text for a size":                     call("POST", "/presign", `{"filename":"f","size":"1"}`, 200, presigned),
		"an answer without a URL":             call("POST", "/presign", `{"filename":"f"}`, 200, strings.Replace(presigned, `"url"`, `"uri"`, 1)),
		"a PUT with fields":                   call("POST", "/presign", `{"filename":"f"}`, 200, strings.Replace(presigned, `"headers"`, `"fields"`, 1)),
		"a time that is none":                 call("POST", "/presign", `{"filename":"f"}`, 200, strings.Replace(presigned, "2026-11-21T12:00:00Z", "tomorrow", 1)),
		"an unknown code":                     call("POST", "/presign", `{}`, 400, problem("bad")),
		"a code of another status":            call("POST", "/presign", `{}`, 400, problem("not_found")),
		"21 faults":                           call("POST", "/presign", `{}`, 400, problem("invalid_request", `,"details":[`+strings.Repeat(`{"field":"f","reason":"r"},`, 20)+`{"field":"f","reason":"r"}]`)),
		"a refusal without an error":          call("POST", "/presign", `{}`, 400, `{"code":"invalid_json","message":"m","requestId":"1"}`),
		"a status that is not told":           call("POST", "/presign", `{}`, 418, problem("internal")),
		"an answer that may be stored":        header(call("POST", "/confirm", `{"key":"k"}`, 200, receipt), "Cache-Control"),
		"an answer without an id":             header(call("POST", "/confirm", `{"key":"k"}`, 200, receipt), "X-Request-Id"),
		"busy, but until when":                call("POST", "/presign", `{}`, 503, problem("throttled")),
		"a receipt that does not say":         call("POST", "/confirm", `{"key":"k"}`, 200, strings.Replace(receipt, "delivered", "announced", 1)),
		"a size that is text":                 call("POST", "/confirm", `{"key":"k"}`, 200, strings.Replace(receipt, `"size":1`, `"size":"1"`, 1)),
		"an event id of another form":         call("POST", "/confirm", `{"key":"k"}`, 200, strings.Replace(receipt, "evt_", "ev_", 1)),
		"part URLs for whatever is accepted":  call("GET", "/s3/multipart/u/batch?partNumbers=1,2", "", 200, urls),
		"an answer that is never compressed":  zipped(call("POST", "/confirm", `{"key":"k"}`, 200, receipt)),
		"a compressed answer of other form":   zipped(varying(call("GET", "/s3/multipart/u/batch?partNumbers=1,2", "", 200, receipt))),
		"nothing to confirm":                  call("POST", "/confirm", `{}`, 200, receipt),
		"no route that is served":             call("GET", "/nothing", "", 200, receipt),
		"a session's route that is none":      call("POST", "/c/v1.k1.x/presign", `{"filename":"f"}`, 200, presigned),
		"another method, but which":           call("PUT", "/presign", "", 405, problem("method_not_allowed")),
		"another method with a strange code":  allowing(call("PUT", "/presign", "", 405, problem("not_found"))),
		"no route, and nobody's token":        call("GET", "/nothing", "", 404, problem("invalid_token")),
		"a preflight that fails":              call("OPTIONS", "/presign", "", 500, ""),
		"a HEAD that may be stored":           header(call("HEAD", "/s3/params?filename=a", "", 200, ""), "Cache-Control"),
		"both to confirm":                     call("POST", "/confirm", `{"key":"k","uploadToken":"u"}`, 200, receipt),
		"part 0":                              call("GET", "/s3/multipart/u/0", "", 200, `{"method":"PUT","url":"https://b.oss.example/k","expires":900}`),
	} {
		if contract.Check(t.Context(), c) == nil {
			t.Errorf("%s agrees with the contract", name)
		}
	}
}

// The document has the routes that the functions have, and the codes.
func TestDocumentIsWhole(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(openapi.Document)
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	served := []string{"POST /callback"} // on any path
	pattern := regexp.MustCompile(`route\.New\(\w+, "([A-Z]+)", ([^,]+),`)
	names := strings.NewReplacer("s3+", "/s3", "upload+", "/s3/multipart/{uploadId}", "upload", "/s3/multipart/{uploadId}", `"`, "")
	for _, function := range []string{"presign", "complete"} {
		text, err := os.ReadFile("../../../functions/" + function + "/handler.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllStringSubmatch(string(text), -1) {
			served = append(served, m[1]+" "+names.Replace(m[2]))
		}
	}
	slices.Sort(documented)
	slices.Sort(served)
	if served = slices.Compact(served); !slices.Equal(documented, served) {
		t.Errorf("the document has %q, the functions serve %q", documented, served)
	}
	for _, code := range api.Codes() {
		if code != api.MethodNotAllowed && !strings.Contains(string(openapi.Document), string(code)) {
			t.Errorf("the document does not name %s", code)
		}
	}
}
