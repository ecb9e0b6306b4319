package request_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"ossupload/shared/api"
	"ossupload/shared/request"
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

func post(body, contentType string) *http.Request {
	r := httptest.NewRequest("POST", "/presign", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

func TestDecodeNamesEveryFault(t *testing.T) {
	tests := []struct {
		name, body string
		unknown    request.Unknown
		want       []api.Fault
	}{
		{"nothing wrong", `{"filename":"a","size":0,"checksum":{"md5":"x"}}`, request.Refuse, nil},
		{"null is absent", `{"filename":"a","size":null,"checksum":null}`, request.Refuse, nil},
		{"a field missing", `{}`, request.Refuse, []api.Fault{{Field: "filename", Reason: "is required"}}},
		{"all at once", `{"size":"1","as":"ftp","vars":{"a":1},"b":1,"a":1,"checksum":{"md5":1,"sha":""}}`, request.Refuse, []api.Fault{
			{Field: "size", Reason: "must be a whole number"},
			{Field: "checksum.md5", Reason: "must be a string"},
			{Field: "checksum.sha", Reason: "is not a known field"},
			{Field: "vars", Reason: "must be an object with strings as values"},
			{Field: "a", Reason: "is not a known field"},
			{Field: "b", Reason: "is not a known field"},
			{Field: "filename", Reason: "is required"},
			{Field: "as", Reason: "must be one of put, form, url"},
		}},
		{"a negative number", `{"filename":"a","size":-1}`, request.Refuse, []api.Fault{{Field: "size", Reason: "must be at least 0"}}},
		{"a fraction", `{"filename":"a","size":1.5}`, request.Refuse, []api.Fault{{Field: "size", Reason: "must be a whole number"}}},
		{"a number beyond 64 bits", `{"filename":"a","size":9223372036854775808}`, request.Refuse, []api.Fault{{Field: "size", Reason: "must be a whole number"}}},
		{"another case is another field", `{"Filename":"a"}`, request.Refuse, []api.Fault{
			{Field: "Filename", Reason: "is not a known field"}, {Field: "filename", Reason: "is required"}}},
		{"unknown fields ignored", `{"filename":"a","b":1,"checksum":{"sha":1}}`, request.Ignore, nil},
		{"an object that is a list", `{"filename":"a","checksum":[]}`, request.Refuse, []api.Fault{{Field: "checksum", Reason: "must be an object"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w wish
			got, err := request.Decode(post(tt.body, "application/json; charset=utf-8"), &w, tt.unknown)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Decode(%s) = %v, %v, want %v", tt.body, got, err, tt.want)
			}
		})
	}
}

func TestDecodeRefusesWhatIsNoObject(t *testing.T) {
	tests := []struct {
		name, body, contentType string
		unknown                 request.Unknown
		want                    api.Code
	}{
		{"another type", `{}`, "text/plain", request.Refuse, api.UnsupportedMediaType},
		{"a form", `a=b`, "application/x-www-form-urlencoded", request.Refuse, api.UnsupportedMediaType},
		{"a malformed type", `{}`, ";", request.Refuse, api.UnsupportedMediaType},
		{"not JSON", `{"filename":`, "application/json", request.Refuse, api.InvalidJSON},
		{"two values", `{}{}`, "application/json", request.Refuse, api.InvalidJSON},
		{"empty", ``, "application/json", request.Refuse, api.InvalidJSON},
		{"a list", `[]`, "application/json", request.Refuse, api.InvalidJSON},
		{"null", `null`, "application/json", request.Ignore, api.InvalidJSON},
		{"over 2 MiB", `{"a":"` + strings.Repeat("x", 2<<20) + `"}`, "application/json", request.Ignore, api.TooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w wish
			_, err := request.Decode(post(tt.body, tt.contentType), &w, tt.unknown)
			var e *api.Error
			if !errors.As(err, &e) || e.Code != tt.want {
				t.Errorf("Decode = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestDecodeTakesNoBodyWhereAllIsOptional(t *testing.T) {
	var v struct {
		Parts []int `json:"parts"`
	}
	r := httptest.NewRequest("POST", "/", nil)
	if faults, err := request.Decode(r, &v, request.Ignore); err != nil || faults != nil {
		t.Errorf("Decode of an empty body = %v, %v, want neither", faults, err)
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
func TestDecodeBoundsFaults(t *testing.T) {
	tooMany := func(field string) []api.Fault {
		return []api.Fault{{Field: field, Reason: "must have at most 64 names"}}
	}
	tests := []struct {
		name, body string
		want       []api.Fault
	}{
		{"60,000 unknown fields", manyNames(60_000, "1"), append(tooMany("body"), api.Fault{Field: "filename", Reason: "is required"})},
		{"60,000 names in a map", `{"filename":"a","vars":` + manyNames(60_000, `"x"`) + `}`, tooMany("vars")},
		{"60,000 names in an object", `{"filename":"a","checksum":` + manyNames(60_000, `"x"`) + `}`, tooMany("checksum")},
		{"64 names in a map", `{"filename":"a","vars":` + manyNames(64, `"x"`) + `}`, nil},
		{"65 names in a map", `{"filename":"a","vars":` + manyNames(65, `"x"`) + `}`, tooMany("vars")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w wish
			got, err := request.Decode(post(tt.body, "application/json"), &w, request.Refuse)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Decode = %v, %v, want %v", got, err, tt.want)
			}
		})
	}
	t.Run("21 unknown fields", func(t *testing.T) {
		var w wish
		got, err := request.Decode(post(manyNames(21, "1"), "application/json"), &w, request.Refuse)
		if err != nil || len(got) != 20 {
			t.Errorf("Decode = %d faults, %v, want 20", len(got), err)
		}
	})
}

func TestMergeBoundsFaults(t *testing.T) {
	var many []api.Fault
	for i := range 60_000 {
		many = append(many, api.Fault{Field: fmt.Sprint("metadata.", i), Reason: "is bad"})
	}
	if got := request.Merge(nil, many); !reflect.DeepEqual(got, many[:20]) {
		t.Errorf("Merge of 60,000 faults = %d, want the first 20", len(got))
	}
	if got := request.Merge(many, many); !reflect.DeepEqual(got, many[:20]) {
		t.Errorf("Merge to 60,000 faults = %d, want the first 20", len(got))
	}
}
