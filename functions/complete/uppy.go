package main

import (
	"errors"
	"slices"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/rawjson"
)

// uppyMetadata takes what Uppy puts into a file's meta: scalars of any kind.
// Its own entries and those that say nothing are dropped.
type uppyMetadata map[string]string

// UnmarshalJSON reads an object whose values are strings, numbers, booleans or
// null.
func (m *uppyMetadata) UnmarshalJSON(text []byte) error {
	members, ok := rawjson.Members(text)
	if !ok && string(text) != "null" {
		return errors.New("metadata is not an object")
	}
	*m = make(uppyMetadata, len(members))
	for _, entry := range members {
		switch entry.Value[0] {
		case '{', '[':
			return errors.New("a metadata value is not a scalar")
		case '"':
			(*m)[entry.Name], _ = rawjson.String(entry.Value)
		case 'n': // null
		default:
			(*m)[entry.Name] = string(entry.Value)
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
