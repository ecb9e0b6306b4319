package ram

import (
	"encoding/json"
	"strings"
)

// condition is one operator on one key:
//
//	"Condition": {"Bool": {"acs:SecureTransport": "true"}, "StringLike": {"oss:Prefix": ["uploads/*"]}}
//
// It holds if one of its values does; a statement's conditions must all hold.
type condition struct {
	operator, key string
	values        []string
}

func parseConditions(raw json.RawMessage) ([]condition, error) {
	operators, err := objectFields(raw)
	if err != nil {
		return nil, err
	}
	var conditions []condition
	for operator, raw := range operators {
		keys, err := objectFields(raw)
		if err != nil {
			return nil, err
		}
		for key := range keys {
			values, err := listField(keys, key)
			if err != nil {
				return nil, err
			}
			conditions = append(conditions, condition{operator, key, values})
		}
	}
	return conditions, nil
}

// holds reports whether all conditions hold, and whether each could be judged: an
// operator or a key that is not known here errs on the side of denial.
func (s statement) holds(known map[string]string) (holds, judged bool) {
	holds, judged = true, true
	for _, c := range s.conditions {
		h, j := c.holds(known)
		holds, judged = holds && h, judged && j
	}
	return holds && judged, judged
}

func (c condition) holds(known map[string]string) (holds, judged bool) {
	value, ok := known[c.key]
	switch {
	case c.operator == "Bool" && c.key == "acs:SecureTransport":
	case (c.operator == "StringLike" || c.operator == "StringEquals") && c.key == "oss:Prefix":
	default:
		return false, false
	}
	if !ok {
		return false, true
	}
	for _, wanted := range c.values {
		switch {
		case c.operator == "StringLike" && glob(wanted, value),
			c.operator == "StringEquals" && wanted == value,
			c.operator == "Bool" && strings.EqualFold(wanted, value):
			return true, true
		}
	}
	return false, true
}
