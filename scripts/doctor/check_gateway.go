package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/shared/api"
	"ossupload/shared/uploadtoken"
)

const gatewayPage = "README.md#deploy"

// gatewayChecks look at the functions through what stands before them.
var gatewayChecks = []check{
	{
		id: "gateway.tls", looks: "the functions' address has a certificate of its name", run: checkGatewayTLS,
		mend: "give the domain of PUBLIC_URL, or of -url, a certificate of a public authority", page: gatewayPage,
	},
	{
		id: "gateway.reach", looks: "something answers at the functions' address", run: checkGatewayReach, after: []string{"gateway.tls"},
		mend: "set PUBLIC_URL, or -url, to the base URL of the functions; let the gateway call them", page: gatewayPage,
	},
	{
		id: "gateway.path", looks: "the gateway leads each path to its function, and changes none", run: checkGatewayPath, after: []string{"gateway.reach"},
		mend: "route /presign, /download, /sts, /session to presign and /s3, /c, /confirm to complete, with the whole path", page: gatewayPage,
	},
	{
		id: "gateway.request-id", looks: "the gateway keeps X-Request-Id of an answer", run: checkGatewayRequestID, after: []string{"gateway.path"},
		mend: "let the gateway pass the functions' own headers on", page: gatewayPage,
	},
	{
		id: "gateway.cors", looks: "the functions let pages of CORS_ORIGINS in", run: checkGatewayCORS, after: []string{"gateway.path"},
		mend: "deploy the functions with these CORS_ORIGINS, and let OPTIONS through to them", page: gatewayPage,
	},
	{
		id: "gateway.cors-once", looks: "only one of gateway and functions answers for CORS", run: checkGatewayCORSOnce, after: []string{"gateway.path"},
		mend: "turn the gateway's own CORS off: a browser refuses a header that is there twice", page: gatewayPage,
	},
	{
		id: "gateway.authorization", looks: "the header with the caller's token reaches the functions", run: checkGatewayAuthorization, after: []string{"gateway.path"},
		mend: "let the gateway pass it on or, where it takes Authorization for itself, set AUTH_TOKEN_HEADER to another", page: gatewayPage,
	},
	{
		id: "gateway.token", looks: "the functions take the caller's token", run: checkGatewayToken, after: []string{"gateway.authorization"},
		mend: "make the token with the secret, audience and issuer that the functions have", page: "README.md#the-callers-token",
	},
	{
		id: "functions.presign", looks: "presign grants an upload, with credentials that sign", run: checkPresign, after: []string{"gateway.token"},
		mend: "look for the request id in the log of ossupload-presign", page: "README.md#operate",
	},
	{
		id: "functions.clock", looks: "the functions' clock agrees with this one", run: checkFunctionsClock, after: []string{"clock", "functions.presign"},
		mend: "ask the platform: functions cannot set their clock", page: "README.md#operate",
	},
	{
		id: "functions.secrets", looks: "the functions seal upload tokens with the secrets that are set here", run: checkTokenSecrets, after: []string{"functions.presign"},
		mend: "set UPLOAD_TOKEN_SECRETS, OSS_BUCKET and UPLOAD_PREFIX alike everywhere: with others nobody can read the queue, or confirm", page: "README.md#operate",
	},
	{
		id: "functions.sts", looks: "presign hands out credentials, for the bucket and region that are set here", run: checkSTS, after: []string{"oss.region", "functions.presign"},
		mend: "look for the request id in the log of ossupload-presign", page: "README.md#operate",
	},
}

func checkGatewayTLS(ctx context.Context, p *patient) verdict {
	if p.base == "" {
		return skipped("neither PUBLIC_URL nor -url says where the functions are")
	}
	return p.checkTLS(ctx, p.base+"/presign")
}

// noCaller asks a function as nobody.
func (p *patient) noCaller(ctx context.Context, at entrance) (answer, error) {
	h := http.Header{}
	if at.body != "" {
		h.Set("Content-Type", "application/json")
	}
	return p.ask(ctx, at.method, p.base+at.path, h, at.body)
}

// entrance is a call that a function refuses without a caller.
type entrance struct{ method, path, body string }

var entrances = []entrance{
	{http.MethodPost, "/presign", "{}"},
	{http.MethodPost, "/download", "{}"},
	{http.MethodPost, "/sts", "{}"},
	{http.MethodGet, "/s3/params?filename=doctor", ""},
	{http.MethodPost, "/s3/multipart", "{}"},
	{http.MethodPost, "/confirm", "{}"},
}

