package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

var callerWish = wish{"filename": "a.txt", "size": 5}

// presignWith asks with any header.
func (s *site) presignWith(t *testing.T, header http.Header) reply {
	t.Helper()
	body, err := json.Marshal(callerWish)
	if err != nil {
		t.Fatal(err)
	}
	all := http.Header{"Content-Type": {"application/json"}}
	maps.Copy(all, header)
	return s.ask(t, http.MethodPost, "/presign", all, body)
}

// checkUnauthenticated holds that a caller was refused, and told why in the words
// of RFC 6750 and of the message; why is "" for a caller who sent no token, whom
// the bare scheme asks for one.
func checkUnauthenticated(t *testing.T, a reply, why string) {
	t.Helper()
	want := "Bearer"
	if why != "" {
		want += ` error="invalid_token", error_description="` + why + `"`
	}
	checkChallenge(t, a, want)
}

// checkNotVouchedFor holds that a caller was refused whom no gateway vouched for,
// and that every such caller is told the same.
func checkNotVouchedFor(t *testing.T, a reply) {
	t.Helper()
	checkChallenge(t, a, "ossupload-gateway")
	if got, want := a.Problem().Message, "The request is not authenticated. Send it through the gateway of this service."; got != want {
		t.Errorf("the refusal says %q, want %q", got, want)
	}
}

func checkChallenge(t *testing.T, a reply, want string) {
	t.Helper()
	if a.Status != http.StatusUnauthorized {
		t.Fatalf("POST /presign = %d, want 401", a.Status)
	}
	if r := a.problem(t); r.Code != "unauthenticated" || r.Details != nil {
		t.Errorf("the refusal is %v, want unauthenticated and no details", a)
	}
	if got := a.Header.Values("WWW-Authenticate"); !slices.Equal(got, []string{want}) {
		t.Errorf("WWW-Authenticate = %q, want %q", got, want)
	}
	checkNothingGranted(t, a)
}

