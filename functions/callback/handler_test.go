package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// wantReceipt is the receipt of newWorld's object, but for what the answer alone
// says.
const wantReceipt = `"location":"https://examplebucket.oss-cn-hangzhou.aliyuncs.com/` + testKey + `",` +
	`"bucket":"examplebucket","key":"` + testKey + `","size":5,"etag":"` + testETag + `","crc64":"123","contentType":"image/png","versionId":"v1",` +
	`"filename":"夏.png","metadata":{"album":"été"},"vars":{"k":"<&>"},"context":{"order":1},"uploadedAt":"2026-11-30T16:30:00Z",` +
	`"eventId":"` + testEvent + `"`

// sameJSON compares two JSON objects without regard to the order of names.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w map[string]any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHonestCallback(t *testing.T) {
	w := newWorld(t)
	a := send(t, w.function(t), callback(t))
	if a.Status != http.StatusOK || a.Header["Content-Type"] != "application/json" || a.Header["Cache-Control"] != "no-store" {
		t.Fatalf("answer %d %v %s, want 200", a.Status, a.Header, a.Body)
	}
	var receipt struct{ EventID, ReceiptToken string }
	if err := json.Unmarshal([]byte(a.Body), &receipt); err != nil {
		t.Fatal(err)
	}
	sameJSON(t, a.Body, "{"+wantReceipt+`,"delivered":true,"receiptToken":"`+receipt.ReceiptToken+`"}`)

	proof, err := jwt.Parse(receipt.ReceiptToken, func(*jwt.Token) (any, error) { return receiptSecret, nil }, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil {
		t.Fatal(err)
	}
	proven, err := json.Marshal(proof.Claims)
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, string(proven), "{"+wantReceipt+`,"iss":"ossupload","sub":"alice","jti":"`+receipt.EventID+`","iat":1796056200}`)

	if len(w.backend.deliveries) != 1 {
		t.Fatalf("%d deliveries, want 1", len(w.backend.deliveries))
	}
	d := w.backend.deliveries[0]
	sameJSON(t, string(d.body), `{"type":"upload.completed","timestamp":"2026-11-30T16:30:00Z","data":{`+wantReceipt+`,"subject":"alice"}}`)
	mac := hmac.New(sha256.New, hookSecret)
	mac.Write([]byte(receipt.EventID + ".1796056200." + string(d.body)))
	want := map[string]string{
		"Content-Type": "application/json", "Webhook-Id": receipt.EventID, "Webhook-Timestamp": "1796056200",
		"Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}
	for name, value := range want {
		if got := d.header.Get(name); got != value {
			t.Errorf("delivery with %s %q, want %q", name, got, value)
		}
	}
	if d.url != "POST https://backend.example.com/events" {
		t.Errorf("delivery by %s", d.url)
	}
	if !slices.Equal(w.bucket.heads, []string{testKey}) || !slices.Equal(w.bucket.markers(), []string{testMarker}) || !slices.Equal(w.keys.asked, []string{keyURL}) {
		t.Errorf("asked for %q and the keys %q, marked %q, want one HEAD, one key and the marker %q", w.bucket.heads, w.keys.asked, w.bucket.markers(), testMarker)
	}
	if !maps.Equal(w.bucket.stored, map[string]string{testMarker: "taken"}) {
		t.Errorf("stored %q, want the marker alone, which says taken", w.bucket.stored)
	}
}

