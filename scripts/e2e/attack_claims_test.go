package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// callerWith makes the token of a caller with claims of one's own choice.
func (r *rig) callerWith(t *testing.T, subject string, more jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": subject, "aud": "ossupload", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range more {
		claims[name] = value
	}
	token := jwtOf(t, jwt.SigningMethodHS256, r.Identity.CallerSecret, claims)
	r.logged.secret(token)
	return token
}

// claimAttacks want more than the claims of their own tokens allow: another use,
// another object, more bytes, or a longer time.
func claimAttacks(t *testing.T, c *campaign) []attack {
	var rows []attack
	rows = append(rows, scopeAttacks(t, c)...)
	rows = append(rows, limitAttacks(t, c)...)
	rows = append(rows, nameAttacks(t, c)...)
	rows = append(rows, readAttacks(t, c)...)
	return append(rows, overtimeAttacks(t, c)...)
}

// scopeAttacks use tokens that are for something else of ours.
func scopeAttacks(t *testing.T, c *campaign) []attack {
	u := c.grantPut(t, nil)
	if failure := passed(u.put(t)); failure != "" {
		t.Fatal(failure)
	}
	wish := map[string]any{"filename": "a.png", "size": 1}
	m := c.begin(t, nil)
	var rows []attack
	for _, route := range []struct {
		method, path, scope string
		body                any
	}{
		{http.MethodPost, "/presign", "upload", wish},
		{http.MethodPost, "/session", "upload", map[string]any{}},
		{http.MethodPost, "/s3/multipart", "upload", wish},
		{http.MethodGet, "/s3/params?filename=a.png", "upload", nil},
		{http.MethodGet, m.path(""), "upload", nil},
		{http.MethodGet, m.path("/1"), "upload", nil},
		{http.MethodPost, "/confirm", "upload", map[string]any{"key": u.key}},
		{http.MethodPost, "/download", "download", map[string]any{"key": u.key}},
		{http.MethodPost, "/sts", "sts", map[string]any{}},
	} {
		ask := func(t *testing.T, scope string) reply {
			return c.call(t, route.method, route.path, c.callerWith(t, "demo", jwt.MapClaims{"scope": scope}), route.body)
		}
		for _, other := range []string{"upload", "download", "sts"} {
			if other == route.scope {
				continue
			}
			rows = append(rows, attack{fmt.Sprintf("%.20s with the scope of %s", route.path, other), func(t *testing.T) string {
				return denied(ask(t, "openid ossupload:"+other), "forbidden")
			}, func(t *testing.T) string {
				for _, scope := range []string{"ossupload:" + other + " ossupload:" + route.scope, "openid profile"} {
					if failure := passed(ask(t, scope)); failure != "" {
						return scope + ": " + failure
					}
				}
				return ""
			}})
		}
	}
	return rows
}

// limitAttacks want storage to take more than the claim upload allows.
func limitAttacks(t *testing.T, c *campaign) []attack {
	narrow := func(t *testing.T, limits map[string]any) string { return c.caller(t, "demo", limits) }
	one := map[string]any{"maxSize": 1}
	m := c.beginAs(t, narrow(t, one), nil)
	control := func(t *testing.T) string {
		m := c.beginAs(t, narrow(t, one), nil)
		return passed(m.complete(t, m.send(t, 1, []byte("x"))))
	}
	var rows []attack
	for _, rest := range []string{"/2", "/10000", "/batch?partNumbers=1-2", "/batch?partNumbers=1-1000", "/batch?partNumbers=1-10000&as=template"} {
		field := "partNumbers"
		if !strings.Contains(rest, "batch") {
			field = "partNumber"
		}
		rows = append(rows, attack{"under a limit of one byte, GET " + rest, func(t *testing.T) string {
			return faulty(m.ask(t, http.MethodGet, rest, nil), field)
		}, control})
	}
	rows = append(rows,
		attack{"under a limit of one byte, a part of two", func(t *testing.T) string {
			m := c.beginAs(t, narrow(t, one), nil)
			c.keepSilent(m.Key, "a part over the limit")
			m.send(t, 1, []byte("xy"))
			m.complete(t, nil).mismatch(t, "complete", "1 total size is 2, at most 1")
			// It is aborted: neither fewer bytes nor another try make it whole.
			for range 2 {
				if breach := denied(m.complete(t, nil), "aborted"); breach != "" {
					return breach
				}
			}
			if _, ok := c.stored(t, m.Key); ok {
				return "an object was made"
			}
			return ""
		}, control},
		attack{"a url without a size", func(t *testing.T) string {
			return faulty(c.call(t, http.MethodPost, "/presign", c.Ready.CallerToken, map[string]any{"filename": "a.png", "as": "url"}), "size")
		}, func(t *testing.T) string {
			return passed(c.call(t, http.MethodPost, "/presign", c.Ready.CallerToken, map[string]any{"filename": "a.png", "as": "url", "size": 1}))
		}},
	)
	for name, limits := range map[string]map[string]any{
		"sizes": one, "types": {"contentTypes": []string{"image/png"}}, "its name": {"key": "a.png"},
	} {
		rows = append(rows, attack{"credentials for a caller who is limited in " + name, func(t *testing.T) string {
			return denied(c.call(t, http.MethodPost, "/sts", narrow(t, limits), map[string]any{}), "forbidden")
		}, func(t *testing.T) string {
			// A context allows no less.
			return passed(c.call(t, http.MethodPost, "/sts", narrow(t, map[string]any{"context": "room 7"}), map[string]any{}))
		}})
	}
	return rows
}

