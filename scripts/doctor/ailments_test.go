package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/shared/outbox"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
)

// ailment is one thing that is broken, and the one check that has to say so.
type ailment struct {
	name  string
	id    string
	warns bool // it may be meant
	args  []string
	// inflict breaks it, and returns the settings that are changed.
	inflict func(*testing.T, *world) map[string]string
}

func (a ailment) status() string {
	if a.warns {
		return statusWarn
	}
	return statusFail
}

// heal undoes what is not undone at the end of a test.
func (w *world) heal() {
	w.gateway.Store(nil)
	w.now, w.network = time.Now, nil
	w.Faults.Clear()
}

func set(pairs ...string) func(*testing.T, *world) map[string]string {
	return func(*testing.T, *world) map[string]string {
		changed := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			changed[pairs[i]] = pairs[i+1]
		}
		return changed
	}
}

// nobody is an address at which nobody listens: a port that was free a moment
// ago may be another test's by now, and this one is given to nobody.
const nobody = "127.0.0.1:1"

func bucketWith(change func(*bucketSettings)) func(*testing.T, *world) map[string]string {
	return func(t *testing.T, w *world) map[string]string { return w.withBucket(t, change) }
}

func corsWith(change func(*oss.CORSRule)) func(*testing.T, *world) map[string]string {
	return func(t *testing.T, w *world) map[string]string { return w.withCORS(t, change) }
}

func roleWithout(action string) func(*testing.T, *world) map[string]string {
	return func(t *testing.T, w *world) map[string]string { return w.withRole(t, permissions(action)) }
}

func roleThatMay(action, resource string) func(*testing.T, *world) map[string]string {
	return func(t *testing.T, w *world) map[string]string {
		return w.withRole(t, permissions("", allowing(action, "acs:oss:*:*:ossupload-local"+resource)))
	}
}

// gatewayThat stands before the functions.
func gatewayThat(does func(next http.Handler) http.Handler) func(*testing.T, *world) map[string]string {
	return func(_ *testing.T, w *world) map[string]string {
		w.gateway.Store(&does)
		return nil
	}
}

func answering(status int) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
}

// proxyTo answers as what is at a URL.
func proxyTo(t *testing.T, target string) http.Handler {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Host = u.Host
	}}
}

// tlsBefore serves what is at a URL with a certificate for 127.0.0.1 and
// example.com.
func tlsBefore(t *testing.T, target string) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(proxyTo(t, target))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// trusting is a network that trusts a server of tlsBefore.
func trusting(server *httptest.Server) http.RoundTripper {
	transport, roots := newTransport(), x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return transport
}

