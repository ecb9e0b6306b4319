package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/storage/storagetest"
	"ossupload/shared/uploadtoken"
)

// routesOf are the routes that name an upload.
func routesOf(base, uploadID string) [][2]string {
	upload := base + "/s3/multipart/" + uploadID
	return [][2]string{
		{"GET", upload}, {"GET", upload + "/1"}, {"GET", upload + "/batch?partNumbers=1"}, {"POST", upload + "/complete"}, {"DELETE", upload},
	}
}

// Whatever is wrong with an upload id, the client is told the same, and nothing
// is asked about it.
func TestUploadIDs(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	with := func(change func(*uploadtoken.Claims)) string {
		claims := s.claims
		change(&claims)
		return f.seal(uploadtoken.Multipart, claims)
	}
	ids := map[string]string{
		"another subject's":             with(func(c *uploadtoken.Claims) { c.Subject = "mallory" }),
		"another bucket's":              f.sealedElsewhere(uploadtoken.Multipart, s.claims, "s", uploadtoken.Place{Bucket: "another", Prefix: prefix}),
		"another prefix's":              f.sealedElsewhere(uploadtoken.Multipart, s.claims, "s", uploadtoken.Place{Bucket: bucketName, Prefix: "v/"}),
		"expired":                       with(func(c *uploadtoken.Claims) { c.ExpiresAt = today.Unix() }),
		"an upload token":               f.seal(uploadtoken.Upload, s.claims),
		"a stored grant":                f.seal(uploadtoken.Grant, s.claims),
		"sealed by somebody else":       f.sealedElsewhere(uploadtoken.Multipart, s.claims, "x", f.settings.Place),
		"sealed with an unknown key":    strings.Replace(s.UploadID, "v1.k1.", "v1.k2.", 1),
		"changed":                       changed(s.UploadID),
		"OSS's own id":                  s.claims.UploadID,
		"not a token":                   "x",
		"too long":                      s.UploadID + strings.Repeat("x", uploadtoken.MaxLen),
		"of the version after the next": strings.Replace(s.UploadID, "v1.", "v3.", 1),
	}
	for name, id := range ids {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			for _, route := range routesOf("", id) {
				r := f.as("alice", route[0], route[1], "")
				r.refused(api.InvalidToken)
				if want := f.as("alice", route[0], strings.Replace(route[1], id, "x", 1), ""); string(r.body) != string(want.body) {
					t.Errorf("%s %s: %s, want what any token is told: %s", route[0], route[1], r.body, want.body)
				}
			}
			f.asked()
		})
	}
	// One second before its end it is as good as ever.
	last := with(func(c *uploadtoken.Claims) { c.ExpiresAt = today.Unix() + 1 })
	for _, route := range routesOf("", last)[:3] {
		if r := f.as("alice", route[0], route[1], ""); r.status != http.StatusOK {
			t.Errorf("%s %s: %d %s, want 200", route[0], route[1], r.status, r.body)
		}
	}
}

