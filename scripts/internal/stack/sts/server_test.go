package sts_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stack/sts"
)

const (
	uploadRole   = "acs:ram::1234567890123456:role/upload"
	distrustful  = "acs:ram::1234567890123456:role/distrustful"
	callerID     = "LTAI-caller"
	callerSecret = "caller secret &+/="
	rolePolicy   = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"acs:oss:*:*:bucket/*"}]}`
)

var start = time.Date(2026, 5, 4, 3, 2, 1, 500, time.UTC)

// fixture is a server with three callers (callerID, which may assume any role;
// "STS.session", which has a token and an expiry; "LTAI-powerless") and a clock
// that stands at start.
type fixture struct {
	*sts.Server
	store *ram.Store
	now   time.Time
	fault string
	log   bytes.Buffer
	nonce int
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{store: ram.NewStore(), now: start}
	f.store.Add(ram.Credential{AccessKeyID: callerID, AccessKeySecret: callerSecret,
		Policies: []ram.Policy{policy(t, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"acs:ram:*:1234567890123456:role/*"}]}`)}})
	f.store.Add(ram.Credential{AccessKeyID: "STS.session", AccessKeySecret: callerSecret,
		SecurityToken: "to+ken/==", Expires: start.Add(time.Hour)})
	f.store.Add(ram.Credential{AccessKeyID: "LTAI-powerless", AccessKeySecret: callerSecret,
		Policies: []ram.Policy{policy(t, rolePolicy)}})
	f.Server = sts.New(sts.Config{
		Store: f.store,
		Roles: []ram.Role{
			{ARN: uploadRole, Policy: policy(t, rolePolicy), MaxSessionDuration: 2 * time.Hour,
				TrustedBy: func(ram.Credential) bool { return true }},
			{ARN: distrustful, Policy: policy(t, rolePolicy)},
		},
		Now:     func() time.Time { return f.now },
		Fault:   func(target, operation string) string { return f.takeFault(t, target, operation) },
		Log:     slog.New(slog.NewJSONHandler(&f.log, nil)),
		Timeout: time.Hour,
	})
	return f
}

func (f *fixture) takeFault(t *testing.T, target, operation string) string {
	if target != "sts" || operation != "AssumeRole" {
		t.Errorf("Fault(%q, %q), want sts and AssumeRole", target, operation)
	}
	return f.fault
}

func policy(t *testing.T, text string) ram.Policy {
	t.Helper()
	p, err := ram.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatalf("ParsePolicy = %v", err)
	}
	return p
}

// call is one request before it is signed: change it, then request it.
type call struct {
	method, path, contentType string
	secret                    string
	query, form               map[string]string
	afterSigning              func(query, form url.Values)
}

func (f *fixture) newCall() *call {
	f.nonce++
	return &call{
		method: "POST", path: "/", contentType: "application/x-www-form-urlencoded", secret: callerSecret,
		query: map[string]string{
			"Version": "2015-04-01", "Action": "AssumeRole", "Format": "JSON",
			"Timestamp":       f.now.Format("2006-01-02T15:04:05Z"),
			"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0",
			"SignatureNonce": fmt.Sprint("nonce-", f.nonce), "AccessKeyId": callerID,
		},
		form: map[string]string{"RoleArn": uploadRole, "RoleSessionName": "session-1", "DurationSeconds": "3600"},
	}
}

// request signs c the way credentials-go does, by correcting what
// url.Values.Encode makes, and not as the server does.
func (c *call) request() *http.Request {
	query, form, all := url.Values{}, url.Values{}, url.Values{}
	for name, value := range c.query {
		query.Set(name, value)
		all.Set(name, value)
	}
	for name, value := range c.form {
		form.Set(name, value)
		all.Set(name, value)
	}
	canonical := strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(all.Encode())
	mac := hmac.New(sha1.New, []byte(c.secret+"&"))
	io.WriteString(mac, "POST&%2F&"+url.QueryEscape(canonical))
	query.Set("Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	if c.afterSigning != nil {
		c.afterSigning(query, form)
	}
	r := httptest.NewRequest(c.method, c.path+"?"+query.Encode(), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", c.contentType)
	return r
}

func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	f.ServeHTTP(rec, r)
	return rec
}

