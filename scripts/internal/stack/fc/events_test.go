package fc_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/fc"
)

var arrival = fc.Arrival{
	RequestID: "1-64f6cd87-0123456789abcdef01234567",
	Time:      time.Date(2023, 9, 5, 6, 41, 11, 895e6, time.UTC),
	AccountID: "123456",
}

// request is one with everything that an event renders in its own way.
func request(method, target, contentType string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "upload.example.com:8580"
	r.RemoteAddr = "192.0.2.7:54321"
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func TestHTTPTriggerEvent(t *testing.T) {
	t.Parallel()
	t.Run("a request in full", func(t *testing.T) {
		t.Parallel()
		r := request("POST", "/s3/a%2Fb%20c?key=x%26y&tag=1&tag=2&empty", "application/json")
		r.Header["Accept"] = []string{"text/html", "*/*"}
		r.Header.Set("User-Agent", "curl/8")
		r.Header.Set("Authorization", "Bearer t")
		r.Header.Set("Connection", "close")
		r.Header.Set("Keep-Alive", "timeout=5")
		r.Header.Set("X-Fc-Access-Key-Id", "forged")
		want := `{"version":"v1","rawPath":"/s3/a%2Fb%20c","body":"{\"a\":\"<&>\"}","isBase64Encoded":false,` +
			`"headers":{"accept":"text/html,*/*","authorization":"Bearer t","content-type":"application/json",` +
			`"host":"upload.example.com:8580","user-agent":"curl/8"},` +
			`"queryParameters":{"empty":"","key":"x&y","tag":"1,2"},` +
			`"requestContext":{"accountId":"123456","domainName":"upload.example.com","domainPrefix":"upload",` +
			`"http":{"method":"POST","path":"/s3/a/b c","protocol":"HTTP/1.1","sourceIp":"192.0.2.7","userAgent":"curl/8"},` +
			`"requestId":"1-64f6cd87-0123456789abcdef01234567","time":"2023-09-05T06:41:11Z","timeEpoch":"1693896071895"}}`
		checkEvent(t, fc.TriggerHTTP, r, `{"a":"<&>"}`, want)
	})
	t.Run("no body", func(t *testing.T) {
		t.Parallel()
		want := `{"version":"v1","rawPath":"/presign","isBase64Encoded":false,` +
			`"headers":{"host":"upload.example.com:8580"},"queryParameters":{},` +
			`"requestContext":{"accountId":"123456","domainName":"upload.example.com","domainPrefix":"upload",` +
			`"http":{"method":"OPTIONS","path":"/presign","protocol":"HTTP/1.1","sourceIp":"192.0.2.7","userAgent":""},` +
			`"requestId":"1-64f6cd87-0123456789abcdef01234567","time":"2023-09-05T06:41:11Z","timeEpoch":"1693896071895"}}`
		checkEvent(t, fc.TriggerHTTP, request("OPTIONS", "/presign", ""), "", want)
	})
}

func TestHTTPTriggerEventBodies(t *testing.T) {
	t.Parallel()
	const text, binary = `"body":"abc","isBase64Encoded":false`, `"body":"YWJj","isBase64Encoded":true`
	for _, c := range []struct{ name, contentType, encoding, body, want string }{
		{"JSON", "application/json; charset=utf-8", "", "abc", text},
		{"a JSON dialect", "application/problem+json", "", "abc", text},
		{"a form", "application/x-www-form-urlencoded", "", "abc", text},
		{"plain text", "text/plain", "", "abc", text},
		{"XML", "application/xml", "", "abc", text},
		{"no type", "", "", "abc", text},
		{"an image", "image/png", "", "abc", binary},
		{"a multipart form", "multipart/form-data; boundary=x", "", "abc", binary},
		{"bytes", "application/octet-stream", "", "abc", binary},
		{"a malformed type", ";;", "", "abc", binary},
		{"compressed text", "text/plain", "gzip", "abc", binary},
		{"text that is not UTF-8", "text/plain", "", "\xff\x00", `"body":"/wA=","isBase64Encoded":true`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request("POST", "/", c.contentType)
			if c.encoding != "" {
				r.Header.Set("Content-Encoding", c.encoding)
			}
			event, err := fc.TriggerHTTP.EventFromRequest(r, []byte(c.body), arrival)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(event), c.want) {
				t.Errorf("event = %s, want %s in it", event, c.want)
			}
		})
	}
}

