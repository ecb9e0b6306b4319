package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/signing"
)

// mistake is one that an integrator or an operator makes, and what whoever made it
// gets to read.
type mistake struct {
	what string
	seen string // what comes back at first, in part
	who  string // says what to do
	mend string // in its words, in part
	also string // in its words too
	// make makes it at the running stack.
	make func(t *testing.T, w *world) (seen, said string)
}

const (
	byExplain = "`explain`"
	byAnswer  = "the answer"
	byDoctor  = "`doctor`"
	byLog     = "the log"
)

// asked makes a mistake in a request to a function, whose answer says it.
func asked(method, path string, header http.Header, in any) func(*testing.T, *world) (string, string) {
	return func(t *testing.T, w *world) (string, string) {
		a := w.ask(t, method, path, header, in)
		return a.String(), string(a.Body) + "\n" + explained(t, string(a.Body), "")
	}
}

func changed(name, value string) func(*testing.T, *world) (string, string) {
	return func(t *testing.T, w *world) (string, string) {
		return w.send(t, w.put(t), map[string]string{name: value})
	}
}

// deployed uploads to a stack with other settings.
func deployed(settings func(t *testing.T, w *world) map[string]string) func(*testing.T, *world) (string, string) {
	return func(t *testing.T, w *world) (string, string) {
		other := newWorld(t, settings(t, w))
		return other.send(t, other.put(t), nil)
	}
}

// claimed has a token with another claim.
func claimed(name string, value any) func(*testing.T, *world) (string, string) {
	return func(t *testing.T, w *world) (string, string) {
		return w.as(t, "Bearer "+w.token(t, w.Identity.CallerSecret, map[string]any{name: value}))
	}
}

// examined has the doctor look at settings that are not the functions'.
func examined(only string, settings func(t *testing.T, w *world) map[string]string) func(*testing.T, *world) (string, string) {
	return func(t *testing.T, w *world) (string, string) { return w.doctor(t, only, settings(t, w)) }
}

func set(name, value string) func(*testing.T, *world) map[string]string {
	return func(*testing.T, *world) map[string]string { return map[string]string{name: value} }
}

