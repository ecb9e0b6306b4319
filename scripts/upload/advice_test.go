package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
)

func TestAdvice(t *testing.T) {
	a := adviser{endpoint: "https://up.example.com", token: true, resumes: true}
	functions := func(status int, code string) *client.Refusal {
		return &client.Refusal{From: client.Functions, Status: status, Problem: client.Problem{Code: code}}
	}
	storage := func(status int, code string) *client.Refusal {
		return &client.Refusal{From: client.Storage, Status: status, Problem: client.Problem{Code: code}}
	}
	silence := func(err error) error { return &client.LostAnswer{From: client.Functions, Err: err} }
	fast := functions(401, "unauthenticated")
	fast.Ahead = 10 * time.Minute
	skewed := storage(403, "RequestTimeTooSkewed")
	skewed.Ahead = -time.Hour
	tests := []struct {
		name string
		a    adviser
		err  error
		say  string
	}{
		{"no token", adviser{}, functions(401, "unauthenticated"), "OSSUPLOAD_TOKEN"},
		{"a token that is not believed", a, functions(401, "unauthenticated"), "get a new token"},
		{"a token of a wrong clock", a, fast, "the clock here is 10m0s ahead of that of the endpoint"},
		{"not allowed", a, functions(403, "forbidden"), "UPLOAD_METHODS"},
		{"a type or size that is refused", a, functions(400, "invalid_request"), "-type"},
		{"a role that is refused", a, functions(502, "storage_denied"), "scripts/doctor"},
		{"OSS fails behind the function", a, functions(502, "storage_error"), "run the same command again later"},
		{"a gateway fails", a, functions(502, ""), "a gateway or proxy answered"},
		{"a redirect", a, functions(301, ""), "https:// if that is missing"},
		{"a gateway's limits", a, functions(413, ""), "its limits"},
		{"something else answers", a, functions(404, ""), "is https://up.example.com the base URL"},
		{"no such route", a, functions(404, "not_found"), "is https://up.example.com the base URL"},
		{"stored and not confirmed", a, fmt.Errorf("%w: %w", client.ErrUnconfirmed, functions(502, "delivery_failed")), "it asks for the receipt, and sends nothing"},
		{"stored, and nothing is kept", adviser{}, client.ErrUnconfirmed, "do not send it again"},
		{"a changed request", a, storage(403, "SignatureDoesNotMatch"), "scripts/explain"},
		{"a URL that is refused", a, storage(403, "AccessDenied"), "the role that signs"},
		{"a wrong clock", a, skewed, "1h0m0s behind that of storage"},
		{"credentials that are refused", a, storage(403, "InvalidAccessKeyId"), "credentials"},
		{"storage fails", a, storage(500, "InternalError"), "OSS failed"},
		{"no such name", a, silence(&net.DNSError{Err: "no such host", Name: "up.example.com", IsNotFound: true}), "the name is not known"},
		{"nothing listens", a, silence(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), "nothing answers there: is it https://up.example.com"},
		{"no local stack", adviser{endpoint: defaultEndpoint}, silence(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), "go run ./scripts/local"},
		{"an authority that is not known", a, silence(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), "SSL_CERT_FILE"},
		{"another's certificate", a, silence(&tls.CertificateVerificationError{Err: errors.New("x")}), "the certificate does not fit"},
		{"no TLS", a, silence(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), "does not speak TLS"},
		{"a slow line", a, silence(client.ErrTimeout), "-timeout 2m"},
		{"a broken line", a, silence(errors.New("EOF")), "run the same command again"},
		{"a file that changes", a, errChanged, "when nobody writes to it"},
		{"an interruption", a, context.Canceled, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.a.about(fmt.Errorf("uploading: %w", tt.err))
			if tt.say == "" && got != "" || !strings.Contains(got, tt.say) || len(got) > 300 || strings.Contains(got, "\n") {
				t.Errorf("about(%v) = %q, want one line with %q", tt.err, got, tt.say)
			}
		})
	}
}