func TestAssumeRole(t *testing.T) {
	f := newFixture(t)
	c := f.newCall()
	c.form["Policy"] = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:PutObject"],"Resource":["acs:oss:*:*:bucket/u/*","acs:oss:*:*:other/*"]}]}`
	rec := f.do(c.request())
	if rec.Code != 200 {
		t.Fatalf("AssumeRole answered %d %s, want 200", rec.Code, rec.Body)
	}
	var got struct {
		RequestId       string
		AssumedRoleUser struct{ Arn, AssumedRoleId string }
		Credentials     struct{ AccessKeyId, AccessKeySecret, SecurityToken, Expiration string }
	}
	dec := json.NewDecoder(rec.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	if want := uploadRole + "/session-1"; got.AssumedRoleUser.Arn != want {
		t.Errorf("Arn = %q, want %q", got.AssumedRoleUser.Arn, want)
	}
	if id := got.AssumedRoleUser.AssumedRoleId; len(id) != 18+len(":session-1") || !strings.HasSuffix(id, ":session-1") {
		t.Errorf("AssumedRoleId = %q, want 18 digits and the session", id)
	}
	if want := "2026-05-04T04:02:01Z"; got.Credentials.Expiration != want {
		t.Errorf("Expiration = %q, want %q", got.Credentials.Expiration, want)
	}
	if !strings.HasPrefix(got.Credentials.AccessKeyId, "STS.") || len(got.RequestId) != 36 {
		t.Errorf("AccessKeyId = %q, RequestId = %q", got.Credentials.AccessKeyId, got.RequestId)
	}

	stored, ok := f.store.Lookup(got.Credentials.AccessKeyId)
	if !ok {
		t.Fatal("the new credential is not in the store")
	}
	if stored.AccessKeySecret != got.Credentials.AccessKeySecret || stored.SecurityToken != got.Credentials.SecurityToken ||
		stored.Role != uploadRole || !stored.Expires.Equal(time.Date(2026, 5, 4, 4, 2, 1, 0, time.UTC)) {
		t.Errorf("the stored credential differs from the answer: role %q, expires %v", stored.Role, stored.Expires)
	}
	for _, tt := range []struct {
		action, resource string
		want             bool
	}{
		{"oss:PutObject", "acs:oss:*:*:bucket/u/a", true},
		{"oss:PutObject", "acs:oss:*:*:bucket/v/a", false}, // the role alone allows it
		{"oss:GetObject", "acs:oss:*:*:bucket/u/a", false}, // the role alone allows it
		{"oss:PutObject", "acs:oss:*:*:other/a", false},    // the session alone allows it
	} {
		if got := stored.Allows(tt.action, tt.resource); got != tt.want {
			t.Errorf("Allows(%q, %q) = %v, want %v", tt.action, tt.resource, got, tt.want)
		}
	}
	for _, secret := range []string{stored.AccessKeySecret, stored.SecurityToken, callerSecret} {
		if strings.Contains(f.log.String(), secret) {
			t.Error("the log holds a secret")
		}
	}
}

func TestAssumeRoleAccepts(t *testing.T) {
	tests := []struct {
		name   string
		change func(f *fixture, c *call)
	}{
		{"nothing changed", func(*fixture, *call) {}},
		{"no DurationSeconds", func(_ *fixture, c *call) { delete(c.form, "DurationSeconds") }},
		{"the shortest duration", func(_ *fixture, c *call) { c.form["DurationSeconds"] = "900" }},
		{"the longest duration", func(_ *fixture, c *call) { c.form["DurationSeconds"] = "7200" }},
		{"a time stamp 15 minutes old", func(f *fixture, c *call) { f.now = start.Truncate(time.Second).Add(15 * time.Minute) }},
		{"a time stamp 15 minutes ahead", func(f *fixture, c *call) { f.now = start.Truncate(time.Second).Add(-15 * time.Minute) }},
		{"a caller with a token", func(_ *fixture, c *call) {
			c.query["AccessKeyId"] = "STS.session"
			c.query["SecurityToken"] = "to+ken/=="
		}},
		{"every character of a session name", func(_ *fixture, c *call) { c.form["RoleSessionName"] = "aZ09.@-_" }},
		{"a policy of 2048 characters of three bytes", func(_ *fixture, c *call) {
			c.form["Policy"] = paddedPolicy(2048)
		}},
		{"parameters that need encoding", func(_ *fixture, c *call) { c.form["ExternalId"] = "a b*c~d+e/é%&=" }},
		{"all parameters in the query", func(_ *fixture, c *call) { maps.Copy(c.query, c.form); clear(c.form) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			c := f.newCall()
			tt.change(f, c)
			if rec := f.do(c.request()); rec.Code != 200 {
				t.Errorf("AssumeRole answered %d %s, want 200", rec.Code, rec.Body)
			}
		})
	}
}

// paddedPolicy makes a policy of exactly n characters.
func paddedPolicy(n int) string {
	const head, tail = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:PutObject","Resource":"acs:oss:*:*:bucket/`, `"}]}`
	return head + strings.Repeat("文", n-len(head)-len(tail)) + tail
}

func TestAssumeRoleRefuses(t *testing.T) {
	set := func(part, name, value string) func(*fixture, *call) {
		return func(_ *fixture, c *call) {
			if part == "query" {
				c.query[name] = value
			} else {
				c.form[name] = value
			}
		}
	}
	tests := []struct {
		name   string
		change func(f *fixture, c *call)
		status int
		code   string
	}{
		{"another method", func(_ *fixture, c *call) { c.method = "PUT" }, 405, "UnsupportedHTTPMethod"},
		{"another path", func(_ *fixture, c *call) { c.path = "/x" }, 404, "InvalidAction.NotFound"},
		{"another operation", set("query", "Action", "GetCallerIdentity"), 404, "InvalidAction.NotFound"},
		{"no operation", set("query", "Action", ""), 400, "MissingAction"},
		{"another version", set("query", "Version", "2014-05-26"), 400, "InvalidVersion"},
		{"another format", set("query", "Format", "XML"), 400, "InvalidParameter.Format"},
		{"another signature method", set("query", "SignatureMethod", "HMAC-SHA256"), 400, "InvalidSignatureMethod"},
		{"another signature version", set("query", "SignatureVersion", "2.0"), 400, "InvalidSignatureMethod"},
		{"no nonce", set("query", "SignatureNonce", ""), 400, "MissingSignatureNonce"},
		{"no access key", set("query", "AccessKeyId", ""), 400, "MissingAccessKeyId"},
		{"no signature", func(_ *fixture, c *call) {
			c.afterSigning = func(query, _ url.Values) { query.Del("Signature") }
		}, 400, "MissingSignature"},
		{"a body that is no form", func(_ *fixture, c *call) { c.contentType = "application/json" }, 400, "InvalidParameter.Body"},
		{"a body that is too large", set("form", "ExternalId", strings.Repeat("x", 64<<10)), 400, "InvalidParameter.Body"},
		{"a parameter in the query and in the form", set("query", "RoleArn", uploadRole), 400, "InvalidParameter.Repeated"},
		{"a parameter twice", func(_ *fixture, c *call) {
			c.afterSigning = func(_, form url.Values) { form.Add("RoleArn", uploadRole) }
		}, 400, "InvalidParameter.Repeated"},
		{"a time stamp of another form", set("query", "Timestamp", "Mon, 04 May 2026 03:02:01 GMT"), 400, "InvalidTimeStamp.Format"},
		{"a time stamp a second too old", func(f *fixture, _ *call) {
			f.now = start.Truncate(time.Second).Add(15*time.Minute + time.Second)
		}, 400, "InvalidTimeStamp.Expired"},
		{"a time stamp a second too far ahead", func(f *fixture, _ *call) {
			f.now = start.Truncate(time.Second).Add(-15*time.Minute - time.Second)
		}, 400, "InvalidTimeStamp.Expired"},
		{"an unknown access key", set("query", "AccessKeyId", "LTAI-nobody"), 404, "InvalidAccessKeyId.NotFound"},
		{"another secret", func(_ *fixture, c *call) { c.secret = "x" }, 400, "SignatureDoesNotMatch"},
		{"a form value changed after signing", func(_ *fixture, c *call) {
			c.afterSigning = func(_, form url.Values) { form.Set("RoleSessionName", "session-2") }
		}, 400, "SignatureDoesNotMatch"},
		{"a parameter added after signing", func(_ *fixture, c *call) {
			c.afterSigning = func(query, _ url.Values) { query.Set("ExternalId", "xx") }
		}, 400, "SignatureDoesNotMatch"},
		{"a token for a key that has none", set("query", "SecurityToken", "x"), 400, "InvalidSecurityToken.MismatchWithAccessKey"},
		{"no token for a key that has one", set("query", "AccessKeyId", "STS.session"), 400, "MissingSecurityToken"},
		{"another token", func(_ *fixture, c *call) {
			c.query["AccessKeyId"] = "STS.session"
			c.query["SecurityToken"] = "token"
		}, 400, "InvalidSecurityToken.MismatchWithAccessKey"},
		{"a caller that has just expired", func(f *fixture, c *call) {
			c.query["AccessKeyId"] = "STS.session"
			c.query["SecurityToken"] = "to+ken/=="
			f.now = start.Add(time.Hour)
			c.query["Timestamp"] = f.now.Format("2006-01-02T15:04:05Z")
		}, 400, "InvalidSecurityToken.Expired"},
		{"no role", set("form", "RoleArn", ""), 400, "InvalidParameter.RoleArn"},
		{"a role that is no ARN", set("form", "RoleArn", "upload"), 400, "InvalidParameter.RoleArn"},
		{"an ARN with a wildcard", set("form", "RoleArn", "acs:ram::1234567890123456:role/*"), 400, "InvalidParameter.RoleArn"},
		{"a session name that is too short", set("form", "RoleSessionName", "a"), 400, "InvalidParameter.RoleSessionName"},
		{"a session name that is too long", set("form", "RoleSessionName", strings.Repeat("a", 65)), 400, "InvalidParameter.RoleSessionName"},
		{"a session name with a slash", set("form", "RoleSessionName", "a/b"), 400, "InvalidParameter.RoleSessionName"},
		{"a duration that is too short", set("form", "DurationSeconds", "899"), 400, "InvalidParameter.DurationSeconds"},
		{"a duration that is too long", set("form", "DurationSeconds", "7201"), 400, "InvalidParameter.DurationSeconds"},
		{"a duration beyond every number", set("form", "DurationSeconds", "9223372036854775807"), 400, "InvalidParameter.DurationSeconds"},
		{"a duration that is no number", set("form", "DurationSeconds", "1h"), 400, "InvalidParameter.DurationSeconds"},
		{"an empty policy", set("form", "Policy", ""), 400, "InvalidParameter.PolicySize"},
		{"a policy that is too long", set("form", "Policy", paddedPolicy(2049)), 400, "InvalidParameter.PolicySize"},
		{"a policy that is no policy", set("form", "Policy", `{"Version":"1"}`), 400, "InvalidParameter.PolicyGrammar"},
		{"a caller without the right", set("query", "AccessKeyId", "LTAI-powerless"), 403, "NoPermission"},
		{"a role of another account", set("form", "RoleArn", "acs:ram::99:role/upload"), 403, "NoPermission"},
		{"a role that trusts nobody", set("form", "RoleArn", distrustful), 403, "NoPermission"},
		{"an unknown role", set("form", "RoleArn", "acs:ram::1234567890123456:role/none"), 404, "EntityNotExist.Role"},
		{"a failure on demand", func(f *fixture, _ *call) { f.fault = "500" }, 500, "InternalError"},
		{"unavailable on demand", func(f *fixture, _ *call) { f.fault = "503" }, 503, "ServiceUnavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			c := f.newCall()
			tt.change(f, c)
			rec := f.do(c.request())
			var got struct{ RequestId, HostId, Code, Message, Recommend string }
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatalf("reading the answer %s: %v", rec.Body, err)
			}
			if rec.Code != tt.status || got.Code != tt.code {
				t.Errorf("AssumeRole answered %d %s, want %d %s", rec.Code, got.Code, tt.status, tt.code)
			}
			if got.RequestId == "" || got.HostId != "example.com" || got.Message == "" || got.Recommend == "" {
				t.Errorf("the refusal %s lacks a member", rec.Body)
			}
			if all := f.log.String() + rec.Body.String(); strings.Contains(all, callerSecret) || strings.Contains(all, "to+ken/==") {
				t.Error("the log or the answer holds a secret")
			}
		})
	}
}

func TestNonce(t *testing.T) {
	f := newFixture(t)
	send := func(change func(*call)) string {
		t.Helper()
		c := f.newCall()
		c.query["SignatureNonce"] = "one"
		change(c)
		rec := f.do(c.request())
		var got struct{ Code string }
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		return got.Code
	}
	if got := send(func(c *call) { c.secret = "x" }); got != "SignatureDoesNotMatch" {
		t.Errorf("a forged call = %q, want SignatureDoesNotMatch", got)
	}
	if got := send(func(*call) {}); got != "" {
		t.Errorf("the first call after a forged one = %q, want success", got)
	}
	if got := send(func(*call) {}); got != "SignatureNonceUsed" {
		t.Errorf("the second call = %q, want SignatureNonceUsed", got)
	}
	if got := send(func(c *call) { c.query["AccessKeyId"] = "LTAI-powerless" }); got != "NoPermission" {
		t.Errorf("the same nonce of another caller = %q, want NoPermission", got)
	}
	f.now = f.now.Add(16 * time.Minute)
	if got := send(func(*call) {}); got != "" {
		t.Errorf("the nonce after its time = %q, want success", got)
	}
}

// listen serves h over TLS with a certificate of Certificate, and returns the
// server and what trusts it.
func listen(t *testing.T, h http.Handler, http2 bool) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	cert, caPEM, err := sts.Certificate(time.Now(), rand.Reader)
	if err != nil {
		t.Fatalf("Certificate = %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caPEM) {
		t.Fatal("the authority's certificate does not parse")
	}
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = http2
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv, pool
}

func TestConnectionFaults(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, mode := range []string{"timeout", "reset", "stored-then-reset"} {
			t.Run(fmt.Sprintf("%s with HTTP/2 %v", mode, http2), func(t *testing.T) {
				f := newFixture(t)
				f.fault = mode
				var gate sync.RWMutex
				closed := false
				srv, pool := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					gate.RLock()
					defer gate.RUnlock()
					if !closed {
						f.ServeHTTP(w, r)
					}
				}), http2)
				client := &http.Client{Transport: &http.Transport{
					TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2}}
				t.Cleanup(client.CloseIdleConnections)
				// The deadline is what ends the call that is made to time out.
				deadline := 30 * time.Second
				if mode == "timeout" {
					deadline = 100 * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				c := f.newCall()
				recorded := c.request()
				req, err := http.NewRequestWithContext(ctx, "POST", srv.URL+recorded.URL.RequestURI(), recorded.Body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header = recorded.Header
				resp, err := client.Do(req)
				if err == nil {
					resp.Body.Close()
					t.Fatalf("the call was answered %d, want an error", resp.StatusCode)
				}
				if timedOut := errors.Is(err, context.DeadlineExceeded); timedOut != (mode == "timeout") {
					t.Errorf("the call = %v", err)
				}
				srv.Close()
				// Of HTTP/2 it does not wait for the handler, and so for its log line.
				gate.Lock()
				closed = true
				gate.Unlock()
				if stored := strings.Contains(f.log.String(), `"assuming a role"`); stored != (mode == "stored-then-reset") {
					t.Errorf("a credential was made: %v", stored)
				}
			})
		}
	}
}
