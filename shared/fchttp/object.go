package fchttp

import (
	"encoding/json"
	"errors"

	"ossupload/shared/rawjson"
)

// object is a JSON object with its members in order of appearance. A Go map
// would keep one of two members of the same name, and lose the order of two
// headers that differ only in letter case.
type object []member

// member is a name, in its quotes, and a value, both as they stand in the event: most
// of an event is never asked for.
type member struct{ name, value []byte }

var errNotObject = errors.New("not a JSON object")

// readObject takes an event apart. Depth needs no limit here: rawjson.Valid refuses
// values nested deeper than 10,000 levels.
func readObject(event []byte) (object, error) {
	return appendEvent(make(object, 0, usual), event)
}

// usual is how many members an object has at most, but for headers. A function that
// makes a list of so many and does no more is inlined, and the list, which nobody
// keeps, stays on the stack of its caller.
const usual = 8

func appendEvent(dst object, event []byte) (object, error) {
	if !rawjson.Valid(event) {
		return nil, errNotObject
	}
	return appendMembers(dst, event)
}

// appendMembers takes one level of valid JSON apart.
func appendMembers(dst object, value json.RawMessage) (object, error) {
	s := rawjson.NewScanner(value)
	if s.Peek() != '{' {
		return nil, errNotObject
	}
	for s.Next('}') {
		dst = append(dst, member{s.Name(), s.Value()})
	}
	return dst, nil
}

// has reports whether the object has a member of that name, of any value.
func (o object) has(name string) bool {
	for _, m := range o {
		if rawjson.Is(m.name, name) {
			return true
		}
	}
	return false
}

// field returns the only member of that name; nil if it is missing or null.
func (o object) field(name string) (json.RawMessage, error) {
	var value json.RawMessage
	seen := false
	for _, m := range o {
		if !rawjson.Is(m.name, name) {
			continue
		}
		if seen {
			return nil, badEvent(name, "appears twice")
		}
		seen, value = true, m.value
	}
	if isNull(value) {
		return nil, nil
	}
	return value, nil
}

// text returns a member that must be a string; "" if it is missing or null.
func (o object) text(name string) (string, error) {
	value, err := o.field(name)
	if err != nil || value == nil {
		return "", err
	}
	s, ok := rawjson.String(value)
	if !ok {
		return "", badEvent(name, "is not a string")
	}
	return s, nil
}

// object returns a member that must be an object; nil if it is missing or null.
func (o object) object(name string) (object, error) {
	return o.appendObject(make(object, 0, usual), name)
}

func (o object) appendObject(dst object, name string) (object, error) {
	value, err := o.field(name)
	if err != nil || value == nil {
		return nil, err
	}
	inner, err := appendMembers(dst, value)
	if err != nil {
		return nil, badEvent(name, "is not an object")
	}
	return inner, nil
}

func isNull(value json.RawMessage) bool { return string(value) == "null" }

// appendStrings appends the value of a header or query parameter: a string, an array
// of strings as some gateways send, or null, which counts as no value.
func appendStrings(dst []string, value json.RawMessage) ([]string, bool) {
	if isNull(value) {
		return dst, true
	}
	if s, ok := rawjson.String(value); ok {
		return append(dst, s), true
	}
	list, ok := rawjson.Elements(value)
	if !ok {
		return nil, false
	}
	for item := range list {
		s, ok := rawjson.String(item)
		if !ok {
			return nil, false
		}
		dst = append(dst, s)
	}
	return dst, true
}