// sealedElsewhere are claims as another deployment seals them, under the same name
// of a secret made of letter.
func (f *fixture) sealedElsewhere(p uploadtoken.Purpose, c uploadtoken.Claims, letter string, place uploadtoken.Place) string {
	f.t.Helper()
	k, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys: []uploadtoken.Key{{ID: "k1", Secret: []byte(strings.Repeat(letter, 32))}}, Place: place, Random: newSource(3),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	token, err := k.Seal(p, c)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// changed is a token of which one character is another.
func changed(token string) string {
	i := len(token) - 10
	c := byte('A')
	if token[i] == c {
		c = 'B'
	}
	return token[:i] + string(c) + token[i+1:]
}

// A key beside an upload id must be its own, as it is or encoded once more.
func TestKeyInQuery(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	once := url.QueryEscape(s.Key)
	for _, good := range []string{"key=" + once, "key=" + url.QueryEscape(once), ""} {
		for _, route := range routesOf("", s.UploadID)[:3] {
			target, query, _ := strings.Cut(route[1], "?")
			if r := f.as("alice", route[0], target+"?"+query+"&"+good, ""); r.status != http.StatusOK {
				t.Errorf("%s %s with %q: %d %s, want 200", route[0], target, good, r.status, r.body)
			}
		}
	}
	f.bucket.Calls()
	for _, bad := range []string{"key=" + once + "x", "key=", "key=u/alice/2026/11/other.png", "key=" + once + "&key=" + once, "key=%25zz"} {
		for _, route := range routesOf("", s.UploadID) {
			target, query, _ := strings.Cut(route[1], "?")
			f.as("alice", route[0], target+"?"+query+"&"+bad, "").invalid("key", "is not the key of this upload")
		}
	}
	f.asked()
	for _, route := range routesOf("", s.UploadID)[3:4] { // and the rest of a good one
		f.as("alice", route[0], route[1]+"?key="+once, "").ok(new(confirm.Answer))
	}
}

// Keys are compared as they are: some hold what looks encoded.
func TestNamesKey(t *testing.T) {
	tests := []struct {
		values []string
		key    string
		want   bool
	}{
		{[]string{"a b"}, "a b", true},
		{[]string{"a%20b"}, "a b", true},
		{[]string{"a%20b"}, "a%20b", true},
		{[]string{"a+b"}, "a b", false},
		{[]string{"a%zz"}, "a%zz", true},
		{[]string{"a%zz"}, "", false},
		{[]string{"a", "a"}, "a", false},
		{[]string{}, "a", false},
	}
	for _, tt := range tests {
		if got := namesKey(tt.values, tt.key); got != tt.want {
			t.Errorf("namesKey(%q, %q) = %v, want %v", tt.values, tt.key, got, tt.want)
		}
	}
}

func TestNobodyIsRefused(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	routes := append(routesOf("", s.UploadID), [2]string{"POST", "/s3/multipart"}, [2]string{"GET", "/s3/params?filename=a"}, [2]string{"POST", "/confirm"})
	for _, route := range routes {
		f.as("", route[0], route[1], `{"filename":"a"}`).refused(api.Unauthenticated)
	}
	f.asked()
}

// invoke sends an event of an HTTP trigger through the adapter.
func (f *fixture) invoke(method, path string, header map[string]string, body string) (status int, headers map[string]string, answer string) {
	f.t.Helper()
	out := f.event(map[string]any{
		"version": "v1", "rawPath": path, "body": body, "isBase64Encoded": false, "headers": header,
		"requestContext": map[string]any{"http": map[string]string{"method": method, "path": path}},
	})
	var got struct {
		StatusCode int
		Headers    map[string]string
		Body       string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		f.t.Fatal(err)
	}
	return got.StatusCode, got.Headers, got.Body
}

// event invokes the function as main does.
func (f *fixture) event(fields map[string]any) json.RawMessage {
	f.t.Helper()
	out, err := f.adapter().Invoke(f.t.Context(), "request-1", []byte(jsonOf(f.t, fields)))
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *fixture) adapter() *fchttp.Adapter {
	return &fchttp.Adapter{Handler: f.handler.routes(), CORSOrigins: []string{"https://app.example.com"}, Timer: f.handler.timer, Stored: f.handler.stored, Log: f.outside.log, Now: f.now}
}

func TestEdge(t *testing.T) {
	f := newFixture(t)
	alice := map[string]string{"Authorization": "alice", "Origin": "https://app.example.com", "Content-Type": "application/json"}
	t.Run("an upload", func(t *testing.T) {
		status, header, body := f.invoke("POST", "/s3/multipart", alice, `{"filename":"a.png"}`)
		var out createResponse
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 || out.UploadID == "" {
			t.Fatalf("answer %d %s", status, body)
		}
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": "https://app.example.com", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "X-Request-Id": "request-1", "Access-Control-Allow-Credentials": "",
		} {
			if header[name] != want {
				t.Errorf("%s = %q, want %q", name, header[name], want)
			}
		}
		status, _, body = f.invoke("GET", "/s3/multipart/"+out.UploadID, alice, "")
		if status != 200 || body != "[]" {
			t.Errorf("answer %d %s, want an empty list", status, body)
		}
	})
	tests := []struct {
		method, path string
		header       map[string]string
		body         string
		status       int
		code         api.Code
		allow        string
	}{
		{"OPTIONS", "/s3/multipart", nil, "", 204, "", ""},
		{"OPTIONS", "/anything", nil, "", 204, "", ""},
		{"GET", "/", alice, "", 404, api.NotFound, ""},
		{"GET", "/s3", alice, "", 404, api.NotFound, ""},
		{"POST", "/s3/multipart/", alice, "{}", 404, api.NotFound, ""},
		{"GET", "/s3/multipart/x/1/2", alice, "", 404, api.NotFound, ""},
		{"POST", "/c/x/confirm", alice, "{}", 404, api.NotFound, ""},
		{"GET", "/s3/multipart", alice, "", 405, api.MethodNotAllowed, "OPTIONS, POST"},
		{"POST", "/s3/params", alice, "", 405, api.MethodNotAllowed, "GET, HEAD, OPTIONS"},
		{"PUT", "/s3/multipart/x", alice, "", 405, api.MethodNotAllowed, "DELETE, GET, HEAD, OPTIONS"},
		{"DELETE", "/s3/multipart/x/1", alice, "", 405, api.MethodNotAllowed, "GET, HEAD, OPTIONS"},
		{"PUT", "/s3/multipart/x/complete", alice, "", 405, api.MethodNotAllowed, "OPTIONS, POST"},
		{"GET", "/confirm", alice, "", 405, api.MethodNotAllowed, "OPTIONS, POST"},
		{"POST", "/c/x/s3/params", alice, "", 405, api.MethodNotAllowed, "GET, HEAD, OPTIONS"},
		{"POST", "/s3/multipart", map[string]string{"Authorization": "alice", "Content-Type": "text/plain"}, "{}", 415, api.UnsupportedMediaType, ""},
		{"POST", "/s3/multipart", alice, `{"filename":"` + strings.Repeat("a", 2<<20) + `"}`, 413, api.TooLarge, ""},
		{"POST", "/confirm", nil, "{}", 401, api.Unauthenticated, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			f := f.in(t)
			status, header, body := f.invoke(tt.method, tt.path, tt.header, tt.body)
			var got failure
			_ = json.Unmarshal([]byte(body), &got)
			if status != tt.status || got.Code != tt.code || header["Allow"] != tt.allow || header["X-Request-Id"] != "request-1" {
				t.Errorf("answer %d %s, Allow %q, want %d %s, Allow %q", status, body, header["Allow"], tt.status, tt.code, tt.allow)
			}
		})
	}
	if strings.Contains(f.log.String(), "v1.k1.") {
		t.Error("the log holds a token")
	}
}

