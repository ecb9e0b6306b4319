package storage

import (
	"bytes"
	"strconv"
)

// pageScanner walks through a page of ListParts that is written as OSS writes it:
// elements without attributes, but for the namespace that the reference shows, and
// text of printable ASCII in the innermost. What it accepts, encoding/xml reads
// alike; it refuses whatever else XML allows.
type pageScanner struct {
	rest []byte
	name []byte // of the element whose begin tag was passed last
	bad  bool   // something was refused, and nothing that was read counts
}

func (s *pageScanner) page(p *partsPage) bool {
	s.rest = bytes.TrimLeft(bytes.TrimPrefix(s.rest, []byte(`<?xml version="1.0" encoding="UTF-8"?>`)), " \t\r\n")
	root := string(s.tag())
	s.bad = root != "ListPartsResult" && root != `ListPartsResult xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com"`
	for s.next("/ListPartsResult") {
		switch string(s.name) {
		case "Part":
			p.Parts = append(p.Parts, s.part())
		case "NextPartNumberMarker":
			p.Next = s.number(s.text())
		case "IsTruncated":
			truncated, err := strconv.ParseBool(string(s.text()))
			p.Truncated, s.bad = truncated, s.bad || err != nil
		default:
			s.text()
		}
	}
	return !s.bad
}

func (s *pageScanner) part() (p Part) {
	for s.next("/Part") {
		text := s.text()
		switch string(s.name) {
		case "PartNumber":
			p.Number = s.number(text)
		case "Size":
			p.Size = s.number(text)
		case "ETag":
			p.ETag = string(text)
		case "HashCrc64ecma":
			p.CRC64 = string(text)
		}
	}
	return p
}

// next passes the begin tag of the next element and reports whether there is one. If
// not, it passes the end tag of the one that they are in.
func (s *pageScanner) next(end string) bool {
	s.rest = bytes.TrimLeft(s.rest, " \t\r\n")
	s.name = s.tag()
	if string(s.name) == end {
		return false
	}
	s.bad = s.bad || len(s.name) == 0
	for i, c := range s.name {
		letter, digit := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9'
		s.bad = s.bad || !letter && (i == 0 || !digit)
	}
	return !s.bad
}

// tag passes a tag and returns what stands in it: nothing if something else comes.
func (s *pageScanner) tag() []byte {
	inside, rest, ok := bytes.Cut(s.rest, []byte(">"))
	if !ok || s.rest[0] != '<' {
		return nil
	}
	s.rest = rest
	return inside[1:]
}

// text passes the text of an element and its end tag.
func (s *pageScanner) text() []byte {
	rest, n := s.rest, 0
	for n < len(rest) && ' ' <= rest[n] && rest[n] <= '~' && rest[n] != '<' && rest[n] != '>' {
		n++
	}
	text := rest[:n]
	s.rest = rest[n:]
	if bytes.IndexByte(text, '&') >= 0 { // the quotes of an ETag may be escaped
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("&quot;"), []byte(`"`)), []byte("&#34;"), []byte(`"`))
	}
	s.bad = s.bad || string(s.tag()) != "/"+string(s.name) || bytes.IndexByte(text, '&') >= 0
	return text
}

func (s *pageScanner) number(text []byte) int64 {
	n, err := strconv.ParseUint(string(text), 10, 63)
	s.bad = s.bad || err != nil
	return int64(n)
}
