package e2e

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/shared/uploadtoken"
)

// placeAttacks reach for what lies in the same bucket and is not this
// deployment's: the application's own objects, and those of a deployment below
// our prefix that shares our secrets.
func placeAttacks(t *testing.T, c *campaign) []attack {
	u := c.grantPut(t, nil)
	if failure := passed(u.put(t)); failure != "" {
		t.Fatal(failure)
	}
	control := func(t *testing.T) string {
		if failure := passed(c.confirmKey(t, u.key)); failure != "" {
			return failure
		}
		return passed(c.call(t, http.MethodPost, "/download", c.Ready.CallerToken, map[string]any{"key": u.key}))
	}
	both := func(t *testing.T, caller, key string, codes ...string) string {
		for _, route := range []string{"/confirm", "/download"} {
			if breach := denied(c.call(t, http.MethodPost, route, caller, map[string]any{"key": key}), codes...); breach != "" {
				return route + " " + breach
			}
		}
		return ""
	}
	var rows []attack
	for subject, key := range map[string]string{
		"invoices": "invoices/2026/1.pdf", "uploads": "uploads/2026/1.pdf", "_ossupload": "_ossupload/uploads/_sweep/cursor", "uploads/demo": u.key, "": "2026/1.pdf",
	} {
		rows = append(rows, attack{"the application's object " + key + " by a subject of its name", func(t *testing.T) string {
			if key != u.key {
				c.store(t, key, map[string]string{"Content-Type": "application/pdf"}, []byte("of the application"))
			}
			if subject == "" {
				return both(t, c.Ready.CallerToken, key, "not_found")
			}
			return both(t, c.caller(t, subject, nil), key, "not_found")
		}, control})
	}
	// A whole deployment below a subject of ours.
	below := uploadtoken.Place{Bucket: here.Bucket, Prefix: here.Prefix + "team/"}
	rows = append(rows, attack{"an upload of a deployment below a subject's prefix", func(t *testing.T) string {
		claims := u.claims
		claims.Key, claims.Subject = below.Prefix+"team/2026/01/a.png", "team"
		header := maps.Clone(u.header)
		header[metaGrant] = c.sealAt(t, below, uploadtoken.Grant, claims)
		c.store(t, claims.Key, header, u.content)
		c.keepSilent(claims.Key, "another deployment's upload")
		return both(t, c.caller(t, "team", nil), claims.Key, "object_mismatch", "not_found")
	}, control})
	// What a token of theirs opens here.
	for name, place := range map[string]uploadtoken.Place{"bucket": otherBucket, "prefix": otherPrefix} {
		rows = append(rows,
			attack{"a confirmation by the upload token for another " + name, func(t *testing.T) string {
				return denied(c.confirmToken(t, c.sealAt(t, place, uploadtoken.Upload, u.claims)), "invalid_token")
			}, control},
			attack{"an object with a grant for another " + name, func(t *testing.T) string {
				other := c.grantPut(t, nil)
				header := maps.Clone(other.header)
				header[metaGrant] = c.sealAt(t, place, uploadtoken.Grant, other.claims)
				c.store(t, other.key, header, other.content)
				c.keepSilent(other.key, "a grant for another "+name)
				return both(t, c.Ready.CallerToken, other.key, "object_mismatch")
			}, control},
			attack{"a callback with the token for another " + name, func(t *testing.T) string {
				other, m := c.stage(t, nil, func(t *testing.T, s *scene) {
					s.notice.token = c.sealAt(t, place, uploadtoken.Upload, s.u.claims)
				})
				c.keepSilent(other.key, "a callback for another "+name)
				return c.unbelieved(t, m, "token")
			}, c.honestCallback},
		)
	}
	// Absent, foreign, and another's are told in the same words.
	const absent = "uploads/demo/2026/01/019a9f3c-0000-7abc-8def-0123456789ab.png"
	for _, route := range []string{"/confirm", "/download"} {
		rows = append(rows, attack{route + " to find out what is there", func(t *testing.T) string {
			said := func(caller, key string) client.Problem {
				p := c.call(t, http.MethodPost, route, caller, map[string]any{"key": key}).Problem()
				p.RequestID, p.Details = "", nil
				return p
			}
			want := fmt.Sprint(said(c.Ready.CallerToken, absent))
			for what, got := range map[string]client.Problem{
				"another's": said(c.caller(t, "somebody", nil), u.key), "a foreign one": said(c.Ready.CallerToken, "invoices/2026/1.pdf"), "a foreign one that is not there": said(c.Ready.CallerToken, "invoices/none"),
			} {
				if fmt.Sprint(got) != want {
					return fmt.Sprintf("%s is told as %v, an absent one as %s", what, got, want)
				}
			}
			return ""
		}, control})
	}
	return rows
}

