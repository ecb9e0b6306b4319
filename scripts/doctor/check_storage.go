package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/roles"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
)

// storageChecks find out whether OSS can be reached, and as whom.
var storageChecks = []check{
	{
		id: "settings", looks: "what the functions warn of when they start", run: checkSettings,
		mend: "look at each; it may be meant", page: "README.md#deploy",
	},
	{
		id: "oss.endpoint-bucket", looks: "the endpoint does not hold the bucket, which is put before it", run: checkEndpointBucket,
		mend: "take the bucket out of OSS_ENDPOINT, or set OSS_CNAME=true if it is a domain of the bucket", page: "README.md#deploy",
	},
	{
		id: "oss.endpoint", looks: "OSS answers at the endpoint, with a certificate of that name", run: checkEndpoint,
		after: []string{"oss.endpoint-bucket"},
		mend:  "set OSS_ENDPOINT to the public endpoint of OSS_REGION, or to the domain that is bound to the bucket", page: "README.md#deploy",
	},
	{
		id: "clock", looks: "this machine's clock agrees with OSS's", run: checkClock, after: []string{"oss.endpoint"},
		mend: "let NTP set the clock: OSS takes nothing that was signed over 15 minutes away", page: "README.md#operate",
	},
	{
		id: "oss.region", looks: "the bucket's endpoint takes signatures for the region", run: checkRegion, after: []string{"oss.endpoint", "clock"},
		mend: "set OSS_REGION to the region of the bucket, without oss- before it", page: "README.md#deploy",
	},
	{
		id: "oss.public-endpoint", looks: "the account may use OSS's public endpoint for data", run: checkPublicEndpoint, after: []string{"oss.region"},
		mend: "bind a domain to the bucket and set OSS_ENDPOINT to it, with OSS_CNAME=true: accounts new to OSS since March 2025 need one in mainland regions", page: "README.md#deploy",
	},
	{
		id: "oss.credentials", looks: "the credentials of whoever runs this exist, have not expired, and sign", run: checkCredentials, after: []string{"oss.public-endpoint"},
		mend: "set " + keyID + ", " + keySecret + " and, with temporary ones, " + keyToken, page: "README.md#operate",
	},
	{
		id: "oss.bucket", looks: "the bucket exists", run: checkBucket, after: []string{"oss.credentials"},
		mend: "make the bucket, or set OSS_BUCKET", page: "README.md#deploy",
	},
	{
		id: "oss.access", looks: "whoever runs this may list what the functions keep", run: checkAccess, after: []string{"oss.bucket"},
		mend: "give yourself the policy ossupload-doctor of scripts/ram", page: "README.md#deploy",
	},
}

func checkSettings(_ context.Context, p *patient) verdict {
	if len(p.warnings) > 0 {
		return warned("%s", strings.Join(p.warnings, "; "))
	}
	return passed("they warn of nothing")
}

func checkEndpointBucket(_ context.Context, p *patient) verdict {
	at := p.Settings.Storage
	if at.Public.Style != signing.CNAME && strings.HasPrefix(at.Public.Host, at.Bucket+".") {
		return failed("OSS_ENDPOINT %s begins with the bucket", at.Public.Host)
	}
	return passed("%s", at.Public.Host)
}

// checkEndpoint asks without a signature: whatever the answer, OSS gives it an id.
func checkEndpoint(ctx context.Context, p *patient) verdict {
	at := p.Settings.Storage
	a, err := p.ask(ctx, http.MethodGet, at.Public.URL(at.Bucket, ""), nil, "")
	switch {
	case err != nil:
		return failed("%s does not answer: %v", at.Public.Host, err)
	case a.Header.Get("x-oss-request-id") == "":
		return failed("%s answers %d, but is not OSS", at.Public.Host, a.Status)
	}
	return passed("%s answers in %v", at.Public.Host, a.took.Round(time.Millisecond))
}

const (
	clockWarns = 30 * time.Second
	clockFails = 5 * time.Minute
)

func checkClock(ctx context.Context, p *patient) verdict {
	at := p.Settings.Storage
	a, err := p.ask(ctx, http.MethodGet, at.Public.URL(at.Bucket, ""), nil, "")
	if err != nil {
		return failed("OSS does not answer any more: %v", err)
	}
	theirs, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return skipped("OSS does not tell its time")
	}
	return compareClocks("this machine's clock", p.now().Sub(theirs))
}

