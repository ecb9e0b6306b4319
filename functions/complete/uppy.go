package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
)

// uppyMetadata takes what Uppy puts into a file's meta: scalars of any kind.
// Its own entries and those that say nothing are dropped.
type uppyMetadata map[string]string

// UnmarshalJSON reads an object whose values are strings, numbers, booleans or
// null.
func (m *uppyMetadata) UnmarshalJSON(text []byte) error {
	var values map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return err
	}
	*m = make(uppyMetadata, len(values))
	for name, value := range values {
		switch v := value.(type) {
		case nil:
			continue
		case string:
			(*m)[name] = v
		case json.Number, bool:
			(*m)[name] = fmt.Sprint(v)
		default:
			return fmt.Errorf("metadata value is a %T", v)
		}
	}
	m.dropUppysOwn()
	return nil
}

// dropUppysOwn drops the entries that Uppy adds to every file, and null, which
// it sends as text for what is not set.
func (m uppyMetadata) dropUppysOwn() {
	for name, value := range m {
		switch name {
		case "name", "type", "relativePath":
			delete(m, name)
		default:
			if value == "null" || value == "" {
				delete(m, name)
			}
		}
	}
}

// grant decides about a wish of Uppy's.
func (h *handler) grant(caller callerauth.Caller, w grant.Wish) (grant.Grant, error) {
	granted, err := h.policy.Grant(caller, w, h.now(), h.random)
	if faults := api.Faults(err); faults != nil {
		return grant.Grant{}, api.Invalid(inUppysWords(faults)...)
	}
	return granted, err
}

// inUppysWords calls the fields of faults as Uppy does.
func inUppysWords(faults []api.Fault) []api.Fault {
	faults = slices.Clone(faults)
	for i := range faults {
		if faults[i].Field == "contentType" {
			faults[i].Field = "type"
		}
	}
	return faults
}
