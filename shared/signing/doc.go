// Package signing makes presigned URLs: OSS signature version 4 in the query.
// It is pure: no clock, no network, no environment; the same arguments give the
// same URL.
//
// What is signed, with LF between the lines ("V4 signatures in presigned URLs",
// OSS API reference, read in November 2026):
//
//	PUT                                       method
//	/bucket/key                               always with the bucket, whatever the host
//	callback=…&x-oss-credential=…&…           sorted by encoded name; an empty value is a bare name
//	content-length:5                          one line for each signed header, sorted
//	content-type:image/png
//	x-oss-meta-a:b
//	                                          an empty line ends the headers
//	content-length                            additional headers, joined by ";"
//	UNSIGNED-PAYLOAD
//
//	string to sign = OSS4-HMAC-SHA256 LF 20261120T101240Z LF 20261120/cn-hangzhou/oss/aliyun_v4_request LF hex(SHA-256(above))
//	key            = HMAC(HMAC(HMAC(HMAC("aliyun_v4" secret, 20261120), cn-hangzhou), oss), aliyun_v4_request)
//	x-oss-signature = hex(HMAC(key, string to sign))
//
// Content-Type, Content-MD5 and every x-oss-* header are signed when they are
// sent: leaving one out, changing one or adding one breaks the signature. Any
// other header is signed only when it is named as an additional header. The
// host is never signed, so one signature is good for every endpoint of a
// bucket.
//
// The package refuses what would give a URL that OSS refuses, or one that
// protects less than it seems to: headers that nothing would sign, values that
// another header could be smuggled in, a life over seven days, empty
// credentials. No error holds a secret, a token or a signature.
//
// The package is a leaf, and could stand alone: it imports the standard library only.
// So it has its own few lines that quote JSON and that keep the state of an HMAC.
package signing

import "errors"

// The reasons for which nothing is signed, matched with errors.Is.
var (
	ErrRegion      = errors.New("region is not valid")
	ErrEndpoint    = errors.New("endpoint is not valid")
	ErrCredentials = errors.New("credentials are not complete")
	ErrMethod      = errors.New("method is not valid")
	ErrBucket      = errors.New("bucket is not valid")
	ErrKey         = errors.New("object key is not valid")
	ErrQuery       = errors.New("query parameter is not valid")
	ErrHeader      = errors.New("header is not valid")
	ErrExpires     = errors.New("life of the URL is not valid")
	ErrPart        = errors.New("part is not valid")
	ErrForm        = errors.New("form is not valid")
)
