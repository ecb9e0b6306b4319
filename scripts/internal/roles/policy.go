package roles

import (
	"encoding/json"
	"fmt"
	"maps"
)

// Policy is a policy of RAM, of permissions or of trust: a list of statements
// that allow ("Policy structure and syntax", RAM documentation).
type Policy []Statement

// Statement allows actions on resources, or, in a trust policy, lets principals
// assume the role that it belongs to.
type Statement struct {
	Effect    string     `json:"Effect"`
	Principal Principal  `json:"Principal,omitempty"` // of trust alone
	Action    []string   `json:"Action"`
	Resource  []string   `json:"Resource,omitempty"` // of permissions alone
	Condition Conditions `json:"Condition,omitempty"`
}

// Principal are services by their names, or roles by their ARNs.
type Principal map[string][]string

// Conditions are values by operator and key.
type Conditions map[string]map[string][]string

// MarshalJSON writes a policy as RAM takes it.
func (p Policy) MarshalJSON() ([]byte, error) {
	type statements []Statement // without this method
	text, err := json.Marshal(map[string]any{"Version": "1", "Statement": statements(p)})
	if err != nil {
		return nil, fmt.Errorf("writing a policy: %w", err)
	}
	return text, nil
}

func allow(action []string, resource ...string) Statement {
	return Statement{Effect: "Allow", Action: action, Resource: resource}
}

func (s Statement) when(operator, key string, values ...string) Statement {
	conditions := Conditions{operator: {key: values}}
	maps.Copy(conditions, s.Condition)
	s.Condition = conditions
	return s
}

// trust lets a kind of principals, Service or RAM, assume a role.
func trust(kind string, names ...string) Policy {
	return Policy{{Effect: "Allow", Principal: Principal{kind: names}, Action: []string{"sts:AssumeRole"}}}
}
