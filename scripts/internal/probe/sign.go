package probe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"ossupload/shared/signing"
)

var signProbes = []Probe{
	{Fact: "sign.unsigned-payload", Calls: 6, Try: unsignedPayloads},
	{Fact: "sign.bucket-in-path", Calls: 2, Try: bucketInPath},
	{Fact: "sign.host-not-signed", Calls: 3, Try: hostNotSigned},
	{Fact: "sign.content-length", Calls: 4, Try: signedLength},
	{Fact: "sign.content-type", Calls: 2, Try: signedType},
	{Fact: "sign.oss-headers", Calls: 5, Try: signedHeaders},
	{Fact: "sign.other-headers", Calls: 5, Try: otherHeaders},
	{Fact: "sign.week", Calls: 2, Provokes: []string{"RequestTimeTooSkewed"}, Try: week},
	{Fact: "sign.skew", Calls: 3, Provokes: []string{"RequestTimeTooSkewed"}, Try: skew},
	{Fact: "sign.shorter-life", Calls: 1, Needs: []Need{NeedExpired}, Provokes: []string{"SecurityTokenExpired"}, Try: shorterLife},
	{Fact: "sign.payload-hash", Calls: 2, Try: payloadHash},
	{Fact: "sign.unsorted-headers", Calls: 3, Try: unsortedHeaders},
	{Fact: "sign.instant-of-expiry", Calls: 13, Try: instantOfExpiry},
	{Fact: "sign.too-early", Calls: 1, Provokes: []string{"RequestTimeTooSkewed"}, Try: tooEarly},
	{Fact: "sign.foreign-token", Calls: 2, Needs: []Need{NeedRole}, Provokes: []string{"InvalidAccessKeyId"}, Try: foreignToken},
}

// denied reports whether a signature was refused as such.
func denied(answers ...reply) bool {
	for _, a := range answers {
		if a.status != http.StatusForbidden {
			return false
		}
	}
	return true
}

func unsignedPayloads(ctx context.Context, r *run) Finding {
	p := r.presign(signing.Request{Method: "PUT", Key: r.key("a")})
	first, second := r.use(ctx, p, "one", nil), r.use(ctx, p, "another", nil)
	get, path, query := p, p, p
	get.Method = "GET"
	path.URL = strings.Replace(p.URL, r.fact.ID+"/a?", r.fact.ID+"/b?", 1)
	r.key("b")
	query.URL += "&a=b"
	others := []reply{r.use(ctx, get, "", nil), r.use(ctx, path, "one", nil), r.use(ctx, query, "one", nil)}
	return found(first.ok() && second.ok() && denied(others...),
		"two PUTs of different bytes by one URL: %v, %v; with another method, path, query: %v", first, second, others)
}

func bucketInPath(ctx context.Context, r *run) Finding {
	c := call{method: "PUT", key: r.key("a")}
	with := r.send(r.sign(ctx, c, odd{}))
	without := r.send(r.sign(ctx, c, odd{path: "/" + c.key}))
	return found(with.ok() && denied(without), "signed with the bucket: %v; without: %v", with, without)
}

func hostNotSigned(ctx context.Context, r *run) Finding {
	c := call{method: "PUT", key: r.key("a")}
	life := 10 * time.Minute
	plain := r.use(ctx, r.presign(signing.Request{Method: "PUT", Key: c.key}), "", nil)
	asked := r.send(r.sign(ctx, c, odd{expires: life, listed: []string{"host"}, host: r.hostOf()}))
	other := r.send(r.sign(ctx, c, odd{expires: life, listed: []string{"host"}, host: "other.example"}))
	return found(plain.ok() && asked.ok() && denied(other),
		"a signature without the host: %v; with it: %v; with another one: %v", plain, asked, other)
}

func signedLength(ctx context.Context, r *run) Finding {
	p := r.presign(signing.Request{Method: "PUT", Key: r.key("a"),
		Header: signing.Header(map[string]string{"Content-Length": "5"}), AdditionalHeaders: []string{"content-length"}})
	same, longer, shorter := r.use(ctx, p, "12345", nil), r.use(ctx, p, "123456", nil), r.use(ctx, p, "1234", nil)
	chunked, err := http.NewRequestWithContext(ctx, p.Method, p.URL, io.MultiReader(strings.NewReader("12345")))
	if err != nil {
		stop("making a request failed")
	}
	none := r.send(chunked)
	return found(same.ok() && denied(longer, shorter) && none.status == http.StatusBadRequest,
		"the length that was signed: %v; a longer body: %v; a shorter one: %v; no length: %v", same, longer, shorter, none)
}

func signedType(ctx context.Context, r *run) Finding {
	p := r.presign(signing.Request{Method: "PUT", Key: r.key("a")})
	without := r.use(ctx, p, "", nil)
	with := r.use(ctx, p, "", map[string]string{"Content-Type": "text/plain"})
	return found(without.ok() && denied(with), "without a Content-Type: %v; with one: %v", without, with)
}

func signedHeaders(ctx context.Context, r *run) Finding {
	p := r.presign(signing.Request{Method: "PUT", Key: r.key("a"), Header: signing.Header(map[string]string{"x-oss-meta-a": "1"})})
	as := r.use(ctx, p, "", nil)
	changes := []reply{
		r.use(ctx, p, "", map[string]string{"x-oss-meta-b": "1"}),
		r.use(ctx, p, "", map[string]string{"x-oss-storage-class": "Standard"}),
		r.use(ctx, p, "", map[string]string{"x-oss-meta-a": "2"}),
		r.use(ctx, p, "", map[string]string{"x-oss-meta-a": ""}),
	}
	return found(as.ok() && denied(changes...), "as signed: %v; two that were added, one changed, one left out: %v", as, changes)
}