// What makes an object disagree with nobody is taken as it is.
func TestHonestCallbacks(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, w *world, m *message)
	}{
		{"an ETag in lower case", func(t *testing.T, w *world, m *message) {
			m.says(t, notice(t, map[string]string{"etag": strings.ToLower(testETag)}))
		}},
		{"an ETag in quotes", func(t *testing.T, w *world, m *message) {
			m.says(t, notice(t, map[string]string{"etag": `"` + testETag + `"`}))
		}},
		{"an object in parts", func(t *testing.T, w *world, m *message) {
			w.object(func(o *storage.Object) { o.Type = "Multipart" })
		}},
		{"an empty object", func(t *testing.T, w *world, m *message) {
			w.object(func(o *storage.Object) { o.Size = 0 })
			c := claims()
			*c.Size = 0
			m.says(t, notice(t, map[string]string{"size": "0", "token": seal(t, tokenKeys, uploadtoken.Upload, c)}))
		}},
		{"no version of a signature", func(t *testing.T, w *world, m *message) { delete(m.header, "x-oss-signature-version") }},
		{"headers in other cases", func(t *testing.T, w *world, m *message) {
			m.header["X-OSS-PUB-KEY-URL"] = m.header["x-oss-pub-key-url"]
			delete(m.header, "x-oss-pub-key-url")
		}},
		{"a token sealed with the second key", func(t *testing.T, w *world, m *message) {
			second := uploadtoken.Key{ID: "k2", Secret: make([]byte, 32)}
			w.settings.TokenKeys = append(slices.Clone(tokenKeys), second)
			m.says(t, notice(t, map[string]string{"token": seal(t, []uploadtoken.Key{second}, uploadtoken.Upload, claims())}))
		}},
		{"a webhook that takes it for later", func(t *testing.T, w *world, m *message) { w.backend.status = http.StatusAccepted }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, m := newWorld(t), callback(t)
			tt.change(t, w, m)
			if a := send(t, w.function(t), m); a.Status != http.StatusOK || len(w.backend.deliveries) != 1 || len(w.bucket.markers()) != 1 {
				t.Errorf("answer %d %s, %d deliveries and %d markers, want 200 and one of each", a.Status, a.Body, len(w.backend.deliveries), len(w.bucket.markers()))
			}
		})
	}
}

// OSS signs the URL as it was configured; a gateway may have rewritten what
// arrives, or be the one that OSS was told of.
func TestSignedURIs(t *testing.T) {
	query := map[string][]string{"tenant": {"2"}}
	tests := []struct {
		name   string
		signed string
		path   string
		query  map[string][]string
		status int
	}{
		{"as configured, wherever it arrives", "/hooks/callback?tenant=a%2Fb&x=1", "/", nil, 200},
		{"as configured, with another query", "/hooks/callback?tenant=a%2Fb&x=1", "/rewritten", query, 200},
		{"as received", "/a/b/c", "/a/b/c", nil, 200},
		{"as received at the root", "/", "/", nil, 200},
		{"as received, decoded", "/a b/夏", "/a%20b/%E5%A4%8F", nil, 200},
		{"as received with its query", "/a?tenant=2", "/a", query, 200},
		{"as received without its query", "/a", "/a", query, 200},
		{"the configured path without its query", "/hooks/callback", "/elsewhere", nil, 403},
		{"another query", "/a?tenant=3", "/a", query, 403},
		{"the received query on the configured path", "/hooks/callback?tenant=2", "/a", query, 403},
		{"another path", "/b", "/a", nil, 403},
		{"no path", "", "/a", nil, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, m := newWorld(t), callback(t)
			m.path, m.query = tt.path, tt.query
			m.sign(t, ossKeys()[0], tt.signed)
			if a := send(t, w.function(t), m); a.Status != tt.status {
				t.Errorf("answer %d %s, want %d", a.Status, a.Body, tt.status)
			}
		})
	}
	t.Run("the configured one is tried first", func(t *testing.T) {
		w := newWorld(t)
		h, err := newHandler(w.settings, outside{storage: w.bucket, now: w.now, random: zeros{}})
		if err != nil {
			t.Fatal(err)
		}
		got := h.uris(httptest.NewRequest("POST", "/a%20b?y=2", nil))
		if want := []string{"/hooks/callback?tenant=a%2Fb&x=1", "/a%20b?y=2", "/a%20b"}; !slices.Equal(got, want) {
			t.Errorf("uris = %q, want %q", got, want)
		}
	})
}

func TestAddressesAndMethods(t *testing.T) {
	w := newWorld(t)
	f := w.function(t)
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
		m := callback(t)
		m.method = method
		if a := send(t, f, m); a.Status != http.StatusMethodNotAllowed || a.Header["Allow"] != "OPTIONS, POST" {
			t.Errorf("%s = %d with Allow %q, want 405 with OPTIONS, POST", method, a.Status, a.Header["Allow"])
		}
	}
	m := callback(t)
	m.method = "GET"
	send(t, f, m).refused(t, http.StatusMethodNotAllowed, "method_not_allowed")

	m = callback(t)
	m.body = strings.Repeat("x", 64<<10)
	send(t, f, m).refused(t, http.StatusForbidden, "callback_rejected")
	m.body += "x"
	send(t, f, m).refused(t, http.StatusRequestEntityTooLarge, "too_large")
	if len(w.bucket.heads)+len(w.backend.deliveries) != 0 {
		t.Errorf("%d HEADs and %d deliveries, want none", len(w.bucket.heads), len(w.backend.deliveries))
	}
}

