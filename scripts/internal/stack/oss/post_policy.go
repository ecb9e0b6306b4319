package oss

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"ossupload/scripts/internal/facts"
)

// postPolicy is what a form may be ("PostObject", appendix "Policy"):
//
//	{"expiration":"2023-12-03T13:00:00.000Z","conditions":[
//	  {"bucket":"examplebucket"},
//	  ["eq","$success_action_status","201"],
//	  ["starts-with","$key","user/eric/"],
//	  ["in","$content-type",["image/jpg","image/png"]],
//	  ["not-in","$cache-control",["no-cache"]],
//	  ["content-length-range",1,10]]}
type postPolicy struct {
	expiration       time.Time
	conditions       []condition
	minSize, maxSize int64
}

// condition is about one field.
type condition struct {
	operator string
	field    string   // lower case
	values   []string // one, but for in and not-in
	text     string   // as it was signed
}

func errInvalidPolicy(ec, message string) *apiError {
	return errorf(http.StatusBadRequest, codeInvalidPolicyDocument, ec, "Invalid Policy: "+message)
}

// escapedDollar finds `\$`, which policies have for a dollar and JSON does
// not, among the escapes of a JSON text.
var escapedDollar = regexp.MustCompile(`\\[\s\S]`)

// parsePolicy reads the field policy.
func parsePolicy(encoded string) (*postPolicy, error) {
	text, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, errInvalidPolicy("", "the policy is not base64 encoded.")
	}
	text = escapedDollar.ReplaceAllFunc(text, func(escape []byte) []byte {
		if escape[1] == '$' {
			return escape[1:]
		}
		return escape
	})
	var document map[string]json.RawMessage
	if err := json.Unmarshal(text, &document); err != nil || document == nil {
		return nil, errInvalidPolicy("", "Invalid JSON.")
	}
	policy := &postPolicy{maxSize: math.MaxInt64}
	var expiration string
	if document["expiration"] == nil {
		return nil, errInvalidPolicy("0006-00000208", "the policy has no expiration.")
	}
	if err := json.Unmarshal(document["expiration"], &expiration); err != nil {
		return nil, errInvalidPolicy("", "the expiration is not a string.")
	}
	// Fractions of a second parse without being in the layout.
	if policy.expiration, err = time.Parse("2006-01-02T15:04:05Z", expiration); err != nil {
		return nil, errInvalidPolicy("", "the expiration is not a time in GMT.")
	}
	var conditions []json.RawMessage
	if err := json.Unmarshal(document["conditions"], &conditions); err != nil || len(conditions) == 0 {
		return nil, errInvalidPolicy("", "the policy has no conditions.")
	}
	for _, raw := range conditions {
		if fault := policy.add(raw); fault != nil {
			return nil, fault
		}
	}
	return policy, nil
}

// add parses one condition, an object with one member or a list.
func (p *postPolicy) add(raw json.RawMessage) *apiError {
	switch raw[0] {
	case '{':
		var simple map[string]json.RawMessage
		if err := json.Unmarshal(raw, &simple); err != nil || len(simple) != 1 {
			return errInvalidPolicy("", "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		for field, value := range simple {
			return p.addMatch(raw, "eq", field, value)
		}
	case '[':
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil || len(list) != 3 {
			return errInvalidPolicy("", "a condition must have three items.")
		}
		var operator, field string
		if err := json.Unmarshal(list[0], &operator); err != nil {
			return errInvalidPolicy("0006-00000224", "the operator of a condition must be a string.")
		}
		if operator == "content-length-range" {
			return p.addRange(list[1], list[2])
		}
		if err := json.Unmarshal(list[1], &field); err != nil || !strings.HasPrefix(field, "$") {
			return errInvalidPolicy("0006-00000224", "the field of a condition must be a string that begins with $.")
		}
		return p.addMatch(raw, operator, field[1:], list[2])
	}
	return errInvalidPolicy("0006-00000222", "a condition must be a map or a list.")
}

func (p *postPolicy) addMatch(raw json.RawMessage, operator, field string, value json.RawMessage) *apiError {
	var text bytes.Buffer
	if err := json.Compact(&text, raw); err != nil {
		return errInvalidPolicy("", "Invalid JSON.")
	}
	cond := condition{operator: operator, field: strings.ToLower(field), text: text.String()}
	var one *string
	var err error
	switch operator {
	case "eq", "starts-with":
		if err = json.Unmarshal(value, &one); err == nil && one != nil {
			cond.values = []string{*one}
		}
	case "in", "not-in":
		err = json.Unmarshal(value, &cond.values)
	default:
		return errInvalidPolicy("", "a condition has an unknown operator.")
	}
	if err != nil || cond.values == nil || cond.field == "" {
		return errInvalidPolicy("0006-00000224", "the value of a condition has the wrong type.")
	}
	p.conditions = append(p.conditions, cond)
	return nil
}

// addRange narrows the sizes that are allowed.
func (p *postPolicy) addRange(low, high json.RawMessage) *apiError {
	var minSize, maxSize *int64
	if json.Unmarshal(low, &minSize) != nil || json.Unmarshal(high, &maxSize) != nil ||
		minSize == nil || maxSize == nil || *minSize < 0 || *maxSize < *minSize {
		return errInvalidPolicy("0006-00000220", "the content-length-range is invalid.")
	}
	p.minSize, p.maxSize = max(p.minSize, *minSize), min(p.maxSize, *maxSize)
	return nil
}

// check holds the fields of a form against the policy, as they were sent:
// "${filename}" in the key is filled in later ("PostObject").
//
// unconfirmed (form.absent-is-empty): a field that the form leaves out may count as empty.
func (p *postPolicy) check(fields map[string]string, bucket string, now time.Time, assume facts.Assumptions) *apiError {
	if !now.Before(p.expiration) {
		return errPolicy("Policy expired.")
	}
	required := []string{"x-oss-signature-version", "x-oss-credential", "x-oss-date"}
	if fields["x-oss-security-token"] != "" {
		required = append(required, "x-oss-security-token")
	}
	for _, name := range required {
		if !slices.ContainsFunc(p.conditions, func(c condition) bool { return c.field == name && c.operator == "eq" }) {
			// unconfirmed (form.missing-condition): the code of this refusal.
			return refusal(assume, "form.missing-condition", errInvalidPolicy("", "the policy has no condition for "+name+"."))
		}
	}
	for _, cond := range p.conditions {
		value, ok := fields[cond.field]
		if cond.field == "bucket" {
			value, ok = bucket, true
		}
		if !cond.holds(value, ok || assume.Is("form.absent-is-empty", "holds")) {
			return errPolicy("Policy Condition failed: " + cond.text)
		}
	}
	return nil
}

// holds reports whether a field meets the condition. One that is not present fails
// every condition but not-in.
func (c condition) holds(value string, present bool) bool {
	switch c.operator {
	case "eq":
		return present && value == c.values[0]
	case "starts-with":
		return present && strings.HasPrefix(value, c.values[0])
	case "in":
		return present && slices.Contains(c.values, value)
	case "not-in":
		return !slices.Contains(c.values, value)
	}
	return false
}

func errPolicy(why string) *apiError {
	return errorf(http.StatusForbidden, codeAccessDenied, "", "Invalid according to Policy: "+why)
}