// integrators are the mistakes of whoever writes the client or signs the tokens.
var integrators = []mistake{
	{"another Content-Type than was signed", "<Code>SignatureDoesNotMatch</Code>", byExplain,
		"Send every header of the answer of POST /presign, Content-Type above all", "Signed was Content-Type: image/png. Sent was application/x-www-form-urlencoded",
		func(t *testing.T, w *world) (string, string) {
			g := w.put(t)
			out := curl(t, append(headers(g, map[string]string{"Content-Type": ""}), "-X", "PUT", "--data-binary", "@"+file(t, content), g.URL)...)
			return out, explained(t, out, g.text)
		}},
	{"no Content-Type", "<Code>SignatureDoesNotMatch</Code>", byExplain, "-H 'Content-Type: image/png'", "None was sent", changed("Content-Type", "")},
	{"a Content-Type with a url that signs none", "<Code>SignatureDoesNotMatch</Code>", byExplain, "Upload with curl -T FILE", "text/csv was sent",
		func(t *testing.T, w *world) (string, string) {
			return w.send(t, w.presign(t, map[string]any{"filename": filename, "size": len(content), "as": "url"}), map[string]string{"Content-Type": "text/csv"})
		}},
	{"a signed header left out", "<Code>SignatureDoesNotMatch</Code>", byExplain, "Send every header of headers, unchanged", "x-oss-meta-ossupload-grant", changed("x-oss-meta-ossupload-grant", "")},
	{"a header added", "<Code>SignatureDoesNotMatch</Code>", byExplain, "Leave it out, or ask POST /presign for it", "x-oss-object-acl", changed("x-oss-object-acl", "public-read")},
	{"another size than was asked", "<Code>SignatureDoesNotMatch</Code>", byExplain, "Ask POST /presign with the size of exactly what is sent", "11 bytes were sent",
		func(t *testing.T, w *world) (string, string) {
			g := w.put(t)
			out := curl(t, append(headers(g, nil), "-T", file(t, content+" again"), g.URL)...)
			return out, explained(t, out, g.text)
		}},
	{"bytes from a pipe, without a length", "<Code>InvalidArgument</Code>", byExplain, "Send a file, or bytes whose length is known", "Content-Length",
		func(t *testing.T, w *world) (string, string) {
			g := w.put(t)
			out := curl(t, append(headers(g, map[string]string{"Transfer-Encoding": "chunked"}), "-T", file(t, content), g.URL)...)
			return out, explained(t, out, g.text)
		}},
	{"a URL without quotes in a shell", "<Code>AccessDenied</Code>", byExplain, "Put the URL between single quotes", "A shell ended the command at an &",
		func(t *testing.T, w *world) (string, string) {
			g := w.presign(t, map[string]any{"filename": filename, "size": len(content), "as": "url"})
			if missing := stacktest.Missing("curl"); missing != "" {
				t.Skip(missing)
			}
			out := command(t, "sh", "-c", "curl -v -sS --max-time 20 -T "+file(t, content)+" "+g.URL+" 2>&1 >&2; wait")
			return out, explained(t, out, g.text)
		}},
	{"a URL that a library encoded again", "<Code>InvalidArgument</Code>", byExplain, "Send the URL as one string", "percent-encoded once more",
		func(t *testing.T, w *world) (string, string) {
			g := w.put(t)
			base, query, _ := strings.Cut(g.URL, "?")
			out := curl(t, append(headers(g, nil), "-T", file(t, content), base+"?"+strings.ReplaceAll(query, "%", "%25"))...)
			return out, explained(t, out, g.text)
		}},
	{"a URL copied out of HTML", "<Code>AccessDenied</Code>", byExplain, "Take url from the JSON of POST /presign with a JSON parser", "&amp;",
		func(t *testing.T, w *world) (string, string) {
			g := w.put(t)
			out := curl(t, append(headers(g, nil), "-T", file(t, content), strings.ReplaceAll(g.URL, "&", "&amp;"))...)
			return out, explained(t, out, g.text)
		}},
	{"a URL that has ended", "Request has expired", byExplain, "Ask POST /presign right before the upload", "before OSS got the request at",
		func(t *testing.T, w *world) (string, string) {
			g := w.presign(t, map[string]any{"filename": filename, "contentType": "image/png", "size": len(content), "expiresIn": 1})
			stacktest.Eventually(t, "the URL ends", func() bool { return time.Now().After(g.ExpiresAt.Add(time.Second)) })
			return w.send(t, g, nil)
		}},
	{"a URL used twice", "<Code>FileAlreadyExists</Code>", byExplain, "POST /confirm with uploadToken brings the receipt", "A URL writes once",
		func(t *testing.T, w *world) (string, string) {
			g := w.put(t)
			w.send(t, g, nil)
			return w.send(t, g, nil)
		}},
	{"a form field changed", "Policy Condition failed", byExplain, "Send every field of the answer of POST /presign, unchanged", "The form field Content-Type",
		func(t *testing.T, w *world) (string, string) {
			g := w.form(t, nil)
			out := curl(t, append(fields(g, map[string]string{contentTypeField(g): "text/html"}), "-F", "file=@"+file(t, content), g.URL)...)
			return out, explained(t, out, g.text)
		}},
	{"the file before the fields of the form", "<Code>InvalidArgument</Code>", byExplain, "Append the file last", "OSS ignores every field that stands behind the file",
		func(t *testing.T, w *world) (string, string) {
			g := w.form(t, nil)
			out := curl(t, append([]string{"-F", "file=@" + file(t, content)}, append(fields(g, nil), g.URL)...)...)
			return out, explained(t, out, g.text)
		}},
	{"a form sent by PUT", "<Code>AccessDenied</Code>", byExplain, "Send POST, as the field method of POST /presign says", "signed for POST, and PUT was sent",
		func(t *testing.T, w *world) (string, string) {
			g := w.form(t, nil)
			out := curl(t, "-T", file(t, content), g.URL)
			return out, explained(t, out, g.text)
		}},
	{"a file that is larger than the form allows", "<Code>EntityTooLarge</Code>", byExplain, "Ask POST /presign with the real size", "UPLOAD_MAX_SIZE",
		func(t *testing.T, w *world) (string, string) {
			g := w.form(t, map[string]any{"size": 2})
			out := curl(t, append(fields(g, nil), "-F", "file=@"+file(t, content), g.URL)...)
			return out, explained(t, out, g.text)
		}},
	{"no token", "401 unauthenticated", byAnswer, "Send a JWT in the Authorization header.", "Bearer", func(t *testing.T, w *world) (string, string) { return w.as(t) }},
	{"a token without Bearer", "401 unauthenticated", byAnswer, `as \"Bearer\", a space and the token.`, "Send Authorization: Bearer, one space, and the token",
		func(t *testing.T, w *world) (string, string) { return w.as(t, w.Ready.CallerToken) }},
	{"a token that has expired", "401 unauthenticated", byAnswer, "Ask your application for a new one.", `error_description="token has expired"`, claimed("exp", time.Now().Add(-time.Hour).Unix())},
	{"a token that is not valid yet, by a clock that is ahead", "401 unauthenticated", byAnswer, "check the clock of your application's server", "Set that clock by NTP",
		claimed("nbf", time.Now().Add(time.Hour).Unix())},
	{"a token for another aud", "401 unauthenticated", byAnswer, "Its tokens need AUTH_AUDIENCE of this service as aud", "set aud to AUTH_AUDIENCE", claimed("aud", "password-reset")},
	{"a token without exp", "401 unauthenticated", byAnswer, "Its tokens need exp: when they end, in seconds since 1970.", "the claim exp is missing", claimed("exp", nil)},
	{"a token with exp in milliseconds", "401 unauthenticated", byAnswer, "the claim exp is not a time", "in seconds since 1970 (not milliseconds)",
		claimed("exp", time.Now().Add(time.Hour).UnixMilli())},
	{"a token signed with another secret", "401 unauthenticated", byAnswer, "It must sign with what this service verifies with: AUTH_JWT_SECRET", "the same AUTH_JWT_SECRET, with base64: before it in both or in neither",
		func(t *testing.T, w *world) (string, string) {
			return w.as(t, "Bearer "+w.token(t, []byte("another secret of thirty-two bytes"), nil))
		}},
	{"a type that is not allowed", "400 invalid_request", byExplain, "What is allowed is set by UPLOAD_CONTENT_TYPES", `contentType "text/html" is not an allowed type`, asked("POST", "/presign", nil, map[string]any{"filename": "a.html", "contentType": "text/html", "size": 1})},
	{"a file that is too large", "400 invalid_request", byAnswer, "size must be at most 1000000 bytes", `"field":"size"`, asked("POST", "/presign", nil, map[string]any{"filename": filename, "contentType": "image/png", "size": 1000001})},
	{"`POST /confirm` with nothing", "400 invalid_request", byAnswer, "uploadToken is required without key", `"field":"uploadToken"`, asked("POST", "/confirm", nil, map[string]any{})},
	{"a field in another case", "400 invalid_request", byAnswer, "fileName is not a known field; filename is required", `"field":"fileName"`, asked("POST", "/presign", nil, map[string]any{"fileName": filename, "size": 1})},
	{"a body that is not said to be JSON", "415 unsupported_media_type", byAnswer, "The request body must be application/json.", "",
		asked("POST", "/presign", http.Header{"Content-Type": {"text/plain"}}, map[string]any{"filename": filename, "size": 1})},
	{"the upload token of another caller", "403 invalid_token", byExplain, "Send uploadToken as POST /presign answered it, as the same caller", "",
		func(t *testing.T, w *world) (string, string) {
			g := w.put(t)
			header := http.Header{"Authorization": {"Bearer " + w.token(t, w.Identity.CallerSecret, nil)}}
			a := w.ask(t, "POST", "/confirm", header, map[string]string{"uploadToken": g.UploadToken})
			return a.String(), explained(t, string(a.Body), "")
		}},
	{"the clock of a machine that signs by itself", "<Code>RequestTimeTooSkewed</Code>", byExplain, "Set the clock by NTP", "over 15 minutes away from OSS's",
		func(t *testing.T, w *world) (string, string) {
			date := time.Now().Add(-time.Hour).UTC().Format("20060102T150405Z")
			out := curl(t, "-T", file(t, content), "-H", "x-oss-date: "+date, "-H", "x-oss-content-sha256: UNSIGNED-PAYLOAD",
				"-H", "Authorization: OSS4-HMAC-SHA256 Credential=x/"+date[:8]+"/"+w.Ready.Region+"/oss/aliyun_v4_request,Signature=00", w.Ready.OSS+"/"+w.Ready.Bucket+"/x")
			return out, explained(t, out, "")
		}},
}

