package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"ossupload/scripts/internal/client"
)

// adviser says what to do about an error.
type adviser struct {
	endpoint string
	token    bool // there is one
	resumes  bool // state is kept
}

// about returns what to do, in one or two sentences, or "" if the error says it.
func (a adviser) about(err error) string {
	if errors.Is(err, errChanged) {
		return "upload it again when nobody writes to it"
	}
	if errors.Is(err, client.ErrUnconfirmed) {
		if a.resumes {
			return "run the same command again: it asks for the receipt, and sends nothing. The timer of ossupload-repair announces it meanwhile"
		}
		return "do not send it again: it is stored, and the timer of ossupload-repair announces it"
	}
	var refused *client.Refusal
	if errors.As(err, &refused) {
		if refused.From == client.Functions {
			return cmp.Or(a.aboutFunctions(refused), refused.Mend())
		}
		return cmp.Or(aboutStorage(refused), refused.Mend())
	}
	var lost *client.LostAnswer
	if errors.As(err, &lost) {
		return a.aboutSilence(lost)
	}
	return ""
}

// aboutFunctions is about a refusal of the endpoint.
func (a adviser) aboutFunctions(r *client.Refusal) string {
	switch r.Code {
	case "unauthenticated":
		return a.aboutToken(r)
	case "forbidden":
		return "the token does not allow this, or the deployment does not: compare its claims scope and upload, and the setting UPLOAD_METHODS"
	case "invalid_request":
		return "change what is named above: -type, -meta and -vars are yours, size and types are bounded by UPLOAD_MAX_SIZE and UPLOAD_CONTENT_TYPES of the deployment"
	case "storage_denied":
		return "the role of the function is refused by OSS: whoever runs the deployment finds out with go run ./scripts/doctor"
	case "storage_error", "storage_timeout", "throttled", "credentials_expiring", "internal":
		return "run the same command again later; the log of the function has the cause, under the request that is named above"
	case "parts_mismatch", "checksum_mismatch":
		return "what arrived is not the file: run the same command again, and if it stays so, look for what changes bytes on the way"
	case "":
		return a.aboutStranger(r)
	}
	if r.Status == http.StatusNotFound {
		return a.wrongAddress()
	}
	return ""
}

// aboutToken is about a token that is missing or not believed.
func (a adviser) aboutToken(r *client.Refusal) string {
	if !a.token {
		return "give the caller's token, which your application makes, in OSSUPLOAD_TOKEN or with -token-file"
	}
	text := "get a new token from your application; what is wrong with this one stands in brackets"
	if clock := aboutClock(r); clock != "" {
		text += ". If this machine made it: " + clock
	}
	return text
}

// aboutClock is "" if the clocks agree, as far as the answer can tell.
func aboutClock(r *client.Refusal) string {
	const most = 30 * time.Second // as much is forgiven
	switch ahead := r.Ahead.Round(time.Second); {
	case ahead > most:
		return fmt.Sprintf("the clock here is %v ahead of that of %s; set it", ahead, r.From)
	case ahead < -most:
		return fmt.Sprintf("the clock here is %v behind that of %s; set it", -ahead, r.From)
	}
	return ""
}

// aboutStranger is about an answer that no function gives.
func (a adviser) aboutStranger(r *client.Refusal) string {
	switch {
	case r.Status/100 == 3:
		return "the endpoint sends elsewhere, and the token is not sent after it: give the address that it leads to, with https:// if that is missing"
	case r.Status >= 500:
		return "a gateway or proxy answered, and not the function: its log has the cause, or that of the function if it did not start"
	case r.Status == http.StatusRequestEntityTooLarge, r.Status == http.StatusTooManyRequests:
		return "a gateway or proxy answered, and not the function: its limits are in the way"
	}
	return a.wrongAddress()
}

func (a adviser) wrongAddress() string {
	return fmt.Sprintf("is %s the base URL of the deployment? /presign and /s3/ have to lie right below it", client.Clean(a.endpoint))
}

// aboutStorage is about a refusal of OSS, which knows the functions' URLs only.
func aboutStorage(r *client.Refusal) string {
	switch {
	case r.Code == "SignatureDoesNotMatch":
		return "something on the way changes requests, as a proxy does that adds or drops headers; try without it. go run ./scripts/explain says what differs"
	case r.Code == "RequestTimeTooSkewed", r.Code == "AccessDenied" && r.Status == http.StatusForbidden:
		text := "a new URL was refused as well: the role that signs may not write there, the bucket's policy forbids it, or the clock of the function is wrong; go run ./scripts/doctor says which"
		if clock := aboutClock(r); clock != "" {
			text += " (" + clock + ")"
		}
		return text
	case r.Code == "InvalidAccessKeyId", r.Code == "SecurityTokenExpired", r.Code == "InvalidSecurityToken":
		return "the function signs with credentials that OSS does not take: go run ./scripts/doctor says why"
	case r.Status >= 500:
		return "OSS failed: run the same command again later"
	}
	return ""
}

// aboutSilence is about an answer that did not come.
func (a adviser) aboutSilence(l *client.LostAnswer) string {
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		plain       tls.RecordHeaderError
		dial        *net.OpError
	)
	where := client.Clean(a.endpoint)
	if l.From == client.Storage {
		where = "storage, to which the deployment's OSS_ENDPOINT points"
	}
	switch {
	case errors.As(l.Err, &dns):
		return "the name is not known here: is it " + where + ", and is there a network?"
	case errors.As(l.Err, &dial) && dial.Op == "dial" && a.endpoint == defaultEndpoint:
		return "nothing listens at " + where + ", the address of the local stack: run it with go run ./scripts/local, or name your deployment in OSSUPLOAD_ENDPOINT"
	case errors.As(l.Err, &authority):
		return "the certificate is of an authority that this machine does not trust: a proxy that reads TLS, or one of your own; SSL_CERT_FILE names what else to trust"
	case errors.As(l.Err, &certificate):
		return "the certificate does not fit: is it " + where + ", and is the clock here right?"
	case errors.As(l.Err, &plain):
		return "what answers there does not speak TLS: is it http:// in place of https://, or a proxy?"
	case errors.Is(l.Err, client.ErrTimeout):
		return "the line is slow or broken: fewer at once (-parallel 1) or more time (-timeout 2m), and the same command goes on"
	}
	if dial != nil && dial.Op == "dial" {
		return "nothing answers there: is it " + where + ", and does a firewall or a proxy stand between?"
	}
	return "the connection broke: run the same command again"
}
