package facts

// Documents and captures that several facts name.
const (
	callbackPage  = "OSS API reference, Callback"
	callback203   = "OSS help, HTTP status code 203"
	captures      = "genuine requests in shared/osscallback/testdata"
	v4Page        = "OSS API reference, signature V4 in headers, URLs and forms"
	postPage      = "OSS API reference, PostObject"
	putPage       = "OSS API reference, PutObject"
	multipartPage = "OSS API reference, multipart upload"
	sdkLive       = "alibabacloud-oss-go-sdk-v2, client_integration_test.go, which ran against OSS"
	sdkCode       = "alibabacloud-oss-go-sdk-v2"
	errorPages    = "OSS help, pages of error codes (EC)"
	corsPage      = "OSS API reference, PutBucketCors and OPTIONS"
	stsPage       = "STS API reference, AssumeRole"
	credentialsGo = "credentials-go 1.4"
	fcHTTPPage    = "Function Compute help, HTTP triggers"
	fcAsyncPage   = "Function Compute help, asynchronous invocation and retry policy"
	fcLimitsPage  = "Function Compute help, limits"
	fcRolePage    = "Function Compute help, function roles"
	runtimeSDK    = "fc-runtime-go-sdk v0.3.1"
	gatewayPage   = "API Gateway help, Function Compute as a backend"
	eventsPage    = "OSS help, event notifications; events in public repositories"
	ramPage       = "OSS help, RAM policies"
)

