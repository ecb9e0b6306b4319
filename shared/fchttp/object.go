package fchttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// object is a JSON object with its members in order of appearance. A Go map
// would keep one of two members of the same name, and lose the order of two
// headers that differ only in letter case.
type object []member

type member struct {
	name  string
	value json.RawMessage
}

var errNotObject = errors.New("not a JSON object")

// readObject decodes one level of a JSON object. Depth needs no limit here:
// encoding/json refuses values nested deeper than 10,000 levels.
func readObject(raw []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	var o object
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, errNotObject
		}
		name, _ := t.(string) // nothing else passes the decoder here
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errNotObject
		}
		o = append(o, member{name, value})
	}
	if _, err := dec.Token(); err != nil {
		return nil, errNotObject
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errNotObject
	}
	return o, nil
}

// has reports whether the object has a member of that name, of any value.
func (o object) has(name string) bool {
	for _, m := range o {
		if m.name == name {
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
		if m.name != name {
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
	s, ok := asString(value)
	if !ok {
		return "", badEvent(name, "is not a string")
	}
	return s, nil
}

// object returns a member that must be an object; nil if it is missing or null.
func (o object) object(name string) (object, error) {
	value, err := o.field(name)
	if err != nil || value == nil {
		return nil, err
	}
	inner, err := readObject(value)
	if err != nil {
		return nil, badEvent(name, "is not an object")
	}
	return inner, nil
}

func isNull(value json.RawMessage) bool { return string(value) == "null" }

func asString(value json.RawMessage) (string, bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err == nil
}

// asStrings reads the value of a header or query parameter: a string, an array
// of strings as some gateways send, or null, which counts as no value.
func asStrings(value json.RawMessage) ([]string, bool) {
	if isNull(value) {
		return nil, true
	}
	if s, ok := asString(value); ok {
		return []string{s}, true
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, false
	}
	values := make([]string, len(list))
	for i, item := range list {
		s, ok := asString(item)
		if !ok {
			return nil, false
		}
		values[i] = s
	}
	return values, true
}
