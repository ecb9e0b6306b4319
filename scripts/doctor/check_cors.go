package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

const corsPage = "README.md#deploy"

// corsChecks ask as a browser does before it lets a page upload.
var corsChecks = []check{
	{
		id: "cors.rules", looks: "the bucket has CORS rules", run: checkCORSRules, after: []string{"oss.bucket"},
		mend: "give the bucket a CORS rule: the origins of CORS_ORIGINS, PUT and POST, any header, ETag exposed", page: corsPage,
	},
	{
		id: "cors.origin", looks: "a CORS rule of the bucket is for each origin of CORS_ORIGINS", run: checkCORSOrigin, after: []string{"cors.rules"},
		mend: "add the origin to the bucket's CORS rule", page: corsPage,
	},
	{
		id: "cors.put", looks: "pages may PUT to the bucket", run: corsMethod(http.MethodPut), after: []string{"cors.origin"},
		mend: "add PUT to the methods of the bucket's CORS rule", page: corsPage,
	},
	{
		id: "cors.post", looks: "pages may POST forms to the bucket", run: corsMethod(http.MethodPost), after: []string{"cors.origin"},
		mend: "add POST to the methods of the bucket's CORS rule", page: corsPage,
	},
	{
		id: "cors.headers", looks: "pages may send the headers of an upload to the bucket", run: checkCORSHeaders, after: []string{"cors.put"},
		mend: "allow any header (*) in the bucket's CORS rule", page: corsPage,
	},
	{
		id: "cors.etag", looks: "pages may read ETag, without which no multipart upload completes", run: checkCORSExposed, after: []string{"cors.put"},
		mend: "expose ETag in the bucket's CORS rule", page: corsPage,
	},
}

// uploadHeaders are those that a page sends to OSS with a grant.
var uploadHeaders = []string{"content-type", "content-md5", "x-oss-forbid-overwrite", "x-oss-meta-ossupload-grant", "x-oss-storage-class", "x-oss-tagging"}

// preflight asks whether a page of an origin may make a call.
func (p *patient) preflight(ctx context.Context, target, origin, method string, headers ...string) (answer, error) {
	h := http.Header{"Origin": {origin}, "Access-Control-Request-Method": {method}}
	if len(headers) > 0 {
		h.Set("Access-Control-Request-Headers", strings.Join(headers, ","))
	}
	return p.ask(ctx, http.MethodOptions, target, h, "")
}

// admits reports whether a browser would go on after the answer to a preflight.
func admits(a answer, origin, method string, headers ...string) bool {
	got := a.Header.Values("Access-Control-Allow-Origin")
	if a.Status/100 != 2 || len(got) != 1 || got[0] != "*" && got[0] != origin {
		return false
	}
	methods := listed(a.Header, "Access-Control-Allow-Methods")
	if !slices.Contains(methods, strings.ToLower(method)) && !slices.Contains(methods, "*") && method != http.MethodPost && method != http.MethodGet {
		return false
	}
	names := listed(a.Header, "Access-Control-Allow-Headers")
	return !slices.ContainsFunc(headers, func(name string) bool {
		// "*" is every header but this one (Fetch standard, "CORS protocol").
		return !slices.Contains(names, name) && (name == "authorization" || !slices.Contains(names, "*"))
	})
}

func listed(h http.Header, name string) []string {
	var items []string
	for _, value := range h.Values(name) {
		for item := range strings.SplitSeq(value, ",") {
			items = append(items, strings.ToLower(strings.TrimSpace(item)))
		}
	}
	return items
}

// uploadTarget is where pages send bytes.
func (p *patient) uploadTarget(method string) string {
	at := p.Settings.Storage
	if method == http.MethodPost {
		return at.Public.URL(at.Bucket, "")
	}
	return at.Public.URL(at.Bucket, p.Settings.Policy.Prefix+"doctor/preflight")
}

func checkCORSRules(ctx context.Context, p *patient) verdict {
	if len(p.origins) == 0 {
		return skipped("CORS_ORIGINS is not set: no page uploads")
	}
	res, err := p.bucket.GetBucketCors(ctx, &oss.GetBucketCorsRequest{Bucket: &p.Settings.Storage.Bucket})
	var service *oss.ServiceError
	switch {
	case errors.As(err, &service) && service.Code == "NoSuchCORSConfiguration":
		return failed("there are none")
	case err != nil:
		return passed("they may not be read, but tried: %v", plain(err))
	}
	return passed("%d", len(res.CORSConfiguration.CORSRules))
}

func checkCORSOrigin(ctx context.Context, p *patient) verdict {
	for _, origin := range p.origins {
		admitted := false
		for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodGet, http.MethodHead} {
			a, err := p.preflight(ctx, p.uploadTarget(method), origin, method)
			if err != nil {
				return failed("asking for %s: %v", origin, err)
			}
			admitted = admitted || admits(a, origin, method)
		}
		if !admitted {
			return failed("OSS lets no page of %s in", origin)
		}
	}
	return passed("%s", strings.Join(p.origins, ", "))
}

// forOrigins passes if good agrees with the answer to a preflight of each origin.
func (p *patient) forOrigins(ctx context.Context, method string, headers []string, good func(a answer, origin string) bool, well, ill string) verdict {
	for _, origin := range p.origins {
		a, err := p.preflight(ctx, p.uploadTarget(method), origin, method, headers...)
		if err != nil {
			return failed("asking for %s: %v", origin, err)
		}
		if !good(a, origin) {
			return failed("%s for %s", ill, origin)
		}
	}
	return passed("%s", well)
}

func corsMethod(method string) func(context.Context, *patient) verdict {
	return func(ctx context.Context, p *patient) verdict {
		good := func(a answer, origin string) bool { return admits(a, origin, method) }
		return p.forOrigins(ctx, method, nil, good, method+" is allowed", method+" is not allowed")
	}
}

func checkCORSHeaders(ctx context.Context, p *patient) verdict {
	good := func(a answer, origin string) bool { return admits(a, origin, http.MethodPut, uploadHeaders...) }
	return p.forOrigins(ctx, http.MethodPut, uploadHeaders, good, "all are allowed", strings.Join(uploadHeaders, ", ")+" are not all allowed")
}

func checkCORSExposed(ctx context.Context, p *patient) verdict {
	good := func(a answer, _ string) bool {
		names := listed(a.Header, "Access-Control-Expose-Headers")
		return slices.Contains(names, "etag") || slices.Contains(names, "*")
	}
	return p.forOrigins(ctx, http.MethodPut, nil, good, "ETag is exposed", "ETag is not exposed")
}
