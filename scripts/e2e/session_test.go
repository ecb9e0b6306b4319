package e2e

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/shared/uploadtoken"
)

// openedSession is the answer to POST /session.
type openedSession struct{ client.Session }

// session opens a session as the holder of token.
func (r *rig) session(t *testing.T, token string, in any) openedSession {
	t.Helper()
	a := r.call(t, http.MethodPost, "/session", token, in)
	var s openedSession
	a.into(t, "POST /session", &s)
	if got, want := memberNames(t, a.Body), []string{"endpoint", "expiresAt"}; !slices.Equal(got, want) {
		t.Errorf("POST /session answers %q, want %q", got, want)
	}
	if !strings.HasPrefix(s.Endpoint, r.Ready.Gateway+"/c/v1.k1.") || len(s.capability()) > 512 || strings.ContainsAny(s.capability(), "/?#%") {
		t.Fatalf("the endpoint is no address below %s/c/ with one segment of at most 512 bytes", r.Ready.Gateway)
	}
	r.logged.secret(s.capability())
	return s
}

func (s openedSession) capability() string {
	return s.Endpoint[strings.LastIndexByte(s.Endpoint, '/')+1:]
}

// below asks below an endpoint as a client without headers of its own does;
// a body is sent as JSON, nil is none.
func (r *rig) below(t *testing.T, method, endpoint, path string, in any) reply {
	t.Helper()
	a, err := (&client.Client{Endpoint: endpoint, HTTP: r.client.HTTP}).Ask(t.Context(), method, path, nil, in)
	if err != nil {
		t.Fatal(err)
	}
	return reply{a}
}

