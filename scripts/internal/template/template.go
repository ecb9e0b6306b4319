// Package template reads the deployment templates far enough to say what they
// make of an environment: which variables they ask for, and what each function
// gets. It knows their own layout and the expressions that they use, and no other
// YAML; that Serverless Devs reads them so too is for a test to say.
//
//	${vars.region}
//	${env('NAME')}
//	${env('NAME', 'a' + vars.region + env('OTHER'))}
//	${resources.callback.output.url.system_url}/callback
package template

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Template is a deployment template, with what it extends.
type Template struct {
	vars      map[string]string
	functions []string
	given     map[string]map[string]string // by function and variable: the expression
	order     map[string][]string          // variables of a function, as they stand there
	reads     []Read
}

// Read is a variable that a template reads.
type Read struct {
	Name     string
	Required bool // it has no default where it is read first
	Default  bool // it has one there that is not empty
}

// Lookup finds a variable of whoever deploys.
type Lookup func(name string) (value string, ok bool)

// Open reads the template at path.
func Open(path string) (*Template, error) {
	t := &Template{vars: map[string]string{}, given: map[string]map[string]string{}, order: map[string][]string{}}
	return t, t.read(path)
}

var (
	extendLine   = regexp.MustCompile(`^extend: (\S+)$`)
	blockLine    = regexp.MustCompile(`^([a-z]+):$`)
	varLine      = regexp.MustCompile(`^  ([a-z]+): (.+)$`)
	resourceLine = regexp.MustCompile(`^  ([a-z]+):$`)
	valuesLine   = regexp.MustCompile(`^      environmentVariables:(?: ([&*])([a-z]+))?$`)
	variableLine = regexp.MustCompile(`^        ([A-Z][A-Z_]*): (.+)$`)
	envCall      = regexp.MustCompile(`env\('([A-Z_]+)'(, (?:'')?)?`)
)

func (t *Template) read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the template: %w", err)
	}
	r := reader{Template: t, anchors: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if m := extendLine.FindStringSubmatch(line); m != nil {
			if err := t.read(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				return err
			}
		}
		t.note(line)
		r.line(line)
	}
	return nil
}

// reader is where a file is being read.
type reader struct {
	*Template
	block, resource string
	anchors         map[string]string // the resources that have the values
}

func (r *reader) line(line string) {
	if m := blockLine.FindStringSubmatch(line); m != nil {
		r.block = m[1]
	} else if m := varLine.FindStringSubmatch(line); m != nil && r.block == "vars" {
		r.vars[m[1]] = m[2]
	}
	if r.block != "resources" {
		return
	}
	if m := resourceLine.FindStringSubmatch(line); m != nil {
		r.resource = m[1]
	} else if m := valuesLine.FindStringSubmatch(line); m != nil {
		r.begin(r.resource)
		switch m[1] {
		case "&":
			r.anchors[m[2]] = r.resource
		case "*":
			r.copy(r.resource, r.anchors[m[2]])
		}
	} else if m := variableLine.FindStringSubmatch(line); m != nil {
		r.set(r.resource, m[1], unquoted(m[2]))
	}
}

// unquoted is a value without the quotes that keep YAML from taking it for a number.
func unquoted(value string) string {
	if inner, ok := strings.CutPrefix(value, "'"); ok {
		return strings.TrimSuffix(inner, "'")
	}
	return value
}

// note keeps the variables that a line reads.
func (t *Template) note(line string) {
	for _, m := range envCall.FindAllStringSubmatch(line, -1) {
		if !slices.ContainsFunc(t.reads, func(r Read) bool { return r.Name == m[1] }) {
			t.reads = append(t.reads, Read{Name: m[1], Required: m[2] == "", Default: m[2] == ", "})
		}
	}
}

func (t *Template) begin(function string) {
	if t.given[function] == nil {
		t.functions = append(t.functions, function)
		t.given[function] = map[string]string{}
	}
}

func (t *Template) set(function, variable, expression string) {
	if _, ok := t.given[function][variable]; !ok {
		t.order[function] = append(t.order[function], variable)
	}
	t.given[function][variable] = expression
}

func (t *Template) copy(to, from string) {
	for _, variable := range t.order[from] {
		t.set(to, variable, t.given[from][variable])
	}
}

// Functions are the functions that the template deploys, as they stand there.
func (t *Template) Functions() []string { return slices.Clone(t.functions) }

// Reads are the variables that the template reads, as they stand there.
func (t *Template) Reads() []Read { return slices.Clone(t.reads) }

// Missing are required variables that lookup does not find or finds empty.
func (t *Template) Missing(lookup Lookup) []string {
	var names []string
	for _, r := range t.reads {
		if value, _ := lookup(r.Name); r.Required && strings.TrimSpace(value) == "" {
			names = append(names, r.Name)
		}
	}
	return names
}

// Variables are the names of what a function gets, as they stand there.
func (t *Template) Variables(function string) []string { return slices.Clone(t.order[function]) }

// Environment is what a function gets where lookup is what its deployer has. A
// variable that is missing counts as empty, and an address that only a deployment
// tells is one that cannot exist.
func (t *Template) Environment(function string, lookup Lookup) (map[string]string, error) {
	environment := map[string]string{}
	for variable, expression := range t.given[function] {
		value, err := t.evaluate(expression, lookup)
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", variable, function, err)
		}
		environment[variable] = value
	}
	return environment, nil
}
