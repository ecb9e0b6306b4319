package callerauth

// PublishedKey is a usable key of a set, for tests.
type PublishedKey struct {
	ID        *string
	Algorithm string
	Key       any
}

// PublishedKeys parses a document as a fetch does.
func PublishedKeys(document []byte) ([]PublishedKey, error) {
	set, err := parseKeySet(document)
	if err != nil {
		return nil, err
	}
	keys := make([]PublishedKey, len(set.keys))
	for i, k := range set.keys {
		keys[i] = PublishedKey{k.id, k.algorithm, k.key}
	}
	return keys, nil
}
