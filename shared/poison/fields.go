package poison

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Route is a route with one request that it grants, of which one thing after the
// other is spoilt.
type Route struct {
	Method  string
	Pattern string
	In      reflect.Type // what the route reads a request into

	// Sound is a value for each field of In, and for what else is in the pattern:
	// JSON for members of the body, text for parameters and segments. Fields inside
	// of others are named as checksum.md5, tags.* and parts[].ETag. Every field must
	// have one, those that hold others excepted.
	Sound map[string]string

	// Base are the members and parameters of the request that is granted; all
	// members that stand in Sound if it is nil.
	Base map[string]string

	Header map[string]string
}

// Case is a field, and what is put into it.
type Case struct {
	Name  string
	field field
	value value
}

// field is where a value can be put.
type field struct {
	name, own string // as clients call it, from outside and its last part
	from      string // json, query or path
	top       string // the member, parameter or segment that is replaced
	open, end string // what stands around the value in it
	isName    bool   // it is the name of an entry, and no value
	holds     bool   // other fields
	list      bool   // of objects
}

// fields are those of a struct as package route reads it.
func fields(in reflect.Type) (all []field) {
	for i := range in.NumField() {
		f := in.Field(i)
		if f.Anonymous {
			all = append(all, fields(f.Type)...)
			continue
		}
		for _, from := range []string{"json", "query", "path"} {
			if name := f.Tag.Get(from); name != "" {
				all = append(all, within(f.Type, field{name: name, own: name, from: from, top: name})...)
			}
		}
	}
	return all
}

// within is a field of type t, and those that it holds.
func within(t reflect.Type, at field) []field {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	all := []field{at}
	inner := func(own, name, open, end string) field {
		return field{name: name, own: own, from: at.from, top: at.top, open: at.open + open, end: end + at.end}
	}
	list := ""
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		list, t, all[0].list = "[]", t.Elem(), true
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			own := t.Field(i).Tag.Get("json")
			open, end := `{"`+own+`":`, `}`
			if list != "" {
				open, end = "["+open, end+"]"
			}
			all = append(all, within(t.Field(i).Type, inner(own, at.name+list+"."+own, open, end))...)
		}
	case reflect.Map:
		name := inner("", at.name+".(name)", `{`, `:"v"}`)
		name.isName = true
		all = append(all, inner("k", at.name+".*", `{"k":`, `}`), name)
	}
	all[0].holds = len(all) > 1
	return all
}

var segment = regexp.MustCompile(`\{(\w+)\}`)

// fields are those of In, and the segments of the pattern that In does not have.
func (r Route) fields() []field {
	all := fields(r.In)
	for _, match := range segment.FindAllStringSubmatch(r.Pattern, -1) {
		at := field{name: match[1], own: match[1], from: "path", top: match[1]}
		if !slices.ContainsFunc(all, func(f field) bool { return f.from == "path" && f.name == at.name }) {
			all = append(all, at)
		}
	}
	return all
}

// Fields are the names of all fields of the route.
func (r Route) Fields() (names []string) {
	for _, f := range r.fields() {
		names = append(names, f.name)
	}
	return names
}

// Unsound are the fields for which Sound has no value.
func (r Route) Unsound() (names []string) {
	for _, f := range r.fields() {
		if _, ok := r.Sound[f.name]; !ok && !f.holds {
			names = append(names, f.name)
		}
	}
	return names
}

// Cases are all things that can be put into all fields.
func (r Route) Cases() (all []Case) {
	for _, f := range r.fields() {
		for _, v := range valuesFor(f, r.Sound[f.name]) {
			all = append(all, Case{f.name + ": " + v.name, f, v})
		}
	}
	return all
}

// Granted is the request that is not spoilt.
func (r Route) Granted() Request { return r.request(field{}, value{}) }

// Spoilt is the request of a case.
func (r Route) Spoilt(c Case) Request { return r.request(c.field, c.value) }

func (r Route) request(f field, v value) Request {
	req := Request{Method: r.Method, Path: r.Pattern, Header: r.Header}
	var members []string
	for _, at := range r.fields() {
		text, given := r.base()[at.top]
		spoilt := at.top == f.top && at.from == f.from
		switch {
		case at.name != at.top || !given && !spoilt:
		case at.from == "json":
			members = append(members, r.member(at, f, v, text, spoilt))
		case at.from == "query" && spoilt:
			req.Query = append(req.Query, f.parameter(v))
		case at.from == "query":
			req.Query = append(req.Query, fmt.Sprintf("%q:%s", at.top, asJSON(text)))
		default:
			if spoilt {
				text = v.text
			}
			req.Path = strings.ReplaceAll(req.Path, "{"+at.top+"}", url.PathEscape(text))
		}
	}
	if r.Method == "POST" {
		req.Body = "{" + strings.Join(members, ",") + "}"
	}
	return req
}

// base are the members and parameters of the request that is granted.
func (r Route) base() map[string]string {
	if r.Base != nil {
		return r.Base
	}
	return r.Sound
}

// member is a member of the body: as it was, or with what spoils it.
func (r Route) member(at, f field, v value, text string, spoilt bool) string {
	if !spoilt {
		return fmt.Sprintf("%q:%s", at.top, text)
	}
	return fmt.Sprintf("%q:%s%s%s%s", at.top, f.open, v.json, r.beside(f), f.end)
}

// beside are the other fields of an object in a list.
func (r Route) beside(f field) string {
	var b strings.Builder
	object, _, inList := strings.Cut(f.name, "[].")
	for name, sound := range r.Sound {
		if own, ok := strings.CutPrefix(name, object+"[]."); ok && inList && own != f.own {
			fmt.Fprintf(&b, ",%q:%s", own, sound)
		}
	}
	return b.String()
}

// parameter is the member of queryParameters for a parameter; an entry of a map is
// named as metadata[k].
func (f field) parameter(v value) string {
	switch {
	case f.isName:
		return fmt.Sprintf(`"%s[%s]":"v"`, f.top, strings.Trim(v.json, `"`))
	case f.name != f.top:
		return fmt.Sprintf(`"%s[%s]":%s`, f.top, f.own, v.json)
	}
	return fmt.Sprintf("%q:%s", f.top, v.json)
}