func checkGatewayReach(ctx context.Context, p *patient) verdict {
	a, err := p.noCaller(ctx, entrances[0])
	switch {
	case err != nil:
		return failed("%s does not answer: %v", hostOf(p.base), err)
	case a.Status >= 500 && !ours(a):
		return failed("%s answers %d, and none of our functions", hostOf(p.base), a.Status)
	}
	return passed("%s answers in %v", hostOf(p.base), a.took.Round(time.Millisecond))
}

// ours reports whether an answer is a refusal of the contract.
func ours(a answer) bool {
	return slices.Contains(api.Codes(), api.Code(a.Problem().Code))
}

func checkGatewayPath(ctx context.Context, p *patient) verdict {
	for _, at := range entrances {
		a, err := p.noCaller(ctx, at)
		if err != nil {
			return failed("%s: %v", at.path, err)
		}
		code := api.Code(a.Problem().Code)
		if a.Status == http.StatusOK && p.Settings.Caller.None {
			continue
		}
		if !ours(a) {
			return failed("%s %s answers %d, and none of our functions", at.method, at.path, a.Status)
		}
		// Without a caller a route says nothing of what is behind it.
		if code == api.NotFound && at.path != "/sts" || code == api.MethodNotAllowed || code == api.CallbackRejected {
			return failed("%s %s answers %s: the path reaches another function, or is changed on its way", at.method, at.path, a)
		}
	}
	return passed("all lead to their functions")
}

func checkGatewayRequestID(ctx context.Context, p *patient) verdict {
	a, err := p.noCaller(ctx, entrances[0])
	if err != nil {
		return failed("%v", err)
	}
	id, told := a.Header.Get("X-Request-Id"), a.Problem().RequestID
	switch {
	case id == "":
		return failed("the answer has none")
	case told != "" && id != told:
		return failed("the answer has two: the function's and another")
	}
	p.requestID = id
	return passed("%s", client.Clean(id))
}

func (p *patient) functionsPreflight(ctx context.Context, origin string) (answer, []string, error) {
	headers := []string{"content-type", strings.ToLower(p.tokenHeader())}
	a, err := p.preflight(ctx, p.base+"/presign", origin, http.MethodPost, headers...)
	return a, headers, err
}

func checkGatewayCORS(ctx context.Context, p *patient) verdict {
	if len(p.origins) == 0 {
		return skipped("CORS_ORIGINS is not set: no page uploads")
	}
	for _, origin := range p.origins {
		a, headers, err := p.functionsPreflight(ctx, origin)
		if err != nil {
			return failed("asking for %s: %v", origin, err)
		}
		// Twice is for the next check.
		if len(a.Header.Values("Access-Control-Allow-Origin")) < 2 && !admits(a, origin, http.MethodPost, headers...) {
			return failed("they let no page of %s in", origin)
		}
	}
	return passed("%s", strings.Join(p.origins, ", "))
}

func checkGatewayCORSOnce(ctx context.Context, p *patient) verdict {
	if len(p.origins) == 0 {
		return skipped("CORS_ORIGINS is not set: no page uploads")
	}
	const name = "Access-Control-Allow-Origin"
	a, _, err := p.functionsPreflight(ctx, p.origins[0])
	if err != nil {
		return failed("%v", err)
	}
	b, err := p.ask(ctx, http.MethodPost, p.base+"/presign", http.Header{"Origin": {p.origins[0]}, "Content-Type": {"application/json"}}, "{}")
	if err != nil {
		return failed("%v", err)
	}
	for _, h := range []http.Header{a.Header, b.Header} {
		if values := h.Values(name); len(values) > 1 || strings.Contains(strings.Join(values, ""), ",") {
			return failed("%s is there %d times", name, max(2, len(values)))
		}
	}
	return passed("no header is there twice")
}

const authorization = "Authorization"

// tokenHeader is the header of the caller's token.
func (p *patient) tokenHeader() string {
	value, _ := p.lookup("AUTH_TOKEN_HEADER")
	return cmp.Or(strings.TrimSpace(value), authorization)
}