// heldAttacks change what is stored, so that it is no more what was granted, and
// ask for it to be served.
func heldAttacks(t *testing.T, c *campaign) []attack {
	ask := func(t *testing.T, key string) reply {
		return c.call(t, http.MethodPost, "/download", c.Ready.CallerToken, map[string]any{"key": key})
	}
	control := func(t *testing.T) string {
		u := c.grantPut(t, nil)
		if failure := passed(u.put(t)); failure != "" {
			return failure
		}
		return passed(ask(t, u.key))
	}
	var rows []attack
	add := func(name string, change func(header map[string]string, content []byte) []byte) {
		rows = append(rows, attack{name + ", downloaded", func(t *testing.T) string {
			u := c.grantPut(t, nil)
			header := maps.Clone(u.header)
			c.store(t, u.key, header, change(header, u.content))
			c.keepSilent(u.key, name)
			if breach := denied(ask(t, u.key), "object_mismatch"); breach != "" {
				return breach
			}
			return denied(c.confirmKey(t, u.key), "object_mismatch")
		}, control})
	}
	add("a byte more", func(_ map[string]string, content []byte) []byte { return append(content, '!') })
	for name, value := range map[string]string{
		"Content-Type": "text/html", "Content-Encoding": "gzip", "Content-Disposition": "inline", "Cache-Control": "public", "Expires": "Thu, 01 Jan 2099 00:00:00 GMT",
		"x-oss-meta-x": "y", "x-oss-meta-ossupload-filename": "evil.html", metaGrant: "v1.k1.AAAA",
	} {
		add("another "+name, func(header map[string]string, content []byte) []byte { header[name] = value; return content })
	}

	// Two files of one MD5 (Wang and Yu, 2005): whoever has both must not swap them
	// under one event.
	const block = "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b" +
		"d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
	first, err := hex.DecodeString(block)
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.Clone(first)
	for _, at := range []int{19, 45, 59, 83, 109, 123} {
		second[at] ^= 0x80
	}
	if md5.Sum(first) != md5.Sum(second) || bytes.Equal(first, second) {
		t.Fatal("the two files have not one MD5")
	}
	return append(rows, attack{"other bytes of the same ETag", func(t *testing.T) string {
		u := c.grantPut(t, map[string]any{"size": len(first)})
		u.content = first
		was := u.put(t).receipt(t, "PUT", u.key, first)
		c.store(t, u.key, u.header, second)
		now := c.confirmKey(t, u.key).receipt(t, "confirmed", u.key, second)
		if now.ETag != was.ETag || now.EventID == was.EventID {
			return fmt.Sprintf("the ids are %s and %s, of the ETags %s and %s", was.EventID, now.EventID, was.ETag, now.ETag)
		}
		return ""
	}, func(t *testing.T) string {
		u := c.grantPut(t, nil)
		was := u.put(t).receipt(t, "PUT", u.key, u.content)
		if now := c.confirmKey(t, u.key).receipt(t, "confirmed", u.key, u.content); now.EventID != was.EventID {
			return fmt.Sprintf("the same bytes have the ids %s and %s", was.EventID, now.EventID)
		}
		return ""
	}}, attack{"other bytes by the same url", func(t *testing.T) string {
		// Without a header nothing forbids OSS to overwrite; but no event of the
		// first bytes may stand for the second.
		u := c.grantPut(t, map[string]any{"as": "url", "contentType": nil})
		was := u.put(t).receipt(t, "PUT", u.key, u.content)
		u.content = bytes.ToUpper(u.content)
		a := u.put(t)
		if a.Status >= 400 {
			return ""
		}
		if now := a.receipt(t, "PUT", u.key, u.content); now.EventID == was.EventID || now.ETag == was.ETag {
			return "the event of the first bytes stands for the second"
		}
		return ""
	}, c.honestCallback})
}

