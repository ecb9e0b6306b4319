package route

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"ossupload/shared/api"
	"ossupload/shared/fchttp"
	"ossupload/shared/rawjson"
)

var (
	errMediaType  = &api.Error{Code: api.UnsupportedMediaType, Message: "The request body must be application/json."}
	errUnreadable = &api.Error{Code: api.InvalidJSON, Message: "The request body could not be read."}
	errJSON       = &api.Error{Code: api.InvalidJSON, Message: "The request body is not valid JSON."}
	errObject     = &api.Error{Code: api.InvalidJSON, Message: "The request body must be a JSON object."}
)

// reader reads a request into In. It returns the faults of single fields; err is
// for a body that is not a JSON object at all.
type reader[In any] func(r *http.Request) (in In, faults []api.Fault, err error)

func newReader[In any](body Body) reader[In] {
	plan := planOf(reflect.TypeFor[In]())
	return func(r *http.Request) (in In, faults []api.Fault, err error) {
		v := reflect.ValueOf(&in).Elem()
		plan.readLine(r, v)
		d := decoder{unknown: body == Lenient}
		if body != None {
			text, err := readBody(r)
			if err != nil {
				return in, nil, err
			}
			if len(text) == 0 && body != Strict {
				text = []byte("{}")
			}
			if err := d.body(text, v); err != nil {
				return in, nil, err
			}
		}
		return in, merge(d.faults, validate(&in)), nil
	}
}

// readBody reads the body, which the adapter has bounded. One that is not empty
// must say that it is JSON: a page of another site can send any body without a
// type, or with one that needs no leave of ours, and so nothing is assumed.
func readBody(r *http.Request) ([]byte, error) {
	text, err := fchttp.ReadBody(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	given := r.Header.Get("Content-Type")
	if given == "" && len(text) == 0 {
		return nil, nil
	}
	const usual = "application/json"
	if given == usual {
		return text, nil
	}
	if media, _, err := mime.ParseMediaType(given); err != nil || media != usual {
		return nil, errMediaType
	}
	return text, nil
}

// plan says where the fields of a struct come from that are not in the body.
type plan []source

type source struct {
	field []int
	from  func(*http.Request) reflect.Value
}

func planOf(t reflect.Type) plan {
	var p plan
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("path"); name != "" {
			p = append(p, source{f.Index, func(r *http.Request) reflect.Value { return reflect.ValueOf(r.PathValue(name)) }})
		}
		if name := f.Tag.Get("query"); name != "" {
			p = append(p, source{f.Index, fromQuery(f.Type, name)})
		}
	}
	return p
}

// fromQuery reads a parameter as the type of its field asks: its first value, all
// of its values, or with a map all of name[key]=value.
func fromQuery(t reflect.Type, name string) func(*http.Request) reflect.Value {
	switch {
	case t.Kind() == reflect.String:
		return func(r *http.Request) reflect.Value { return reflect.ValueOf(query(r).Get(name)).Convert(t) }
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return func(r *http.Request) reflect.Value { return reflect.ValueOf(query(r)[name]).Convert(t) }
	case t.Kind() == reflect.Map:
		return func(r *http.Request) reflect.Value {
			inner := make(map[string]string)
			for full, values := range query(r) {
				if key, ok := strings.CutPrefix(full, name+"["); ok && strings.HasSuffix(key, "]") {
					inner[strings.TrimSuffix(key, "]")] = values[0]
				}
			}
			// By way of JSON, so that a type reads its members in one way only.
			v := reflect.New(t)
			if text, err := json.Marshal(inner); err == nil {
				_ = json.Unmarshal(text, v.Interface())
			}
			return v.Elem()
		}
	}
	panic(fmt.Sprintf("route: a query parameter cannot be read as %v", t))
}

// query is what the adapter has parsed, or else parses it.
func query(r *http.Request) url.Values {
	if r.Form != nil {
		return r.Form
	}
	return r.URL.Query()
}

// readLine fills the fields that come from path and query.
func (p plan) readLine(r *http.Request, v reflect.Value) {
	for _, s := range p {
		v.FieldByIndex(s.field).Set(s.from(r))
	}
}

