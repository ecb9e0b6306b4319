package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/shared/uploadtoken"
)

// Places of deployments that have our secrets.
var (
	otherBucket = uploadtoken.Place{Bucket: "ossupload-other", Prefix: here.Prefix}
	otherPrefix = uploadtoken.Place{Bucket: here.Bucket, Prefix: "staging/"}
)

// wallet is every kind of token that one subject's uploads bring into being,
// and forgeries of them. Each is good for one thing and is tried for all.
type wallet struct {
	owner, stranger       string // callers' tokens
	put, form             string // upload tokens
	uploadID              string // of an upload in parts
	storedPut, storedPart string // grants
	capability, theirs    string // of sessions, the owner's and the stranger's
	receipt               string
	claims                uploadtoken.Claims // of uploadID
}

func (r *rig) wallet(t *testing.T) wallet {
	t.Helper()
	u := r.grantPut(t, nil)
	m := r.begin(t, nil)
	w := wallet{
		owner: r.Ready.CallerToken, stranger: r.caller(t, "somebody", nil),
		put: u.token, form: r.form(t, r.Ready.CallerToken, nil).UploadToken,
		uploadID: m.UploadID, storedPut: u.header[metaGrant],
		claims: r.open(t, uploadtoken.Multipart, m.UploadID),
	}
	w.storedPart = r.seal(t, uploadtoken.Grant, w.claims)
	w.capability, w.theirs = r.capability(t, w.owner), r.capability(t, w.stranger)
	w.receipt = u.put(t).receipt(t, "PUT", u.key, u.content).ReceiptToken
	r.logged.secret(w.storedPart, w.receipt)
	return w
}

// named is a token or a caller, and what it is.
type named struct{ name, value string }

// tokens are what may stand where an upload token or id belongs. The first is
// good for the first of callers, and the second for the second.
func (w wallet) tokens(t *testing.T, r *rig) []named {
	expired := w.claims
	expired.ExpiresAt = time.Now().Unix()
	forged, _ := newKeyring(t, "k1", randomBytes(32)).Seal(uploadtoken.Multipart, w.claims)
	unknown, _ := newKeyring(t, "k9", r.Identity.TokenSecret).Seal(uploadtoken.Multipart, w.claims)
	tokens := []named{
		{"an upload id", w.uploadID},
		{"a stranger's upload id", r.beginAs(t, w.stranger, nil).UploadID},
		{"an upload token", w.put},
		{"an upload token of the same upload", r.seal(t, uploadtoken.Upload, w.claims)},
		{"an upload id that has expired", r.seal(t, uploadtoken.Multipart, expired)},
		{"an upload id for another bucket", r.sealAt(t, otherBucket, uploadtoken.Multipart, w.claims)},
		{"an upload id for another prefix", r.sealAt(t, otherPrefix, uploadtoken.Multipart, w.claims)},
		{"an upload id of a forged secret", forged},
		{"an upload id of an unknown key id", unknown},
		{"an upload id with a character changed", w.uploadID[:99] + swapped(w.uploadID[99]) + w.uploadID[100:]},
		{"an upload id without its last character", w.uploadID[:len(w.uploadID)-1]},
		{"OSS's own upload id", w.claims.UploadID},
		{"a stored grant of a PUT", w.storedPut},
		{"a stored grant of an upload in parts", w.storedPart},
		{"a capability", w.capability},
		{"a caller's token", w.owner},
		{"a receipt", w.receipt},
		{"nothing", "-"},
	}
	for _, token := range tokens[:len(tokens)-1] {
		r.logged.secret(token.value)
	}
	return tokens
}

