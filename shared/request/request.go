// Package request reads JSON request bodies into structs and finds every fault
// at once: unknown fields, wrong types, and whatever the structs' validate tags
// (validator/v10) say. encoding/json alone would stop at the first.
package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"

	"ossupload/shared/api"
)

const (
	// maxBody is the largest body in bytes that is read: what fchttp lets through.
	maxBody = 2 << 20
	// maxNames is how many names an object of a body may have. It bounds the work
	// that a bad body causes.
	maxNames = 64
)

// Unknown says what becomes of fields that a struct does not have.
type Unknown int

const (
	Refuse Unknown = iota
	Ignore
)

// Decode reads r's body, one JSON object, into the struct that dst points to.
// Field names are compared in their case. It returns the faults of single
// fields, so that a caller can add its own before it answers with all of them;
// err is for a body that cannot be read as a JSON object at all. An empty body is an empty object when unknown fields are
// ignored: Uppy sends none where all fields are optional.
func Decode(r *http.Request, dst any, unknown Unknown) (faults []api.Fault, err error) {
	if ct := r.Header.Get("Content-Type"); ct != "" {
		if media, _, err := mime.ParseMediaType(ct); err != nil || media != "application/json" {
			return nil, &api.Error{Code: api.UnsupportedMediaType, Message: "The request body must be application/json."}
		}
	}
	var body []byte
	if r.Body != nil {
		body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUnreadable, err)
		}
	}
	if len(body) > maxBody {
		return nil, &api.Error{Code: api.TooLarge, Message: "The request body is too large."}
	}
	if len(body) == 0 && unknown == Ignore {
		body = []byte("{}")
	}
	if !json.Valid(body) {
		return nil, &api.Error{Code: api.InvalidJSON, Message: "The request body is not valid JSON."}
	}
	d := decoder{unknown: unknown}
	if !d.object(body, reflect.ValueOf(dst).Elem(), "") {
		return nil, &api.Error{Code: api.InvalidJSON, Message: "The request body must be a JSON object."}
	}
	return Merge(d.faults, validate(dst)), nil
}

// Merge adds to faults those of more that name other fields: one reason a
// field is enough. Of all together it keeps the first api.MaxFaults.
func Merge(faults, more []api.Fault) []api.Fault {
	faults = faults[:min(len(faults), api.MaxFaults)]
	for _, f := range more {
		if len(faults) == api.MaxFaults {
			break
		}
		if !slices.ContainsFunc(faults, func(g api.Fault) bool { return g.Field == f.Field }) {
			faults = append(faults, f)
		}
	}
	return faults
}

var errUnreadable = &api.Error{Code: api.InvalidJSON, Message: "The request body could not be read."}

type decoder struct {
	unknown Unknown
	faults  []api.Fault
}

// object decodes text into the struct v, whose path in the body is path. It
// reports whether text is an object at all.
func (d *decoder) object(text []byte, v reflect.Value, path string) bool {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return false
	}
	if len(members) > maxNames {
		d.faults = append(d.faults, tooManyNames(path))
		return true
	}
	for i := range v.NumField() {
		name := jsonName(v.Type().Field(i))
		value, ok := members[name]
		delete(members, name)
		if !ok || string(value) == "null" {
			continue
		}
		d.member(value, v.Field(i), path+name)
	}
	if d.unknown == Refuse {
		for _, name := range slices.Sorted(maps.Keys(members)) {
			d.faults = append(d.faults, api.Fault{Field: path + shorten(name), Reason: "is not a known field"})
		}
	}
	return true
}

func (d *decoder) member(text []byte, field reflect.Value, path string) {
	ok := false
	if t := field.Type(); t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
		target := reflect.New(t.Elem())
		if ok = d.object(text, target.Elem(), path+"."); ok {
			field.Set(target)
		}
	} else {
		ok = json.Unmarshal(text, field.Addr().Interface()) == nil
	}
	if ok && field.Kind() == reflect.Map && field.Len() > maxNames {
		d.faults = append(d.faults, tooManyNames(path+"."))
		field.SetZero()
	}
	if !ok {
		d.faults = append(d.faults, api.Fault{Field: path, Reason: "must be " + describe(field.Type())})
		field.SetZero()
	}
}

// tooManyNames is the fault of the object whose members have paths that begin
// with path.
func tooManyNames(path string) api.Fault {
	field := strings.TrimSuffix(path, ".")
	if field == "" {
		field = "body"
	}
	return api.Fault{Field: field, Reason: fmt.Sprintf("must have at most %d names", maxNames)}
}

func describe(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list of objects"
	case reflect.Map:
		return "an object with strings as values"
	default:
		return "an object"
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func shorten(name string) string {
	const most = 64
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}

// checker is made at first use, not at start: it costs a cold start that may
// never read a body.
var checker = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(jsonName)
	return v
})

func validate(dst any) []api.Fault {
	var invalid validator.ValidationErrors
	if err := checker().Struct(dst); err == nil {
		return nil
	} else if !errors.As(err, &invalid) {
		panic(fmt.Sprintf("request: %T cannot be validated: %v", dst, err))
	}
	faults := make([]api.Fault, len(invalid))
	for i, e := range invalid {
		_, field, _ := strings.Cut(e.Namespace(), ".")
		faults[i] = api.Fault{Field: field, Reason: reason(e)}
	}
	return faults
}

// reason puts the tags that this project uses into words.
func reason(e validator.FieldError) string {
	number := e.Kind() != reflect.String
	switch e.Tag() {
	case "required":
		return "is required"
	case "excluded_with", "excluded_unless":
		return "cannot be combined with " + e.Param()
	case "required_without":
		return "is required without " + e.Param()
	case "oneof":
		return "must be one of " + strings.Join(strings.Fields(e.Param()), ", ")
	case "min", "gte":
		if number {
			return "must be at least " + e.Param()
		}
		return "must be at least " + e.Param() + " characters"
	case "max", "lte":
		if number {
			return "must be at most " + e.Param()
		}
		return "must be at most " + e.Param() + " characters"
	default:
		return "is not valid (" + e.Tag() + ")"
	}
}