// The log tells why a token is refused; the client is not told.
func TestLogTellsTheReason(t *testing.T) {
	for want, change := range map[string]func(*fixture, uploadtoken.Claims) string{
		"it is another subject's": func(f *fixture, c uploadtoken.Claims) string {
			c.Subject = "mallory"
			return f.seal(uploadtoken.Multipart, c)
		},
		"it is of another deployment": func(f *fixture, c uploadtoken.Claims) string {
			return f.sealedElsewhere(uploadtoken.Multipart, c, "s", uploadtoken.Place{Bucket: "another", Prefix: prefix})
		},
		"it has expired": func(f *fixture, c uploadtoken.Claims) string {
			c.ExpiresAt = 1
			return f.seal(uploadtoken.Multipart, c)
		},
	} {
		f := newFixture(t)
		token := change(f, f.start(sized(5)).claims)
		f.invoke("GET", "/s3/multipart/"+token, map[string]string{"Authorization": "alice"}, "")
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("log = %s, want %q", f.log.String(), want)
		}
	}
}

// A handler is not made out of settings that are not whole.
func TestNewHandlerRefuses(t *testing.T) {
	for name, change := range map[string]func(*settings.Complete){
		"no key":              func(s *settings.Complete) { s.TokenKeys = nil },
		"no region":           func(s *settings.Complete) { s.Storage.Region = "" },
		"no endpoint":         func(s *settings.Complete) { s.Storage.Public = signing.Endpoint{} },
		"no life":             func(s *settings.Complete) { s.MaxExpires = 0 },
		"a webhook alone":     func(s *settings.Complete) { s.Webhook.Secrets = nil },
		"a role without name": func(s *settings.Complete) { s.Role = settings.Role{ARN: "admin"} },
	} {
		f := newFixture(t)
		change(&f.settings)
		if h, err := newHandler(f.settings, f.outside); h != nil || err == nil {
			t.Errorf("%s: newHandler = %v, %v, want an error", name, h, err)
		}
	}
}

// Without a webhook the event is a line of the log.
func TestWithoutWebhook(t *testing.T) {
	f := newFixture(t, func(f *fixture) { f.settings.Webhook = settings.Webhook{RetryFor: time.Hour, LogEvents: true} })
	s := f.start(sized(5))
	f.fill(s, 5)
	f.as("alice", "POST", s.path("/complete"), "").ok(new(confirm.Answer))
	f.told()
	if line := f.log.String(); strings.Count(line, `"msg":"event"`) != 1 || !strings.Contains(line, s.Key) {
		t.Errorf("log = %s, want the event", line)
	}
}

// timerOf invokes the function as its timer does.
func (f *fixture) timerOf(payload string) (map[string]any, error) {
	f.t.Helper()
	event := map[string]any{"triggerTime": "2026-11-20T10:00:00Z", "triggerName": "sweep", "payload": payload}
	out, err := f.adapter().Invoke(f.t.Context(), "request-1", []byte(jsonOf(f.t, event)))
	if err != nil {
		return nil, err
	}
	var summary map[string]any
	if err := json.Unmarshal(out, &summary); err != nil {
		f.t.Fatal(err)
	}
	return summary, nil
}

// lastSweep is the line that tells how a sweep ended.
func (f *fixture) lastSweep() (level string, line map[string]any) {
	f.t.Helper()
	for text := range strings.Lines(f.log.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			f.t.Fatal(err)
		}
		if l["msg"] == "sweep" && l["action"] == "end" {
			line = l
		}
	}
	level, _ = line["level"].(string)
	return level, line
}