func otherHeaders(ctx context.Context, r *run) Finding {
	p := r.presign(signing.Request{Method: "PUT", Key: r.key("a")})
	var answers []reply
	holds := true
	for _, header := range []map[string]string{{"Content-Encoding": "gzip"}, {"Content-Disposition": "attachment"},
		{"Cache-Control": "no-cache"}, {"Expires": "Thu, 01 Dec 2044 16:00:00 GMT"}} {
		a := r.use(ctx, p, "", header)
		answers, holds = append(answers, a), holds && a.ok()
	}
	named := p
	named.URL += "&x-oss-additional-headers=cache-control"
	after := r.use(ctx, named, "", map[string]string{"Cache-Control": "no-cache"})
	return found(holds && !after.ok(), "each of the four added: %v; one that was named later: %v", answers, after)
}

func week(ctx context.Context, r *run) Finding {
	c := call{method: "PUT", key: r.key("a")}
	const most = 7 * 24 * time.Hour
	whole, over := r.send(r.sign(ctx, c, odd{expires: most})), r.send(r.sign(ctx, c, odd{expires: most + time.Second}))
	return found(whole.ok() && !over.ok(), "seven days: %v; a second more: %v", whole, over)
}

func skew(ctx context.Context, r *run) Finding {
	c := call{method: "PUT", key: r.key("a")}
	// By the server's clock: ours may differ from it.
	now := date(r.put(ctx, c.key, "", nil))
	at := func(ahead time.Duration) reply {
		return r.send(r.sign(ctx, c, odd{expires: time.Hour, date: now.Add(ahead)}))
	}
	inside, outside := at(14*time.Minute), at(16*time.Minute)
	return found(inside.ok() && !outside.ok(), "14 minutes before its date: %v; 16 minutes: %v", inside, outside)
}

func shorterLife(ctx context.Context, r *run) Finding {
	a := r.send(r.sign(ctx, call{method: "PUT", key: r.key("a")}, odd{expires: time.Hour, cred: r.Expired}))
	if !a.ok() && !strings.Contains(a.code, "Expired") {
		return notTried("the refusal does not say that the credentials ended: %v", a)
	}
	return found(!a.ok(), "a URL that lives, by credentials that have ended: %v", a)
}

func payloadHash(ctx context.Context, r *run) Finding {
	sum := sha256.Sum256([]byte("hello"))
	hash := hex.EncodeToString(sum[:])
	c := call{method: "PUT", key: r.key("a"), body: "hello", header: map[string]string{"x-oss-content-sha256": hash}}
	constant, honoured := r.send(r.sign(ctx, c, odd{})), r.send(r.sign(ctx, c, odd{payload: hash}))
	value := ""
	switch {
	case constant.ok():
		value = "ignored"
	case !honoured.ok():
		value = "refused"
	}
	return seen(value, "the body's hash in the header, and the constant signed: %v; the hash signed: %v", constant, honoured)
}

func unsortedHeaders(ctx context.Context, r *run) Finding {
	c := call{method: "PUT", key: r.key("a"), header: map[string]string{"a": "1", "b": "1"}}
	sorted, unsorted := []string{"a", "b"}, []string{"b", "a"}
	r.want(r.send(r.sign(ctx, c, odd{expires: time.Hour, listed: sorted})))
	answers := []reply{
		r.send(r.sign(ctx, c, odd{expires: time.Hour, listed: unsorted, signed: sorted})),
		r.send(r.sign(ctx, c, odd{expires: time.Hour, listed: unsorted})),
	}
	value := "refused"
	if answers[0].ok() || answers[1].ok() {
		value = "taken"
	}
	return seen(value, "an unsorted list, and a sorted one signed: %v; the unsorted one signed: %v", answers[0], answers[1])
}

// instantOfExpiry has a URL end in the second in which it is used. The server's
// clock is read in the answers just before and after: where both tell this second,
// the call was inside of it.
func instantOfExpiry(ctx context.Context, r *run) Finding {
	c := call{method: "PUT", key: r.key("a")}
	before := r.put(ctx, c.key, "", nil)
	for range 6 {
		second := date(before)
		a := r.send(r.sign(ctx, c, odd{expires: time.Minute, date: second.Add(-time.Minute)}))
		if a.header.Get("Date") == before.header.Get("Date") {
			value := "refused"
			if a.ok() {
				value = "taken"
			}
			return seen(value, "a PUT in the second in which its URL ends: %v", a)
		}
		before = r.put(ctx, c.key, "", nil)
	}
	return notTried("no call was answered in the second in which it was made")
}

// date is when the server made an answer.
func date(a reply) time.Time {
	t, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		stop("an answer has no date")
	}
	return t
}

func tooEarly(ctx context.Context, r *run) Finding {
	a := r.send(r.sign(ctx, call{method: "PUT", key: r.key("a")}, odd{expires: time.Hour, date: r.Now().Add(time.Hour)}))
	value := ""
	switch {
	case a.status == http.StatusForbidden && a.code == "AccessDenied":
		value = "403"
	case a.status == http.StatusBadRequest:
		value = "400"
	}
	return seen(value, "an hour before its date: %v", a)
}

func foreignToken(ctx context.Context, r *run) Finding {
	mixed := r.Credentials
	mixed.SecurityToken = r.assume(ctx, "").SecurityToken
	a := r.do(ctx, call{method: "PUT", key: r.key("a"), as: &mixed})
	value := ""
	switch a.code {
	case "AccessKeyIdAndSecurityTokenNotMatch":
		value = "told apart"
	case "InvalidSecurityToken":
		value = "InvalidSecurityToken"
	}
	return seen(value, "an access key with the token of a session: %v", a)
}