// contentTypeField is how the form spells it.
func contentTypeField(g granted) string {
	for name := range g.Fields {
		if strings.EqualFold(name, "Content-Type") {
			return name
		}
	}
	return "Content-Type"
}

// operators are the mistakes of whoever deploys.
var operators = []mistake{
	{"no CORS rule for the page's origin on the bucket", "<Code>AccessForbidden</Code>", byExplain, "Give the bucket a CORS rule: the origin of the page", "go run ./scripts/bucket",
		func(t *testing.T, w *world) (string, string) {
			other := newWorld(t, nil)
			cors := &sdk.PutBucketCorsRequest{Bucket: &other.Ready.Bucket, CORSConfiguration: &sdk.CORSConfiguration{CORSRules: []sdk.CORSRule{{
				AllowedOrigins: []string{"https://other.example.com"}, AllowedMethods: []string{"PUT"}, AllowedHeaders: []string{"*"},
			}}}}
			if _, err := other.Ready.Developer(http.DefaultClient).PutBucketCors(t.Context(), cors); err != nil {
				t.Fatal(err)
			}
			g := other.put(t)
			out := curl(t, "-X", "OPTIONS", "-H", "Origin: "+app, "-H", "Access-Control-Request-Method: PUT", "-H", "Access-Control-Request-Headers: content-type", g.URL)
			return out, explained(t, out, g.text)
		}},
	{"the page's origin is not in CORS_ORIGINS", "HTTP/1.1 204", byExplain, "Set CORS_ORIGINS to the exact origin, scheme and port included", "https://new.example.com",
		func(t *testing.T, w *world) (string, string) {
			out := curl(t, "-X", "OPTIONS", "-H", "Origin: https://new.example.com", "-H", "Access-Control-Request-Method: POST", "-H", "Access-Control-Request-Headers: authorization", w.Ready.Gateway+"/presign")
			return out, explained(t, out, "")
		}},
	{"CALLBACK_URL at which nobody listens", "<Code>CallbackFailed</Code>", byExplain, "POST /confirm announces this upload. Set CALLBACK_URL to the public HTTPS address", "The object is stored",
		deployed(func(t *testing.T, _ *world) map[string]string {
			return map[string]string{"CALLBACK_URL": "http://" + nobody + "/callback"}
		})},
	{"callbacks that never come, and that `/confirm` repairs", "200", byLog, "OSS does not reach CALLBACK_URL, or the callback function refuses it: go run ./scripts/doctor -only callback", `"level":"WARN","msg":"repair","action":"no callback"`,
		func(t *testing.T, _ *world) (string, string) {
			other := newWorld(t, map[string]string{"CALLBACK_URL": "http://" + nobody + "/callback"})
			g := other.put(t)
			other.send(t, g, nil)
			a := other.ask(t, "POST", "/confirm", nil, map[string]string{"uploadToken": g.UploadToken})
			return a.String(), other.line(t, `"action":"no callback"`)
		}},
	{"CALLBACK_URL with another path", "Error status : 404", byExplain, "Set CALLBACK_URL to where ossupload-callback answers", "it is not the callback function",
		deployed(func(t *testing.T, _ *world) map[string]string {
			return map[string]string{"CALLBACK_URL": serve(t, http.NotFound) + "/calback"}
		})},
	{"CALLBACK_URL that leads to another service", "not valid json format", byExplain, "Set CALLBACK_URL to where ossupload-callback answers", "a gateway's page",
		deployed(func(t *testing.T, _ *world) map[string]string {
			return map[string]string{"CALLBACK_URL": serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html></html>") }) + "/callback"}
		})},
	{"token secrets that differ between presign and callback", "Error status : 403", byExplain, "token means secrets or place", "UPLOAD_TOKEN_SECRETS",
		func(t *testing.T, _ *world) (string, string) {
			// Between the two stacks, of which each is to know the other's address.
			var callback atomic.Pointer[httputil.ReverseProxy]
			relay := serve(t, func(w http.ResponseWriter, r *http.Request) { callback.Load().ServeHTTP(w, r) })
			presigns := newWorld(t, map[string]string{"CALLBACK_URL": relay + "/callback"})
			calls := newWorld(t, map[string]string{"CALLBACK_KEY_URLS": presigns.Settings.Get("CALLBACK_KEY_URLS")})
			target, err := url.Parse(calls.Ready.Gateway)
			if err != nil {
				t.Fatal(err)
			}
			callback.Store(httputil.NewSingleHostReverseProxy(target))
			seen, said := presigns.send(t, presigns.put(t), nil)
			return seen, said + calls.line(t, `"code":"callback_rejected"`, `"reason":"token"`)
		}},
	{"a callback function that fails", "Error status : 500", byExplain, "The log of ossupload-callback has the cause", "ossupload-repair",
		func(t *testing.T, w *world) (string, string) {
			other := newWorld(t, nil)
			if err := other.Faults.Set(fault.Fault{Target: "callback", Operation: "*", Mode: "500", Count: 1}); err != nil {
				t.Fatal(err)
			}
			return other.send(t, other.put(t), nil)
		}},
	{"a receiver that is down", `"delivered":false`, byLog, "connect: connection refused", `"level":"WARN","msg":"outbox","action":"queue"`,
		func(t *testing.T, _ *world) (string, string) {
			other := newWorld(t, map[string]string{"WEBHOOK_URL": "http://" + nobody + "/hook"})
			seen, _ := other.send(t, other.put(t), nil)
			return seen, other.line(t, `"msg":"outbox"`, `"action":"queue"`)
		}},
	{"a receiver that is down, as the doctor sees it", "fail  webhook.reach", byDoctor, "let WEBHOOK_URL lead to your receiver", "",
		examined("webhook.reach", func(t *testing.T, _ *world) map[string]string {
			return map[string]string{"WEBHOOK_URL": "http://" + nobody + "/hook"}
		})},
	{"a receiver with another secret", "fail  webhook.signature", byDoctor, "give the receiver one of WEBHOOK_SECRETS", "",
		examined("webhook.signature", set("WEBHOOK_SECRETS", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))},
	{"OSS_ENDPOINT with the bucket in it", "fail  oss.endpoint-bucket", byDoctor, "take the bucket out of OSS_ENDPOINT", "",
		examined("oss.endpoint-bucket", func(*testing.T, *world) map[string]string {
			return map[string]string{"OSS_ENDPOINT": "https://ossupload-local.oss-cn-hangzhou.aliyuncs.com", "OSS_PATH_STYLE": ""}
		})},
	{"OSS_REGION of another bucket", "<Code>InvalidArgument</Code>", byExplain, "Set OSS_REGION to the region of the bucket", "another region than the bucket's",
		func(t *testing.T, w *world) (string, string) {
			return sendTo(t, w.signed(t, "cn-shanghai", w.Ready.Bucket, w.developer(), time.Now()))
		}},
	{"OSS_REGION of another bucket, as the doctor sees it", "fail  oss.region", byDoctor, "set OSS_REGION to the region of the bucket", "", examined("oss.region", set("OSS_REGION", "cn-shanghai"))},
	{"a bucket that does not exist", "<Code>NoSuchBucket</Code>", byExplain, "Make the bucket, or set OSS_BUCKET", "no-such-bucket",
		func(t *testing.T, w *world) (string, string) {
			return sendTo(t, w.signed(t, w.Ready.Region, "no-such-bucket", w.developer(), time.Now()))
		}},
	{"a role that may not store", "<Code>AccessDenied</Code>", byExplain, "go run ./scripts/ram", "oss:PutObject",
		func(t *testing.T, w *world) (string, string) {
			policy, err := ram.ParsePolicy([]byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:GetObject","Resource":"*"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			poor := signing.Credentials{AccessKeyID: "LTAI5tPoor", AccessKeySecret: "the secret of somebody poor"}
			w.Accounts.Add(ram.Credential{AccessKeyID: poor.AccessKeyID, AccessKeySecret: poor.AccessKeySecret, Policies: []ram.Policy{policy}})
			return sendTo(t, w.signed(t, w.Ready.Region, w.Ready.Bucket, poor, time.Now()))
		}},
	{"an access key that was deleted", "<Code>InvalidAccessKeyId</Code>", byExplain, "the key of whoever signs was deleted", "",
		func(t *testing.T, w *world) (string, string) {
			return sendTo(t, w.signed(t, w.Ready.Region, w.Ready.Bucket, signing.Credentials{AccessKeyID: "LTAI5tGone", AccessKeySecret: "the secret of somebody gone"}, time.Now()))
		}},
	{"a clock that is ahead where URLs are signed", "0002-00000235", byExplain, "Set the clock of whoever signs by NTP", "over 15 minutes ahead",
		func(t *testing.T, w *world) (string, string) {
			return sendTo(t, w.signed(t, w.Ready.Region, w.Ready.Bucket, w.developer(), time.Now().Add(20*time.Minute)))
		}},
	{"a clock that is behind where URLs are signed", "Request has expired", byExplain, "the clock of whoever signs is behind", "before OSS got the request",
		func(t *testing.T, w *world) (string, string) {
			return sendTo(t, w.signed(t, w.Ready.Region, w.Ready.Bucket, w.developer(), time.Now().Add(-20*time.Minute)))
		}},
	{"OSS_INTERNAL_ENDPOINT that cannot be reached", "502 storage_error", byExplain + " and " + byLog, "OSS_INTERNAL_ENDPOINT must be of the functions' region", "connect: connection refused",
		func(t *testing.T, _ *world) (string, string) {
			other := newWorld(t, map[string]string{"OSS_INTERNAL_ENDPOINT": "http://" + nobody})
			a := other.ask(t, "POST", "/s3/multipart", nil, map[string]any{"filename": filename, "type": "image/png"})
			return a.String(), explained(t, string(a.Body), "") + other.line(t, `"code":"storage_error"`)
		}},
	{"STS that cannot be reached", "503", byExplain + " and " + byLog, "who is busy: OSS, STS", "connect: connection refused",
		func(t *testing.T, _ *world) (string, string) {
			other := newWorld(t, map[string]string{"STS_ENDPOINT": nobody})
			a := other.ask(t, "POST", "/presign", nil, map[string]any{"filename": filename, "contentType": "image/png", "size": 1})
			return a.String(), explained(t, string(a.Body), "") + other.line(t, `"route":"/presign"`)
		}},
	{"CORS of gateway and functions both", "fail  gateway.cors-once", byDoctor, "turn the gateway's own CORS off", "",
		examined("gateway.cors-once", func(t *testing.T, w *world) map[string]string {
			target, err := url.Parse(w.Ready.Gateway)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httputil.NewSingleHostReverseProxy(target)
			proxy.ModifyResponse = func(res *http.Response) error {
				res.Header.Add("Access-Control-Allow-Origin", app)
				return nil
			}
			return map[string]string{"PUBLIC_URL": serve(t, proxy.ServeHTTP)}
		})},
}

// Each mistake is made, and what whoever made it gets to read names the mend.
func TestMistakes(t *testing.T) {
	stacktest.EndToEnd(t)
	if least := 25; len(integrators)+len(operators) < least {
		t.Errorf("there are %d mistakes, want %d", len(integrators)+len(operators), least)
	}
	w := newWorld(t, nil)
	for _, m := range append(append([]mistake{}, integrators...), operators...) {
		t.Run(m.what, func(t *testing.T) {
			t.Parallel()
			seen, said := m.make(t, w)
			if !strings.Contains(seen, m.seen) {
				t.Errorf("%q is not in what comes back:\n%s", m.seen, seen)
			}
			for _, want := range []string{m.mend, m.also} {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not in what %s says:\n%s", want, m.who, said)
				}
			}
		})
	}
}