// A stored and verified upload is a success, whatever the receiver does: what it
// does not take is queued.
func TestWebhookThatDoesNotTakeIt(t *testing.T) {
	for status, tries := range map[int]int{
		http.StatusInternalServerError: 3, http.StatusTooManyRequests: 3, http.StatusBadRequest: 1, http.StatusFound: 1, http.StatusGone: 1,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.backend.status = status
				a := send(t, w.function(t), callback(t))
				var receipt struct{ ReceiptToken string }
				if err := json.Unmarshal([]byte(a.Body), &receipt); err != nil {
					t.Fatal(err)
				}
				if a.Status != http.StatusOK {
					t.Errorf("answer %d, want 200", a.Status)
				}
				sameJSON(t, a.Body, "{"+wantReceipt+`,"delivered":false,"receiptToken":"`+receipt.ReceiptToken+`"}`)
				if len(w.backend.deliveries) != tries {
					t.Errorf("%d deliveries, want %d", len(w.backend.deliveries), tries)
				}
				// Queued first, so that a crash in between loses nothing.
				if want := []string{testQueued, testMarker}; !slices.Equal(w.bucket.puts, want) || w.bucket.stored[testMarker] != "queued" {
					t.Errorf("stored %q and the marker says %q, want %q and queued", w.bucket.puts, w.bucket.stored[testMarker], want)
				}
				e := w.entry(t, testQueued)
				want := outbox.Entry{
					Kind: outbox.Event, ID: testEvent, Key: testKey, Marker: testMarker, Type: "upload.completed", Body: w.backend.deliveries[0].body,
					Trace:  w.backend.deliveries[0].header.Get("traceparent"),
					Stored: testNow.Truncate(time.Second), Queued: testNow.Truncate(time.Second),
				}
				if want.Trace == "" {
					t.Error("delivered without a trace")
				}
				if e.Stored = e.Stored.UTC(); !reflect.DeepEqual(e, want) {
					t.Errorf("queued %+v, want %+v", e, want)
				}
			})
		})
	}
}

// entry opens what was queued under a name.
func (w *world) entry(t *testing.T, name string) (e outbox.Entry) {
	t.Helper()
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: tokenKeys, Place: testPlace, Random: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := keyring.OpenEvent(w.bucket.stored[name])
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil {
		t.Fatalf("opening %q, which is %q: %v", name, w.bucket.stored[name], err)
	}
	return e
}

// What is neither taken nor queued is not a success: asking again repairs it.
func TestNeitherTakenNorQueued(t *testing.T) {
	for _, reason := range []error{storage.ErrDenied, storage.ErrThrottled, storage.ErrTimeout, storage.ErrUnavailable, storage.ErrCredentials} {
		w := newWorld(t)
		w.backend.status = http.StatusBadRequest
		w.bucket.fails["/_pending/"] = reason
		f := w.function(t)
		a := send(t, f, callback(t))
		if a.refused(t, http.StatusBadGateway, "delivery_failed"); a.Header["Retry-After"] != "1" {
			t.Errorf("%v: Retry-After %q, want 1", reason, a.Header["Retry-After"])
		}
		if len(w.bucket.puts) != 0 {
			t.Errorf("%v: stored %q, want nothing", reason, w.bucket.puts)
		}
		// Once the queue is back, so is the answer.
		delete(w.bucket.fails, "/_pending/")
		if a := send(t, f, callback(t)); a.Status != http.StatusOK || len(w.bucket.queued()) != 1 {
			t.Errorf("%v: then %d %s and %q queued, want 200 and one", reason, a.Status, a.Body, w.bucket.queued())
		}
	}
}

