package route

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"ossupload/shared/api"
	"ossupload/shared/rawjson"
)

// rule is a validate tag of this project.
type rule struct {
	holds  func(v reflect.Value, param string) bool
	reason string // "%s" is the tag's parameter
}

// rules are the tags beside validator's own. A tag is a word of the contract, not
// of a route.
var rules = map[string]rule{
	"nonempty":  {text(func(s string) bool { return s != "" }), "must not be empty"},
	"text":      {text(plainText), "must be UTF-8 without control characters"},
	"bytes":     {atMost(func(v reflect.Value) int { return len(v.String()) }), "must be at most %s bytes"},
	"jsonbytes": {fitsJSON, "must be at most %s bytes of JSON"},
	"entries":   {atMost(reflect.Value.Len), "must be at most %s"},
	"metaname":  {text(only(lower + digits + "-")), "names must be of a-z 0-9 -"},
	"tagtext":   {text(only(lower + upper + digits + " +-=._:/")), "must be letters, digits, spaces and + - = . _ : /"},
	"md5":       {text(isMD5), "must be the base64 of 16 bytes"},
	"crc64":     {text(isCRC64), "must be an unsigned 64-bit number in decimal"},
	"version":   {text(only(lower + upper + digits + "_.-")), "is not a version id"},
	"objectkey": {text(isKey), `must be UTF-8 without control characters, and without a "." or ".." segment`},
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// checker is made when the first request needs it: it costs a cold start that
// may never see a request.
var checker = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(nameOf)
	for tag, rule := range rules {
		err := v.RegisterValidation(tag, func(f validator.FieldLevel) bool { return rule.holds(f.Field(), f.Param()) })
		if err != nil {
			panic(fmt.Sprintf("route: rule %q cannot be registered: %v", tag, err))
		}
	}
	return v
})

// nameOf is what clients call a field.
func nameOf(f reflect.StructField) string {
	for _, tag := range []string{"json", "query", "path"} {
		if name := f.Tag.Get(tag); name != "" {
			return name
		}
	}
	return f.Name
}

// validate returns what the tags of the struct that in points to find fault
// with.
func validate(in any) []api.Fault {
	err := checker().Struct(in)
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[validator.ValidationErrors](err)
	if !ok {
		panic(fmt.Sprintf("route: %T cannot be validated: %v", in, err))
	}
	var faults []api.Fault
	for _, e := range invalid[:min(len(invalid), 2*api.MaxFaults)] { // a name and its value may both be at fault
		faults = append(faults, api.Fault{Field: path(e.Namespace()), Reason: reason(e)})
	}
	return faults
}

// path turns validator's In.metadata[name] into metadata.name.
func path(namespace string) string {
	_, field, _ := strings.Cut(namespace, ".")
	if name, key, ok := strings.Cut(field, "["); ok {
		field = name + "." + strings.TrimSuffix(key, "]")
	}
	return field
}

// reason puts a tag into words.
func reason(e validator.FieldError) string {
	if rule, ok := rules[e.Tag()]; ok {
		return strings.ReplaceAll(rule.reason, "%s", e.Param())
	}
	switch e.Tag() {
	case "required":
		return "is required"
	case "required_without":
		return "is required without " + clientName(e.Param())
	case "excluded_with":
		return "cannot be combined with " + clientName(e.Param())
	case "oneof":
		return "must be one of " + strings.Join(strings.Fields(e.Param()), ", ")
	case "min":
		return "must be at least " + e.Param()
	case "max":
		return "must be at most " + e.Param()
	}
	return "is not valid (" + e.Tag() + ")"
}

// clientName is the name of another field, which validator has as Go has it.
func clientName(field string) string { return strings.ToLower(field[:1]) + field[1:] }

func text(holds func(string) bool) func(reflect.Value, string) bool {
	return func(v reflect.Value, _ string) bool { return holds(v.String()) }
}

func atMost(length func(reflect.Value) int) func(reflect.Value, string) bool {
	return func(v reflect.Value, param string) bool {
		most, err := strconv.Atoi(param)
		return err == nil && length(v) <= most
	}
}

func only(allowed string) func(string) bool {
	return func(s string) bool { return s != "" && strings.Trim(s, allowed) == "" }
}

// plainText keeps out what could end a header or a line of a log.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// isKey refuses "." and "..": plain text to OSS, but HTTP clients resolve them.
func isKey(key string) bool {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return plainText(key)
}

// isMD5 takes the one way to write it: decoding skips line breaks, which no header
// can carry.
func isMD5(s string) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(b) == 16 && base64.StdEncoding.EncodeToString(b) == s
}

// isCRC64 takes a number in its one decimal form.
func isCRC64(s string) bool {
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// fitsJSON reports whether a map of strings fits so many bytes as a client would
// write it: json.Marshal by itself turns "&" into six bytes. What is too long
// before anything is escaped is not written.
func fitsJSON(v reflect.Value, param string) bool {
	most, err := strconv.Atoi(param)
	if err != nil {
		return false
	}
	left := most
	for each := v.MapRange(); each.Next(); {
		if left -= each.Key().Len() + each.Value().Len(); left < 0 {
			return false
		}
	}
	m := v.Convert(reflect.TypeFor[map[string]string]()).Interface().(map[string]string)
	return len(rawjson.AppendMap(nil, m)) <= most
}
