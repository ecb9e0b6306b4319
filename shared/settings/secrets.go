package settings

import (
	"slices"
	"strings"

	"ossupload/shared/uploadtoken"
)

// tokenKeys reads kid:base64 pairs.
func (r *reader) tokenKeys() []uploadtoken.Key {
	const name = "UPLOAD_TOKEN_SECRETS"
	if r.required(name) == "" {
		return nil
	}
	var keys []uploadtoken.Key
	for _, item := range r.list(name, "") {
		id, encoded, ok := strings.Cut(item, ":")
		value, err := decodeBase64(encoded)
		switch {
		case !ok || uploadtoken.CheckKeyID(id) != nil || err != nil:
			r.fault(name, "item %d is not kid:base64", len(keys)+1)
		case slices.ContainsFunc(keys, func(k uploadtoken.Key) bool { return k.ID == id }):
			r.fault(name, "key id %q is used twice", id)
		default:
			r.key(name, value, uploadtoken.MinSecret)
		}
		keys = append(keys, uploadtoken.Key{ID: id, Secret: value})
	}
	return keys
}

func (r *reader) receiptSecret() []byte {
	v := r.text("RECEIPT_SECRET", "")
	if v == "" {
		return nil
	}
	return r.secret("RECEIPT_SECRET", v, 32)
}