// nameAttacks are names for an object that the application must not be able to
// choose, and a second object under one that it chose.
func nameAttacks(t *testing.T, c *campaign) []attack {
	wish := map[string]any{"filename": "a.png", "size": 3}
	ask := func(t *testing.T, name any) reply {
		return c.call(t, http.MethodPost, "/presign", c.caller(t, "demo", map[string]any{"key": name}), wish)
	}
	control := func(t *testing.T) string { return passed(ask(t, "orders/7/photo.png")) }
	var rows []attack
	for _, name := range []any{
		"", "/a", "a/", "a//b", ".", "..", "../somebody/a", "a/../../somebody/a", "./a", "_sts/demo/a", "_pending/a", "a/_b", "_a", "a b", "a\x00", "a\n", "a%2fb", "a?b", "a#b", "a\\b", "é", "*",
		strings.Repeat("a", 513), 7, []string{"a"},
	} {
		rows = append(rows, attack{fmt.Sprintf("the chosen name %.30q", fmt.Sprint(name)), func(t *testing.T) string {
			return denied(ask(t, name), "unauthenticated")
		}, control})
	}
	return append(rows, attack{"a second object under a chosen name", func(t *testing.T) string {
		put := func(content string) reply {
			var u struct {
				URL     string
				Headers map[string]string
			}
			ask(t, "orders/8/photo.png").into(t, "POST /presign", &u)
			header := http.Header{}
			for name, value := range u.Headers {
				header.Set(name, value)
			}
			return c.request(t, http.MethodPut, u.URL, header, []byte(content))
		}
		if failure := passed(put("one")); failure != "" {
			return failure
		}
		return deniedByOSS(put("two"), "FileAlreadyExists")
	}, control})
}

// readAttacks read more than the claim download names.
func readAttacks(t *testing.T, c *campaign) []attack {
	u, other := c.grantPut(t, nil), c.grantPut(t, nil)
	for _, u := range []grantedPut{u, other} {
		if failure := passed(u.put(t)); failure != "" {
			t.Fatal(failure)
		}
	}
	read := func(t *testing.T, key string, named ...string) reply {
		caller := c.callerWith(t, "reader", jwt.MapClaims{"download": map[string]any{"keys": named}})
		return c.call(t, http.MethodPost, "/download", caller, map[string]any{"key": key})
	}
	control := func(t *testing.T) string { return passed(read(t, u.key, u.key)) }
	rows := []attack{
		{"a key beside the named one", func(t *testing.T) string { return denied(read(t, other.key, u.key), "not_found") }, control},
		{"a confirmation of a named key", func(t *testing.T) string {
			caller := c.callerWith(t, "reader", jwt.MapClaims{"download": map[string]any{"keys": []string{u.key}}})
			return denied(c.confirmAs(t, caller, map[string]string{"key": u.key}), "not_found")
		}, control},
	}
	// What no upload through us can lie under is not read, whoever names it.
	for _, key := range []string{
		"invoices/2026/1.pdf", "_ossupload/uploads/_announced/demo/x", "_ossupload/uploads/_pending/0000000000-evt_x", "_ossupload/uploads/_dead/evt_x",
		"_ossupload/uploads/_sweep/cursor", "uploads/_sts/demo/x.png", "uploads/logo.png", "uploads/demo/_x/y.png", "Uploads/demo/x.png", "staging/demo/x.png",
	} {
		rows = append(rows, attack{"the named key " + key, func(t *testing.T) string {
			c.store(t, key, map[string]string{"Content-Type": "image/png"}, []byte("not an upload"))
			return denied(read(t, key, key), "not_found")
		}, control})
	}
	return rows
}