// compareClocks judges by how much a clock is ahead of OSS's.
func compareClocks(whose string, ahead time.Duration) verdict {
	ahead = ahead.Round(time.Second)
	switch away := ahead.Abs(); {
	case away > clockFails:
		return failed("%s is %v from OSS's", whose, away)
	case away > clockWarns:
		return warned("%s is %v from OSS's", whose, away)
	}
	return passed("%s agrees with OSS's", whose)
}

// signedCall is how OSS took the first call that was signed by the operator.
type signedCall struct {
	err          error // nil: it answered
	code, ec     string
	noCredential bool
}

// firstCall lists one of the functions' own objects. Several checks read the
// answer, each for its own.
func (p *patient) firstCall(ctx context.Context) *signedCall {
	if p.signed != nil {
		return p.signed
	}
	own := roles.Own + p.Settings.Policy.Prefix
	_, err := p.bucket.ListObjectsV2(ctx, &oss.ListObjectsV2Request{Bucket: &p.Settings.Storage.Bucket, Prefix: &own, MaxKeys: 1})
	s := &signedCall{noCredential: errors.Is(err, rolecreds.ErrNone)}
	if service := (*oss.ServiceError)(nil); errors.As(err, &service) {
		s.code, s.ec = service.Code, service.EC
	}
	if err != nil {
		s.err = plain(err)
	}
	p.signed = s
	return s
}

// The codes ("EC") by which OSS tells that a signature is for another region, and
// that a bucket is at another endpoint.
var ecRegion = map[string]bool{"0002-00000226": true, "0002-00000228": true, "0002-00000715": true, "0003-00001403": true}

func checkRegion(ctx context.Context, p *patient) verdict {
	if s := p.firstCall(ctx); ecRegion[s.ec] {
		return failed("the bucket is not of %s: %v", p.Settings.Storage.Region, s.err)
	}
	return passed("%s", p.Settings.Storage.Region)
}

func checkPublicEndpoint(ctx context.Context, p *patient) verdict {
	if s := p.firstCall(ctx); s.code == "PublicEndpointForbidden" {
		return failed("%s may not be used for data: %v", p.Settings.Storage.Public.Host, s.err)
	}
	return passed("OSS does not refuse it")
}

// credentialCodes are OSS's for credentials that nobody may use.
var credentialCodes = map[string]string{
	"InvalidAccessKeyId":                  "there is no such access key",
	"SignatureDoesNotMatch":               "the secret is not that of the access key",
	"SecurityTokenExpired":                "they have expired",
	"InvalidSecurityToken":                "the security token is not valid",
	"AccessKeyIdAndSecurityTokenNotMatch": "the security token is of another access key",
	"InvalidAccessKeyId.NotFound":         "there is no such access key",
	"InvalidSecurityToken.Expired":        "they have expired",
	"InvalidAccessKeyId.Inactive":         "the access key is disabled",
	"AccessKeyIdDisabled":                 "the access key is disabled",
}

func checkCredentials(ctx context.Context, p *patient) verdict {
	s := p.firstCall(ctx)
	why, wrong := credentialCodes[s.code]
	switch {
	case s.noCredential:
		return failed("there are none")
	case wrong:
		return failed("%s: %v", why, s.err)
	case s.err != nil && s.code == "":
		return failed("nothing can be asked with them: %v", s.err)
	}
	return passed("OSS takes them")
}

func checkBucket(ctx context.Context, p *patient) verdict {
	if s := p.firstCall(ctx); s.code == "NoSuchBucket" {
		return failed("there is no bucket %s", p.Settings.Storage.Bucket)
	}
	return passed("%s", p.Settings.Storage.Bucket)
}

func checkAccess(ctx context.Context, p *patient) verdict {
	if s := p.firstCall(ctx); s.err != nil {
		return failed("listing below %s%s: %v", roles.Own, p.Settings.Policy.Prefix, s.err)
	}
	return passed("may list below %s%s", roles.Own, p.Settings.Policy.Prefix)
}