func TestTimer(t *testing.T) {
	prepare := func(f *fixture) (lost, stale started) {
		lost, stale = f.start(sized(5)), f.start(sized(5))
		f.fill(lost, 5)
		completed(f, lost)
		f.clock = f.clock.Add(169 * time.Hour)
		return lost, stale
	}
	t.Run("announces and aborts", func(t *testing.T) {
		f := newFixture(t)
		lost, _ := prepare(f)
		summary, err := f.timerOf(`{"do":"sweep"}`)
		if err != nil || summary["announced"] != 1.0 || summary["aborted"] != 1.0 || summary["dryRun"] != false || summary["finished"] != true {
			t.Fatalf("timer = %v, %v", summary, err)
		}
		f.told(lost.Key)
		if open := f.bucket.Open(); len(open) != 0 {
			t.Errorf("uploads = %+v, want none", open)
		}
		level, line := f.lastSweep()
		if got := jsonOf(t, line["summary"]); level != "INFO" || got != jsonOf(t, summary) || line["err"] != nil {
			t.Errorf("logged %v, want %v", line, summary)
		}
		summary, err = f.timerOf(`{"do":"sweep"}`)
		if err != nil || summary["announced"] != 0.0 || summary["known"] != 1.0 {
			t.Errorf("timer again = %v, %v", summary, err)
		}
		f.told()
	})
	t.Run("changes nothing", func(t *testing.T) {
		f := newFixture(t)
		prepare(f)
		summary, err := f.timerOf(`{"do":"sweep","dryRun":true}`)
		if err != nil || summary["announced"] != 1.0 || summary["aborted"] != 1.0 || summary["dryRun"] != true {
			t.Errorf("timer = %v, %v", summary, err)
		}
		f.told()
		if open := f.bucket.Open(); len(open) != 1 || len(f.bucket.Keys("_ossupload/")) != 0 {
			t.Errorf("uploads %+v, keys %q, want nothing changed", open, f.bucket.Keys(""))
		}
	})
	t.Run("leaves what is young", func(t *testing.T) {
		f := newFixture(t)
		prepare(f)
		summary, err := f.timerOf(`{"do":"sweep","minAgeSeconds":608401}`)
		if err != nil || summary["young"] != 1.0 || summary["announced"] != 0.0 {
			t.Errorf("timer = %v, %v", summary, err)
		}
	})
	t.Run("deletes if it is told to", func(t *testing.T) {
		f := newFixture(t, func(f *fixture) { f.bucket.Allow = nil })
		lost, _ := prepare(f)
		object, _ := f.bucket.Object(lost.Key)
		object.Size++
		f.bucket.Store(lost.Key, object)
		if summary, err := f.timerOf(`{"do":"sweep"}`); err != nil || summary["deleted"] != 0.0 || summary["refused"] != 1.0 {
			t.Errorf("timer = %v, %v", summary, err)
		}
		if summary, err := f.timerOf(`{"do":"sweep","delete":true}`); err != nil || summary["deleted"] != 1.0 {
			t.Errorf("timer = %v, %v", summary, err)
		}
		f.told()
	})
	t.Run("fails", func(t *testing.T) {
		f := newFixture(t)
		f.bucket.Next(storagetest.ListUploads, storagetest.Fault{Err: errRandom})
		if _, err := f.timerOf(`{"do":"sweep"}`); err == nil {
			t.Error("timer = nil, want an error")
		}
		if level, line := f.lastSweep(); level != "ERROR" || !strings.Contains(fmt.Sprint(line["err"]), errRandom.Error()) || line["summary"] == nil {
			t.Errorf("logged %v, want an error", line)
		}
	})
	t.Run("refuses a payload", func(t *testing.T) {
		f := newFixture(t)
		if _, err := f.timerOf(`{"do":"sweep","dryRum":true}`); err == nil {
			t.Error("timer = nil, want an error")
		}
		f.asked()
	})
}

func TestRoutesAreWhatTheyAre(t *testing.T) {
	f := newFixture(t)
	var got []string
	for _, base := range []string{"", "/c/{capability}"} {
		for _, r := range f.handler.uploads(base) {
			got = append(got, r.Method+" "+strings.TrimPrefix(r.Pattern, base))
		}
	}
	want := []string{
		"GET /s3/params", "POST /s3/multipart", "GET /s3/multipart/{uploadId}", "GET /s3/multipart/{uploadId}/{partNumber}",
		"GET /s3/multipart/{uploadId}/batch", "POST /s3/multipart/{uploadId}/complete", "DELETE /s3/multipart/{uploadId}",
	}
	if !slices.Equal(got, append(want, want...)) {
		t.Errorf("routes = %q, want %q twice", got, want)
	}
}