func jwtOf(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestForgedTokensAreRefused(t *testing.T) {
	stacktest.EndToEnd(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	onBothSites(t, func(t *testing.T, s *site) {
		secret := s.secret(t, "AUTH_JWT_SECRET")
		in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
		claims := func(more jwt.MapClaims) jwt.MapClaims {
			all := jwt.MapClaims{"sub": "user-7", "aud": "ossupload", "exp": in(time.Hour), "iat": in(-time.Minute)}
			maps.Copy(all, more)
			maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
			return all
		}
		hs256 := func(more jwt.MapClaims) string { return jwtOf(t, jwt.SigningMethodHS256, secret, claims(more)) }
		good := hs256(nil)
		header, rest, _ := strings.Cut(good, ".")
		payload, signature, _ := strings.Cut(rest, ".")
		other := base64.RawURLEncoding.EncodeToString(bytes.Replace(mustDecode(t, payload), []byte("user-7"), []byte("user-8"), 1))

		tests := []struct {
			name, why string
			header    http.Header
		}{
			{"no header", "", nil},
			{"an empty header", "", http.Header{"Authorization": {""}}},
			{"a scheme without a token", "malformed credentials", http.Header{"Authorization": {"Bearer"}}},
			{"another scheme", "", http.Header{"Authorization": {"Basic " + good}}},
			{"no scheme", "", http.Header{"Authorization": {good}}},
			{"two headers", "malformed credentials", http.Header{"Authorization": {"Bearer " + good, "Bearer " + good}}},
			{"two tokens in one header", "malformed credentials", http.Header{"Authorization": {"Bearer " + good + ", Bearer " + good}}},
			{"a token in another header", "", http.Header{"X-Authorization": {"Bearer " + good}}},
			{"a token in a cookie", "", http.Header{"Cookie": {"Authorization=Bearer " + good}}},
			{"another secret", "signature does not verify", holderOf(jwtOf(t, jwt.SigningMethodHS256, randomBytes(32), claims(nil)))},
			{"another signature", "signature does not verify", holderOf(header + "." + payload + "." + signature[:9] + swapped(signature[9]) + signature[10:])},
			{"no signature", "signature does not verify", holderOf(header + "." + payload + ".")},
			{"another payload", "signature does not verify", holderOf(header + "." + other + "." + signature)},
			{"alg none", "it is not signed with HS256", holderOf(jwtOf(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(nil)))},
			{"RS256", "it is not signed with HS256", holderOf(jwtOf(t, jwt.SigningMethodRS256, rsaKey, claims(nil)))},
			{"HS512 where HS256 is pinned", "it is not signed with HS256", holderOf(jwtOf(t, jwt.SigningMethodHS512, secret, claims(nil)))},
			{"an end in the past", "token has expired", holderOf(hs256(jwt.MapClaims{"exp": in(-time.Minute)}))},
			{"an end beyond the leeway", "token has expired", holderOf(hs256(jwt.MapClaims{"exp": in(-31 * time.Second)}))},
			{"an end in 367 days", "the claim exp is more than 366 days ahead", holderOf(hs256(jwt.MapClaims{"exp": in(367 * 24 * time.Hour)}))},
			{"an end in the year 9000", "the claim exp is more than 366 days ahead", holderOf(hs256(jwt.MapClaims{"exp": 221845392000}))},
			{"no audience", "the claim aud is missing", holderOf(hs256(jwt.MapClaims{"aud": nil}))},
			{"another audience", "audience is not the expected one", holderOf(hs256(jwt.MapClaims{"aud": "elsewhere"}))},
			{"no end", "the claim exp is missing", holderOf(hs256(jwt.MapClaims{"exp": nil}))},
			{"an end that is text", "the claim exp is not a time", holderOf(hs256(jwt.MapClaims{"exp": "tomorrow"}))},
			{"a beginning in the future", "token is not yet valid", holderOf(hs256(jwt.MapClaims{"nbf": in(time.Minute)}))},
			{"issued in the future", "token is not yet valid", holderOf(hs256(jwt.MapClaims{"iat": in(time.Minute)}))},
			{"no subject", "the claim sub is missing", holderOf(hs256(jwt.MapClaims{"sub": nil}))},
			{"an empty subject", "the claim sub is empty", holderOf(hs256(jwt.MapClaims{"sub": ""}))},
			{"a subject that is a number", "the claim sub is not a string", holderOf(hs256(jwt.MapClaims{"sub": 7}))},
			{"a subject of 129 bytes", "the claim sub is longer than 128 bytes", holderOf(hs256(jwt.MapClaims{"sub": strings.Repeat("a", 129)}))},
			{"a subject of 900 bytes", "the claim sub is longer than 128 bytes", holderOf(hs256(jwt.MapClaims{"sub": strings.Repeat("a", 900)}))},
			{"a subject with a line break", "the claim sub holds control characters", holderOf(hs256(jwt.MapClaims{"sub": "a\nb"}))},
			{"a misspelt limit", "the claim upload has an unknown member", holderOf(hs256(jwt.MapClaims{"upload": map[string]any{"maxsize": 1}}))},
			{"a limit that is text", "the claim upload.maxSize is not a whole number of bytes", holderOf(hs256(jwt.MapClaims{"upload": map[string]any{"maxSize": "1"}}))},
			{"a negative limit", "the claim upload.maxSize is not a whole number of bytes", holderOf(hs256(jwt.MapClaims{"upload": map[string]any{"maxSize": -1}}))},
			{"no type at all", "the claim upload.contentTypes is not a list of types", holderOf(hs256(jwt.MapClaims{"upload": map[string]any{"contentTypes": []string{}}}))},
			{"a context over 512 bytes", "the claim upload.context is longer than 512 bytes", holderOf(hs256(jwt.MapClaims{"upload": map[string]any{"context": strings.Repeat("a", 511)}}))},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) { checkUnauthenticated(t, s.presignWith(t, tt.header), tt.why) })
		}
		for name, token := range map[string]string{
			"the honest token":              good,
			"a token that has just begun":   hs256(jwt.MapClaims{"nbf": in(20 * time.Second)}), // within the leeway for clocks
			"a token for others as well":    hs256(jwt.MapClaims{"aud": []string{"elsewhere", "ossupload"}}),
			"a token of a year":             hs256(jwt.MapClaims{"exp": in(365 * 24 * time.Hour)}),
			"a context of 512 bytes":        hs256(jwt.MapClaims{"upload": map[string]any{"context": strings.Repeat("a", 510)}}),
			"a token with unrelated claims": hs256(jwt.MapClaims{"roles": []string{"admin"}, "nbf": in(-time.Hour)}),
		} {
			if a := s.presignWith(t, holderOf(token)); a.Status != http.StatusOK {
				t.Errorf("%s = %v, want 200", name, a)
			} else {
				s.readPresigned(t, a)
			}
		}
	})
}