// callers are what may stand in Authorization. The first two are good.
func (w wallet) callers(t *testing.T, r *rig) []named {
	claims := func(change jwt.MapClaims) jwt.MapClaims {
		all := jwt.MapClaims{"sub": stack.CallerSubject, "aud": "ossupload", "exp": time.Now().Add(time.Hour).Unix()}
		for name, value := range change {
			if all[name] = value; value == nil {
				delete(all, name)
			}
		}
		return all
	}
	sign := func(method jwt.SigningMethod, key any, change jwt.MapClaims) string {
		token := jwtOf(t, method, key, claims(change))
		r.logged.secret(token)
		return token
	}
	hs256, secret := jwt.SigningMethodHS256, r.Identity.CallerSecret
	return []named{
		{"the owner", w.owner},
		{"a stranger", w.stranger},
		{"nobody", ""},
		{"an expired token", sign(hs256, secret, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()})},
		{"a token of another secret", sign(hs256, randomBytes(32), nil)},
		{"a token of no algorithm", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil)},
		{"a receipt", w.receipt},
		{"an upload token", w.put},
		{"an upload id", w.uploadID},
		{"a stored grant", w.storedPut},
		{"a capability", w.capability},
		// From here on there are more forgeries of a caller's token.
		{"a token without an end", sign(hs256, secret, jwt.MapClaims{"exp": nil})},
		{"a token not yet valid", sign(hs256, secret, jwt.MapClaims{"nbf": time.Now().Add(time.Hour).Unix()})},
		{"a token without a subject", sign(hs256, secret, jwt.MapClaims{"sub": nil})},
		{"a token of two subjects", sign(hs256, secret, jwt.MapClaims{"sub": []string{stack.CallerSubject, "x"}})},
		{"a token of the receipts' secret", sign(hs256, r.Identity.ReceiptSecret, nil)},
		{"a token of the upload tokens' secret", sign(hs256, r.Identity.TokenSecret, nil)},
		{"a token of another algorithm", sign(jwt.SigningMethodHS512, secret, nil)},
		{"a token for nobody", sign(hs256, secret, jwt.MapClaims{"aud": nil})},
		{"a token for a password reset", sign(hs256, secret, jwt.MapClaims{"aud": "password-reset"})},
		{"a token for the year 9000", sign(hs256, secret, jwt.MapClaims{"exp": 221845392000})},
	}
}

// callerKinds is how many of callers are of different kinds.
const callerKinds = 11

// capabilities are what may stand in the path as /c/{capability}. The first two
// are good, for the first two of callers.
func (w wallet) capabilities(t *testing.T, r *rig) []named {
	s := uploadtoken.Session{ID: "session-12345", Subject: stack.CallerSubject, ExpiresAt: time.Now().Add(time.Hour).Unix()}
	seal := func(k *uploadtoken.Keyring, s uploadtoken.Session) string {
		capability, err := k.SealSession(s)
		if err != nil {
			t.Fatal(err)
		}
		r.logged.secret(capability)
		return capability
	}
	over := s
	over.ExpiresAt = time.Now().Unix()
	return []named{
		{"a capability", w.capability},
		{"a stranger's capability", w.theirs},
		{"an expired capability", seal(r.keyring, over)},
		{"a capability of a forged secret", seal(newKeyring(t, "k1", randomBytes(32)), s)},
		{"a capability of an unknown key id", seal(newKeyring(t, "k9", r.Identity.TokenSecret), s)},
		{"a capability for another bucket", seal(newKeyringAt(t, otherBucket, "k1", r.Identity.TokenSecret), s)},
		{"a capability for another prefix", seal(newKeyringAt(t, otherPrefix, "k1", r.Identity.TokenSecret), s)},
		{"a capability without its last character", w.capability[:len(w.capability)-1]},
		{"the owner's own token", w.owner},
		{"an upload token", w.put},
		{"an upload id", w.uploadID},
		{"a stored grant", w.storedPut},
		{"a receipt", w.receipt},
		{"nothing", "-"},
	}
}

// tokenRoute is a route that takes a token; rest follows the token in the path.
type tokenRoute struct{ method, rest string }

var tokenRoutes = []tokenRoute{
	{http.MethodGet, ""},
	{http.MethodGet, "/1"},
	{http.MethodGet, "/batch?partNumbers=1-3"},
	{http.MethodPost, "/complete"},
	{http.MethodDelete, ""},
}