// queueAt is the queue of a bucket as it is written at a time.
func (w *world) queueAt(t *testing.T, at string, now time.Time) *outbox.Queue {
	t.Helper()
	p, err := newPatient(command{}, outside{lookup: func(name string) (string, bool) { v := w.settings[name]; return v, v != "" }, now: time.Now, random: strings.NewReader(strings.Repeat("random", 1000))})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := signing.ParseEndpoint(at, signing.PathStyle)
	if err != nil {
		t.Fatal(err)
	}
	store := storage.New(storage.Config{
		Region: w.Ready.Region, Bucket: w.Ready.Bucket, Endpoint: endpoint,
		Credentials: fixed(rolecreds.Credentials{AccessKeyID: w.Ready.AccessKeyID, AccessKeySecret: w.Ready.AccessKeySecret}),
	})
	q, err := outbox.New(outbox.Config{Storage: store, Sealer: p.keyring, Root: p.own(""), RetryFor: 72 * time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// waiting queues an event, so long ago, of an object that was stored when.
func waiting(ago, storedAgo time.Duration) func(*testing.T, *world) map[string]string {
	return func(t *testing.T, w *world) map[string]string {
		changed := w.withBucket(t, nil)
		q := w.queueAt(t, changed["OSS_ENDPOINT"], time.Now().Add(-ago))
		err := q.Put(t.Context(), outbox.Entry{
			Kind: outbox.Event, ID: "evt_1", Key: "uploads/demo/a", Marker: "m", Type: "upload.completed", Body: []byte("{}"), Stored: time.Now().Add(-storedAgo),
		})
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
}

// lying has something in a bucket that nobody has sealed.
func lying(key string) func(*testing.T, *world) map[string]string {
	return func(t *testing.T, w *world) map[string]string {
		changed := w.withBucket(t, nil)
		w.store(t, changed["OSS_ENDPOINT"], key)
		return changed
	}
}

func faulty(target, operation string, count int) func(*testing.T, *world) map[string]string {
	return func(t *testing.T, w *world) map[string]string {
		if err := w.Faults.Set(fault.Fault{Target: target, Operation: operation, Mode: "500", Count: count}); err != nil {
			t.Fatal(err)
		}
		return nil
	}
}

var ailments = []ailment{
	// What OSS is asked with.
	{name: "the clock is 20 minutes ahead", id: "clock", inflict: func(_ *testing.T, w *world) map[string]string {
		w.now = func() time.Time { return time.Now().Add(20 * time.Minute) }
		return nil
	}},
	{name: "another region", id: "oss.region", inflict: set("OSS_REGION", "cn-shanghai")},
	{name: "an endpoint that is not OSS", id: "oss.endpoint", inflict: func(t *testing.T, w *world) map[string]string {
		return map[string]string{"OSS_ENDPOINT": w.Ready.Gateway}
	}},
	{name: "an endpoint at which nobody listens", id: "oss.endpoint", inflict: func(t *testing.T, w *world) map[string]string {
		return map[string]string{"OSS_ENDPOINT": "http://" + nobody}
	}},
	{name: "an endpoint that holds the bucket", id: "oss.endpoint-bucket",
		inflict: set("OSS_ENDPOINT", "https://ossupload-local.oss-cn-hangzhou.aliyuncs.com", "OSS_PATH_STYLE", "")},
	{name: "a public endpoint that is closed to new accounts", id: "oss.public-endpoint", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"OSS_ENDPOINT": serve(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("x-oss-request-id", "1")
			rw.WriteHeader(http.StatusForbidden)
			io.WriteString(rw, "<Error><Code>PublicEndpointForbidden</Code><Message>planted</Message></Error>")
		}))}
	}},
	{name: "credentials that have expired", id: "oss.credentials", inflict: func(_ *testing.T, w *world) map[string]string {
		return w.operator("expired", time.Now().Add(-time.Hour))
	}},
	{name: "a wrong secret", id: "oss.credentials", inflict: set(keySecret, "planted-and-wrong")},
	{name: "a wrong security token", id: "oss.credentials", inflict: set(keyToken, "planted-and-wrong")},
	{name: "an unknown access key", id: "oss.credentials", inflict: set(keyID, "nobody", keyToken, "")},
	{name: "a bucket that is not there", id: "oss.bucket", inflict: func(t *testing.T, w *world) map[string]string {
		return map[string]string{"OSS_ENDPOINT": w.anotherOSS(t, nil, "another-bucket")}
	}},
	{name: "an operator who may not list", id: "oss.access", inflict: func(t *testing.T, w *world) map[string]string {
		p, err := ram.ParsePolicy([]byte(`{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return w.operator("poor", time.Time{}, p)
	}},

	// The upload role.
	{name: "a role that does not exist", id: "role.assume", inflict: set("UPLOAD_ROLE_ARN", "acs:ram::"+account+":role/nobody")},
	{name: "an STS at which nobody listens", id: "role.assume", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"STS_ENDPOINT": nobody}
	}},
	{name: "a role that does not trust the operator", id: "role.assume", warns: true, inflict: func(_ *testing.T, w *world) map[string]string {
		return map[string]string{keyID: w.Ready.AccessKeyID, keySecret: w.Ready.AccessKeySecret, keyToken: ""}
	}},
	{name: "no oss:PutObject", id: "role.write", args: writing, inflict: roleWithout("oss:PutObject")},
	{name: "no oss:GetObject", id: "role.read", inflict: roleWithout("oss:GetObject")},
	{name: "no oss:ListParts", id: "role.list-parts", inflict: roleWithout("oss:ListParts")},
	{name: "no oss:AbortMultipartUpload", id: "role.abort", args: writing, inflict: roleWithout("oss:AbortMultipartUpload")},
	{name: "a role that may write what is ours", id: "role.own-write", args: writing, inflict: roleThatMay("oss:PutObject", "/_ossupload/*")},
	{name: "a role that may read what is ours", id: "role.own-read", inflict: roleThatMay("oss:GetObject", "/_ossupload/*")},
	{name: "a role that may list", id: "role.list", inflict: roleThatMay("oss:ListObjects", "")},
	{name: "a role that may delete", id: "role.delete", args: writing, inflict: roleThatMay("oss:DeleteObject", "/uploads/*")},

	// What a browser asks of OSS.
	{name: "no CORS rule", id: "cors.rules", inflict: corsWith(nil)},
	{name: "CORS without the origin", id: "cors.origin", inflict: corsWith(func(r *oss.CORSRule) { r.AllowedOrigins = []string{"https://another.example.com"} })},
	{name: "CORS without PUT", id: "cors.put", inflict: corsWith(func(r *oss.CORSRule) { r.AllowedMethods = []string{"POST", "GET"} })},
	{name: "CORS without POST", id: "cors.post", inflict: corsWith(func(r *oss.CORSRule) { r.AllowedMethods = []string{"PUT", "GET"} })},
	{name: "CORS without our headers", id: "cors.headers", inflict: corsWith(func(r *oss.CORSRule) { r.AllowedHeaders = []string{"content-type"} })},
	{name: "CORS that does not expose ETag", id: "cors.etag", inflict: corsWith(func(r *oss.CORSRule) { r.ExposeHeaders = nil })},

	// What the bucket does by itself.
	{name: "no lifecycle rules", id: "lifecycle.abort", inflict: bucketWith(func(s *bucketSettings) { s.lifecycle = nil })},
	{name: "uploads are aborted too soon", id: "lifecycle.abort", inflict: bucketWith(func(s *bucketSettings) { s.lifecycle[0].AbortMultipartUpload.Days = sdk.Ptr(int32(2)) })},
	{name: "a rule that is disabled", id: "lifecycle.abort", inflict: bucketWith(func(s *bucketSettings) { s.lifecycle[0].Status = sdk.Ptr("Disabled") })},
	{name: "markers stay for ever", id: "lifecycle.markers", warns: true, inflict: bucketWith(func(s *bucketSettings) { s.lifecycle = s.lifecycle[:2] })},
	{name: "events that wait expire", id: "lifecycle.queue", inflict: bucketWith(func(s *bucketSettings) {
		s.lifecycle = append(s.lifecycle, expiring("tidy", "_ossupload/uploads/_pending/", 30))
	})},
	{name: "all that is ours expires", id: "lifecycle.queue", inflict: bucketWith(func(s *bucketSettings) {
		s.lifecycle = []sdk.LifecycleRule{s.lifecycle[0], expiring("tidy", "_ossupload/", 30)}
	})},
	{name: "uploads expire", id: "lifecycle.uploads", warns: true, inflict: bucketWith(func(s *bucketSettings) {
		s.lifecycle = append(s.lifecycle, expiring("tidy", "uploads/demo/", 30))
	})},
	{name: "versions that stay for ever", id: "lifecycle.noncurrent", inflict: bucketWith(func(s *bucketSettings) { s.versions = true })},
	{name: "nothing forbids to write over uploads", id: "overwrite.rule", warns: true, inflict: bucketWith(func(s *bucketSettings) { s.overwrite = nil })},
	{name: "markers cannot be written over", id: "overwrite.rule", inflict: bucketWith(func(s *bucketSettings) { s.overwrite = []sdk.OverwriteRule{forbidding("")} })},

	// The callback.
	{name: "a callback at which nobody listens", id: "callback.reach", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"CALLBACK_URL": "http://" + nobody + "/callback?key=planted"}
	}},
	{name: "a callback that something else answers", id: "callback.ours", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"CALLBACK_URL": serve(t, http.NotFoundHandler()) + "/callback"}
	}},
	{name: "a callback behind a login", id: "callback.ours", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"CALLBACK_URL": serve(t, http.RedirectHandler("https://login.example.com", http.StatusFound)) + "/callback"}
	}},
	{name: "a callback with a certificate of another name", id: "callback.tls", inflict: func(t *testing.T, w *world) map[string]string {
		server := tlsBefore(t, w.Ready.Gateway)
		w.network = trusting(server)
		return map[string]string{"CALLBACK_URL": strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/callback"}
	}},
	{name: "a callback with a certificate of nobody's", id: "callback.tls", inflict: func(t *testing.T, w *world) map[string]string {
		return map[string]string{"CALLBACK_URL": tlsBefore(t, w.Ready.Gateway).URL + "/callback"}
	}},

	// What stands before the functions.
	{name: "a gateway at which nobody listens", id: "gateway.reach", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"PUBLIC_URL": "http://" + nobody}
	}},
	{name: "a gateway without functions", id: "gateway.reach", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"PUBLIC_URL": serve(t, answering(http.StatusBadGateway))}
	}},
	{name: "a gateway with a certificate of another name", id: "gateway.tls", inflict: func(t *testing.T, w *world) map[string]string {
		server := tlsBefore(t, w.Ready.Gateway)
		w.network = trusting(server)
		return map[string]string{"PUBLIC_URL": strings.Replace(server.URL, "127.0.0.1", "localhost", 1)}
	}},
	{name: "a gateway that changes paths", id: "gateway.path", inflict: gatewayThat(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/s3/") {
				r.URL.Path = "/s3/v1" + r.URL.Path
			}
			next.ServeHTTP(rw, r)
		})
	})},
	{name: "a gateway that drops Authorization", id: "gateway.authorization", inflict: gatewayThat(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.Header.Del("Authorization")
			next.ServeHTTP(rw, r)
		})
	})},
	{name: "a gateway that drops X-Request-Id", id: "gateway.request-id", inflict: gatewayThat(func(next http.Handler) http.Handler {
		return rewriting(next, func(h http.Header) { h.Del("X-Request-Id") })
	})},
	{name: "a gateway that answers for CORS as well", id: "gateway.cors-once", inflict: gatewayThat(func(next http.Handler) http.Handler {
		return rewriting(next, func(h http.Header) { h.Add("Access-Control-Allow-Origin", app) })
	})},
	{name: "a gateway that answers OPTIONS itself", id: "gateway.cors", inflict: gatewayThat(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodOptions {
				http.NotFound(rw, r)
				return
			}
			next.ServeHTTP(rw, r)
		})
	})},
	{name: "functions that know another origin", id: "gateway.cors", inflict: set("CORS_ORIGINS", app+",https://new.example.com")},

	// What the functions know.
	{name: "a token with another secret", id: "gateway.token", inflict: func(_ *testing.T, w *world) map[string]string {
		token := w.Ready.CallerToken
		return map[string]string{"OSSUPLOAD_TOKEN": token[:strings.LastIndex(token, ".")+1] + "cGxhbnRlZC1zaWduYXR1cmUtb2Ytbm9ib2R5LWF0LWFsbA"}
	}},
	{name: "functions with other token secrets", id: "functions.secrets", inflict: set("UPLOAD_TOKEN_SECRETS", "k1:cGxhbnRlZCBzZWNyZXQgb2YgdGhpcyB0ZXN0IG9ubHksIDMyYg==")},

	{name: "functions of another region", id: "functions.sts", inflict: gatewayThat(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			recorded := httptest.NewRecorder()
			next.ServeHTTP(recorded, r)
			maps.Copy(rw.Header(), recorded.Header())
			rw.Header().Del("Content-Length")
			rw.WriteHeader(recorded.Code)
			_, _ = io.WriteString(rw, strings.Replace(recorded.Body.String(), `"region":"cn-hangzhou"`, `"region":"cn-shanghai"`, 1))
		})
	})},

	// The application's receiver.
	{name: "a receiver with another secret", id: "webhook.signature", inflict: set("WEBHOOK_SECRETS", "whsec_cGxhbnRlZCBzZWNyZXQgb2YgdGhpcyB0ZXN0IG9ubHksIDMyYg==")},
	{name: "a receiver that is down", id: "webhook.reach", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"WEBHOOK_URL": "http://" + nobody + "/hook?key=planted"}
	}},
	{name: "a receiver with a certificate of nobody's", id: "webhook.reach", inflict: func(t *testing.T, w *world) map[string]string {
		return map[string]string{"WEBHOOK_URL": tlsBefore(t, w.Ready.Gateway).URL + "/_local/webhook?key=planted"}
	}},
	{name: "a receiver that redirects", id: "webhook.reach", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"WEBHOOK_URL": serve(t, http.RedirectHandler("https://www.example.com/planted", http.StatusMovedPermanently))}
	}},
	{name: "a receiver that fails", id: "webhook.reach", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"WEBHOOK_URL": serve(t, answering(http.StatusInternalServerError))}
	}},
	{name: "a receiver that believes everybody", id: "webhook.forged", inflict: func(t *testing.T, _ *world) map[string]string {
		return map[string]string{"WEBHOOK_URL": serve(t, answering(http.StatusNoContent))}
	}},

	// The queue.
	{name: "an event that nobody takes", id: "queue.age", inflict: waiting(5*time.Hour, 0)},
	{name: "a timer that does not fire", id: "queue.timer", inflict: waiting(time.Hour, time.Hour)},
	{name: "an event that does not open", id: "queue.sealed", inflict: lying("_ossupload/uploads/_pending/1795172400-evt_1")},
	{name: "a dead letter", id: "queue.dead", inflict: lying("_ossupload/uploads/_dead/evt_1")},

	// Uploads.
	{name: "callbacks that fail", id: "upload.put", args: uploading, inflict: faulty("callback", "*", 1)},
	{name: "completions that fail", id: "upload.multipart", args: uploading, inflict: faulty("oss", "CompleteMultipartUpload", 10)},
	{name: "events that are not taken", id: "upload.event", args: append([]string{"-skip", "webhook"}, uploading...), inflict: faulty("webhook", "*", 100)},
}

var (
	writing   = []string{"-upload", "-skip", "upload"}
	uploading = []string{"-upload"}
)

// rewriting changes the headers of answers before they go.
func rewriting(next http.Handler, change func(http.Header)) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		for name, values := range recorded.Header() {
			rw.Header()[name] = values
		}
		change(rw.Header())
		rw.WriteHeader(recorded.Code)
		_, _ = io.Copy(rw, recorded.Body)
	})
}