// overtimeAttacks want something that is good for longer than its caller is.
func overtimeAttacks(t *testing.T, c *campaign) []attack {
	const left = 5 * time.Minute
	u := c.grantPut(t, nil)
	if failure := passed(u.put(t)); failure != "" {
		t.Fatal(failure)
	}
	brief := func(t *testing.T) (caller string, end time.Time) {
		end = time.Now().Add(left)
		return c.callerWith(t, "demo", jwt.MapClaims{"exp": end.Unix()}), end
	}
	var rows []attack
	for _, in := range []struct {
		path string
		body map[string]any
	}{
		{"/presign", map[string]any{"filename": "a.png", "size": 1}},
		{"/presign", map[string]any{"filename": "a.png", "size": 1, "as": "form"}},
		{"/presign", map[string]any{"filename": "a.png", "size": 1, "as": "url"}},
		{"/download", map[string]any{"key": u.key}},
		{"/session", map[string]any{}},
	} {
		name := in.path + fmt.Sprint(" ", in.body["as"])
		in.body["expiresIn"] = 3600
		ends := func(t *testing.T, caller string) (time.Time, string) {
			var out struct {
				URL       string
				Fields    map[string]string
				ExpiresAt time.Time
			}
			a := c.call(t, http.MethodPost, in.path, caller, in.body)
			if failure := passed(a); failure != "" || jsonOf(a, &out) != nil {
				return time.Time{}, failure
			}
			if signed, err := url.Parse(out.URL); err == nil && signed.Query().Get("x-oss-expires") != "" {
				// What OSS goes by is in the URL.
				began, err := time.Parse("20060102T150405Z", signed.Query().Get("x-oss-date"))
				life, bad := time.ParseDuration(signed.Query().Get("x-oss-expires") + "s")
				if err != nil || bad != nil || began.Add(life).After(out.ExpiresAt.Add(time.Second)) {
					return time.Time{}, "the URL lives longer than it says"
				}
			}
			return out.ExpiresAt, ""
		}
		rows = append(rows, attack{name + " beyond the caller's end", func(t *testing.T) string {
			caller, end := brief(t)
			got, failure := ends(t, caller)
			if failure == "" && got.After(end) {
				failure = fmt.Sprintf("it ends at %v, its caller at %v", got, end)
			}
			return failure
		}, func(t *testing.T) string {
			got, failure := ends(t, c.Ready.CallerToken)
			if failure == "" && time.Until(got) < left+time.Minute {
				failure = fmt.Sprintf("it ends at %v, although its caller does not", got)
			}
			return failure
		}})
	}
	return append(rows, attack{"/sts beyond the caller's end", func(t *testing.T) string {
		caller, _ := brief(t) // STS gives no less than 15 minutes
		return denied(c.call(t, http.MethodPost, "/sts", caller, map[string]any{}), "forbidden")
	}, func(t *testing.T) string {
		end := time.Now().Add(20 * time.Minute)
		var got struct{ Expiration time.Time }
		a := c.call(t, http.MethodPost, "/sts", c.callerWith(t, "brief", jwt.MapClaims{"exp": end.Unix()}), map[string]any{})
		if failure := passed(a); failure != "" || jsonOf(a, &got) != nil || got.Expiration.After(end) {
			return fmt.Sprintf("answered with a life until %v %s, want one until %v at most", got.Expiration, failure, end)
		}
		return ""
	}})
}