func TestTokenMustBeForUs(t *testing.T) {
	t.Parallel()
	s := newSite(t, settingsOf(map[string]string{"AUTH_ISSUER": "https://id.example", "AUTH_AUDIENCE": "uploads", "AUTH_SUBJECT_CLAIM": "uid"}))
	tests := []struct {
		name   string
		claims jwt.MapClaims
		why    string // "": it is taken
	}{
		{"all as configured", jwt.MapClaims{"iss": "https://id.example", "aud": "uploads", "uid": "u"}, ""},
		{"one audience of several", jwt.MapClaims{"iss": "https://id.example", "aud": []string{"x", "uploads"}, "uid": "u"}, ""},
		{"no audience", jwt.MapClaims{"iss": "https://id.example", "uid": "u"}, "the claim aud is missing"},
		{"another audience", jwt.MapClaims{"iss": "https://id.example", "aud": "upload", "uid": "u"}, "audience is not the expected one"},
		{"several other audiences", jwt.MapClaims{"iss": "https://id.example", "aud": []string{"x", "Uploads"}, "uid": "u"}, "audience is not the expected one"},
		{"an audience that is a number", jwt.MapClaims{"iss": "https://id.example", "aud": 1, "uid": "u"}, "the claim aud is neither a name nor a list of names"},
		{"no issuer", jwt.MapClaims{"aud": "uploads", "uid": "u"}, "the claim iss is missing"},
		{"another issuer", jwt.MapClaims{"iss": "https://id.example/", "aud": "uploads", "uid": "u"}, "issuer is not the expected one"},
		{"the subject in the usual claim only", jwt.MapClaims{"iss": "https://id.example", "aud": "uploads"}, "the claim uid is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			claims := jwt.MapClaims{"sub": "demo", "exp": time.Now().Add(time.Hour).Unix()}
			maps.Copy(claims, tt.claims)
			a := s.presignWith(t, holderOf(jwtOf(t, jwt.SigningMethodHS256, s.secret(t, "AUTH_JWT_SECRET"), claims)))
			if tt.why != "" {
				checkUnauthenticated(t, a, tt.why)
				return
			}
			if p := s.readPresigned(t, a); !strings.HasPrefix(p.Key, "uploads/u/") {
				t.Errorf("key = %q, want one of u", p.Key)
			}
		})
	}
}

// Whatever a subject is called, its keys lie under a prefix of its own, hold no
// character that means something, and work.
func TestSubjectsGiveSafeKeys(t *testing.T) {
	long := strings.Repeat("é", 64)
	sum := sha256.Sum256([]byte(long))
	tests := []struct{ subject, segment string }{
		{"user-7", "user-7"},
		{"*", "_2a"},
		{"../x", "_2e_2e_2fx"},
		{"..", "_2e_2e"},
		{"/", "_2f"},
		{"a/b", "a_2fb"},
		{"a_2fb", "a_5f2fb"},
		{"User@Example.com", "_55ser_40_45xample_2ecom"},
		{"%2e%2e", "_252e_252e"},
		{"?a=b&c#d", "_3fa_3db_26c_23d"},
		{" ", "_20"},
		{strings.Repeat("a", 128), strings.Repeat("a", 128)},
		{long, "__" + hex.EncodeToString(sum[:])},
	}
	onBothSites(t, func(t *testing.T, s *site) {
		content := []byte("hello")
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%.20q", tt.subject), func(t *testing.T) {
				p := s.presign(t, s.tokenFor(t, tt.subject, nil), callerWish)
				if want := "uploads/" + tt.segment + "/"; !strings.HasPrefix(p.Key, want) || strings.Count(p.Key, "/") != 4 {
					t.Errorf("key = %q, want one level of years and one of months under %q", p.Key, want)
				}
				put := s.send(t, p.with(content))
				s.checkAnnounced(t, put, p.Key, content)
				checkEventTellsReceipt(t, s, put.Body, tt.subject)
			})
		}
	})
}