func TestAPIGatewayEvent(t *testing.T) {
	t.Parallel()
	t.Run("a request in full", func(t *testing.T) {
		t.Parallel()
		r := request("POST", "/s3/a%20b?key=x%26y&tag=1&tag=2", "application/json")
		r.Header["Accept"] = []string{"text/html", "*/*"}
		r.Header.Set("Authorization", "Bearer t")
		r.Header.Set("Connection", "close")
		r.Header.Set("Caclientip", "203.0.113.9")
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		want := `{"path":"/s3/a b","httpMethod":"POST",` +
			`"headers":{"Accept":"text/html,*/*","Authorization":"Bearer t",` +
			`"CaClientIp":"192.0.2.7","CaRequestId":"1-64f6cd87-0123456789abcdef01234567",` +
			`"Content-Type":"application/json","Host":"upload.example.com:8580",` +
			`"X-Ca-Api-Gateway":"1-64f6cd87-0123456789abcdef01234567","X-Ca-Request-Id":"1-64f6cd87-0123456789abcdef01234567",` +
			`"X-Forwarded-For":"203.0.113.9, 192.0.2.7"},` +
			`"queryParameters":{"key":"x&y","tag":"1,2"},"pathParameters":{},"body":"e30=","isBase64Encoded":true}`
		checkEvent(t, fc.TriggerAPIGateway, r, `{}`, want)
	})
	for _, c := range []struct{ method, body, want string }{
		{"GET", "", `"body":"","isBase64Encoded":false}`},
		{"HEAD", "", `"body":"","isBase64Encoded":false}`},
		{"GET", "ignored", `"body":"","isBase64Encoded":false}`},
		{"DELETE", "", `"body":"","isBase64Encoded":true}`},
		{"PUT", "\xff\x00", `"body":"/wA=","isBase64Encoded":true}`},
	} {
		t.Run(c.method+" with the body "+c.body, func(t *testing.T) {
			t.Parallel()
			event, err := fc.TriggerAPIGateway.EventFromRequest(request(c.method, "/", ""), []byte(c.body), arrival)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(string(event), c.want) {
				t.Errorf("event = %s, want %s at its end", event, c.want)
			}
		})
	}
}

func checkEvent(t *testing.T, trigger fc.Trigger, r *http.Request, body, want string) {
	t.Helper()
	got, err := trigger.EventFromRequest(r, []byte(body), arrival)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("EventFromRequest()\n got %s\nwant %s", got, want)
	}
}

