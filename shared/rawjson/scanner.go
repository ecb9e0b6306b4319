package rawjson

// Scanner walks through valid JSON:
//
//	for s.Next('}') {
//		name := s.Name()
//		value := s.Value()
//	}
//
// walks through an object, and the same without the name, to ']', through a list.
type Scanner struct {
	text []byte
	at   int
}

// NewScanner returns a Scanner that stands before the value of text.
func NewScanner(text []byte) *Scanner {
	s := &Scanner{text: text}
	s.space()
	return s
}

// Peek is the first byte of what comes next.
func (s *Scanner) Peek() byte { return s.text[s.at] }

// Next moves from the opening bracket, or from behind a value, to the next name
// or element, and reports whether there is one. It passes the closing bracket,
// which is end.
func (s *Scanner) Next(end byte) bool {
	s.space()
	switch s.text[s.at] {
	case '{', '[', ',':
		// The opening bracket: a value that begins with one is passed whole.
		s.at++
	}
	s.space()
	if s.text[s.at] == end {
		s.at++
		return false
	}
	return true
}

// Name passes the name of a member and the colon, and returns the name as it was
// written, in its quotes.
func (s *Scanner) Name() []byte {
	from := s.at
	s.string()
	name := s.text[from:s.at]
	s.space()
	s.at++ // the colon
	s.space()
	return name
}

// Value passes a value and returns it as it was written.
func (s *Scanner) Value() []byte {
	from := s.at
	switch s.text[s.at] {
	case '"':
		s.string()
	case '{', '[':
		s.nested()
	default:
		at := s.at
		for at < len(s.text) && inScalar(s.text[at]) {
			at++
		}
		s.at = at
	}
	return s.text[from:s.at]
}

// nested passes an object or a list. Depth is counted and not recursed into.
func (s *Scanner) nested() {
	for depth := 0; ; {
		switch s.text[s.at] {
		case '"':
			s.string()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if s.at++; depth == 0 {
			return
		}
	}
}

func (s *Scanner) string() {
	text, at := s.text, s.at+1
	for ; text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	s.at = at + 1
}

func (s *Scanner) space() {
	for s.at < len(s.text) && s.text[s.at] <= ' ' {
		s.at++
	}
}

// inScalar reports whether c can be part of a number, true, false or null.
func inScalar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}
