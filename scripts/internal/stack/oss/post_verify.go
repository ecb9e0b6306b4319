package oss

import (
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"time"
)

// signatureFields are the fields of which one makes the others necessary.
var signatureFields = []string{"policy", "x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-signature"}

// authenticateForm verifies the signature of a form and returns whose it is
// ("PostObject signature version 4"). A nil account with no error is a form
// without any signature. The string to sign is the field policy as it was
// sent, base64 and all; the key is that of every other V4 signature.
func (c *call) authenticateForm(f *postForm, now time.Time) (*Account, *apiError) {
	if f.fields["ossaccesskeyid"] != "" || f.fields["signature"] != "" {
		return nil, errNotImplemented("signature version 1")
	}
	p, fault := readFormSignature(f.fields)
	if fault != nil || p == nil {
		return nil, fault
	}
	switch {
	case p.product != product:
		return nil, invalidArgument("x-oss-credential", "", "0002-00000710", "The signing product in credential is invalid.")
	case p.region != c.s.cfg.Region:
		return nil, invalidArgument("x-oss-credential", "", "0002-00000715", "The signing region in credential is invalid.")
	}
	if fault := p.checkFormTime(now.UTC()); fault != nil {
		// unconfirmed (form.time-refusals): status, code and EC of these refusals.
		return nil, refusal(c.s.cfg.Assume, "form.time-refusals", fault)
	}
	account, ok := c.s.cfg.Lookup(p.accessKeyID)
	if !ok || account.AccessKeySecret == "" {
		return nil, errUnknownAccessKey(p.accessKeyID)
	}
	if fault := c.checkToken(p, account, now); fault != nil {
		return nil, fault
	}
	if fault := p.verifyPolicy(f.fields["policy"], account.AccessKeySecret); fault != nil {
		// unconfirmed (form.signature-ec): the EC of this refusal.
		return nil, refusal(c.s.cfg.Assume, "form.signature-ec", fault)
	}
	return &account, nil
}

// readFormSignature reads the fields of a signature; nil means there are none.
func readFormSignature(fields map[string]string) (*presented, *apiError) {
	missing := ""
	for _, name := range signatureFields {
		if fields[name] == "" {
			missing = name
		}
	}
	p := &presented{
		timestamp: fields["x-oss-date"], signature: fields["x-oss-signature"], securityToken: fields["x-oss-security-token"],
	}
	switch {
	case fields["policy"] == "" && p.signature == "" && fields["x-oss-credential"] == "":
		return nil, nil
	case fields["policy"] == "":
		return nil, invalidArgument("policy", "", "0002-00000702", "The policy is missing.")
	case missing != "":
		return nil, invalidArgument(missing, "", "", "The form field is missing.")
	case fields["x-oss-signature-version"] != algorithm:
		return nil, invalidArgument("x-oss-signature-version", fields["x-oss-signature-version"], "", "The signature version is invalid.")
	case !p.setCredential(fields["x-oss-credential"]):
		return nil, invalidArgument("x-oss-credential", fields["x-oss-credential"], "0002-00000710", "The format of the credential is invalid.")
	case !p.setTime():
		return nil, invalidArgument("x-oss-date", p.timestamp, "0002-00000709", "The signing date is invalid or is not the date of the credential.")
	}
	return p, nil
}

// checkFormTime refuses a form from 7 days after x-oss-date on, or 15 minutes
// before it. The policy may end sooner.
func (p *presented) checkFormTime(now time.Time) *apiError {
	end := p.time.Add(maxExpires * time.Second)
	if !now.Before(p.time.Add(-maxSkew)) && now.Before(end) {
		return nil
	}
	e := errorf(http.StatusForbidden, codeAccessDenied, "", "Request is used outside of the time that its x-oss-date allows.")
	e.Expires, e.ServerTime = end.Format(xmlTimeLayout), now.Format(xmlTimeLayout)
	return e
}

// verifyPolicy reports whether the policy was signed with secret.
func (p *presented) verifyPolicy(policy, secret string) *apiError {
	key := signingKey(secret, p.scopeDate, p.region, p.product)
	want := hex.EncodeToString(hmacSHA256(key, policy))
	if subtle.ConstantTimeCompare([]byte(p.signature), []byte(want)) == 1 {
		return nil
	}
	e := errSignatureDoesNotMatch(p, "")
	e.StringToSign = policy
	return e
}