// clientAttacks are requests that no client of ours makes.
func clientAttacks(t *testing.T, c *campaign) []attack {
	var rows []attack

	// A page of another site can make a browser send these without asking.
	for path, body := range map[string]string{
		"/presign": `{"filename":"a.png","size":1}`, "/download": `{"key":"uploads/demo/x"}`, "/sts": `{}`, "/session": `{}`, "/confirm": `{"key":"uploads/demo/x"}`, "/s3/multipart": `{"filename":"a.png"}`,
	} {
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/json", "application/jsonp", "application/json, text/plain"} {
			ask := func(t *testing.T, kind string) reply {
				header := http.Header{"Authorization": {"Bearer " + c.Ready.CallerToken}}
				if kind != "" {
					header.Set("Content-Type", kind)
				}
				return c.request(t, http.MethodPost, c.Ready.Gateway+path, header, []byte(body))
			}
			rows = append(rows, attack{fmt.Sprintf("%s with a body of type %q", path, kind), func(t *testing.T) string {
				return denied(ask(t, kind), "unsupported_media_type")
			}, func(t *testing.T) string {
				a := ask(t, "application/json; charset=utf-8")
				if a.Status == http.StatusOK || a.Status == http.StatusNotFound && a.Problem().Code == "not_found" {
					return ""
				}
				return passed(a)
			}})
		}
	}

	// Bodies that cost more than they weigh.
	const most = 3 * time.Second // to compare 60,000 names with each other takes seven
	names := make([]string, 60_000)
	for i := range names {
		names[i] = fmt.Sprintf(`"Bad %d":"x"`, i)
	}
	many := "{" + strings.Join(names, ",") + "}"
	m := c.begin(t, nil)
	m.send(t, 1, []byte("x"))
	for name, in := range map[string]struct{ path, body string }{
		"60,000 bad names of metadata": {"/presign", `{"filename":"a.png","size":1,"metadata":` + many + `}`},
		"60,000 bad names of tags":     {"/presign", `{"filename":"a.png","size":1,"tags":` + many + `}`},
		"60,000 unknown fields":        {"/presign", many},
		"60,000 names for Uppy's sake": {"/s3/multipart", `{"filename":"a.mp4","metadata":` + many + `}`},
		"a million brackets":           {"/presign", strings.Repeat("[", 1<<20)},
		"the part 1e9":                 {m.path("/complete"), `{"parts":[{"PartNumber":1000000000,"ETag":"x"}]}`},
		"the part 2^62":                {m.path("/complete"), `{"parts":[{"PartNumber":4611686018427387904,"ETag":"x"}]}`},
		"the part -2^63":               {m.path("/complete"), `{"parts":[{"PartNumber":-9223372036854775808,"ETag":"x"}]}`},
		"100,000 parts":                {m.path("/complete"), `{"parts":[` + strings.Repeat(`{"PartNumber":1},`, 100_000) + `{}]}`},
	} {
		rows = append(rows, attack{name, func(t *testing.T) string {
			began := time.Now()
			a := c.call(t, http.MethodPost, in.path, c.Ready.CallerToken, in.body)
			took := time.Since(began)
			if a.Status != http.StatusBadRequest && a.Status != http.StatusUnprocessableEntity {
				return fmt.Sprintf("answered %v, want 400 or 422", a)
			}
			if took > most {
				return fmt.Sprintf("it took %v, want at most %v", took, most)
			}
			return ""
		}, func(t *testing.T) string {
			return passed(c.call(t, http.MethodPost, "/presign", c.Ready.CallerToken, map[string]any{"filename": "a.png", "size": 1, "metadata": map[string]string{"good-1": "x"}}))
		}})
	}

	// A name that says what the type does not.
	for _, name := range []string{"evil.html", "evil.htm", "evil.xhtml", "evil.svg", "evil.xml", "evil.js", "evil.mjs", "evil.shtml", "evil.xht", "evil.svgz", "evil.HTML", "a.png.html", "evil.pdf"} {
		as := func(t *testing.T, name string) string {
			var u struct{ Key string }
			c.call(t, http.MethodPost, "/presign", c.Ready.CallerToken, map[string]any{"filename": name, "contentType": "image/png", "size": 1}).into(t, "POST /presign", &u)
			return path.Ext(u.Key)
		}
		rows = append(rows, attack{name + " as a picture", func(t *testing.T) string {
			if extension := as(t, name); extension != "" {
				return "its key ends in " + extension
			}
			return ""
		}, func(t *testing.T) string {
			if extension := as(t, "good.png"); extension != ".png" {
				return "the key of a picture ends in " + extension
			}
			return ""
		}})
	}

	// Each AssumeRole counts against the account's quota.
	return append(rows, attack{"a hundred calls of /sts", func(t *testing.T) string {
		const subject = "greedy"
		since, caller := c.logged.length(), c.caller(t, subject, nil)
		var first string
		for i := range 100 {
			var g struct{ AccessKeyID, AccessKeySecret, SecurityToken string }
			c.call(t, http.MethodPost, "/sts", caller, map[string]any{}).into(t, "POST /sts", &g)
			if i == 0 {
				c.logged.secret(g.AccessKeySecret, g.SecurityToken)
				first = g.AccessKeyID
			}
			if g.AccessKeyID != first {
				return fmt.Sprintf("call %d got credentials of its own", i+1)
			}
		}
		c.logged.mu.Lock()
		defer c.logged.mu.Unlock()
		if n := strings.Count(string(c.logged.text.Bytes()[since:]), `"session":"ossupload-`+subject+`"`); n != 1 {
			return fmt.Sprintf("a role was assumed %d times, want once", n)
		}
		return ""
	}, func(t *testing.T) string {
		ids := map[string]bool{}
		for _, in := range []struct{ subject, prefix string }{{"greedy", ""}, {"greedy", "a/"}, {"modest", ""}} {
			var g struct{ AccessKeyID string }
			c.call(t, http.MethodPost, "/sts", c.caller(t, in.subject, nil), map[string]any{"prefix": in.prefix}).into(t, "POST /sts", &g)
			ids[g.AccessKeyID] = true
		}
		if len(ids) != 3 {
			return "credentials are shared by subjects or prefixes"
		}
		return ""
	}})
}

// smuggledMetadata are values of metadata that a form's uploader adds.
var smuggledMetadata = map[string]string{
	"a word": "x", "CR LF and NUL": "a\r\nb\x00", "6 KB": strings.Repeat("x", 6_000), "escapes of CR LF and NUL": url.QueryEscape("a\r\nb\x00"), "no UTF-8": "\xff\xfe",
}