// checkGatewayAuthorization sends a token that is none. A function that gets it
// says in WWW-Authenticate what is wrong with it, and nothing otherwise.
func checkGatewayAuthorization(ctx context.Context, p *patient) verdict {
	switch c := p.Settings.Caller; {
	case c.None:
		return passed("callers need no token")
	case c.Header != nil:
		return skipped("callers have no token with AUTH_MODE=header: the gateway vouches for them")
	}
	for _, at := range []entrance{entrances[0], entrances[3]} {
		h := http.Header{}
		h.Set(p.tokenHeader(), "Bearer doctor")
		a, err := p.ask(ctx, at.method, p.base+at.path, h, at.body)
		if err != nil {
			return failed("%v", err)
		}
		none, err := p.noCaller(ctx, at)
		if err != nil {
			return failed("%v", err)
		}
		if a.Problem().Message == none.Problem().Message && !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") {
			return failed("%s %s is answered as if there were no %s", at.method, at.path, p.tokenHeader())
		}
	}
	return passed("%s arrives", p.tokenHeader())
}

// asCaller makes a call with the caller's token.
func (p *patient) asCaller(ctx context.Context, at entrance) (client.Answer, error) {
	if at.body == "" {
		return p.caller().Ask(ctx, at.method, at.path, nil, nil)
	}
	return p.caller().Ask(ctx, at.method, at.path, http.Header{"Content-Type": {"application/json"}}, []byte(at.body))
}

func checkGatewayToken(ctx context.Context, p *patient) verdict {
	switch {
	case p.Settings.Caller.None:
		return passed("callers need none")
	case p.token == "":
		return skipped("there is no -token of a caller")
	}
	for _, at := range []entrance{entrances[0], entrances[3]} {
		a, err := p.asCaller(ctx, at)
		if err != nil {
			return failed("%v", plain(err))
		}
		if a.Status == http.StatusUnauthorized {
			_, why, _ := strings.Cut(a.Header.Get("WWW-Authenticate"), "error_description=")
			return failed("%s %s answers %s: %s", at.method, at.path, a, client.Clean(cmp.Or(strings.Trim(why, `"`), a.Problem().Message)))
		}
	}
	return passed("they take it")
}

// presign asks for a grant of a byte, once. Nothing is stored by that.
func (p *patient) presign(ctx context.Context) error {
	if p.grant != nil {
		return nil
	}
	g, err := p.caller().Presign(ctx, client.PresignRequest{Filename: "doctor", ContentType: p.contentType(), Size: new(int64(1))})
	if err == nil {
		p.grant = &g
	}
	return err
}

// contentType is one that the policy allows.
func (p *patient) contentType() string {
	types := p.Settings.Policy.ContentTypes
	if len(types) == 0 {
		return ""
	}
	main, sub, _ := strings.Cut(types[0], "/")
	switch {
	case main == "*":
		return "application/octet-stream"
	case sub == "*" && main == "image":
		return "image/png"
	case sub == "*":
		return main + "/x-doctor"
	}
	return types[0]
}

func checkPresign(ctx context.Context, p *patient) verdict {
	if err := p.presign(ctx); err != nil {
		return failed("%v", plain(err))
	}
	return passed("it grants %s", p.grant.Key)
}

func checkFunctionsClock(_ context.Context, p *patient) verdict {
	theirs := p.grant.ExpiresAt.Add(-time.Duration(p.grant.Expires) * time.Second)
	return compareClocks("the functions' clock", theirs.Sub(p.now()))
}

func checkTokenSecrets(_ context.Context, p *patient) verdict {
	_, err := p.keyring.Open(uploadtoken.Upload, p.grant.UploadToken, p.now())
	if err != nil && !errors.Is(err, uploadtoken.ErrExpired) {
		return failed("%v", err)
	}
	return passed("they are the same")
}

func checkSTS(ctx context.Context, p *patient) verdict {
	if !p.sts {
		return skipped("STS_ENABLED is not set")
	}
	c, err := p.caller().STS(ctx, "")
	at := p.Settings.Storage
	switch {
	case client.IsCode(err, string(api.Forbidden)):
		return skipped("this caller may have none")
	case err != nil:
		return failed("%v", plain(err))
	case c.Bucket != at.Bucket || c.Region != at.Region:
		return failed("they are for %s in %s, and not for %s in %s", client.Clean(c.Bucket), client.Clean(c.Region), at.Bucket, at.Region)
	}
	return passed("they are for %s", client.Clean(c.Prefix))
}
