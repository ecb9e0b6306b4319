package uploadtoken

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"ossupload/shared/rawjson"
)

// appendJSON appends the claims as encoding/json encodes them without HTML
// escaping, which would write "&" as six bytes of a token that has few. By hand it
// takes half of the time, and is done for every token. The only error is a
// Context that is not JSON.
func (c Claims) appendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, '{')
	dst = rawjson.AppendQuote(append(dst, `"j":`...), c.ID)
	dst = rawjson.AppendQuote(append(dst, `,"a":`...), string(c.Method))
	dst = rawjson.AppendQuote(append(dst, `,"b":`...), c.Bucket)
	dst = rawjson.AppendQuote(append(dst, `,"q":`...), c.Prefix)
	dst = rawjson.AppendQuote(append(dst, `,"k":`...), c.Key)
	dst = rawjson.AppendQuote(append(dst, `,"s":`...), c.Subject)
	dst = appendText(dst, `,"z":`, c.Session)
	if c.Size != nil {
		dst = strconv.AppendInt(append(dst, `,"n":`...), *c.Size, 10)
	}
	dst = appendNumber(dst, `,"m":`, c.MaxSize)
	dst = appendText(dst, `,"t":`, c.ContentType)
	dst = appendText(dst, `,"c":`, c.CRC64)
	dst = appendNumber(dst, `,"g":`, int64(c.Tags))
	dst = appendText(dst, `,"d":`, c.Metadata)
	dst = appendText(dst, `,"f":`, c.Filename)
	dst = appendText(dst, `,"u":`, c.UploadID)
	dst = appendNumber(dst, `,"p":`, c.PartSize)
	if len(c.Vars) > 0 {
		dst = rawjson.AppendMap(append(dst, `,"v":`...), c.Vars)
	}
	if len(c.Context) > 0 {
		compact := bytes.NewBuffer(append(dst, `,"x":`...))
		if err := json.Compact(compact, c.Context); err != nil {
			return nil, fmt.Errorf("encoding context: %w", err)
		}
		dst = compact.Bytes()
	}
	dst = strconv.AppendInt(append(dst, `,"i":`...), c.IssuedAt, 10)
	dst = strconv.AppendInt(append(dst, `,"e":`...), c.ExpiresAt, 10)
	return append(dst, '}'), nil
}

// appendText appends a member that may be left out.
func appendText(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return rawjson.AppendQuote(append(dst, name...), text)
}

// appendNumber appends a member that may be left out.
func appendNumber(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, name...), n, 10)
}

var errClaims = errors.New("claims are not an object of the known types")

// parseJSON reads what appendJSON wrote, and what other releases did: claims that
// it does not know are ignored.
func (c *Claims) parseJSON(text []byte) error {
	var m members
	if !m.parse(text) {
		return errClaims
	}
	*c = Claims{
		ID: m.text('j'), Method: Method(m.text('a')),
		Place: Place{Bucket: m.text('b'), Prefix: m.text('q')},
		Key:   m.text('k'), Subject: m.text('s'), Session: m.text('z'),
		MaxSize: m.number('m'), ContentType: m.text('t'), CRC64: m.text('c'), Tags: int(m.number('g')),
		Metadata: m.text('d'), Filename: m.text('f'),
		UploadID: m.text('u'), PartSize: m.number('p'),
		Vars: m.texts('v'), Context: bytes.Clone(m.raw('x')),
		IssuedAt: m.number('i'), ExpiresAt: m.number('e'),
	}
	if m.value('n') != nil {
		size := m.number('n')
		c.Size = &size
	}
	if m.bad {
		return errClaims
	}
	return nil
}

// members are the members of an object whose names are one letter.
type members struct {
	values ['z' - 'a' + 1][]byte
	bad    bool // a value was of another type than it should be
}

// parse cuts an object. Of what appendJSON writes, and any release did, it makes what
// encoding/json would: a name may be of either case, and null has no members. The
// last value counts of a name that comes twice, which nothing writes.
func (m *members) parse(text []byte) bool {
	if !rawjson.Valid(text) {
		return false
	}
	s := rawjson.NewScanner(text)
	if s.Peek() != '{' {
		return s.Peek() == 'n'
	}
	for s.Next('}') {
		name, value := s.Name(), s.Value()
		if len(name) != len(`"a"`) {
			continue
		}
		if letter := name[1] | 0x20; 'a' <= letter && letter <= 'z' {
			m.values[letter-'a'] = value
		}
	}
	return true
}

// raw is a value as it was written, nil if there is none.
func (m *members) raw(name byte) []byte { return m.values[name-'a'] }

// value is raw, to which null is as good as nothing.
func (m *members) value(name byte) []byte {
	if value := m.raw(name); string(value) != "null" {
		return value
	}
	return nil
}

func (m *members) text(name byte) string {
	value := m.value(name)
	if value == nil {
		return ""
	}
	text, ok := rawjson.String(value)
	m.bad = m.bad || !ok
	return text
}

func (m *members) number(name byte) int64 {
	value := m.value(name)
	if value == nil {
		return 0
	}
	n, ok := rawjson.Int64(value)
	m.bad = m.bad || !ok
	return n
}

func (m *members) texts(name byte) map[string]string {
	value := m.value(name)
	if value == nil {
		return nil
	}
	all := make(map[string]string)
	list := rawjson.NewScanner(value)
	if list.Peek() != '{' {
		m.bad = true
		return all
	}
	for list.Next('}') {
		name, _ := rawjson.String(list.Name())
		text := list.Value()
		of, ok := rawjson.String(text)
		m.bad = m.bad || !ok && string(text) != "null"
		all[name] = of
	}
	return all
}

// encode is for what is sealed more rarely than claims.
func encode(v placed) ([]byte, error) {
	// Not json.Marshal: it writes "&" as six bytes, of a token that has few.
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding claims: %w", err)
	}
	return bytes.TrimSuffix(plain.Bytes(), []byte("\n")), nil
}

// reading is how open reads v, which is opened more rarely than claims.
func reading(v placed) func(plain []byte) (Place, error) {
	return func(plain []byte) (Place, error) {
		err := json.Unmarshal(plain, v)
		return v.sealedFor(), err
	}
}