func TestSessionUploads(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(13)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		upload := map[string]any{"context": map[string]any{"room": "7"}}
		s := r.session(t, r.caller(t, "demo", upload), nil)
		wantContext := func(t *testing.T, got client.Receipt) {
			t.Helper()
			if string(got.Context) != `{"room":"7"}` {
				t.Errorf("context = %s, want that of the token for which the session was opened", got.Context)
			}
			r.wantEvents(t, got, 1)
			if subject := r.events(t, got.Key)[0].Body.Data.Subject; subject != "demo" {
				t.Errorf("subject = %q, want demo", subject)
			}
		}
		begin := func(t *testing.T, wish map[string]any) *transfer {
			t.Helper()
			in := map[string]any{"filename": "film.mp4", "type": "video/mp4", "metadata": map[string]any{"relativePath": nil}}
			maps.Copy(in, wish)
			m := &transfer{r: r, caller: r.Ready.CallerToken}
			r.below(t, http.MethodPost, s.Endpoint, "/s3/multipart", in).into(t, "POST below the session", m)
			r.logged.secret(m.UploadID)
			return m
		}
		t.Run("a form", func(t *testing.T) {
			t.Parallel()
			f := r.params(t, s.Endpoint, "", "filename=%E5%81%87%E6%97%A5+1.png&type=image%2Fpng&metadata%5BrelativePath%5D=null")
			got := r.post(t, f.URL, f.with(whole)).receipt(t, "POST of the form", f.Key, whole)
			if got.Filename != "假日 1.png" {
				t.Errorf("filename = %q, want 假日 1.png", got.Filename)
			}
			wantContext(t, got)
		})
		t.Run("a multipart upload, every step of it", func(t *testing.T) {
			t.Parallel()
			m := begin(t, map[string]any{"size": len(whole), "partSize": minPart})
			at := func(method, rest string, in any) reply { return r.below(t, method, s.Endpoint, m.path(rest), in) }
			key := "?key=" + url.QueryEscape(m.Key)
			var single struct{ URL string }
			at(http.MethodGet, "/1"+key, nil).into(t, "GET of a part", &single)
			var batch, template partURLs
			at(http.MethodGet, "/batch?partNumbers=1-3", nil).into(t, "GET of a batch", &batch)
			at(http.MethodGet, "/batch?partNumbers=1-3&as=template", nil).into(t, "GET of a template", &template)
			var sent []sentPart
			for i, target := range []string{single.URL, batch.url(2), template.url(3)} {
				a := r.request(t, http.MethodPut, target, nil, contents[i])
				if a.Status != http.StatusOK {
					t.Fatalf("PUT of part %d = %v, want 200", i+1, a)
				}
				sent = append(sent, sentPart{i + 1, a.Header.Get("ETag")})
			}
			var listed []struct {
				PartNumber int
				Size       int64
				ETag       string
			}
			at(http.MethodGet, key, nil).into(t, "GET of the parts", &listed)
			if len(listed) != 3 || listed[2].ETag != sent[2].ETag {
				t.Errorf("the list has %v, want the parts %v", listed, sent)
			}
			in := map[string]any{"parts": withETags(sent, unquoted)}
			first := at(http.MethodPost, "/complete"+key, in)
			got := first.receipt(t, "complete", m.Key, whole)
			wantContext(t, got)
			sameAnswers(t, "complete again", []reply{first, at(http.MethodPost, "/complete", nil)})
			at(http.MethodDelete, key, nil).refused(t, "abort after completion", http.StatusConflict, "already_completed")
		})
		t.Run("a multipart upload that is given up", func(t *testing.T) {
			t.Parallel()
			m := begin(t, nil)
			m.send(t, 1, contents[0])
			for range 2 {
				if a := r.below(t, http.MethodDelete, s.Endpoint, m.path(""), nil); a.Status != http.StatusOK || string(a.Body) != "{}" {
					t.Errorf("abort = %v, want 200 {}", a)
				}
			}
			r.below(t, http.MethodGet, s.Endpoint, m.path(""), nil).refused(t, "list", http.StatusGone, "upload_gone")
		})
		t.Run("a multipart upload, half of it with the token itself", func(t *testing.T) {
			t.Parallel()
			m := begin(t, nil)
			sent := m.send(t, 1, contents...)
			wantContext(t, m.complete(t, sent).receipt(t, "complete with the token", m.Key, whole))

			m = r.begin(t, nil)
			sent = m.send(t, 1, contents...)
			r.wantEvents(t, r.below(t, http.MethodPost, s.Endpoint, m.path("/complete"), map[string]any{"parts": sent}).receipt(t, "complete below the session", m.Key, whole), 1)
		})
		t.Run("with somebody's token beside it, still as its own user", func(t *testing.T) {
			t.Parallel()
			for _, token := range []string{r.caller(t, "somebody", nil), "x"} {
				a := r.request(t, http.MethodPost, s.Endpoint+"/s3/multipart", bearer(token), []byte(`{"filename":"a.png"}`))
				var m transfer
				a.into(t, "POST below the session", &m)
				r.logged.secret(m.UploadID)
				if claims := r.open(t, uploadtoken.Multipart, m.UploadID); claims.Subject != "demo" || !strings.HasPrefix(m.Key, "uploads/demo/") {
					t.Errorf("the upload is %q's under %s, want demo's", claims.Subject, m.Key)
				}
			}
		})
	})
}