// What another instance had delivered stays delivered, although it cannot be
// delivered again.
func TestDeliveredBefore(t *testing.T) {
	w := newWorld(t)
	first := send(t, w.function(t), callback(t))
	w.backend.status = http.StatusBadRequest
	a := send(t, w.function(t), callback(t))
	if a.Status != http.StatusOK || a.Body != first.Body || !strings.Contains(a.Body, `"delivered":true`) {
		t.Errorf("answer %d %s, want the first: %s", a.Status, a.Body, first.Body)
	}
	if len(w.bucket.queued()) != 0 || w.bucket.stored[testMarker] != "taken" {
		t.Errorf("queued %q, the marker says %q, want nothing and taken", w.bucket.queued(), w.bucket.stored[testMarker])
	}
	// What was queued before is not.
	w.bucket.stored[testMarker] = "queued"
	if a := send(t, w.function(t), callback(t)); a.Status != http.StatusOK || !strings.Contains(a.Body, `"delivered":false`) {
		t.Errorf("answer %d %s, want 200, not delivered", a.Status, a.Body)
	}
	// And once it is taken, the marker says so.
	w.backend.status = http.StatusOK
	if a := send(t, w.function(t), callback(t)); a.Body != first.Body || w.bucket.stored[testMarker] != "taken" {
		t.Errorf("answer %s, the marker says %q, want the first and taken", a.Body, w.bucket.stored[testMarker])
	}
}

// An object that disagrees with its grant is told of once, if that is wanted.
func TestRefusedIsToldOnce(t *testing.T) {
	for _, tt := range []struct {
		name       string
		events     []string
		status     int
		deliveries int
		puts       []string
	}{
		{"nobody wants to know", []string{"upload.completed"}, 204, 0, nil},
		{"told", []string{"upload.completed", "upload.refused"}, 204, 1, []string{testMarker}},
		{"queued", []string{"upload.completed", "upload.refused"}, 400, 1, []string{strings.Replace(testQueued, testEvent, refusedEvent, 1), testMarker}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.settings.Webhook.Events = tt.events
			w.backend.status = tt.status
			w.object(func(o *storage.Object) { o.CacheControl = "no-cache" })
			for range 2 { // by two instances
				send(t, w.function(t), callback(t)).refused(t, http.StatusForbidden, "callback_rejected")
			}
			if len(w.backend.deliveries) != tt.deliveries || !slices.Equal(w.bucket.puts, tt.puts) {
				t.Fatalf("%d deliveries, stored %q, want %d and %q", len(w.backend.deliveries), w.bucket.puts, tt.deliveries, tt.puts)
			}
			if tt.deliveries == 0 {
				return
			}
			if said := w.bucket.stored[testMarker]; said != "refused" {
				t.Errorf("the marker says %q, want refused", said)
			}
			sameJSON(t, string(w.backend.deliveries[0].body), `{"type":"upload.refused","timestamp":"2026-11-30T16:30:00Z","data":{`+
				`"bucket":"examplebucket","key":"`+testKey+`","size":5,"etag":"`+testETag+`","versionId":"v1","subject":"alice","uploadedAt":"2026-11-30T16:30:00Z",`+
				`"eventId":"`+refusedEvent+`","reason":"object is not what was granted: it has a Cache-Control or Expires that nobody granted"}}`)
			if tt.status == 400 {
				if e := w.entry(t, tt.puts[0]); e.Type != "upload.refused" || !bytes.Equal(e.Body, w.backend.deliveries[0].body) {
					t.Errorf("queued %+v, want what was delivered", e)
				}
			}
		})
	}
}

// A disagreement is rejected, whether or not it could be told.
func TestRefusedThatCannotBeTold(t *testing.T) {
	w := newWorld(t)
	w.settings.Webhook.Events = []string{"upload.refused"}
	w.backend.status = http.StatusBadRequest
	w.bucket.fails["/_pending/"] = storage.ErrUnavailable
	w.object(func(o *storage.Object) { o.Size = 6 })
	m := callback(t)
	m.says(t, notice(t, map[string]string{"size": "6"}))
	send(t, w.function(t), m).refused(t, http.StatusForbidden, "callback_rejected")
	if len(w.bucket.puts) != 0 {
		t.Errorf("stored %q, want nothing, so that it is told when somebody asks again", w.bucket.puts)
	}
}

// A mark that fails costs a delivery later, and the uploader nothing.
func TestMarkThatFails(t *testing.T) {
	w := newWorld(t)
	w.bucket.fails["/_announced/"] = storage.ErrDenied
	if a := send(t, w.function(t), callback(t)); a.Status != http.StatusOK || len(w.backend.deliveries) != 1 {
		t.Errorf("answer %d %s and %d deliveries, want 200 and one", a.Status, a.Body, len(w.backend.deliveries))
	}
}