func TestResponseFromPayload(t *testing.T) {
	t.Parallel()
	plain := func(status int, body string, header http.Header) fc.Response {
		return fc.Response{Status: status, Header: header, Body: []byte(body)}
	}
	raw := func(body string) *fc.Response {
		r := plain(200, body, http.Header{"Content-Type": {"application/json"}})
		return &r
	}
	answered := func(status int, body string, header http.Header) *fc.Response {
		r := plain(status, body, header)
		return &r
	}
	none := http.Header{}
	// A nil response stands for ErrBadResponse.
	for _, c := range []struct {
		name, payload       string
		httpTrigger, apiGat *fc.Response
	}{
		{
			"a full answer",
			`{"statusCode":201,"headers":{"content-type":"text/plain","X-A":"a\u0026b"},"isBase64Encoded":false,"body":"x\u0026y"}`,
			answered(201, "x&y", http.Header{"Content-Type": {"text/plain"}, "X-A": {"a&b"}}),
			answered(201, "x&y", http.Header{"Content-Type": {"text/plain"}, "X-A": {"a&b"}}),
		},
		{
			"binary", `{"statusCode":200,"headers":{},"isBase64Encoded":true,"body":"/wA="}`,
			answered(200, "\xff\x00", none), answered(200, "\xff\x00", none),
		},
		{
			"headers that a gateway makes itself",
			`{"statusCode":200,"headers":{"Connection":"close","content-length":"7","Date":"x","Keep-Alive":"x","server":"x","Upgrade":"x","X-Fc-Request-Id":"x","X-Kept":"1"},"isBase64Encoded":false,"body":""}`,
			answered(200, "", http.Header{"X-Kept": {"1"}}), answered(200, "", http.Header{"X-Kept": {"1"}}),
		},
		{"a status alone", `{"statusCode":204}`, answered(204, "", none), nil},
		{"nulls", `{"statusCode":204,"headers":null,"isBase64Encoded":null,"body":null}`, answered(204, "", none), nil},
		{"no status", `{"headers":{},"isBase64Encoded":false,"body":"x"}`, raw(`{"headers":{},"isBase64Encoded":false,"body":"x"}`), nil},
		{"a status of another spelling", `{"statuscode":200,"headers":{},"isBase64Encoded":false,"body":"x"}`, raw(`{"statuscode":200,"headers":{},"isBase64Encoded":false,"body":"x"}`), nil},
		{"a JSON string", `"hello"`, raw(`"hello"`), nil},
		{"null", `null`, raw(`null`), nil},
		{"no JSON", `hello`, raw(`hello`), nil},
		{"nothing", ``, raw(``), nil},
		{"a status that is text", `{"statusCode":"200","headers":{},"isBase64Encoded":false,"body":""}`, nil, nil},
		{"a status of an interim answer", `{"statusCode":101,"headers":{},"isBase64Encoded":false,"body":""}`, nil, nil},
		{"a status out of range", `{"statusCode":600,"headers":{},"isBase64Encoded":false,"body":""}`, nil, nil},
		{"a body that is an object", `{"statusCode":200,"headers":{},"isBase64Encoded":false,"body":{}}`, nil, nil},
		{"a body that is not base64", `{"statusCode":200,"headers":{},"isBase64Encoded":true,"body":"!"}`, nil, nil},
		{"a flag that is text", `{"statusCode":200,"headers":{},"isBase64Encoded":"false","body":""}`, nil, nil},
		{"a header with two values", `{"statusCode":200,"headers":{"Set-Cookie":["a","b"]},"isBase64Encoded":false,"body":""}`, nil, nil},
		{"a header in two spellings", `{"statusCode":200,"headers":{"Set-Cookie":"a","set-cookie":"b"},"isBase64Encoded":false,"body":""}`, nil, nil},
		{"a line break in a header", `{"statusCode":200,"headers":{"X-A":"a\r\nX-B: b"},"isBase64Encoded":false,"body":""}`, nil, nil},
		{"a space in a header's name", `{"statusCode":200,"headers":{"X A":"a"},"isBase64Encoded":false,"body":""}`, nil, nil},
		{
			"headers at the limit",
			`{"statusCode":200,"headers":{"X-A":"` + strings.Repeat("a", 8<<10-3) + `"},"isBase64Encoded":false,"body":""}`,
			answered(200, "", http.Header{"X-A": {strings.Repeat("a", 8<<10-3)}}),
			answered(200, "", http.Header{"X-A": {strings.Repeat("a", 8<<10-3)}}),
		},
		{"headers one byte over", `{"statusCode":200,"headers":{"X-A":"` + strings.Repeat("a", 8<<10-2) + `"},"isBase64Encoded":false,"body":""}`, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkResponse(t, fc.TriggerHTTP, c.payload, c.httpTrigger)
			checkResponse(t, fc.TriggerAPIGateway, c.payload, c.apiGat)
		})
	}
}

func checkResponse(t *testing.T, trigger fc.Trigger, payload string, want *fc.Response) {
	t.Helper()
	got, err := trigger.ResponseFromPayload([]byte(payload))
	switch {
	case want == nil && !errors.Is(err, fc.ErrBadResponse):
		t.Errorf("%s: ResponseFromPayload(%.200s) = %+v, %v, want ErrBadResponse", trigger, payload, got, err)
	case want != nil && err != nil:
		t.Errorf("%s: ResponseFromPayload(%.200s) = %v, want %+v", trigger, payload, err, *want)
	case want != nil && !reflect.DeepEqual(got, *want):
		t.Errorf("%s: ResponseFromPayload(%.200s) = %+v, want %+v", trigger, payload, got, *want)
	}
}

func TestParseTrigger(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]fc.Trigger{"apigateway": fc.TriggerAPIGateway, "http": fc.TriggerHTTP} {
		if got, err := fc.ParseTrigger(name); got != want || err != nil {
			t.Errorf("ParseTrigger(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := fc.ParseTrigger("HTTP"); err == nil {
		t.Error("ParseTrigger(HTTP) = nil, want an error")
	}
}
