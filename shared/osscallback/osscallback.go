// Package osscallback builds the callback parameter that makes OSS announce an
// upload, and verifies the announcement when it arrives.
//
// OSS takes the callback configuration as base64 of a JSON object in the signed
// query or form of an upload, and then sends one POST to the configured URL:
//
//	POST /callback HTTP/1.1
//	Authorization: <base64 of an RSA signature, no scheme word>
//	x-oss-pub-key-url: <base64 of the URL of the public key>
//	x-oss-signature-version: 1.0
//
//	bucket=b&object=k&etag=E&size=1&reqId=R&token=T
//
// What is signed (signature version 1.0) is the decoded path, the raw query and
// the raw body, and nothing else:
//
//	percent_decode(path) [ "?" query ] "\n" body
//
// The package promises that a message which verifies was signed, byte for byte,
// with a key served at one of the configured URLs, and that no URL but those is
// ever fetched. It promises no more than that: the published key is 512-bit
// RSA, the signature covers neither time nor headers, and any OSS customer can
// make OSS sign any body for any URL. So a verified message says "OSS sent
// this", and only the token inside the body says "for an upload that was
// granted". The caller must open that token and ask OSS for the object before
// it acts on any of it.
//
// The package refuses signature version 2.0, which has no published definition,
// and has no way to skip a check.
//
// Source: the OSS API reference, page "Callback".
//
// It imports fetchonce to fetch a key once for all who wait, trace for the time that it
// took, and rawjson to write the parameter.
package osscallback

import "ossupload/shared/api"

// rejected is the one answer to whatever is not believed; the log has the
// reason.
const rejected = "The callback was rejected."

// One sentinel per reason for which a callback is refused.
var (
	// ErrKeyURL: the message names no public key URL, several, or one that is
	// not allowed. Nothing was fetched.
	ErrKeyURL = &api.Error{Code: api.CallbackRejected, Message: rejected, Reason: "key_url", Log: "public key url is not allowed"}

	// ErrSignature: the signature is absent, repeated, malformed, of an unknown
	// version, or does not fit the message.
	ErrSignature = &api.Error{Code: api.CallbackRejected, Message: rejected, Reason: "signature", Log: "signature does not verify"}

	// ErrKeyFetch: the key at an allowed URL could not be fetched or is not usable.
	// The message may be genuine: the uploader is told 203, and asking for a
	// confirmation repairs it.
	ErrKeyFetch = &api.Error{Code: api.StorageError, Message: "The public key of the callback could not be fetched.", Reason: "key_url", Log: "public key is not available"}

	// ErrBody: the body is not the one that Param configures.
	ErrBody = &api.Error{Code: api.CallbackRejected, Message: rejected, Reason: "body", Log: "callback body is not the configured one"}
)
