// Package sts stands in for Security Token Service: AssumeRole of the RPC
// API 2015-04-01, in the form in which credentials-go sends it.
//
//	POST /?AccessKeyId=…&Action=AssumeRole&…&Signature=…&SignatureNonce=…
//	Content-Type: application/x-www-form-urlencoded
//
//	DurationSeconds=3600&Policy=…&RoleArn=…&RoleSessionName=…
//
// It promises to refuse what STS refuses. The signature is recomputed from the
// request as it arrived; the time stamp, the nonce, the caller's token and
// expiry, the right to sts:AssumeRole on the role and the role's trust are all
// checked. The credential that it answers is real to the rest of the local stack:
// it is registered with its expiry and with the intersection of the role's
// policy and the session's.
//
// Not imitated: other operations and signature methods, XML answers, the check
// of ExternalId and SourceIdentity, and rate limits. Error codes and texts are
// those of "AssumeRole" and "Common errors of STS" in the RAM documentation where
// they are known; unlike the real ones they never quote the string to sign,
// which holds the caller's security token.
package sts