// An instance does not deliver again what it has just delivered, and whoever
// asks again gets the same receipt.
func TestCallbackTwice(t *testing.T) {
	w := newWorld(t)
	f := w.function(t)
	first, second := send(t, f, callback(t)), send(t, f, callback(t))
	if first.Status != http.StatusOK || second.Body != first.Body {
		t.Errorf("answers %s and %s, want the same receipt", first.Body, second.Body)
	}
	if len(w.backend.deliveries) != 1 || len(w.keys.asked) != 1 {
		t.Errorf("%d deliveries and %d key fetches, want one of each", len(w.backend.deliveries), len(w.keys.asked))
	}
	if a := send(t, w.function(t), callback(t)); a.Body != first.Body || len(w.backend.deliveries) != 2 {
		t.Errorf("another instance: %s, %d deliveries, want the same receipt and another delivery", a.Body, len(w.backend.deliveries))
	}
	one, other := w.backend.deliveries[0], w.backend.deliveries[1]
	if a, b := one.header.Get("traceparent"), other.header.Get("traceparent"); a == "" || a == b {
		t.Errorf("delivered with the traces %q and %q, want one for each request", a, b)
	}
	one.header.Del("traceparent")
	other.header.Del("traceparent")
	if !maps.EqualFunc(one.header, other.header, slices.Equal[[]string]) {
		t.Errorf("delivered with %v and %v, want one id", one.header, other.header)
	}
}

func TestWithoutWebhookAndReceiptSecret(t *testing.T) {
	w := newWorld(t)
	w.settings.Webhook.URL, w.settings.Webhook.Secrets, w.settings.ReceiptSecret = "", nil, nil
	a := send(t, w.function(t), callback(t))
	if a.Status != http.StatusOK {
		t.Fatalf("answer %d %s, want 200", a.Status, a.Body)
	}
	sameJSON(t, a.Body, "{"+wantReceipt+`,"delivered":true}`)
	if log := w.log.String(); !strings.Contains(log, `"msg":"event","eventId":"`+testEvent+`","type":"upload.completed","key":"`+testKey+`","size":5}`) || strings.Contains(log, `"order"`) || len(w.backend.deliveries) != 0 || len(w.bucket.markers()) != 1 {
		t.Errorf("log %s with %d deliveries and %d markers, want the event in the log", w.log, len(w.backend.deliveries), len(w.bucket.markers()))
	}
}

// OSS waits five seconds. Whatever is silent, it gets an answer before.
func TestSilence(t *testing.T) {
	tests := []struct {
		name        string
		change      func(*world)
		least, most time.Duration
		status      int
		code        string
	}{
		{"nobody is silent", func(w *world) {}, 0, 0, 200, ""},
		{"the bucket", func(w *world) { w.bucket.fails["HEAD"] = errSilent }, 3400 * time.Millisecond, 3400 * time.Millisecond, 504, "storage_timeout"},
		{"the key server", func(w *world) { w.keys.status = 0 }, time.Second, time.Second, 502, "storage_error"},
		{"the webhook", func(w *world) { w.backend.status = 0 }, 1500 * time.Millisecond, 2 * time.Second, 200, ""},
		{"the webhook, after a bucket that is slow", func(w *world) { w.backend.status, w.bucket.headTakes = 0, 2*time.Second }, 2300 * time.Millisecond, 2400 * time.Millisecond, 200, ""},
		{"the webhook, after a bucket that is slower", func(w *world) { w.backend.status, w.bucket.headTakes = 0, 3*time.Second }, 3 * time.Second, 3 * time.Second, 200, ""},
		{"the webhook and the queue", func(w *world) { w.backend.status, w.bucket.fails["/_pending/"] = 0, errSilent }, 2100 * time.Millisecond, 2600 * time.Millisecond, 502, "delivery_failed"},
		{"the webhook and the queue, after a bucket that is slow", func(w *world) {
			w.backend.status, w.bucket.headTakes, w.bucket.fails["/_pending/"] = 0, 2*time.Second, errSilent
		}, 2900 * time.Millisecond, 3 * time.Second, 502, "delivery_failed"},
		{"the webhook and the marker, after a bucket that is slow", func(w *world) {
			w.backend.status, w.bucket.headTakes, w.bucket.fails["/_announced/"] = 0, 2*time.Second, errSilent
		}, 2600 * time.Millisecond, 2700 * time.Millisecond, 200, ""},
		{"the webhook and who reads markers, after a bucket that is slow", func(w *world) {
			w.backend.status, w.bucket.headTakes, w.bucket.fails["GET"] = 0, 2*time.Second, errSilent
		}, 2600 * time.Millisecond, 2700 * time.Millisecond, 200, ""},
		{"all but the HEAD, which is slow", func(w *world) {
			w.backend.status, w.bucket.headTakes = 0, 2*time.Second
			w.bucket.fails = map[string]error{"GET": errSilent, "/_pending/": errSilent, "/_announced/": errSilent}
		}, 2900 * time.Millisecond, 3400 * time.Millisecond, 502, "delivery_failed"},
		{"the bucket, when it is marked", func(w *world) { w.bucket.fails["/_announced/"] = errSilent }, 300 * time.Millisecond, 300 * time.Millisecond, 200, ""},
		{"what was refused and cannot be told", func(w *world) {
			w.settings.Webhook.Events = []string{"upload.refused"}
			w.object(func(o *storage.Object) { o.Expires = "0" })
			w.backend.status, w.bucket.headTakes = 0, 2*time.Second
			w.bucket.fails = map[string]error{"/_pending/": errSilent}
		}, 2900 * time.Millisecond, 3 * time.Second, 403, "callback_rejected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				tt.change(w)
				f, m := w.function(t), callback(t)
				begin := time.Now()
				a := send(t, f, m)
				if took := time.Since(begin); took < tt.least || took > tt.most {
					t.Errorf("answered after %v, want %v to %v", took, tt.least, tt.most)
				}
				if tt.code != "" {
					a.refused(t, tt.status, tt.code)
				} else if a.Status != tt.status {
					t.Errorf("answer %d %s, want %d", a.Status, a.Body, tt.status)
				}
			})
		})
	}
}

