package rawjson

import "slices"

// AppendMap appends m as a JSON object whose members are sorted by their names, as
// encoding/json writes it without HTML escaping. A nil map is an empty object.
func AppendMap(dst []byte, m map[string]string) []byte {
	const usual = 16 // names, for which the stack has room
	names := make([]string, 0, usual)
	for name := range m {
		names = append(names, name)
	}
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