// tokenMatrix is every route that takes a token, under every caller, with every
// kind of token. A cell passes if it has the owner and the one kind that the
// route is for, and no other does.
func tokenMatrix(t *testing.T, c *campaign) []attack {
	w := c.wallet(t)
	tokens, callers, capabilities := w.tokens(t, c.rig), w.callers(t, c.rig)[:callerKinds], w.capabilities(t, c.rig)
	var rows []attack
	refused := func(name, method, path, caller string, body any) {
		rows = append(rows, attack{name: name, try: func(t *testing.T) string {
			return denied(c.call(t, method, path, caller, body), "unauthenticated", "invalid_token")
		}})
	}
	granted := func(name string, request func(t *testing.T) reply) {
		rows = append(rows, attack{name: name, control: func(t *testing.T) string { return passed(request(t)) }})
	}
	// An upload of its own for a cell that passes: it may complete or abort.
	fresh := func(t *testing.T, caller string) *transfer {
		m := c.beginAs(t, caller, nil)
		m.send(t, 1, []byte("a part"))
		return m
	}
	for _, route := range tokenRoutes {
		var body any
		if route.method == http.MethodPost {
			body = map[string]any{}
		}
		for i, token := range tokens {
			for j, caller := range callers {
				name := route.method + route.rest + " by " + caller.name + " with " + token.name
				if i == j && i < 2 {
					granted(name, func(t *testing.T) reply {
						return c.call(t, route.method, "/s3/multipart/"+fresh(t, caller.value).UploadID+route.rest, caller.value, body)
					})
					continue
				}
				refused(name, route.method, "/s3/multipart/"+token.value+route.rest, caller.value, body)
			}
			for j, capability := range capabilities {
				name := "/c/ " + route.method + route.rest + " by " + capability.name + " with " + token.name
				if i == j && i < 2 {
					granted(name, func(t *testing.T) reply {
						return c.call(t, route.method, "/c/"+capability.value+"/s3/multipart/"+fresh(t, callers[i].value).UploadID+route.rest, "", body)
					})
					continue
				}
				// The owner's own header does not mend a capability, nor a token.
				refused(name, route.method, "/c/"+capability.value+"/s3/multipart/"+token.value+route.rest, w.owner, body)
			}
		}
	}
	for i, token := range tokens {
		for j, caller := range callers {
			name := "/confirm by " + caller.name + " with " + token.name
			in := map[string]string{"uploadToken": token.value}
			switch {
			case i == j && i < 2:
				granted(name, func(t *testing.T) reply {
					m := fresh(t, caller.value)
					if failure := passed(m.complete(t, nil)); failure != "" {
						t.Errorf("complete before %s: %s", name, failure)
					}
					return c.confirmAs(t, caller.value, map[string]string{"uploadToken": m.UploadID})
				})
			case j == 0 && token.value == w.put:
				granted(name, func(t *testing.T) reply { return c.confirmAs(t, caller.value, in) })
			case j == 0 && i == 3:
				// It opens, for its object, which is not there.
				rows = append(rows, attack{name: name, try: func(t *testing.T) string { return denied(c.confirmAs(t, caller.value, in), "not_found") }})
			default:
				refused(name, http.MethodPost, "/confirm", caller.value, in)
			}
		}
	}
	c.note("token matrix: %d cells of %d routes, %d callers, %d capabilities and %d tokens", len(rows), 2*len(tokenRoutes)+1, len(callers), len(capabilities), len(tokens))
	// Last: after all of it the upload that everybody tried is as it was.
	return append(rows, attack{name: "the upload that was tried", control: func(t *testing.T) string {
		m := &transfer{r: c.rig, caller: w.owner, Multipart: client.Multipart{UploadID: w.uploadID}}
		m.send(t, 1, []byte("a part"))
		return passed(m.complete(t, nil))
	}})
}

