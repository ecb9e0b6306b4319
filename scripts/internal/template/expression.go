package template

import (
	"fmt"
	"strings"
)

// evaluate replaces each ${expression} of text.
func (t *Template) evaluate(text string, lookup Lookup) (string, error) {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		out.WriteString(before)
		if !ok {
			return out.String(), nil
		}
		e := &expression{template: t, lookup: lookup, rest: rest}
		out.WriteString(e.sum())
		if !e.take("}") || e.err != nil {
			return "", fmt.Errorf("%q is of no form that is known here", text)
		}
		text = e.rest
	}
}

// expression is one that is being read.
//
//	sum   = term { " + " term }
//	term  = 'text' | env('NAME'[, sum]) | vars.name | resources.name.output.url.system_url
type expression struct {
	template *Template
	lookup   Lookup
	rest     string
	err      error
}

func (e *expression) take(prefix string) bool {
	rest, ok := strings.CutPrefix(e.rest, prefix)
	if ok {
		e.rest = rest
	}
	return ok
}

// upTo takes what stands before end, and end.
func (e *expression) upTo(end string) string {
	text, rest, ok := strings.Cut(e.rest, end)
	if !ok {
		e.fail()
		return ""
	}
	e.rest = rest
	return text
}

func (e *expression) fail() {
	if e.err == nil {
		e.err = fmt.Errorf("unknown form at %q", e.rest)
	}
	e.rest = ""
}

func (e *expression) sum() string {
	value := e.term()
	for e.take(" + ") {
		value += e.term()
	}
	return value
}

func (e *expression) term() string {
	switch {
	case e.take("'"):
		return e.upTo("'")
	case e.take("env('"):
		value, ok := e.lookup(e.upTo("'"))
		if e.take(", ") {
			if def := e.sum(); !ok {
				value = def
			}
		}
		if !e.take(")") {
			e.fail()
		}
		return value
	case e.take("vars."):
		name := e.name()
		value, err := e.template.evaluate(e.template.vars[name], e.lookup)
		if err != nil || e.template.vars[name] == "" {
			e.fail()
		}
		return value
	case e.take("resources."):
		name := e.name()
		if !e.take(".output.url.system_url") {
			e.fail()
		}
		return "https://ossupload-" + name + ".invalid"
	}
	e.fail()
	return ""
}

// name takes lower-case letters.
func (e *expression) name() string {
	name := e.rest[:len(e.rest)-len(strings.TrimLeft(e.rest, "abcdefghijklmnopqrstuvwxyz"))]
	e.rest = e.rest[len(name):]
	return name
}
