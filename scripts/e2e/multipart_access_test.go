package e2e

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/fc"
	"ossupload/shared/uploadtoken"
)

// An object that came to lie under the key of an upload is neither replaced nor
// taken for the upload's own.
func TestMultipartMeetsAnotherObject(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(11)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		strange := []byte("somebody else's")
		grants := map[string]func(claims uploadtoken.Claims) string{
			"without a grant": func(uploadtoken.Claims) string { return "" },
			"with the grant of another upload of this key": func(claims uploadtoken.Claims) string {
				claims.ID = "another"
				return r.seal(t, uploadtoken.Grant, claims)
			},
		}
		for name, grant := range grants {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				m := r.begin(t, nil)
				sent := m.send(t, 1, contents...)
				header := map[string]string{"Content-Type": "video/mp4"}
				if g := grant(r.open(t, uploadtoken.Multipart, m.UploadID)); g != "" {
					header["x-oss-meta-ossupload-grant"] = g
				}
				r.store(t, m.Key, header, strange)
				m.complete(t, sent).refused(t, "complete", http.StatusUnprocessableEntity, "object_mismatch")
				r.wantStored(t, m.Key, strange)

				if a := m.ask(t, http.MethodDelete, "", nil); a.Status != http.StatusOK {
					t.Errorf("abort = %v, want 200: the upload was still open", a)
				}
				for what, a := range map[string]reply{
					"abort again": m.ask(t, http.MethodDelete, "", nil), "list": m.ask(t, http.MethodGet, "", nil), "complete": m.complete(t, sent),
				} {
					a.refused(t, what, http.StatusUnprocessableEntity, "object_mismatch")
				}
				r.wantStored(t, m.Key, strange)
				r.wantNoEvent(t, m.Key)

				free := r.begin(t, nil)
				receipt := free.complete(t, free.send(t, 1, contents...)).receipt(t, "complete where nothing lies", free.Key, whole)
				r.wantEvents(t, receipt, 1)
			})
		}
	})
}

func TestMultipartTokens(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(7)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		m := r.begin(t, nil)
		sent := m.send(t, 1, contents...)
		claims := r.open(t, uploadtoken.Multipart, m.UploadID)
		expired, elsewhose := claims, claims
		expired.ExpiresAt = time.Now().Unix()
		elsewhose.Subject = "somebody"
		forged, _ := newKeyring(t, "k1", randomBytes(32)).Seal(uploadtoken.Multipart, claims)
		unknown, _ := newKeyring(t, "k9", r.Identity.TokenSecret).Seal(uploadtoken.Multipart, claims)
		middle := len(m.UploadID) / 2
		other := r.caller(t, "somebody", nil)
		var session struct{ Endpoint string }
		r.call(t, http.MethodPost, "/session", m.caller, map[string]any{}).into(t, "POST /session", &session)
		tokens := []struct{ name, token, caller string }{
			{"expired", r.seal(t, uploadtoken.Multipart, expired), m.caller},
			{"forged", forged, m.caller},
			{"of an unknown key", unknown, m.caller},
			{"truncated", m.UploadID[:len(m.UploadID)-1], m.caller},
			{"with a character changed", m.UploadID[:middle] + swapped(m.UploadID[middle]) + m.UploadID[middle+1:], m.caller},
			{"with a character more", m.UploadID + "A", m.caller},
			{"an upload token of presign", r.grantPut(t, nil).token, m.caller},
			{"an upload token for this upload", r.seal(t, uploadtoken.Upload, claims), m.caller},
			{"the capability of a session", session.Endpoint[strings.LastIndexByte(session.Endpoint, '/')+1:], m.caller},
			{"a stored grant", r.seal(t, uploadtoken.Grant, claims), m.caller},
			{"for another bucket", r.sealAt(t, uploadtoken.Place{Bucket: "ossupload-other", Prefix: here.Prefix}, uploadtoken.Multipart, claims), m.caller},
			{"for another prefix", r.sealAt(t, uploadtoken.Place{Bucket: here.Bucket, Prefix: "up/"}, uploadtoken.Multipart, claims), m.caller},
			{"of another user", m.UploadID, other},
			{"of another user, under one's own name", r.seal(t, uploadtoken.Multipart, elsewhose), m.caller},
			{"OSS's own upload id", claims.UploadID, m.caller},
			{"too long", "v1.k1." + strings.Repeat("A", 2048), m.caller},
			{"a word", "undefined", m.caller},
		}
		message := ""
		for _, token := range tokens {
			if token.name != "a word" {
				r.logged.secret(token.token)
			}
			at := *m
			at.UploadID, at.caller = token.token, token.caller
			for what, a := range map[string]reply{
				"list":     at.ask(t, http.MethodGet, "", nil),
				"part":     at.ask(t, http.MethodGet, "/1", nil),
				"complete": at.complete(t, sent),
				"abort":    at.ask(t, http.MethodDelete, "", nil),
			} {
				c := a.refused(t, what+" with a token "+token.name, http.StatusForbidden, "invalid_token")
				if message == "" {
					message = c.Message
				}
				if c.Message != message || c.Details != nil {
					t.Errorf("%s with a token %s: %q with details %s, want %q as for every other", what, token.name, c.Message, c.Details, message)
				}
				if got := r.logged.line(t, c.RequestID).Reason; got != "token" {
					t.Errorf("%s with a token %s: reason = %q, want token", what, token.name, got)
				}
			}
		}
		for _, caller := range []string{"", "x", r.Ready.CallerToken + "x"} {
			at := *m
			at.caller = caller
			at.complete(t, sent).refused(t, "complete of an unknown caller", http.StatusUnauthorized, "unauthenticated")
		}
		receipt := m.complete(t, sent).receipt(t, "complete by its owner", m.Key, whole)
		r.wantEvents(t, receipt, 1)
		// The token of any caller with the same subject is as good.
		same := *m
		same.caller = r.caller(t, "demo", map[string]any{"context": map[string]string{"order": "9"}})
		if again := same.complete(t, nil).receipt(t, "complete with another token of the owner", m.Key, whole); !reflect.DeepEqual(again, receipt) {
			t.Errorf("receipt = %+v, want %+v: the context is that of the grant", again, receipt)
		}
	})
}

