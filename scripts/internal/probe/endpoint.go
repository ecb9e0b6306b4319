package probe

import (
	"context"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

var endpointProbes = []Probe{
	{Fact: "cors.expose-etag", Calls: 2, Try: exposeETag},
	{Fact: "cors.preflight", Calls: 3, Try: preflight},
	{Fact: "endpoint.mainland", Calls: 1, Try: mainland},
}

// corsRule is one rule of a bucket.
type corsRule struct {
	AllowedOrigin []string
	AllowedMethod []string
	ExposeHeader  []string
}

// origin is one that the rule allows.
func (c corsRule) origin() string { return strings.Replace(c.AllowedOrigin[0], "*", "probe", 1) }

// firstRule is the rule that OSS looks at first, if there is one.
func (r *run) firstRule(ctx context.Context) (corsRule, bool) {
	a := r.do(ctx, call{method: "GET", query: map[string]string{"cors": ""}})
	if a.status == http.StatusNotFound {
		return corsRule{}, false
	}
	r.want(a, http.StatusOK)
	var document struct{ CORSRule []corsRule }
	if err := xml.Unmarshal([]byte(a.body), &document); err != nil {
		stop("the CORS rules of the bucket cannot be read")
	}
	if len(document.CORSRule) == 0 || len(document.CORSRule[0].AllowedOrigin) == 0 || len(document.CORSRule[0].AllowedMethod) == 0 {
		return corsRule{}, false
	}
	return document.CORSRule[0], true
}

// exposeETag reads what the bucket's first rule exposes, and what an answer to its
// origin then does.
func exposeETag(ctx context.Context, r *run) Finding {
	rule, ok := r.firstRule(ctx)
	if !ok {
		return notTried("needs a bucket with a CORS rule")
	}
	method := ""
	for _, m := range []string{"PUT", "GET", "HEAD", "DELETE"} {
		if slices.Contains(rule.AllowedMethod, m) {
			method = m
			break
		}
	}
	if method == "" {
		return notTried("needs a CORS rule for PUT, GET, HEAD or DELETE")
	}
	a := r.do(ctx, call{method: method, key: r.key("a"), header: map[string]string{"Origin": rule.origin()}})
	isETag := func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), "ETag") }
	inRule := slices.ContainsFunc(rule.ExposeHeader, isETag)
	inAnswer := slices.ContainsFunc(strings.Split(a.header.Get("Access-Control-Expose-Headers"), ","), isETag)
	return found(inRule == inAnswer && a.header.Get("Access-Control-Allow-Origin") != "",
		"ETag is exposed: by the rule %v, by the answer %v", inRule, inAnswer)
}

// preflight asks without a signature, for what the first rule allows and for a
// method that no rule can.
func preflight(ctx context.Context, r *run) Finding {
	rule, ok := r.firstRule(ctx)
	ask := func(origin, method string) reply {
		request := r.request(ctx, call{method: "OPTIONS", key: r.key("a"), header: map[string]string{
			"Origin": origin, "Access-Control-Request-Method": method,
		}})
		return r.send(request)
	}
	if !ok {
		none := ask("https://example.com", "PATCH")
		return found(denied(none), "there is no rule: %v", none)
	}
	matching, none := ask(rule.origin(), rule.AllowedMethod[0]), ask(rule.origin(), "PATCH")
	return found(matching.ok() && denied(none), "unsigned; a rule allows it: %v; none does: %v", matching, none)
}

// mainland can show that an account is new, and not that one is old.
func mainland(ctx context.Context, r *run) Finding {
	host := strings.ToLower(r.hostOf())
	if !strings.HasPrefix(r.Region, "cn-") || r.Region == "cn-hongkong" || !strings.HasSuffix(host, ".aliyuncs.com") {
		return notTried("needs an endpoint of OSS's own in a mainland region")
	}
	a := r.do(ctx, call{method: "PUT", key: r.key("a")})
	if a.ok() {
		return notTried("this account may use the endpoint: %v", a)
	}
	return found(a.ec == "0048-00000401", "a PUT at an endpoint of OSS's own: %v", a)
}
