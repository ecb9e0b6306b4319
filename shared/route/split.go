package route

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"ossupload/shared/api"
)

// What any JSON of a body may be, whichever route it is for. The limits bound
// the work that a bad body causes.
const (
	maxNames = 64 // of an object
	maxDepth = 8  // objects and lists in each other; the body itself is the first
)

var errDepth = &api.Error{Code: api.InvalidJSON, Message: fmt.Sprintf("The request body is nested more than %d deep.", maxDepth)}

var errTwice = &api.Error{Code: api.InvalidJSON, Message: "The request body has a name twice in one object."}

// member is a name and a value of a JSON object, the value as it was written.
type member struct {
	name  string
	value []byte
}

// split takes a JSON object apart. text must be valid JSON; ok is false if it is
// not an object. It looks through all of text and refuses what nests too deep,
// has too many names in one object, or has a name in it twice: what another
// parser would make of that nobody knows.
func split(text []byte) (members []member, ok bool, err error) {
	s := splitter{text: text}
	s.space()
	if text[s.at] != '{' {
		return nil, false, s.value(1)
	}
	members, err = s.object(1)
	return members, true, err
}

// splitter walks through valid JSON, once.
type splitter struct {
	text []byte
	at   int
	path []string                      // the names that lead here
	seen [maxDepth]map[string]struct{} // the names of the objects around, by depth
}

// value passes by one value.
func (s *splitter) value(depth int) error {
	switch s.text[s.at] {
	case '{':
		_, err := s.object(depth)
		return err
	case '[':
		return s.list(depth)
	case '"':
		s.string()
	default: // a number, true, false or null
		for s.at < len(s.text) && strings.IndexByte(",]} \t\r\n", s.text[s.at]) < 0 {
			s.at++
		}
	}
	return nil
}

// object passes by an object and returns its members if it is the outermost.
func (s *splitter) object(depth int) ([]member, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	seen := s.names(depth)
	var members []member
	for s.next('}') {
		name := s.name()
		if _, twice := seen[name]; twice {
			return nil, errTwice
		}
		if len(seen) == maxNames {
			return nil, api.Invalid(api.Fault{Field: s.field(), Reason: fmt.Sprintf("must have at most %d names", maxNames)})
		}
		seen[name] = struct{}{}
		s.space()
		s.at++ // the colon
		s.space()
		s.path = append(s.path, name)
		from := s.at
		if err := s.value(depth + 1); err != nil {
			return nil, err
		}
		s.path = s.path[:len(s.path)-1]
		if depth == 1 {
			members = append(members, member{name, s.text[from:s.at]})
		}
	}
	return members, nil
}

func (s *splitter) list(depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	for s.next(']') {
		if err := s.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

// next moves from the bracket or from behind a value to the next one in an
// object or list, and reports whether there is one; it passes by the end.
func (s *splitter) next(end byte) bool {
	s.space()
	switch s.text[s.at] {
	case '{', '[', ',':
		// The opening bracket; a value that begins with one is passed by whole.
		s.at++
	}
	s.space()
	if s.text[s.at] == end {
		s.at++
		return false
	}
	return true
}

// names is the empty set of names for an object at this depth.
func (s *splitter) names(depth int) map[string]struct{} {
	seen := s.seen[depth-1]
	if seen == nil {
		seen = make(map[string]struct{})
		s.seen[depth-1] = seen
	}
	clear(seen)
	return seen
}

// name reads the name of a member, as encoding/json would.
func (s *splitter) name() string {
	from := s.at
	s.string()
	quoted := s.text[from:s.at]
	plain := quoted[1 : len(quoted)-1]
	if !strings.Contains(string(plain), `\`) && utf8.Valid(plain) {
		return string(plain)
	}
	var name string
	_ = json.Unmarshal(quoted, &name) // cannot fail: it is a part of valid JSON
	return name
}

// string passes by a string.
func (s *splitter) string() {
	for s.at++; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
}

func (s *splitter) space() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// field is the path of the object that is being read.
func (s *splitter) field() string {
	if len(s.path) == 0 {
		return "body"
	}
	return strings.Join(s.path, ".")
}