func TestMultipartRefusesToBegin(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"UPLOAD_MAX_SIZE": "2147483648", "UPLOAD_CONTENT_TYPES": "video/*,application/octet-stream"}
	r := newRig(t, fc.TriggerHTTP, settings)
	tests := []struct {
		name   string
		wish   any
		fields []string // none: invalid_json
	}{
		{"not JSON", `{"filename":`, nil},
		{"a list", `[]`, nil},
		{"two objects", `{"filename":"a"}{}`, nil},
		{"nothing", `{}`, []string{"filename"}},
		{"wrong types, all at once", `{"filename":1,"type":[],"size":"12","partSize":1.5,"metadata":[],"checksum":"1","vars":{"a":1}}`,
			[]string{"filename", "type", "metadata", "size", "partSize", "checksum", "vars"}},
		{"metadata within metadata", map[string]any{"filename": "a", "metadata": map[string]any{"a": map[string]any{"b": 1}}}, []string{"metadata"}},
		{"reserved metadata", map[string]any{"filename": "a", "metadata": map[string]any{"ossupload-grant": "x"}}, []string{"metadata.ossupload-grant"}},
		{"a negative size", map[string]any{"filename": "a", "size": -1}, []string{"size"}},
		{"a size over the limit", map[string]any{"filename": "a", "size": 1<<31 + 1}, []string{"size"}},
		{"a size that is no whole number", `{"filename":"a","size":1.5}`, []string{"size"}},
		{"a part size under 100 KiB", map[string]any{"filename": "a", "partSize": minPart - 1}, []string{"partSize"}},
		{"a negative part size", map[string]any{"filename": "a", "partSize": -1}, []string{"partSize"}},
		{"a part size over 5 GiB", map[string]any{"filename": "a", "partSize": 5<<30 + 1}, []string{"partSize"}},
		{"more than 10,000 parts", map[string]any{"filename": "a", "size": minPart*10_000 + 1, "partSize": minPart}, []string{"partSize"}},
		{"a type that is not allowed", map[string]any{"filename": "a", "type": "image/png"}, []string{"type"}},
		{"a type that a wildcard never covers", map[string]any{"filename": "a", "type": "text/html"}, []string{"type"}},
		{"a type with parameters", map[string]any{"filename": "a", "type": "video/mp4; codecs=avc1"}, []string{"type"}},
		{"a file name over 765 bytes", map[string]any{"filename": strings.Repeat("a", 766)}, []string{"filename"}},
		{"a file name with a line feed", map[string]any{"filename": "a\r\nx-oss-object-acl: public-read"}, []string{"filename"}},
		{"vars over 1 KiB", map[string]any{"filename": "a", "vars": map[string]string{"a": strings.Repeat("a", 1024)}}, []string{"vars"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := r.call(t, http.MethodPost, "/s3/multipart", r.Ready.CallerToken, tt.wish)
			if tt.fields == nil {
				a.refused(t, "POST /s3/multipart", http.StatusBadRequest, "invalid_json")
				return
			}
			got := a.refused(t, "POST /s3/multipart", http.StatusBadRequest, "invalid_request").fields(t)
			slices.Sort(got)
			if want := slices.Sorted(slices.Values(tt.fields)); !slices.Equal(got, want) {
				t.Errorf("fields = %q, want %q", got, want)
			}
		})
	}
	t.Run("at the limits it begins", func(t *testing.T) {
		t.Parallel()
		r.begin(t, map[string]any{"size": 1 << 31})
		r.begin(t, map[string]any{"size": minPart * 10_000, "partSize": minPart, "filename": strings.Repeat("a", 765)})
		for body, status := range map[string]int{
			`{"filename":"a","unknown":"` + strings.Repeat("a", 2<<20-len(`{"filename":"a","unknown":""}`)) + `"}`:   http.StatusOK,
			`{"filename":"a","unknown":"` + strings.Repeat("a", 2<<20-len(`{"filename":"a","unknown":""}`)+1) + `"}`: http.StatusRequestEntityTooLarge,
		} {
			if a := r.call(t, http.MethodPost, "/s3/multipart", r.Ready.CallerToken, body); a.Status != status {
				t.Errorf("a body of %d bytes = %v, want %d", len(body), a, status)
			}
		}
	})
	t.Run("another media type", func(t *testing.T) {
		t.Parallel()
		header := bearer(r.Ready.CallerToken)
		header.Set("Content-Type", "text/plain")
		r.request(t, http.MethodPost, r.Ready.Gateway+"/s3/multipart", header, []byte(`{"filename":"a"}`)).
			refused(t, "text/plain", http.StatusUnsupportedMediaType, "unsupported_media_type")
	})
	t.Run("what cannot be completed", func(t *testing.T) {
		t.Parallel()
		m := r.begin(t, nil)
		m.send(t, 1, []byte("x"))
		for body, field := range map[string]string{
			`{"parts":{}}`:                         "parts",
			`{"parts":[1]}`:                        "parts",
			`{"parts":[{"PartNumber":"1"}]}`:       "parts",
			`{"parts":[{"PartNumber":1.5}]}`:       "parts",
			`{"parts":"all"}`:                      "parts",
			`{"checksum":1}`:                       "checksum",
			`{"checksum":{"crc64":1}}`:             "checksum.crc64",
			`{"checksum":{"crc64":1},"parts":"x"}`: "parts",
		} {
			c := m.ask(t, http.MethodPost, "/complete", body).refused(t, body, http.StatusBadRequest, "invalid_request")
			if got := c.fields(t); got[0] != field {
				t.Errorf("%s: fields = %q, want %s", body, got, field)
			}
		}
		m.ask(t, http.MethodPost, "/complete", `{"parts":`).refused(t, "half of a body", http.StatusBadRequest, "invalid_json")
		r.wantStored(t, m.Key, nil)
		m.ask(t, http.MethodPost, "/complete", `{"parts":null}`).receipt(t, "complete", m.Key, []byte("x"))
	})
}

func TestMultipartThatIsNotEnabled(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, map[string]string{"UPLOAD_METHODS": "put"})
	r.call(t, http.MethodPost, "/s3/multipart", r.Ready.CallerToken, map[string]any{"filename": "a"}).
		refused(t, "POST /s3/multipart", http.StatusForbidden, "forbidden")
	u := r.grantPut(t, nil)
	r.wantEvents(t, u.put(t).receipt(t, "PUT", u.key, u.content), 1)
}
