package oss

import (
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Account is one access key, permanent or issued by STS.
type Account struct {
	AccessKeyID     string
	AccessKeySecret string

	// SecurityToken is "" for a permanent key. With one, every request
	// must present it.
	SecurityToken string

	// Expires is when the security token ends; zero means never.
	Expires time.Time

	// Principal is who holds the key, as the rules of a bucket name them: an account,
	// a RAM user or a role. "" is the owner of the bucket.
	Principal string

	// Allows is the RAM decision on one action, "oss:PutObject", and one
	// resource, "acs:oss:*:*:bucket/key" or "acs:oss:*:*:bucket". What the
	// conditions of a policy may ask is known by the key, "acs:SecureTransport".
	// Nil allows everything.
	Allows func(action, resource string, known map[string]string) bool
}

// product is the product that the stand-in answers for.
const product = "oss"

// authenticate verifies the signature of the request and returns whose it is.
// A nil account with no error is an anonymous request.
func (c *call) authenticate() (*Account, *apiError) {
	p, fault := readPresented(c.r, c.target, c.query, c.s.cfg.Assume)
	if fault != nil || p == nil {
		return nil, fault
	}
	if fault := c.checkPayload(p); fault != nil {
		return nil, fault
	}
	if fault := p.checkScope(c.s.cfg.Region, product); fault != nil {
		return nil, fault
	}
	now := c.s.cfg.Now()
	if fault := p.checkTime(now, c.s.cfg.Assume); fault != nil {
		return nil, fault
	}
	account, ok := c.s.cfg.Lookup(p.accessKeyID)
	if !ok || account.AccessKeySecret == "" {
		return nil, errUnknownAccessKey(p.accessKeyID)
	}
	if fault := c.checkToken(p, account, now); fault != nil {
		return nil, fault
	}
	if fault := p.verify(account.AccessKeySecret); fault != nil {
		return nil, fault
	}
	return &account, nil
}

// checkPayload refuses a signature in a header with a hash of the body: what is
// signed in its place is a constant, whatever the header says.
//
// unconfirmed (sign.payload-hash): does OSS accept any other payload hash, or none?
func (c *call) checkPayload(p *presented) *apiError {
	hash := c.r.Header.Get("x-oss-content-sha256")
	if p.inURL || hash == unsignedPayload || c.assumes("sign.payload-hash", "ignored") {
		return nil
	}
	return invalidArgument("x-oss-content-sha256", hash, "", "x-oss-content-sha256 must be UNSIGNED-PAYLOAD.")
}

func errUnknownAccessKey(accessKeyID string) *apiError {
	e := errorf(http.StatusForbidden, codeInvalidAccessKeyID, "0002-00000902",
		"The OSS Access Key Id you provided does not exist in our records.")
	e.OSSAccessKeyID = accessKeyID
	return e
}

// checkToken holds the presented security token against the account's. OSS
// does not know an STS key without its token.
func (c *call) checkToken(p *presented, account Account, now time.Time) *apiError {
	switch {
	case account.SecurityToken == "" && p.securityToken == "":
		return nil
	case account.SecurityToken == "":
		// unconfirmed (sign.foreign-token): is the token of another key told apart from an
		// invalid one?
		return refusal(c.s.cfg.Assume, "sign.foreign-token", errorf(http.StatusForbidden, codeTokenDoesNotMatchAccess, "",
			"The provided access key id and security token do not match."))
	case p.securityToken == "":
		return errUnknownAccessKey(p.accessKeyID)
	case subtle.ConstantTimeCompare([]byte(account.SecurityToken), []byte(p.securityToken)) != 1:
		return errorf(http.StatusForbidden, codeInvalidSecurityToken, "",
			"The security token you provided is invalid.")
	case !account.Expires.IsZero() && !now.Before(account.Expires):
		return errorf(http.StatusForbidden, codeSecurityTokenExpired, "",
			"The security token you provided has expired.")
	}
	return nil
}

// authorize decides whether the caller may do what the route does, and
// everything that the headers ask for on top of it.
func (c *call) authorize(op route) *apiError {
	switch {
	case c.account == nil && op.publicRead && c.isPublicRead():
		return nil
	case c.account == nil:
		return errAnonymous()
	case op.action == "":
		return nil
	}
	actions := []string{op.action}
	if op.action == "oss:PutObject" {
		actions = c.uploadActions(c.r.Header)
	}
	if c.query.get("versionId") != "" {
		actions = append(actions, versionAction(op.action))
	}
	return c.permit(c.target.bucket, c.target.key, actions...)
}

// checkBucketFirst refuses a bucket that does not exist before the policy of the
// caller is judged, if that is the order.
//
// unconfirmed (access.policy-before-bucket): is the policy judged before the bucket is known to exist?
func (c *call) checkBucketFirst(bucket string) error {
	if c.assumes("access.policy-before-bucket", "bucket") && !c.s.store.hasBucket(bucket) {
		return errNoSuchBucket(bucket)
	}
	return nil
}

// versionAction is what a call needs besides action when it names a version:
// oss:GetObjectVersion, oss:GetObjectVersionTagging.
func versionAction(action string) string {
	return strings.Replace(action, "Object", "ObjectVersion", 1)
}

// uploadActions are the RAM actions that an upload with these headers needs.
//
// unconfirmed (access.acl-action): does OSS ask for oss:PutObjectAcl when the ACL comes with the
// upload? Never for "default", which sets nothing.
func (c *call) uploadActions(header http.Header) []string {
	actions := []string{"oss:PutObject"}
	if header.Get("x-oss-tagging") != "" {
		actions = append(actions, "oss:PutObjectTagging")
	}
	if acl := header.Get("x-oss-object-acl"); acl != "" && acl != "default" && c.assumes("access.acl-action", "needed") {
		actions = append(actions, "oss:PutObjectAcl")
	}
	return actions
}

// permit refuses the first of the actions that the policy of the caller does
// not allow on a key, or on the bucket if key is "".
func (c *call) permit(bucket, key string, actions ...string) *apiError {
	if c.account == nil {
		return errAnonymous()
	}
	resource := "acs:oss:*:*:" + bucket
	if key != "" {
		resource += "/" + key
	}
	for _, action := range actions {
		if c.account.Allows != nil && !c.account.Allows(action, resource, c.known()) {
			e := errorf(http.StatusForbidden, codeAccessDenied, "0003-00000801",
				"You have no right to access this object because of RAM policy.")
			e.AuthAction = action
			return e
		}
	}
	return nil
}

// known is what conditions may ask about the call. A call over plain http from
// this machine counts as secure, unless Config.PlainHTTP has it be what it is: the
// stand-in has no certificate.
func (c *call) known() map[string]string {
	known := map[string]string{"acs:SecureTransport": strconv.FormatBool(!c.s.cfg.PlainHTTP || c.r.TLS != nil)}
	if c.target.key == "" {
		known["oss:Prefix"] = c.query.get("prefix")
	}
	return known
}

func errAnonymous() *apiError {
	return errorf(http.StatusForbidden, codeAccessDenied, "0003-00001201",
		"Anonymous access is forbidden for this operation.")
}