// Below a session there are the /s3/ routes and nothing else.
func TestSessionHasNoOtherRoutes(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		s := r.session(t, r.Ready.CallerToken, nil)
		u := r.grantPut(t, nil)
		if a := u.put(t); a.Status != http.StatusOK {
			t.Fatalf("PUT = %v, want 200", a)
		}
		bodies := map[string]any{
			"/confirm":  map[string]any{"uploadToken": u.token},
			"/presign":  map[string]any{"filename": "a.png", "size": 1},
			"/download": map[string]any{"key": u.key},
			"/sts":      map[string]any{},
			"/session":  map[string]any{},
			"/callback": map[string]any{},
		}
		for path, in := range bodies {
			for _, at := range []string{path, path + "/", "/s3/.." + path, "/s3/%2e%2e" + path, "/s3" + path, "/s3/multipart/../../.." + path} {
				for _, header := range []http.Header{{"Content-Type": {"application/json"}}, bearer(r.Ready.CallerToken)} {
					body, err := json.Marshal(in)
					if err != nil {
						t.Fatal(err)
					}
					r.request(t, http.MethodPost, s.Endpoint+at, header, body).refused(t, "POST …"+at, http.StatusNotFound, "not_found")
				}
			}
		}
		for _, at := range []string{"", "/", "/s3", "/s3/", "/s3/params/", "/S3/params?filename=a", "//s3/params?filename=a", "/s3/multipart/", "/c/" + s.capability() + "/s3/params?filename=a"} {
			r.below(t, http.MethodGet, s.Endpoint, at, nil).refused(t, "GET …"+at, http.StatusNotFound, "not_found")
		}
		for _, at := range []string{"/c", "/c/", "/c//s3/params?filename=a", "/c/s3/params?filename=a"} {
			r.below(t, http.MethodGet, r.Ready.Gateway, at, nil).refused(t, "GET "+at, http.StatusNotFound, "not_found")
		}
		// The honest controls.
		r.params(t, s.Endpoint, "", "filename=a")
		for path, in := range bodies {
			if path == "/callback" {
				continue
			}
			if a := r.call(t, http.MethodPost, path, r.Ready.CallerToken, in); a.Status != http.StatusOK {
				t.Errorf("POST %s with the token = %d, want 200", path, a.Status)
			}
		}
	})
}

func TestSessionRefusesCapabilities(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(14)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		good := r.session(t, r.Ready.CallerToken, nil)
		opened, err := r.keyring.OpenSession(good.capability(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if opened.Subject != "demo" || opened.ExpiresAt != good.ExpiresAt.Unix() {
			t.Errorf("the capability is %q's until %d, want demo's until %v", opened.Subject, opened.ExpiresAt, good.ExpiresAt)
		}
		seal := func(k *uploadtoken.Keyring, change func(*uploadtoken.Session)) string {
			s := opened
			if change != nil {
				change(&s)
			}
			capability, err := k.SealSession(s)
			if err != nil {
				t.Fatal(err)
			}
			return capability
		}
		m := r.begin(t, nil)
		sent := m.send(t, 1, contents...)
		claims := r.open(t, uploadtoken.Multipart, m.UploadID)
		c := good.capability()
		middle := len(c) / 2
		capabilities := map[string]string{
			"that has just expired":         seal(r.keyring, func(s *uploadtoken.Session) { s.ExpiresAt = time.Now().Unix() }),
			"that expired long ago":         seal(r.keyring, func(s *uploadtoken.Session) { s.ExpiresAt = 1 }),
			"without an end":                seal(r.keyring, func(s *uploadtoken.Session) { s.ExpiresAt = 0 }),
			"sealed with another secret":    seal(newKeyring(t, "k1", randomBytes(32)), nil),
			"of an unknown key":             seal(newKeyring(t, "k9", r.Identity.TokenSecret), nil),
			"truncated":                     c[:len(c)-1],
			"truncated to nothing":          "v1.k1.",
			"with a character more":         c + "A",
			"with a character changed":      c[:middle] + swapped(c[middle]) + c[middle+1:],
			"of another version":            "v2" + c[2:],
			"that is an upload token":       r.seal(t, uploadtoken.Upload, claims),
			"that is an upload id":          m.UploadID,
			"that is a stored grant":        r.seal(t, uploadtoken.Grant, claims),
			"that is the caller's token":    r.Ready.CallerToken,
			"of 513 bytes":                  c + strings.Repeat("A", 513-len(c)),
			"of a word":                     "undefined",
			"of the words of a capability":  base64.RawURLEncoding.EncodeToString([]byte(`{"s":"demo","e":99999999999}`)),
			"for another user's upload id":  r.session(t, r.caller(t, "somebody", nil), nil).capability(),
			"for a user with a longer name": r.session(t, r.caller(t, "demo2", nil), nil).capability(),
			"for a user of another case":    r.session(t, r.caller(t, "Demo", nil), nil).capability(),
		}
		for name, capability := range capabilities {
			if len(capability) >= 16 {
				r.logged.secret(capability)
			}
			endpoint := r.Ready.Gateway + "/c/" + capability
			answers := map[string]reply{
				"list":     r.below(t, http.MethodGet, endpoint, m.path(""), nil),
				"part":     r.below(t, http.MethodGet, endpoint, m.path("/1"), nil),
				"batch":    r.below(t, http.MethodGet, endpoint, m.path("/batch?partNumbers=1"), nil),
				"complete": r.below(t, http.MethodPost, endpoint, m.path("/complete"), map[string]any{"parts": sent}),
				"abort":    r.below(t, http.MethodDelete, endpoint, m.path(""), nil),
				// The token of the right user does not make up for it.
				"list with a token": r.request(t, http.MethodGet, endpoint+m.path(""), uppyHeader(r.Ready.CallerToken), nil),
			}
			if !strings.HasPrefix(name, "for ") {
				answers["create"] = r.below(t, http.MethodPost, endpoint, "/s3/multipart", map[string]any{"filename": "a.png"})
				answers["params"] = r.below(t, http.MethodGet, endpoint, "/s3/params?filename=a.png", nil)
			}
			for what, a := range answers {
				refusal := a.refused(t, what+" with a capability "+name, http.StatusForbidden, "invalid_token")
				if refusal.Details != nil {
					t.Errorf("%s with a capability %s: details %s, want none", what, name, refusal.Details)
				}
				if got := r.logged.line(t, refusal.RequestID).Reason; got != "token" {
					t.Errorf("%s with a capability %s: reason = %q, want token", what, name, got)
				}
			}
		}
		got := r.below(t, http.MethodPost, good.Endpoint, m.path("/complete"), map[string]any{"parts": sent}).receipt(t, "complete by its owner", m.Key, whole)
		r.wantEvents(t, got, 1)
	})
}