func TestUploadClaimNarrows(t *testing.T) {
	tests := []struct {
		name   string
		claim  map[string]any
		wish   wish
		fields []string // nil: it is granted
	}{
		{"a size at the limit", map[string]any{"maxSize": 5}, wish{}, nil},
		{"a size over the limit", map[string]any{"maxSize": 4}, wish{}, []string{"size"}},
		{"a limit of nothing", map[string]any{"maxSize": 0}, wish{}, []string{"size"}},
		{"a limit over the policy's", map[string]any{"maxSize": 1 << 60}, wish{"size": 2001}, []string{"size"}},
		{"the policy's limit", map[string]any{"maxSize": 1 << 60}, wish{}, nil},
		{"an allowed type", map[string]any{"contentTypes": []string{"text/*"}}, wish{}, nil},
		{"an allowed type by its name", map[string]any{"contentTypes": []string{"image/png", "text/plain"}}, wish{}, nil},
		{"a type that is asked for and not allowed", map[string]any{"contentTypes": []string{"image/*"}}, wish{"contentType": "text/plain"}, []string{"contentType"}},
		{"a type of the name that is not allowed", map[string]any{"contentTypes": []string{"image/*"}}, wish{}, []string{"contentType"}},
		{"a type that only the token names", map[string]any{"contentTypes": []string{"video/mp4"}}, wish{"contentType": "video/mp4"}, []string{"contentType"}},
		{"html that only the token names", map[string]any{"contentTypes": []string{"text/html", "*/*"}}, wish{"contentType": "text/html"}, []string{"contentType"}},
		{"both limits at once", map[string]any{"maxSize": 4, "contentTypes": []string{"image/*"}}, wish{}, []string{"contentType", "size"}},
		{"a url at the limit", map[string]any{"maxSize": 5}, wish{"as": "url"}, nil},
		{"a url over the limit", map[string]any{"maxSize": 4}, wish{"as": "url"}, []string{"size"}},
		{"a url of any length", map[string]any{"maxSize": 5}, wish{"as": "url", "size": nil}, []string{"size"}},
		{"a url of a type that is not allowed", map[string]any{"contentTypes": []string{"image/*"}}, wish{"as": "url"}, []string{"contentType"}},
	}
	t.Parallel()
	s := newSite(t, settingsOf(map[string]string{"UPLOAD_MAX_SIZE": "2000", "UPLOAD_CONTENT_TYPES": "text/*,image/*,application/octet-stream"}))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			caller := s.tokenFor(t, "user-7", jwt.MapClaims{"upload": tt.claim})
			a := s.tryPresign(t, caller, callerWish.and(tt.wish))
			if tt.fields == nil {
				if a.Status != http.StatusOK {
					t.Fatalf("POST /presign = %v, want 200", a)
				}
				p := s.readPresigned(t, a)
				s.checkAnnounced(t, s.send(t, p.with([]byte("hello"))), p.Key, []byte("hello"))
				return
			}
			if got := slices.Sorted(slices.Values(a.problem(t).fields(t))); a.Status != http.StatusBadRequest || !slices.Equal(got, tt.fields) {
				t.Errorf("POST /presign = %v naming %q, want 400 naming %q", a, got, tt.fields)
			}
			checkNothingGranted(t, a)
		})
	}
	// Where the operator allows it no length is signed into such a URL, so OSS takes
	// more than was allowed.
	s = newSite(t, settingsOf(map[string]string{"UPLOAD_MAX_SIZE": "2000", "UPLOAD_CONTENT_TYPES": "text/*,image/*,application/octet-stream", "UPLOAD_URL_UNSIZED": "true"}))
	for name, limit := range map[string]any{"the token's": map[string]any{"maxSize": 5}, "the policy's": map[string]any{}} {
		t.Run("a url is never announced over the limit that is "+name, func(t *testing.T) {
			p := s.presign(t, s.tokenFor(t, "user-7", jwt.MapClaims{"upload": limit}), wish{"as": "url", "filename": "a.txt"})
			content := randomBytes(6)
			if name == "the policy's" {
				content = randomBytes(2001)
			}
			s.checkNotAnnounced(t, s.send(t, p.with(content)), p.Key, content)
		})
	}
}