// callerMatrix is every route that takes a caller and no token.
func callerMatrix(t *testing.T, c *campaign) []attack {
	w := c.wallet(t)
	u := c.grantPut(t, nil)
	c.store(t, u.key, u.header, u.content)
	wish := map[string]any{"filename": "a.png", "size": 1}
	routes := []struct {
		method, path string
		body         any
	}{
		{http.MethodPost, "/presign", wish},
		{http.MethodPost, "/presign", map[string]any{"filename": "a.png", "as": "form"}},
		{http.MethodPost, "/presign", map[string]any{"filename": "a.png", "as": "url", "size": 1}},
		{http.MethodPost, "/download", map[string]any{"key": u.key}},
		{http.MethodPost, "/sts", map[string]any{}},
		{http.MethodPost, "/session", map[string]any{}},
		{http.MethodPost, "/confirm", map[string]any{"key": u.key}},
		{http.MethodGet, "/s3/params?filename=a.png", nil},
		{http.MethodPost, "/s3/multipart", wish},
	}
	ownOnly := []string{"/download", "/confirm"} // a stranger may use the others for himself
	var rows []attack
	for _, route := range routes {
		for _, caller := range w.callers(t, c.rig) {
			name := route.path + " by " + caller.name
			ask := func(t *testing.T) reply { return c.call(t, route.method, route.path, caller.value, route.body) }
			allowed := caller.value == w.owner || caller.value == w.stranger && !slices.Contains(ownOnly, route.path)
			if allowed {
				rows = append(rows, attack{name: name, control: func(t *testing.T) string { return passed(ask(t)) }})
				continue
			}
			rows = append(rows, attack{name: name, try: func(t *testing.T) string { return denied(ask(t), "unauthenticated", "not_found") }})
		}
	}
	for _, route := range routes {
		for _, capability := range w.capabilities(t, c.rig) {
			s3 := strings.HasPrefix(route.path, "/s3/")
			name := "/c/ and " + route.path + " by " + capability.name
			ask := func(t *testing.T) reply {
				return c.call(t, route.method, "/c/"+capability.value+route.path, "", route.body)
			}
			switch {
			case s3 && (capability.value == w.capability || capability.value == w.theirs):
				rows = append(rows, attack{name: name, control: func(t *testing.T) string { return passed(ask(t)) }})
			case s3:
				rows = append(rows, attack{name: name, try: func(t *testing.T) string { return denied(ask(t), "invalid_token") }})
			default:
				// A capability is for the routes of Uppy, and nothing else.
				rows = append(rows, attack{name: name, try: func(t *testing.T) string { return denied(ask(t), "not_found") }})
			}
		}
	}
	// One caller, written in ways that an identity must not be.
	for name, values := range map[string][]string{
		"twice":                     {"Bearer " + w.owner, "Bearer " + w.owner},
		"behind a stranger's":       {"Bearer " + w.stranger, "Bearer " + w.owner},
		"with a comma":              {"Bearer " + w.stranger + ", Bearer " + w.owner},
		"under another scheme":      {"Basic " + w.owner},
		"under no scheme":           {w.owner},
		"with a scheme behind it":   {w.owner + " Bearer"},
		"with a character more":     {"Bearer " + w.owner + "A"},
		"with a part more":          {"Bearer " + w.owner + "." + w.owner},
		"with its signature gone":   {"Bearer " + w.owner[:strings.LastIndexByte(w.owner, '.')+1]},
		"percent-encoded":           {"Bearer " + url.QueryEscape(w.owner+"=")},
		"in capitals":               {"Bearer " + strings.ToUpper(w.owner)},
		"with 7 KiB before its end": {"Bearer " + w.owner + strings.Repeat("A", 6<<10)},
	} {
		rows = append(rows, attack{"the owner's token " + name, func(t *testing.T) string {
			a := c.request(t, http.MethodPost, c.Ready.Gateway+"/session", http.Header{"Authorization": values, "Content-Type": {"application/json"}}, nil)
			return denied(a, "unauthenticated")
		}, func(t *testing.T) string {
			return passed(c.request(t, http.MethodPost, c.Ready.Gateway+"/session", bearer(w.owner), nil))
		}})
	}
	for name, path := range map[string]string{
		"in the query":             "/session?access_token=" + w.owner,
		"as authorization's query": "/session?Authorization=Bearer%20" + w.owner,
	} {
		rows = append(rows, attack{name: "the owner's token " + name, try: func(t *testing.T) string {
			return denied(c.request(t, http.MethodPost, c.Ready.Gateway+path, nil, nil), "unauthenticated")
		}})
	}
	rows = append(rows, attack{name: "the owner's token in a cookie", try: func(t *testing.T) string {
		return denied(c.request(t, http.MethodPost, c.Ready.Gateway+"/session", http.Header{"Cookie": {"Authorization=Bearer " + w.owner + "; token=" + w.owner}}, nil), "unauthenticated")
	}})
	return rows
}
