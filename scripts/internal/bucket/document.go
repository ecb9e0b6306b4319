package bucket

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// document is the XML of a setting, as a list of elements that are kept as they were
// written:
//
//	<LifecycleConfiguration>
//	  <Rule>…</Rule>
//	  <Rule>…</Rule>
//	</LifecycleConfiguration>
type document struct{ elements []element }

type element struct {
	XMLName xml.Name
	Inner   string `xml:",innerxml"`
}

func parseDocument(body []byte) (document, error) {
	var parsed struct {
		Elements []element `xml:",any"`
	}
	if err := xml.Unmarshal(body, &parsed); err != nil {
		return document{}, fmt.Errorf("reading XML: %w", err)
	}
	return document{parsed.Elements}, nil
}

// format writes the document as OSS takes it.
func (d document) format(root string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s<%s>\n", xml.Header, root)
	for _, e := range d.elements {
		fmt.Fprintf(&b, "  <%s>%s</%[1]s>\n", e.XMLName.Local, e.Inner)
	}
	fmt.Fprintf(&b, "</%s>\n", root)
	return b.Bytes()
}

// newElement is an element of a value that encoding/xml can write.
func newElement(name string, value any) (element, error) {
	var b bytes.Buffer
	encoder := xml.NewEncoder(&b)
	encoder.Indent("  ", "  ")
	if err := encoder.EncodeElement(value, xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
		return element{}, fmt.Errorf("writing XML: %w", err)
	}
	var e element
	if err := xml.Unmarshal(b.Bytes(), &e); err != nil {
		return element{}, fmt.Errorf("writing XML: %w", err)
	}
	return e, nil
}

// rule is an element of a document and what it says, as far as it is understood.
type rule[T any] struct {
	at   int // in the document
	says T
}

// rulesOf reads the elements of that name.
func rulesOf[T any](d document, name string) ([]rule[T], error) {
	var rules []rule[T]
	for i, e := range d.elements {
		if e.XMLName.Local != name {
			continue
		}
		r := rule[T]{at: i}
		if err := xml.Unmarshal([]byte("<rule>"+e.Inner+"</rule>"), &r.says); err != nil {
			return nil, fmt.Errorf("reading rule %d: %w", len(rules)+1, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// merged is a document with what is needed put in.
type merged struct {
	document
	differences []Difference
	warnings    []Warning
	overlaps    bool // rules of the lifecycle do the same to the same keys
}

// set replaces an element, or, at -1, adds one behind the last of its name, which is
// where OSS's own answers have it.
func (m *merged) set(at int, name string, value any) error {
	e, err := newElement(name, value)
	if err != nil {
		return err
	}
	elements := slices.Clone(m.elements)
	if at >= 0 {
		elements[at] = e
		m.elements = elements
		return nil
	}
	last := -1
	for i, other := range elements {
		if other.XMLName.Local == name {
			last = i
		}
	}
	m.elements = slices.Insert(elements, last+1, e)
	return nil
}

func (m *merged) differs(d Difference) { m.differences = append(m.differences, d) }
func (m *merged) warn(w Warning)       { m.warnings = append(m.warnings, w) }

// value is what SDK pointers point at, or its zero value.
func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func covers(outer, inner string) bool { return strings.HasPrefix(inner, outer) }

// overlap reports whether some key has both prefixes.
func overlap(a, b string) bool { return covers(a, b) || covers(b, a) }
