package route

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"strings"
	"unicode/utf8"

	"ossupload/shared/api"
	"ossupload/shared/rawjson"
)

// What any JSON of a body may be, whichever route it is for. The limits bound
// the work that a bad body causes.
const (
	maxNames = 64 // of an object
	maxDepth = 8  // objects and lists in each other; the body itself is the first
)

var errDepth = &api.Error{Code: api.InvalidJSON, Message: fmt.Sprintf("The request body is nested more than %d deep.", maxDepth)}

var errTwice = &api.Error{Code: api.InvalidJSON, Message: "The request body has a name twice in one object."}

// checkLimits looks through all of valid JSON and refuses what nests too deep, has
// too many names in one object, or has a name in it twice: what another parser
// would make of that nobody knows.
func checkLimits(text []byte) error {
	w := walk{Scanner: *rawjson.NewScanner(text), seed: maphash.MakeSeed()}
	return w.value(1)
}

// walk goes through JSON to the bottom, once.
type walk struct {
	rawjson.Scanner
	seed maphash.Seed
	seen [maxDepth]names // of the objects around, by depth
}

// value passes one value.
func (w *walk) value(depth int) error {
	switch w.Peek() {
	case '{':
		return w.object(depth)
	case '[':
		return w.list(depth)
	}
	w.Value()
	return nil
}

func (w *walk) object(depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	seen := &w.seen[depth-1]
	seen.clear()
	for w.Next('}') {
		name := seen.read(w.Name())
		if seen.has(w.seed, name) {
			return errTwice
		}
		if seen.n == maxNames {
			return api.Invalid(api.Fault{Field: w.field(depth), Reason: fmt.Sprintf("must have at most %d names", maxNames)})
		}
		seen.add(name)
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) list(depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	w.seen[depth-1].clear()
	for w.Next(']') {
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// field is the path of the object at depth: the names that were read last of the
// objects around.
func (w *walk) field(depth int) string {
	var path []string
	for _, seen := range w.seen[:depth-1] {
		if seen.n > 0 {
			path = append(path, string(seen.of[seen.n-1]))
		}
	}
	if len(path) == 0 {
		return "body"
	}
	return strings.Join(path, ".")
}

// names is a set of at most maxNames names, in order of appearance. A Go map would
// do, but costs many times what reading a short name does.
type names struct {
	of   [maxNames][]byte
	n    int
	slot [2 * maxNames]uint8 // hash table: 1 + index into of, the next if taken
	free int                 // the slot in which has did not find a name
	text []byte              // of the names that are not as they were written
}

func (s *names) clear() {
	if s.n > 0 {
		s.n, s.slot, s.text = 0, [2 * maxNames]uint8{}, s.text[:0]
	}
}

// read reads a name without quotes and escapes. It holds until clear.
func (s *names) read(quoted []byte) []byte {
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') < 0 && utf8.Valid(name) {
		return name
	}
	from := len(s.text)
	s.text = rawjson.AppendString(s.text, quoted)
	return s.text[from:]
}

func (s *names) has(seed maphash.Seed, name []byte) bool {
	for s.free = int(maphash.Bytes(seed, name) % uint64(len(s.slot))); s.slot[s.free] != 0; s.free = (s.free + 1) % len(s.slot) {
		if bytes.Equal(s.of[s.slot[s.free]-1], name) {
			return true
		}
	}
	return false
}

// add adds a name that the set does not have, as it was just asked.
func (s *names) add(name []byte) {
	s.of[s.n] = name
	s.n++
	s.slot[s.free] = uint8(s.n)
}
