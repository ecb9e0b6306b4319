package api_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/api"
)

func TestCodes(t *testing.T) {
	want := map[int]string{
		400: "invalid_request invalid_json",
		401: "unauthenticated",
		403: "invalid_token forbidden callback_rejected",
		404: "not_found",
		405: "method_not_allowed",
		413: "too_large",
		415: "unsupported_media_type",
		409: "already_completed aborted",
		410: "upload_gone",
		422: "parts_mismatch checksum_mismatch object_mismatch",
		500: "internal",
		502: "storage_error storage_denied delivery_failed",
		503: "credentials_expiring throttled",
		504: "storage_timeout",
	}
	got := map[int]string{}
	for _, code := range api.Codes() {
		got[code.Status()] = strings.TrimSpace(got[code.Status()] + " " + string(code))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("codes by status = %v, want %v", got, want)
	}
	if got := api.Code("bogus").Status(); got != 500 {
		t.Errorf("Status of an unknown code = %d, want 500", got)
	}
	for i, code := range api.Codes() {
		if !code.Known() || slices.Contains(api.Codes()[:i], code) {
			t.Errorf("%s is unknown or stands twice", code)
		}
	}
	if !slices.IsSortedFunc(api.Codes(), func(a, b api.Code) int { return a.Status() - b.Status() }) {
		t.Errorf("Codes() = %v, want them in the order of their statuses", api.Codes())
	}
	if api.Code("bogus").Known() {
		t.Error("a code outside the set is known")
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&api.Error{Code: api.Forbidden}, "forbidden"},
		{&api.Error{Code: api.Forbidden, Message: "This key is not yours.", Log: "key is another subject's"}, "key is another subject's"},
		{fmt.Errorf("%w: it is bob's", &api.Error{Code: api.Forbidden, Message: "This key is not yours.", Reason: "r"}), "forbidden: it is bob's"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
	}
}

func TestWithIsTheSentinel(t *testing.T) {
	sentinel := &api.Error{Code: api.PartsMismatch, Message: "m", Reason: "r", RetryAfter: 1, Challenge: "Bearer"}
	other := &api.Error{Code: api.PartsMismatch, Message: "m", Reason: "r", RetryAfter: 1, Challenge: "Bearer"}
	detailed := sentinel.With("d").With("e")
	err := fmt.Errorf("completing: %w", detailed)

	var got *api.Error
	if !errors.As(err, &got) || got != detailed || got.Details != "e" || got.Code != sentinel.Code || got.Message != "m" || got.Reason != "r" || got.RetryAfter != 1 || got.Challenge != "Bearer" {
		t.Errorf("As = %+v, want the sentinel with its details", got)
	}
	if !errors.Is(err, sentinel) || !errors.Is(sentinel.With("d"), sentinel) || !errors.Is(sentinel, sentinel) {
		t.Error("With is not its sentinel")
	}
	if errors.Is(sentinel.With("d"), other) || errors.Is(sentinel, other) || errors.Is(other, sentinel) {
		t.Error("a sentinel is another that looks like it")
	}
	if sentinel.Details != nil {
		t.Errorf("With changed the sentinel: Details = %v", sentinel.Details)
	}
}

func TestInvalid(t *testing.T) {
	two := []api.Fault{{Field: "size", Reason: "is required"}, {Field: "checksum.md5", Reason: "must be a string"}}
	err := api.Invalid(two...)
	if err.Code != api.InvalidRequest || !reflect.DeepEqual(err.Details, two) ||
		err.Message != "Some fields of the request are not valid: size is required; checksum.md5 must be a string." {
		t.Errorf("Invalid = %+v", err)
	}
	for field, want := range map[string]string{
		"metadata.a\r\nb":             "metadata.a\uFFFD\uFFFDb",
		"a\xffb":                      "a\uFFFDb",
		strings.Repeat("a", 80):       strings.Repeat("a", 80),
		strings.Repeat("a", 81):       strings.Repeat("a", 80) + "…",
		"x" + strings.Repeat("ä", 40): "x" + strings.Repeat("ä", 39) + "…",
		strings.Repeat("x", 2<<20):    strings.Repeat("x", 80) + "…",
	} {
		faults := []api.Fault{{Field: field}}
		if got := api.Faults(api.Invalid(faults...))[0].Field; got != want {
			t.Errorf("the field %.100q is told as %q, want %q", field, got, want)
		}
		if faults[0].Field != field {
			t.Error("Invalid changed the faults that it was given")
		}
	}
	if api.Faults(nil) != nil || api.Faults(errors.New("other")) != nil || len(api.Faults(fmt.Errorf("x: %w", err))) != 2 {
		t.Error("Faults are not those of an Invalid")
	}
	many := make([]api.Fault, 60_000)
	if got := api.Invalid(many...).Details.([]api.Fault); len(got) != 20 {
		t.Errorf("Invalid tells %d faults, want 20", len(got))
	}
}
