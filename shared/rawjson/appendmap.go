package rawjson

import (
	"maps"
	"slices"
)

// AppendMap appends m as a JSON object whose members are sorted by their names, as
// encoding/json writes it without HTML escaping. A nil map is an empty object.
func AppendMap(dst []byte, m map[string]string) []byte {
	names := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendQuote(dst, name), ':')
		dst = AppendQuote(dst, m[name])
	}
	return append(dst, '}')
}
