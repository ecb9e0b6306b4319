package storage

import (
	"bytes"
	"strconv"
)

// pageScanner walks through a page of ListParts that is written as OSS writes it:
// elements without attributes, and text of printable ASCII in the innermost. What
// it accepts, encoding/xml reads alike; it refuses whatever else XML allows.
type pageScanner struct{ rest []byte }

func (s *pageScanner) page(p *partsPage) bool {
	s.rest = bytes.TrimPrefix(s.rest, []byte(`<?xml version="1.0" encoding="UTF-8"?>`))
	s.space()
	p.XMLName.Local = string(s.tag())
	return p.XMLName.Local == "ListPartsResult" && s.elements(p.XMLName.Local, func(name []byte) (ok bool) {
		switch string(name) {
		case "Part":
			p.Parts = append(p.Parts, Part{})
			return s.part(&p.Parts[len(p.Parts)-1])
		case "NextPartNumberMarker":
			p.Next, ok = s.number(name)
		case "IsTruncated":
			var text []byte
			text, ok = s.text(name)
			p.Truncated = string(text) == "true"
			ok = ok && (p.Truncated || string(text) == "false")
		default:
			_, ok = s.text(name)
		}
		return ok
	})
}

func (s *pageScanner) part(p *Part) bool {
	return s.elements("Part", func(name []byte) (ok bool) {
		var text []byte
		switch string(name) {
		case "PartNumber":
			p.Number, ok = s.number(name)
		case "Size":
			p.Size, ok = s.number(name)
		case "ETag":
			text, ok = s.text(name)
			p.ETag = string(text)
		case "HashCrc64ecma":
			text, ok = s.text(name)
			p.CRC64 = string(text)
		default:
			_, ok = s.text(name)
		}
		return ok
	})
}

// elements passes all elements inside of another, and its end tag. Of each it passes
// the begin tag, and read the rest.
func (s *pageScanner) elements(within string, read func(name []byte) bool) bool {
	for {
		s.space()
		name := s.tag()
		if end, ok := bytes.CutPrefix(name, []byte("/")); ok {
			return string(end) == within
		}
		if !isName(name) || !read(name) {
			return false
		}
	}
}

func (s *pageScanner) space() { s.rest = bytes.TrimLeft(s.rest, " \t\r\n") }

// tag passes a tag and returns what stands in it: nothing if something else comes.
func (s *pageScanner) tag() (inside []byte) {
	if text, ok := bytes.CutPrefix(s.rest, []byte("<")); ok {
		inside, s.rest, _ = bytes.Cut(text, []byte(">"))
	}
	return inside
}

func isName(text []byte) bool {
	for i, c := range text {
		if letter := 'a' <= c|0x20 && c|0x20 <= 'z'; !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(text) > 0
}

// text passes the text of an element and its end tag.
func (s *pageScanner) text(name []byte) (text []byte, ok bool) {
	n := 0
	for n < len(s.rest) && ' ' <= s.rest[n] && s.rest[n] <= '~' && s.rest[n] != '<' && s.rest[n] != '>' {
		n++
	}
	text, s.rest = s.rest[:n], s.rest[n:]
	if bytes.IndexByte(text, '&') >= 0 { // the quotes of an ETag may be escaped
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("&quot;"), []byte(`"`)), []byte("&#34;"), []byte(`"`))
	}
	end, slash := bytes.CutPrefix(s.tag(), []byte("/"))
	return text, slash && bytes.Equal(end, name) && bytes.IndexByte(text, '&') < 0
}

func (s *pageScanner) number(name []byte) (n int64, ok bool) {
	text, ok := s.text(name)
	u, err := strconv.ParseUint(string(text), 10, 63)
	return int64(u), ok && err == nil
}
