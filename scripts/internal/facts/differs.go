package facts

import (
	"fmt"
	"slices"
	"strings"
)

// Differs says what to do where the fact does not hold, in sentences. seen is what
// was found instead, which of an unknown fact is one of its values, if it is any
// that we know of.
func (f Fact) Differs(seen string) string {
	advice := differs[f.ID]
	switch {
	case f.Status != Unknown:
	case slices.Contains(f.Values, seen):
		advice = strings.TrimSpace(fmt.Sprintf("Run the local stack with -assume %q. %s", f.ID+"="+seen, advice))
	default:
		advice = strings.TrimSpace("Report it: it is none of the values that we thought of. " + advice)
	}
	return advice
}

// Where nothing of ours can be set, somebody has to look.
const (
	report = "Report it: nothing can be set."
	safer  = "Report it: nothing need be set, since it is safer than we take it to be."
)

// differs says what to set where a fact differs, by ID. Of what is confirmed or
// likely it says so of all; of what is unknown where a setting matters, since
// nothing leans on one value.
var differs = map[string]string{
	"sign.unsigned-payload":    report,
	"sign.bucket-in-path":      "Set OSS_CNAME if the endpoint is a domain of the bucket, or OSS_PATH_STYLE if it takes no subdomains; else report it.",
	"sign.host-not-signed":     report,
	"sign.content-length":      "Set UPLOAD_METHODS=form, whose length is bound by its policy, and report it.",
	"sign.content-type":        "Set UPLOAD_METHODS=form, and report it.",
	"sign.oss-headers":         "Set UPLOAD_METHODS=form, and report it: whoever has a URL could add headers.",
	"sign.other-headers":       safer,
	"sign.week":                "Set UPLOAD_MAX_EXPIRES to what is taken.",
	"sign.skew":                report,
	"sign.shorter-life":        "Report it, and set UPLOAD_MAX_EXPIRES as short as clients can bear.",
	"access.head-without-list": "Allow oss:ListObjects on the bucket to the functions' roles where it is 403.",

	"put.forbid-overwrite":           "If the bucket has versions, that is why, and SECURITY.md says what follows; else report it.",
	"put.forbid-overwrite-versioned": safer,
	"put.etag":                       report,
	"put.content-md5":                report,
	"put.five-gib":                   "Set UPLOAD_MAX_SIZE to what is taken.",
	"head.crc64":                     report,
	"head.object-type":               "Report it: symlinks cannot be told from uploads.",
	"head.tag-count":                 "Allow oss:GetObjectTagging to the functions' roles; if it is, report it.",

	"callback.operations":       "Not every region has callbacks: without, have clients POST /confirm, and set up OSS's trigger.",
	"callback.size":             report,
	"callback.signature":        "Report it: no callback is believed, so have clients POST /confirm.",
	"callback.key":              "Set CALLBACK_KEY_URLS to the URL that OSS names, if Alibaba Cloud publishes it, and report it.",
	"callback.headers-unsigned": safer,
	"callback.any-customer":     safer,
	"callback.once":             report,
	"callback.203":              "Report it: clients cannot tell that a callback failed.",
	"callback.answer":           "Report it: clients get no receipt, so have them POST /confirm.",
	"callback.form-body":        "Report it: no callback is understood, so have clients POST /confirm.",
	"callback.private-address":  "Set CALLBACK_URL to a public address all the same, and report it.",

	"form.exact":        "Leave form out of UPLOAD_METHODS, and report it.",
	"form.length-range": "Leave form out of UPLOAD_METHODS, and report it.",
	"form.token":        "Leave form out of UPLOAD_METHODS, and report it.",

	"multipart.part-numbers":        report,
	"multipart.least-part":          report,
	"multipart.gone":                report,
	"multipart.replaced-part":       report,
	"multipart.headers-at-initiate": "Leave multipart out of UPLOAD_METHODS, and report it: the objects have no grant.",
	"multipart.part-crc":            "Have clients declare no checksum of multipart uploads, and report it.",

	"cors.expose-etag": "Run scripts/bucket, whose rule of CORS exposes ETag.",
	"cors.preflight":   "Run scripts/bucket; if the bucket lacks nothing, report it.",

	"version.id":      "Report it: downloads cannot be tied to a version.",
	"version.null":    "Use a bucket without versions, or one where they are enabled.",
	"lifecycle.abort": "Have the sweep abort them, by its timer in s.yaml.",

	"trigger.events": "Have the sweep find uploads instead, by its timer in s.yaml, and report it.",
	"trigger.vars":   "Leave url out of UPLOAD_METHODS, or have its clients POST /confirm, and report it.",

	"sts.expiration":     "Set UPLOAD_ROLE_DURATION to no more than the longest session of the role.",
	"sts.session-policy": "Leave STS_ENABLED unset, and report it.",
	"sts.intersection":   "Leave STS_ENABLED unset, and report it.",
	"credentials.no-end": safer,
	"credentials.fc-36h": "Set UPLOAD_ROLE_ARN, so that what signs has a known end, and report it.",
	"endpoint.mainland":  "Set OSS_ENDPOINT to a domain of the bucket, and OSS_CNAME.",
	"ram.put-covers":     "Give the roles the actions that were missing, and report it.",
	"ram.list-parts":     "Report it: the roles may do more than they need.",
	"ram.tagging":        "Report it: the roles may do more than they need.",

	"fc.event-http":                "Report it with an event, after secrets are out of it.",
	"fc.event-gateway":             "Report it with an event, after secrets are out of it.",
	"fc.base64-answers":            "Report it: compressed and long answers arrive as base64, and clients cannot read them.",
	"fc.limits":                    "Lower what clients send: the names, variables and metadata of one upload.",
	"fc.one-at-a-time":             "Set the functions' instance concurrency to 1, and report it.",
	"fc.async-retries":             "Set the asynchronous retries of ossupload-repair in s.yaml, and keep the sweep's timer.",
	"fc.options":                   "Give the trigger the method OPTIONS in s.yaml, or switch off the CORS of FC and the gateway.",
	"fc.query-values":              "Nothing need be set: both are read.",
	"fc.cors-headers":              "Where they are doubled set CORS_ORIGINS to nothing and take OPTIONS out of the triggers' methods, so that FC or the gateway alone decides; where they are replaced CORS_ORIGINS decides nothing.",
	"fc.failure-status":            "Have clients take an upload for announced only if its answer has an eventId; else have them POST /confirm.",
	"fc.answer-limit":              "Have clients ask for fewer parts at once.",
	"gateway.authorization":        "Set AUTH_TOKEN_HEADER to a header that the gateway lets through, and have clients send it.",
	"gateway.preflight":            "Configure the CORS of FC or of the gateway: origins, POST, GET and DELETE, and the headers authorization and content-type.",
	"gateway.path":                 "Nothing need be set: both are read.",
	"sts.chained-hour":             "Set UPLOAD_ROLE_DURATION=3600.",
	"sts.role-names":               "Give roles names in lower case.",
	"credentials.fc-renewal":       "Set UPLOAD_ROLE_ARN, so that what signs has a known end.",
	"fc.authorization-overwritten": "Set AUTH_TOKEN_HEADER to a header that the gateway lets through.",
}
