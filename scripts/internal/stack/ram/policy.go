package ram

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Policy is a parsed RAM policy. The zero Policy allows nothing. It is never
// changed after parsing, so copies may be used by several goroutines.
type Policy struct {
	statements []statement
}

type statement struct {
	deny bool
	// actions are lower case: RAM compares action names without case.
	actions    []string
	resources  []resource
	conditions []condition
}

// ParsePolicy reads a policy document:
//
//	{"Version": "1", "Statement": [
//	  {"Effect": "Allow", "Action": "oss:PutObject",
//	   "Resource": ["acs:oss:*:*:bucket/u/*"]}]}
//
// Element names are case-sensitive, and one that is unknown or repeated is an
// error: a statement must not lose a part that would have narrowed it.
func ParsePolicy(data []byte) (Policy, error) {
	fields, err := objectFields(data)
	if err != nil {
		return Policy{}, fmt.Errorf("reading policy: %w", err)
	}
	if err := onlyKnown(fields, "Version", "Statement"); err != nil {
		return Policy{}, fmt.Errorf("reading policy: %w", err)
	}
	version, err := stringField(fields, "Version")
	if err != nil {
		return Policy{}, fmt.Errorf("reading policy: %w", err)
	}
	if version != "1" {
		return Policy{}, fmt.Errorf("reading policy: Version is %q, not \"1\"", version)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(fields["Statement"], &raw); err != nil || len(raw) == 0 {
		return Policy{}, errors.New("reading policy: Statement is not a list of one or more statements")
	}
	var p Policy
	for i, r := range raw {
		s, err := parseStatement(r)
		if err != nil {
			return Policy{}, fmt.Errorf("reading statement %d: %w", i+1, err)
		}
		p.statements = append(p.statements, s)
	}
	return p, nil
}

// Allows reports whether p permits action ("oss:PutObject") on resource
// ("acs:oss:*:*:bucket/key", where * stands for a region or owner that does
// not matter). A resource that is not of this form is never allowed.
func (p Policy) Allows(action, resource string) bool { return p.AllowsWhen(action, resource, nil) }

// AllowsWhen is Allows for a call of which this is known: values by the keys of
// conditions, "acs:SecureTransport" and "oss:Prefix".
func (p Policy) AllowsWhen(action, resource string, known map[string]string) bool {
	requested, err := parseResource(resource)
	if err != nil {
		return false
	}
	action = strings.ToLower(action)
	allowed := false
	for _, s := range p.statements {
		if !s.matches(action, requested) {
			continue
		}
		holds, judged := s.holds(known)
		if s.deny && (holds || !judged) {
			return false
		}
		allowed = allowed || !s.deny && holds
	}
	return allowed
}

func (s statement) matches(action string, requested resource) bool {
	for _, a := range s.actions {
		if !glob(a, action) {
			continue
		}
		for _, r := range s.resources {
			if r.covers(requested) {
				return true
			}
		}
	}
	return false
}

func parseStatement(data []byte) (statement, error) {
	fields, err := objectFields(data)
	if err != nil {
		return statement{}, err
	}
	if err := onlyKnown(fields, "Effect", "Action", "Resource", "Condition"); err != nil {
		return statement{}, err
	}
	var s statement
	switch effect, err := stringField(fields, "Effect"); {
	case err != nil:
		return statement{}, err
	case effect == "Deny":
		s.deny = true
	case effect != "Allow":
		return statement{}, fmt.Errorf("effect is %q, neither Allow nor Deny", effect)
	}
	actions, err := listField(fields, "Action")
	if err != nil {
		return statement{}, err
	}
	for _, a := range actions {
		service, name, ok := strings.Cut(a, ":")
		if a != "*" && (!ok || service == "" || name == "") {
			return statement{}, fmt.Errorf("action %q is not service:Name", a)
		}
		s.actions = append(s.actions, strings.ToLower(a))
	}
	resources, err := listField(fields, "Resource")
	if err != nil {
		return statement{}, err
	}
	for _, text := range resources {
		r, err := parseResource(text)
		if err != nil {
			return statement{}, err
		}
		s.resources = append(s.resources, r)
	}
	if raw, ok := fields["Condition"]; ok {
		if s.conditions, err = parseConditions(raw); err != nil {
			return statement{}, fmt.Errorf("reading Condition: %w", err)
		}
	}
	return s, nil
}

// objectFields splits one JSON object into its members. encoding/json would
// match names without case and let the last of two equal names win; RAM does
// neither.
func objectFields(data []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := make(map[string]json.RawMessage)
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		// A token in this place is a string, or Token has returned an error.
		name := tok.(string)
		if _, ok := fields[name]; ok {
			return nil, fmt.Errorf("element %q is repeated", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		fields[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON object")
	}
	return fields, nil
}

func onlyKnown(fields map[string]json.RawMessage, known ...string) error {
next:
	for name := range fields {
		for _, k := range known {
			if name == k {
				continue next
			}
		}
		return fmt.Errorf("element %q is unknown", name)
	}
	return nil
}

func stringField(fields map[string]json.RawMessage, name string) (string, error) {
	list, err := listField(fields, name)
	if err != nil || len(list) != 1 || fields[name][0] == '[' {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return list[0], nil
}

// listField reads an element that may be one string or a list of them.
func listField(fields map[string]json.RawMessage, name string) ([]string, error) {
	raw := fields[name]
	var values []*string
	if len(raw) > 0 && raw[0] == '"' {
		raw = append(append([]byte{'['}, raw...), ']')
	}
	if err := json.Unmarshal(raw, &values); err != nil || len(values) == 0 {
		return nil, fmt.Errorf("%s is not a string or a list of strings", name)
	}
	list := make([]string, len(values))
	for i, v := range values {
		if v == nil || *v == "" {
			return nil, fmt.Errorf("%s holds an empty value", name)
		}
		list[i] = *v
	}
	return list, nil
}