// On a cold start even the public key has to be fetched. If that and the HEAD take
// what they may, and then everything else does, the event is queued and its marker
// is there, and OSS has its answer in time.
func TestEverythingTakesItsTime(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.keys.takes, w.bucket.headTakes = 999*ms, 1400*ms
		w.backend.status, w.bucket.fails["GET"] = 0, errSilent
		w.bucket.takes = map[string]time.Duration{"/_pending/": 499 * ms, "/_announced/": 299 * ms}
		f, m := w.function(t), callback(t)
		begin := time.Now()
		if a := send(t, f, m); a.Status != http.StatusOK {
			t.Errorf("answer %d %s, want 200", a.Status, a.Body)
		}
		if took, want := time.Since(begin), (2400+100+100+499+299)*ms; took != want {
			t.Errorf("answered after %v, want %v", took, want)
		}
		if len(w.bucket.queued()) != 1 || len(w.bucket.markers()) != 1 {
			t.Errorf("queued %q and marked %q, want one of each", w.bucket.queued(), w.bucket.markers())
		}
	})
}

func TestBodyThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	h, err := newHandler(w.settings, outside{storage: w.bucket, now: w.now, random: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	res := httptest.NewRecorder()
	h.routes().ServeHTTP(res, httptest.NewRequest("POST", "/callback", iotest.ErrReader(errors.New("gone"))))
	if res.Code != http.StatusInternalServerError || len(w.bucket.heads) != 0 {
		t.Errorf("answer %d %s, want 500", res.Code, res.Body)
	}
}

func TestSettingsThatMakeNoHandler(t *testing.T) {
	tests := []struct {
		name   string
		change func(*world, *outside)
	}{
		{"no place", func(w *world, o *outside) { w.settings.Place = uploadtoken.Place{} }},
		{"no time to retry for", func(w *world, o *outside) { w.settings.Webhook.RetryFor = 0 }},
		{"no clock", func(w *world, o *outside) { o.now = nil }},
		{"no token keys", func(w *world, o *outside) { w.settings.TokenKeys = nil }},
		{"no randomness", func(w *world, o *outside) { o.random = nil }},
		{"a key URL that is none", func(w *world, o *outside) { w.settings.CallbackKeyURLs = []string{"key.pem"} }},
		{"no callback URL", func(w *world, o *outside) { w.settings.CallbackURL = "" }},
		{"a webhook without a secret", func(w *world, o *outside) { w.settings.Webhook.Secrets = nil }},
		{"no storage", func(w *world, o *outside) { o.storage = nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			o := outside{storage: w.bucket, webhook: w.backend, now: w.now, random: zeros{}, log: slog.New(slog.DiscardHandler)}
			tt.change(w, &o)
			if h, err := newHandler(w.settings, o); err == nil || h != nil {
				t.Errorf("newHandler = %v, %v, want an error", h, err)
			}
		})
	}
}