// A session has the limits of the token that it was opened with.
func TestSessionCarriesLimits(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		const limit = 1000
		upload := map[string]any{"maxSize": limit, "contentTypes": []string{"image/png", "video/*"}, "context": map[string]any{"order": []int{7}, "note": "<ü> & more"}}
		s := r.session(t, r.caller(t, "demo", upload), nil)
		refused := map[string]struct {
			in    map[string]any
			field string
		}{
			"a size over the limit":      {map[string]any{"filename": "a.png", "type": "image/png", "size": limit + 1}, "size"},
			"a type that is not allowed": {map[string]any{"filename": "a.txt", "type": "text/plain", "size": 1}, "type"},
			"a name of such a type":      {map[string]any{"filename": "a.txt", "size": 1}, "type"},
		}
		for name, tt := range refused {
			c := r.below(t, http.MethodPost, s.Endpoint, "/s3/multipart", tt.in).refused(t, name, http.StatusBadRequest, "invalid_request")
			if got := c.fields(t); !slices.Equal(got, []string{tt.field}) {
				t.Errorf("%s: fields = %q, want %q", name, got, tt.field)
			}
		}
		c := r.below(t, http.MethodGet, s.Endpoint, "/s3/params?filename=a.txt&type=text/plain", nil).refused(t, "a form of that type", http.StatusBadRequest, "invalid_request")
		if got := c.fields(t); !slices.Equal(got, []string{"type"}) {
			t.Errorf("a form of that type: fields = %q, want type", got)
		}

		f := r.params(t, s.Endpoint, "", "filename=a.png&type=image/png")
		r.checkPolicy(t, f, 0, limit)
		content := filler(limit, 15)
		r.post(t, f.URL, f.with(filler(limit+1, 15))).wantStorageError(t, "a form with a byte too many", http.StatusBadRequest, "EntityTooLarge")
		form := r.post(t, f.URL, f.with(content)).receipt(t, "POST of the form", f.Key, content)

		begin := func() *transfer {
			m := &transfer{r: r, caller: r.Ready.CallerToken}
			r.below(t, http.MethodPost, s.Endpoint, "/s3/multipart", map[string]any{"filename": "a.mp4", "type": "video/mp4"}).into(t, "create", m)
			r.logged.secret(m.UploadID)
			return m
		}
		// The limit is the upload's, with which token ever it is completed. One that
		// passes it is over.
		m := begin()
		over := m.send(t, 1, filler(limit+1, 15))
		m.complete(t, over).mismatch(t, "a byte too many", "1 total size is 1001, at most 1000 are allowed")
		m.complete(t, over).refused(t, "a byte too many, again", http.StatusConflict, "aborted")
		r.wantStored(t, m.Key, nil)
		m = begin()
		multipart := m.complete(t, m.send(t, 1, content)).receipt(t, "complete", m.Key, content)
		for _, got := range []client.Receipt{form, multipart} {
			r.wantEvents(t, got, 1)
			if !sameJSON(t, got.Context, []byte(`{"order":[7],"note":"<ü> & more"}`)) {
				t.Errorf("context = %s, want that of the token", got.Context)
			}
		}
	})
}

