package client_test

import (
	"net/http"
	"strings"
	"testing"

	"ossupload/scripts/internal/client"
)

func TestMend(t *testing.T) {
	of := func(from string, status int, code, message string) *client.Refusal {
		return &client.Refusal{From: from, Status: status, Problem: client.Problem{Code: code, Message: message}}
	}
	tests := []struct {
		name    string
		refusal *client.Refusal
		want    string // in part; "": nothing
	}{
		{"a callback that is not reached", of(client.Storage, 203, "CallbackFailed", "Error status : -1.OSS can not connect to your callbackUrl, please check it."), "Set CALLBACK_URL to the public HTTPS address"},
		{"a callback that is refused", of(client.Storage, 203, "CallbackFailed", "Error status : 403."), "token means secrets or place"},
		{"a callback, without words", of(client.Storage, http.StatusNonAuthoritativeInfo, "", ""), "POST /confirm announces this upload"},
		{"a wrong clock here", of(client.Storage, 403, "RequestTimeTooSkewed", ""), "Set the clock by NTP"},
		{"a wrong clock where URLs are signed", of(client.Storage, 403, "AccessDenied", "Request has expired."), "the clock of whoever signs is behind"},
		{"something differs", of(client.Storage, 403, "SignatureDoesNotMatch", ""), "Send method, URL and every header"},
		{"another aud", of(client.Functions, 401, "unauthenticated", "Your token cannot be used: audience is not the expected one. Ask your application for another one."), "set aud to AUTH_AUDIENCE"},
		{"no exp", of(client.Functions, 401, "unauthenticated", "Your token cannot be used: the claim exp is missing."), "set exp, in seconds since 1970"},
		{"OSS cannot be reached", of(client.Functions, 502, "storage_error", "The storage failed. Try again."), "OSS_INTERNAL_ENDPOINT"},
		{"an error that nobody knows", of(client.Storage, 400, "SomethingNew", ""), ""},
		{"a code of a later version", of(client.Functions, 400, "something_new", ""), ""},
		{"a proxy's answer", of(client.Functions, 502, "", ""), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.refusal.Mend()
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) || strings.ContainsAny(got, "\n[]{}") || len(got) > 300 {
				t.Errorf("Mend of %v = %q, want one line with %q", tt.refusal, got, tt.want)
			}
		})
	}
}
