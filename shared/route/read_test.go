package route_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/route"
)

type checksum struct {
	MD5 string `json:"md5"`
}

type wish struct {
	Filename string            `json:"filename" validate:"required"`
	Size     *int64            `json:"size" validate:"omitempty,min=0"`
	As       string            `json:"as" validate:"omitempty,oneof=put form url"`
	Checksum *checksum         `json:"checksum"`
	Vars     map[string]string `json:"vars"`
}

// ask sends a request through the envelope of a route and returns what its
// handler got.
func ask[In any](kind route.Body, r *http.Request) (In, error) {
	caller := func(*http.Request) (callerauth.Caller, error) { return callerauth.Caller{Subject: "alice"}, nil }
	echo := func(_ context.Context, _ callerauth.Caller, in In) (In, error) { return in, nil }
	got, err := route.New(caller, "POST", "/", kind, echo).Handle(r)
	in, _ := got.(In)
	return in, err
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return string(e.Code)
	}
	if err != nil {
		return "internal"
	}
	return ""
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func post(body, contentType string) *http.Request {
	r := httptest.NewRequest("POST", "/presign", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func TestFaultsOfABody(t *testing.T) {
	tests := []struct {
		name, body string
		kind       route.Body
		want       []api.Fault
	}{
		{"nothing wrong", `{"filename":"a","size":0,"checksum":{"md5":"x"}}`, route.Strict, nil},
		{"null is absent", `{"filename":"a","size":null,"checksum":null}`, route.Strict, nil},
		{"a field missing", `{}`, route.Strict, []api.Fault{{Field: "filename", Reason: "is required"}}},
		{"all at once", `{"size":"1","as":"ftp","vars":{"a":1},"b":1,"a":1,"checksum":{"md5":1,"sha":""}}`, route.Strict, []api.Fault{
			{Field: "size", Reason: "must be a whole number"},
			{Field: "checksum.md5", Reason: "must be a string"},
			{Field: "checksum.sha", Reason: "is not a known field", Foreign: true},
			{Field: "vars", Reason: "must be an object with strings as values"},
			{Field: "a", Reason: "is not a known field", Foreign: true},
			{Field: "b", Reason: "is not a known field", Foreign: true},
			{Field: "filename", Reason: "is required"},
			{Field: "as", Reason: "must be one of put, form, url"},
		}},
		{"a negative number", `{"filename":"a","size":-1}`, route.Strict, []api.Fault{{Field: "size", Reason: "must be at least 0"}}},
		{"a fraction", `{"filename":"a","size":1.5}`, route.Strict, []api.Fault{{Field: "size", Reason: "must be a whole number"}}},
		{"a number beyond 64 bits", `{"filename":"a","size":9223372036854775808}`, route.Strict, []api.Fault{{Field: "size", Reason: "must be a whole number"}}},
		{"another case is another field", `{"Filename":"a"}`, route.Strict, []api.Fault{
			{Field: "Filename", Reason: "is not a known field", Foreign: true}, {Field: "filename", Reason: "is required"}}},
		{"nested 8 deep", `{"filename":"a","b":` + nested(7) + `}`, route.Lenient, nil},
		{"white space everywhere", " { \"filename\" : \"a\" ,\n\"checksum\" : { } , \"b\" : [ 1 , {} , [ ] , -1.5e3 , null , \"]}\\\"\" ] } ", route.Lenient, nil},
		{"unknown fields ignored", `{"filename":"a","b":1,"checksum":{"sha":1}}`, route.Lenient, nil},
		{"an object that is a list", `{"filename":"a","checksum":[]}`, route.Strict, []api.Fault{{Field: "checksum", Reason: "must be an object"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ask[wish](tt.kind, post(tt.body, "application/json; charset=utf-8"))
			if got := api.Faults(err); !reflect.DeepEqual(got, tt.want) || err != nil && got == nil {
				t.Errorf("faults of %s = %v, %v, want %v", tt.body, got, err, tt.want)
			}
		})
	}
}

func TestRefusesWhatIsNoObject(t *testing.T) {
	tests := []struct {
		name, body, contentType string
		kind                    route.Body
		want                    api.Code
	}{
		{"another type", `{}`, "text/plain", route.Strict, api.UnsupportedMediaType},
		{"a form", `a=b`, "application/x-www-form-urlencoded", route.Strict, api.UnsupportedMediaType},
		{"a malformed type", `{}`, ";", route.Strict, api.UnsupportedMediaType},
		{"no type", `{"filename":"a"}`, "", route.Strict, api.UnsupportedMediaType},
		{"no type, optional", `{"filename":"a"}`, "", route.Optional, api.UnsupportedMediaType},
		{"no type, lenient", `{"filename":"a"}`, "", route.Lenient, api.UnsupportedMediaType},
		{"another type of nothing", ``, "text/plain", route.Optional, api.UnsupportedMediaType},
		{"not JSON", `{"filename":`, "application/json", route.Strict, api.InvalidJSON},
		{"two values", `{}{}`, "application/json", route.Strict, api.InvalidJSON},
		{"empty", ``, "application/json", route.Strict, api.InvalidJSON},
		{"a list", `[]`, "application/json", route.Strict, api.InvalidJSON},
		{"null", `null`, "application/json", route.Lenient, api.InvalidJSON},
		{"a name twice", `{"filename":"a","filename":"b"}`, "application/json", route.Strict, api.InvalidJSON},
		{"a name twice, written in two ways", `{"filename":"a","\u0066ilename":"b"}`, "application/json", route.Lenient, api.InvalidJSON},
		{"a name twice, deeper", `{"filename":"a","vars":{"x":"","x":""}}`, "application/json", route.Strict, api.InvalidJSON},
		{"a name twice in what is ignored", `{"filename":"a","b":[{"x":1,"x":2}]}`, "application/json", route.Lenient, api.InvalidJSON},
		{"nested 9 deep", `{"filename":"a","b":` + nested(8) + `}`, "application/json", route.Lenient, api.InvalidJSON},
		{"2 MiB of brackets", strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20), "application/json", route.Lenient, api.InvalidJSON},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ask[wish](tt.kind, post(tt.body, tt.contentType))
			if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != tt.want {
				t.Errorf("error = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestBodyMayBeAbsent(t *testing.T) {
	type optional struct {
		Prefix string `json:"prefix"`
	}
	for kind, want := range map[route.Body]string{route.None: "", route.Optional: "", route.Lenient: "", route.Strict: "invalid_json"} {
		for name, body := range map[string]io.Reader{"no body": nil, "an empty one": strings.NewReader("")} {
			_, err := ask[optional](kind, httptest.NewRequest("POST", "/", body))
			if got := codeOf(err); got != want {
				t.Errorf("%s for kind %d: %q, want %q", name, kind, got, want)
			}
		}
	}
	if _, err := ask[optional](route.Optional, post(`{"prefixes":1}`, "application/json")); codeOf(err) != "invalid_request" {
		t.Errorf("an unknown field of an optional body: %v, want it refused", err)
	}
}

// manyNames is an object of n members with distinct names.
func manyNames(n int, value string) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("\"Bad %d\":%s", i, value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// A body of 2 MiB that is nothing but bad names must not cost more than reading
// it does.
func TestBoundsFaults(t *testing.T) {
	tooMany := func(field string) []api.Fault {
		return []api.Fault{{Field: field, Reason: "must have at most 64 names"}}
	}
	tests := []struct {
		name, body string
		want       []api.Fault
	}{
		{"60,000 unknown fields", manyNames(60_000, "1"), tooMany("body")},
		{"60,000 names in a map", `{"filename":"a","vars":` + manyNames(60_000, `"x"`) + `}`, tooMany("vars")},
		{"60,000 names in an object", `{"filename":"a","checksum":` + manyNames(60_000, `"x"`) + `}`, tooMany("checksum")},
		{"64 names in a map", `{"filename":"a","vars":` + manyNames(64, `"x"`) + `}`, nil},
		{"65 names in a map", `{"filename":"a","vars":` + manyNames(65, `"x"`) + `}`, tooMany("vars")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ask[wish](route.Strict, post(tt.body, "application/json"))
			if got := api.Faults(err); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("faults = %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("21 unknown fields", func(t *testing.T) {
		_, err := ask[wish](route.Strict, post(manyNames(21, "1"), "application/json"))
		if got := api.Faults(err); len(got) != 20 {
			t.Errorf("%d faults, want 20", len(got))
		}
	})
}