// direct gives an event with header to a function as a gateway would that
// leaves header names alone, and returns the status of its answer.
func (s *site) direct(t *testing.T, trigger fc.Trigger, header map[string]string) int {
	t.Helper()
	body, err := json.Marshal(callerWish)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Ready.Gateway+"/presign", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	text, err := trigger.EventFromRequest(req, body, fc.Arrival{RequestID: "direct", Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		event["headers"].(map[string]any)[name] = value
		s.keepSecret("a caller's Authorization", strings.TrimPrefix(value, "Bearer "))
	}
	if text, err = json.Marshal(event); err != nil {
		t.Fatal(err)
	}
	answer, err := s.Functions["presign"].Invoke(t.Context(), text)
	if err != nil {
		t.Fatalf("Invoke() = %v", err)
	}
	var a struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		t.Fatal(err)
	}
	if a.StatusCode == http.StatusOK {
		s.readPresigned(t, reply{client.Answer{Status: a.StatusCode, Body: []byte(a.Body)}})
	}
	return a.StatusCode
}

var triggers = []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP}

// These are beyond what the stack's gateways let pass or keep apart.
func TestTokensInEvents(t *testing.T) {
	onBothSites(t, func(t *testing.T, s *site) {
		good := "Bearer " + s.Ready.CallerToken
		other := "Bearer " + s.tokenFor(t, "user-8", nil)
		long := "Bearer " + s.tokenFor(t, "user-8", jwt.MapClaims{"pad": strings.Repeat("a", 6<<10)})
		// A function takes either event, whatever stands before it.
		for _, trigger := range triggers {
			for _, tt := range []struct {
				header map[string]string
				want   int
			}{
				{map[string]string{"Authorization": good}, 200},
				{map[string]string{"authorization": good}, 200},
				{map[string]string{"AUTHORIZATION": good}, 200},
				{map[string]string{"Authorization": good, "authorization": good}, 401},
				{map[string]string{"Authorization": good, "AUTHORIZATION": other}, 401},
				{map[string]string{"Authorization": good, "authorization": ""}, 401},
				{map[string]string{"Authorization": long}, 401},
				{map[string]string{"Authorization": good + "\r\nX-User: root"}, 400},
				{map[string]string{"Authorization": strings.Replace(good, ".", ".\n", 1)}, 400},
				{map[string]string{}, 401},
			} {
				if got := s.direct(t, trigger, tt.header); got != tt.want {
					t.Errorf("headers %v in the event of %s = %d, want %d", slices.Sorted(maps.Keys(tt.header)), trigger, got, tt.want)
				}
			}
		}
	})
}