// known are the facts that are confirmed or likely.
var known = []Fact{
	{"sign.unsigned-payload", "A V4 signature in a URL covers method, path, query, signed headers and the constant UNSIGNED-PAYLOAD, not the bytes.", v4Page + "; " + sdkLive, Confirmed, []string{"shared/signing"}, nil, ""},
	{"sign.bucket-in-path", "The canonical path begins with the bucket, whatever the host.", v4Page + "; " + sdkCode, Confirmed, []string{"shared/signing", "shared/settings"}, nil, ""},
	{"sign.host-not-signed", "The host is not signed unless it is asked for, so that one signature is good for the public and the internal endpoint.", sdkCode, Confirmed, []string{"shared/signing", "functions/presign"}, nil, ""},
	{"sign.content-length", "content-length as an additional header binds the exact length: another is answered 403, none 400.", sdkLive + " (TestPresignExtra)", Confirmed, []string{"shared/issuer", "SECURITY.md"}, nil, ""},
	{"sign.content-type", "A Content-Type that is sent is signed, also if the signer named none.", v4Page, Confirmed, []string{"shared/issuer", "scripts/clients"}, nil, ""},
	{"sign.oss-headers", "Every x-oss-* header that is sent is signed; one that was added breaks the signature.", v4Page, Confirmed, []string{"shared/grant", "SECURITY.md"}, nil, ""},
	{"sign.other-headers", "Content-Encoding, Content-Disposition, Cache-Control and Expires are not signed unless they are named.", v4Page, Confirmed, []string{"shared/hold", "SECURITY.md"}, nil, ""},
	{"sign.week", "A URL lives seven days at most.", errorPages + " (0002-00000232)", Confirmed, []string{"shared/settings"}, nil, ""},
	{"sign.skew", "A URL may be used up to 15 minutes before its date.", errorPages + " (0002-00000235)", Confirmed, []string{"SECURITY.md"}, nil, ""},
	{"sign.shorter-life", "With STS credentials a URL dies with them, if that is earlier.", "OSS SDK help, authorized access", Confirmed, []string{"shared/issuer"}, nil, ""},
	{"put.forbid-overwrite", "x-oss-forbid-overwrite: true answers 409 FileAlreadyExists for a key that exists, of PUT, form and completion.", putPage + "; " + postPage + "; " + multipartPage, Confirmed, []string{"shared/grant", "shared/issuer", "functions/complete"}, nil, ""},
	{"put.forbid-overwrite-versioned", "x-oss-forbid-overwrite does nothing in a bucket whose versioning is enabled or suspended.", putPage, Confirmed, []string{"SECURITY.md", "shared/confirm"}, nil, ""},
	{"put.etag", "The ETag of a PUT or a form is the MD5 of its bytes in upper-case hex.", putPage, Confirmed, []string{"shared/confirm"}, nil, ""},
	{"put.content-md5", "A Content-MD5 that differs from the bytes is refused, and nothing is stored.", putPage, Confirmed, []string{"functions/presign"}, nil, ""},
	{"put.five-gib", "PUT and form take 5 GiB at most.", "OSS help, limits", Confirmed, []string{"shared/settings"}, nil, ""},
	{"head.crc64", "A HEAD shows x-oss-hash-crc64ecma of the whole object, for multipart uploads as well.", putPage + "; " + multipartPage, Confirmed, []string{"shared/storage", "shared/confirm"}, nil, ""},
	{"head.object-type", "A HEAD shows x-oss-object-type, and of a symlink size and ETag of its target.", "OSS API reference, HeadObject and PutSymlink", Confirmed, []string{"shared/hold"}, nil, ""},
	{"head.tag-count", "A HEAD shows x-oss-tagging-count to those who may read the tags.", "OSS API reference, HeadObject", Likely, []string{"shared/hold", "SECURITY.md"}, nil, ""},
	{"callback.operations", "PutObject, PostObject and CompleteMultipartUpload carry callbacks, in headers, query or form fields.", callbackPage, Confirmed, []string{"shared/osscallback", "shared/issuer"}, nil, ""},
	{"callback.size", "Callback and callback-var take 5 KB each, in base64.", "OSS help, HTTP status code 400", Confirmed, []string{"shared/osscallback"}, nil, ""},
	{"callback.signature", "OSS signs the decoded path, the raw query and the body with RSA PKCS#1 v1.5 over MD5.", callbackPage + "; " + captures, Confirmed, []string{"shared/osscallback"}, nil, ""},
	{"callback.key", "The public key has 512 bits and one published URL, by http and https.", callbackPage + "; " + captures, Confirmed, []string{"shared/osscallback", "SECURITY.md"}, nil, ""},
	{"callback.headers-unsigned", "No header of a callback is signed, and nothing signed tells the time.", captures, Confirmed, []string{"shared/osscallback", "SECURITY.md"}, nil, ""},
	{"callback.any-customer", "Any OSS customer can have OSS sign any body for any URL.", "follows from callback.operations", Likely, []string{"shared/osscallback", "SECURITY.md"}, nil, ""},
	{"callback.once", "A callback is sent once, and has 5 seconds in all.", callbackPage + "; OSS help, upload callback errors", Confirmed, []string{"functions/callback", "shared/confirm"}, nil, ""},
	{"callback.203", "Where a callback fails the object is stored, and the uploader gets 203 CallbackFailed.", callback203 + "; " + sdkLive, Confirmed, []string{"scripts/clients", "functions/complete"}, nil, ""},
	{"callback.answer", "The body that the callback answers with 200 is what the uploader gets.", callbackPage, Confirmed, []string{"functions/callback", "scripts/clients"}, nil, ""},
	{"callback.form-body", "In a form body each value is URL-encoded, the slash of a key too.", captures, Confirmed, []string{"shared/osscallback"}, nil, ""},
	{"callback.private-address", "A callback URL with a private address refuses the upload.", "aliyun-oss-cpp-sdk, ObjectCallbackTest.cc", Confirmed, []string{"README.md"}, nil, ""},
	{"form.exact", "A policy's exact condition refuses a field with another value.", postPage + "; " + v4Page, Confirmed, []string{"shared/issuer"}, nil, ""},
	{"form.length-range", "content-length-range bounds what a form stores.", postPage, Confirmed, []string{"shared/issuer"}, nil, ""},
	{"form.token", "A form signed with STS credentials has the security token as a field and as a condition.", v4Page, Confirmed, []string{"shared/issuer"}, nil, ""},
	{"multipart.part-numbers", "Part numbers are 1 to 10,000, and gaps are completed without a word.", multipartPage, Confirmed, []string{"functions/complete", "shared/grant"}, nil, ""},
	{"multipart.least-part", "Every part but the last has 100 KB at least, judged at completion.", multipartPage, Confirmed, []string{"shared/grant"}, nil, ""},
	{"multipart.gone", "After a completion or an abort the id is answered 404 NoSuchUpload.", multipartPage + "; " + sdkLive, Confirmed, []string{"functions/complete"}, nil, ""},
	{"multipart.replaced-part", "A part that is sent again replaces the first one.", multipartPage, Confirmed, []string{"functions/complete"}, nil, ""},
	{"multipart.headers-at-initiate", "Metadata, type and storage class are given when an upload is initiated, and to no part.", multipartPage, Confirmed, []string{"functions/complete"}, nil, ""},
	{"multipart.part-crc", "ListParts shows the CRC-64 of each part.", sdkCode, Likely, []string{"functions/complete"}, nil, ""},
	{"cors.expose-etag", "A browser reads the ETag of a part only if a CORS rule exposes it.", corsPage, Confirmed, []string{"scripts/internal/bucket", "scripts/clients"}, nil, ""},
	{"cors.preflight", "A preflight is not signed, and is answered 403 if no rule matches.", corsPage, Confirmed, []string{"scripts/internal/bucket"}, nil, ""},
	{"version.id", "Where versioning is enabled each write has a version id, shown by PUT, HEAD and completion.", putPage, Confirmed, []string{"shared/confirm", "functions/presign"}, nil, ""},
	{"version.null", "Where it is suspended a write has the version id null, and replaces the one that had it.", "OSS help, versioning", Confirmed, []string{"shared/storage", "SECURITY.md"}, nil, ""},
	{"lifecycle.abort", "A lifecycle rule aborts uploads that were not completed, by prefix and days.", "OSS API reference, PutBucketLifecycle", Confirmed, []string{"scripts/internal/bucket"}, nil, ""},
	{"trigger.events", "OSS's trigger tells of PutObject, PostObject and CompleteMultipartUpload below a prefix, at least once.", eventsPage, Confirmed, []string{"functions/complete", "s.yaml"}, nil, ""},
	{"trigger.vars", "An event holds the custom variables of the upload's callback as xVars.", eventsPage, Likely, []string{"functions/complete"}, nil, ""},
	{"sts.expiration", "AssumeRole tells when its credentials end; they last 900 s to 12 h, by the role.", stsPage, Confirmed, []string{"shared/issuer"}, nil, ""},
	{"sts.session-policy", "A session policy of at most 2,048 characters narrows what the credentials may.", stsPage, Confirmed, []string{"functions/presign"}, nil, ""},
	{"sts.intersection", "Credentials may do what both the role's policy and the session policy allow.", stsPage, Confirmed, []string{"functions/presign", "SECURITY.md"}, nil, ""},
	{"credentials.no-end", "Neither credentials-go nor FC's context tells when credentials end.", credentialsGo + "; " + runtimeSDK, Confirmed, []string{"shared/issuer"}, nil, ""},
	{"credentials.fc-36h", "The credentials of a function's role last 36 hours from when FC fetched them.", fcRolePage, Confirmed, []string{"shared/issuer"}, nil, ""},
	{"fc.event-http", "The event of an HTTP trigger has version, rawPath, headers, queryParameters as a map, and body.", fcHTTPPage + "; " + runtimeSDK, Confirmed, []string{"shared/fchttp"}, nil, ""},
	{"fc.event-gateway", "The event of the classic API gateway has path, httpMethod, headers, queryParameters as a map, and a body in base64.", gatewayPage + "; events in public repositories", Confirmed, []string{"shared/fchttp"}, nil, ""},
	{"fc.base64-answers", "Both triggers decode the body of an answer that says isBase64Encoded.", fcHTTPPage + "; " + gatewayPage, Confirmed, []string{"shared/fchttp"}, nil, ""},
	{"fc.limits", "A request has 8 KB of headers, 4 KB of path and query, and 32 MB of body at most.", fcLimitsPage, Confirmed, []string{"shared/fchttp", "functions/complete"}, nil, ""},
	{"fc.one-at-a-time", "An instance of runtime go1 has one request at a time.", fcLimitsPage, Confirmed, []string{"s.yaml"}, nil, ""},
	{"fc.async-retries", "An asynchronous invocation that failed is tried three more times, and its event kept for a day.", fcAsyncPage, Confirmed, []string{"functions/complete", "s.yaml"}, nil, ""},
	{"fc.options", "OPTIONS reaches the function if it is among the trigger's methods; else FC answers by its own CORS.", fcHTTPPage, Confirmed, []string{"shared/fchttp", "s.yaml"}, nil, ""},
	{"fc.authorization-overwritten", "A classic gateway with a web function as its backend overwrites Authorization.", gatewayPage, Confirmed, []string{"README.md"}, nil, ""},
	{"ram.put-covers", "oss:PutObject allows PUT, form, initiate, part and completion.", ramPage, Confirmed, []string{"README.md", "scripts/internal/stack"}, nil, ""},
	{"ram.list-parts", "ListParts and AbortMultipartUpload need actions of their own.", ramPage, Confirmed, []string{"README.md", "scripts/internal/stack"}, nil, ""},
	{"ram.tagging", "x-oss-tagging with an upload needs oss:PutObjectTagging.", ramPage, Confirmed, []string{"README.md"}, nil, ""},
	{"endpoint.mainland", "Accounts that are new to OSS since March 2025 need a custom domain for buckets in mainland regions.", errorPages + " (0048-00000401)", Confirmed, []string{"README.md"}, nil, ""},
}