// decoder fills a struct from a JSON object, field by field, so that it finds
// every fault: encoding/json would stop at the first. Names are compared in
// their case, and null is as good as absent.
type decoder struct {
	unknown bool // ignore members that the struct does not have
	faults  []api.Fault
}

func (d *decoder) body(text []byte, v reflect.Value) error {
	if !rawjson.Valid(text) {
		return errJSON
	}
	if err := checkLimits(text); err != nil {
		return err
	}
	members, ok := rawjson.Members(text)
	if !ok {
		return errObject
	}
	d.object(members, v, "")
	return nil
}

// object decodes members into the struct v, whose path in the body is path.
func (d *decoder) object(members []rawjson.Member, v reflect.Value, path string) {
	known := 0
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		at := slices.IndexFunc(members, func(m rawjson.Member) bool { return m.Name == name })
		if name == "" || at < 0 {
			continue
		}
		members[known], members[at] = members[at], members[known]
		if value := members[known].Value; string(value) != "null" {
			d.field(value, v.Field(i), path+name)
		}
		known++
	}
	if d.unknown {
		return
	}
	unknown := members[known:]
	slices.SortFunc(unknown, func(a, b rawjson.Member) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range unknown {
		d.fault(api.Fault{Field: path + m.Name, Reason: "is not a known field", Foreign: true})
	}
}

func (d *decoder) field(text []byte, v reflect.Value, path string) {
	t := v.Type()
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
		if members, ok := rawjson.Members(text); ok {
			v.Set(reflect.New(t.Elem()))
			d.object(members, v.Elem(), path+".")
			return
		}
	} else if decode(text, v) {
		return
	}
	v.SetZero()
	if tooLong(text) {
		d.fault(api.Fault{Field: path, Reason: "is too long"})
		return
	}
	d.fault(api.Fault{Field: path, Reason: "must be " + describe(t)})
}

// decode reads a value and reports whether it is of v's type. It goes over text
// once: json.Unmarshal would see first that it is valid, which is known by now.
func decode(text []byte, v reflect.Value) bool {
	if u, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		return u.UnmarshalJSON(text) == nil
	}
	switch to := v.Addr().Interface().(type) {
	case *map[string]string:
		var ok bool
		*to, ok = texts(text)
		return ok
	case *int64:
		var ok bool
		*to, ok = rawjson.Int64(text)
		return ok
	case **int64:
		n, ok := rawjson.Int64(text)
		*to = &n
		return ok
	case *bool:
		*to = string(text) == "true"
		return *to || string(text) == "false"
	}
	if v.Kind() == reflect.String {
		if tooLong(text) {
			return false
		}
		s, ok := rawjson.String(text)
		v.SetString(s)
		return ok
	}
	return json.Unmarshal(text, v.Addr().Interface()) == nil
}

// maxString is more than any string in a request may be, however it is escaped. What
// is longer is not even read.
const maxString = 64 << 10

func tooLong(text []byte) bool { return text[0] == '"' && len(text) > maxString }

// texts reads an object whose values are strings, or null for an empty one.
func texts(text []byte) (map[string]string, bool) {
	members, ok := rawjson.Members(text)
	all := make(map[string]string, len(members))
	for _, m := range members {
		if tooLong(m.Value) {
			return nil, false
		}
		s, isString := rawjson.String(m.Value)
		if !isString && string(m.Value) != "null" {
			return nil, false
		}
		all[m.Name] = s
	}
	return all, ok
}

func (d *decoder) fault(f api.Fault) {
	if len(d.faults) < api.MaxFaults {
		d.faults = append(d.faults, f)
	}
}

// merge adds to faults those of more that name other fields: one reason a field
// is enough.
func merge(faults, more []api.Fault) []api.Fault {
	named := make(map[string]bool, len(faults))
	for _, f := range faults {
		named[f.Field] = true
	}
	for _, f := range more {
		if len(faults) < api.MaxFaults && !named[f.Field] {
			named[f.Field] = true
			faults = append(faults, f)
		}
	}
	return faults
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