func TestSessionLives(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		until := func(exp time.Time) string {
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "demo", "aud": "ossupload", "exp": exp.Unix()}).SignedString(r.Identity.CallerSecret)
			if err != nil {
				t.Fatal(err)
			}
			r.logged.secret(token)
			return token
		}
		soon := time.Now().Add(5 * time.Minute)
		tests := []struct {
			name  string
			token string
			in    any
			life  time.Duration
		}{
			{"an hour without a body", r.Ready.CallerToken, nil, time.Hour},
			{"an hour with an empty object", r.Ready.CallerToken, map[string]any{}, time.Hour},
			{"an hour with null for what is not asked", r.Ready.CallerToken, map[string]any{"expiresIn": nil}, time.Hour},
			{"what was asked", r.Ready.CallerToken, map[string]any{"expiresIn": 60}, time.Minute},
			{"an hour when a second more was asked", r.Ready.CallerToken, map[string]any{"expiresIn": 3601}, time.Hour},
			{"an hour when all time was asked", r.Ready.CallerToken, map[string]any{"expiresIn": int64(1) << 62}, time.Hour},
			{"no longer than the caller's token", until(soon), nil, 5 * time.Minute},
			{"no longer than the caller's token, whatever was asked", until(soon), map[string]any{"expiresIn": 3600}, 5 * time.Minute},
			{"shorter than the caller's token", until(soon), map[string]any{"expiresIn": 9}, 9 * time.Second},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				began := time.Now().Truncate(time.Second)
				s := r.session(t, tt.token, tt.in)
				low, high := began.Add(tt.life), time.Now().Add(tt.life)
				if tt.life == 5*time.Minute {
					low, high = soon.Truncate(time.Second), soon
				}
				if s.ExpiresAt.Before(low) || s.ExpiresAt.After(high) {
					t.Errorf("expiresAt = %v, want %v to %v", s.ExpiresAt, low, high)
				}
				opened, err := r.keyring.OpenSession(s.capability(), time.Now())
				if err != nil || opened.ExpiresAt != s.ExpiresAt.Unix() {
					t.Errorf("the capability ends at %d, %v; expiresAt is %v", opened.ExpiresAt, err, s.ExpiresAt)
				}
			})
		}
		t.Run("and ends", func(t *testing.T) {
			s := r.session(t, r.Ready.CallerToken, map[string]any{"expiresIn": 2})
			a := r.below(t, http.MethodGet, s.Endpoint, "/s3/params?filename=a", nil)
			if a.Status == http.StatusOK || time.Now().Before(s.ExpiresAt) { // else a busy machine was late
				r.readForm(t, a, "expires", "fields", "method", "url")
			}
			<-time.After(time.Until(s.ExpiresAt)) // under two seconds
			r.below(t, http.MethodGet, s.Endpoint, "/s3/params?filename=a", nil).refused(t, "at expiresAt", http.StatusForbidden, "invalid_token")
		})
		for name, tt := range map[string]struct {
			in     any
			code   string
			fields []string
		}{
			"no life":          {map[string]any{"expiresIn": 0}, "invalid_request", []string{"expiresIn"}},
			"a life before":    {map[string]any{"expiresIn": -1}, "invalid_request", []string{"expiresIn"}},
			"a life of text":   {map[string]any{"expiresIn": "1h"}, "invalid_request", []string{"expiresIn"}},
			"an unknown field": {map[string]any{"subject": "somebody"}, "invalid_request", []string{"subject"}},
			"no JSON":          {`{"expiresIn":`, "invalid_json", nil},
			"a list":           {`[]`, "invalid_json", nil},
			"null":             {`null`, "invalid_json", nil},
		} {
			c := r.call(t, http.MethodPost, "/session", r.Ready.CallerToken, tt.in).refused(t, name, http.StatusBadRequest, tt.code)
			if tt.fields != nil && !slices.Equal(c.fields(t), tt.fields) {
				t.Errorf("%s: fields = %q, want %q", name, c.fields(t), tt.fields)
			}
		}
		r.call(t, http.MethodPost, "/session", until(time.Now().Add(-time.Minute)), nil).refused(t, "with an ended token", http.StatusUnauthorized, "unauthenticated")
		r.request(t, http.MethodPost, r.Ready.Gateway+"/session", nil, nil).refused(t, "of nobody", http.StatusUnauthorized, "unauthenticated")

		t.Run("with the longest name, and as much context as fits", func(t *testing.T) {
			subject := strings.Repeat("夏", 42) + "xy" // 128 bytes
			s := r.session(t, r.caller(t, subject, map[string]any{"context": strings.Repeat("a", 100)}), nil)
			opened, err := r.keyring.OpenSession(s.capability(), time.Now())
			if err != nil || opened.Subject != subject || !reflect.DeepEqual([]byte(opened.Context), []byte(`"`+strings.Repeat("a", 100)+`"`)) {
				t.Errorf("the capability is of %q with context %s, %v; want the caller's own", opened.Subject, opened.Context, err)
			}
			c := r.call(t, http.MethodPost, "/session", r.caller(t, subject, map[string]any{"context": strings.Repeat("a", 500)}), nil).refused(t, "with more context than fits", http.StatusForbidden, "forbidden")
			if c.Details != nil {
				t.Errorf("details = %s, want none: no field of the request is at fault", c.Details)
			}
		})
	})
}