func TestHeaderModeNeedsItsSecret(t *testing.T) {
	t.Parallel()
	secret := "s3cret-of-the-gateway-0123456789-abcdef"
	for _, trigger := range triggers {
		t.Run("behind the trigger "+string(trigger), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(o *stack.Options) {
				o.Trigger = trigger
				o.Settings = map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X-User", "AUTH_HEADER_SECRET": secret}
			})
			tests := []struct {
				name   string
				header http.Header
				ok     bool
			}{
				{"both headers", http.Header{"X-User": {"alice"}, "X-User-Secret": {secret}}, true},
				{"both in other letters", http.Header{"x-user": {"alice"}, "X-USER-SECRET": {secret}}, true},
				{"no header", nil, false},
				{"no secret", http.Header{"X-User": {"alice"}}, false},
				{"an empty secret", http.Header{"X-User": {"alice"}, "X-User-Secret": {""}}, false},
				{"another secret", http.Header{"X-User": {"alice"}, "X-User-Secret": {secret[1:] + "x"}}, false},
				{"half of the secret", http.Header{"X-User": {"alice"}, "X-User-Secret": {secret[:20]}}, false},
				{"the secret twice", http.Header{"X-User": {"alice"}, "X-User-Secret": {secret, secret}}, false},
				{"the secret alone", http.Header{"X-User-Secret": {secret}}, false},
				{"an empty identity", http.Header{"X-User": {""}, "X-User-Secret": {secret}}, false},
				{"two identities", http.Header{"X-User": {"alice", "mallory"}, "X-User-Secret": {secret}}, false},
				{"one identity twice", http.Header{"X-User": {"alice", "alice"}, "X-User-Secret": {secret}}, false},
				{"identities in two letter cases", http.Header{"X-User": {"alice"}, "x-user": {"mallory"}, "X-User-Secret": {secret}}, false},
				{"a comma", http.Header{"X-User": {"alice,mallory"}, "X-User-Secret": {secret}}, false},
				{"900 bytes", http.Header{"X-User": {strings.Repeat("a", 900)}, "X-User-Secret": {secret}}, false},
			}
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					a := s.presignWith(t, tt.header)
					if !tt.ok {
						checkNotVouchedFor(t, a)
						return
					}
					if a.Status != http.StatusOK {
						t.Fatalf("POST /presign = %v, want 200", a)
					}
					p := s.readPresigned(t, a)
					put := s.send(t, p.with([]byte("hello")))
					s.checkAnnounced(t, put, p.Key, []byte("hello"))
					checkEventTellsReceipt(t, s, put.Body, "alice")
				})
			}
			for name, tt := range map[string]struct {
				header map[string]string
				want   int
			}{
				"one of each":                  {map[string]string{"x-User": "alice", "X-USER-secret": secret}, 200},
				"identities in two cases":      {map[string]string{"X-User": "alice", "x-user": "mallory", "X-User-Secret": secret}, 401},
				"the same in two cases":        {map[string]string{"X-User": "alice", "x-user": "alice", "X-User-Secret": secret}, 401},
				"an empty one in another case": {map[string]string{"X-User": "alice", "x-user": "", "X-User-Secret": secret}, 401},
				"secrets in two cases":         {map[string]string{"X-User": "alice", "X-User-Secret": secret, "x-user-secret": "x"}, 401},
				"white space around it":        {map[string]string{"X-User": " alice", "X-User-Secret": secret}, 401},
			} {
				if got := s.direct(t, trigger, tt.header); got != tt.want {
					t.Errorf("an event with %s = %d, want %d", name, got, tt.want)
				}
			}
		})
	}
}

func TestNoneModeMustBeAllowed(t *testing.T) {
	t.Parallel()
	for name, overrides := range map[string]map[string]string{
		"without permission":      {"AUTH_MODE": "none"},
		"with permission refused": {"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "false"},
		"with no mode at all":     {"AUTH_MODE": "", "AUTH_ALLOW_NONE": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			o := stack.Options{Binaries: stacktest.Binaries(t), Log: t.Output(), Assume: assumed}
			o.Settings = overrides
			s, err := stack.Start(t.Context(), o)
			if err == nil {
				s.Close()
				t.Fatal("Start() = nil, want an error")
			}
			if text := err.Error(); !strings.Contains(text, "AUTH_MODE") || overrides["AUTH_MODE"] != "" && !strings.Contains(text, "AUTH_ALLOW_NONE") {
				t.Errorf("Start() = %v, want it to name AUTH_MODE, and AUTH_ALLOW_NONE for none", err)
			}
		})
	}

	s := newSite(t, settingsOf(map[string]string{"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "true"}))
	a := s.presignWith(t, nil)
	if a.Status != http.StatusOK {
		t.Fatalf("POST /presign as nobody = %v, want 200", a)
	}
	p := s.readPresigned(t, a)
	if !strings.HasPrefix(p.Key, "uploads/anonymous/") {
		t.Errorf("key = %q, want one of anonymous", p.Key)
	}
	put := s.send(t, p.with([]byte("hello")))
	s.checkAnnounced(t, put, p.Key, []byte("hello"))
	checkEventTellsReceipt(t, s, put.Body, "anonymous")
	if !slices.ContainsFunc(s.log.lines(t), func(l siteLogLine) bool {
		return l.Level == "WARN" && strings.Contains(l.Msg, "AUTH_MODE is none")
	}) {
		t.Error("no warning was logged that everybody may upload")
	}
}

// A caller who asks in the other mode's way is nobody.
func TestModesDoNotMix(t *testing.T) {
	t.Parallel()
	s := sharedSite(t, fc.TriggerAPIGateway)
	checkUnauthenticated(t, s.presignWith(t, http.Header{"X-User": {"alice"}, "X-User-Secret": {"x"}}), "")
	h := newSite(t, settingsOf(map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X-User", "AUTH_HEADER_SECRET": "another-s3cret-of-a-gateway-9876543210"}))
	checkNotVouchedFor(t, h.presignWith(t, holderOf(s.Ready.CallerToken)))
}