// What the operator has not enabled is forbidden, and the rest goes on.
func TestWhatIsOffIsForbidden(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerHTTP, map[string]string{"PUBLIC_URL": "", "STS_ENABLED": "", "UPLOAD_METHODS": "put"})
	r.call(t, http.MethodPost, "/session", r.Ready.CallerToken, nil).refused(t, "POST /session", http.StatusForbidden, "forbidden")
	r.call(t, http.MethodPost, "/sts", r.Ready.CallerToken, nil).refused(t, "POST /sts", http.StatusForbidden, "forbidden")
	r.call(t, http.MethodPost, "/presign", r.Ready.CallerToken, map[string]any{"filename": "a.png", "as": "form"}).refused(t, "POST /presign of a form", http.StatusForbidden, "forbidden")
	r.request(t, http.MethodGet, r.Ready.Gateway+"/s3/params?filename=a.png", uppyHeader(r.Ready.CallerToken), nil).refused(t, "GET /s3/params", http.StatusForbidden, "forbidden")
	r.call(t, http.MethodPost, "/s3/multipart", r.Ready.CallerToken, map[string]any{"filename": "a.png"}).refused(t, "POST /s3/multipart", http.StatusForbidden, "forbidden")
	u := r.grantPut(t, nil)
	r.wantEvents(t, u.put(t).receipt(t, "PUT", u.key, u.content), 1)
	if a := r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": u.key}); a.Status != http.StatusOK {
		t.Errorf("POST /download = %d, want 200", a.Status)
	}
}
