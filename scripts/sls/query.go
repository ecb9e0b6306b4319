// Package sls holds searches and alerts for Simple Log Service, as files that its
// API takes, and reads as much of their language as tells whether the functions
// write what a query asks for: a field that nobody writes any more would make an
// alert that never fires.
//
// A query is a search and, behind "|", SQL. Of the search it knows
//
//	message.field: value    message.field: "value"    message.field: *
//	message.field >= 5      and   or   ( )
//
// and of SQL the names of fields, in double quotes, and texts, in single ones.
package sls

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.json
var files embed.FS

// Query is one of the files.
type Query struct {
	File, Text string
	// Condition is when an alert is raised, over the columns of Text; "" for a search.
	Condition string
}

// Queries are those of all files.
func Queries() ([]Query, error) {
	names, err := fs.Glob(files, "*-*.json")
	if err != nil {
		return nil, err
	}
	var all []Query
	for _, name := range names {
		q, err := read(name)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		all = append(all, q)
	}
	return all, nil
}

func read(name string) (Query, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return Query{}, err
	}
	var file struct {
		SearchQuery   string
		Configuration struct {
			QueryList              []struct{ Query string }
			SeverityConfigurations []struct{ EvalCondition struct{ Condition string } }
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return Query{}, err
	}
	if file.SearchQuery != "" {
		return Query{File: name, Text: file.SearchQuery}, nil
	}
	c := file.Configuration
	if len(c.QueryList) != 1 || len(c.SeverityConfigurations) != 1 {
		return Query{}, errors.New("it has not one query and one condition")
	}
	return Query{name, c.QueryList[0].Query, c.SeverityConfigurations[0].EvalCondition.Condition}, nil
}

// Indexed are the fields of a line that index.json makes searchable.
func Indexed() ([]string, error) {
	text, err := files.ReadFile("index.json")
	if err != nil {
		return nil, err
	}
	var index struct {
		Keys struct {
			Message struct {
				JSONKeys map[string]json.RawMessage `json:"json_keys"`
			}
		}
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("reading index.json: %w", err)
	}
	var fields []string
	for name := range index.Keys.Message.JSONKeys {
		fields = append(fields, name)
	}
	slices.Sort(fields)
	return fields, nil
}

// Line is a line of the log: its fields as text, those of objects behind a dot.
type Line map[string]string

// ReadLine reads a line of JSON.
func ReadLine(text []byte) (Line, error) {
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	line := Line{}
	line.add("", fields)
	return line, nil
}

func (l Line) add(prefix string, fields map[string]any) {
	for name, value := range fields {
		switch value := value.(type) {
		case map[string]any:
			l.add(prefix+name+".", value)
		case float64:
			l[prefix+name] = strconv.FormatFloat(value, 'f', -1, 64)
		default:
			l[prefix+name] = fmt.Sprint(value)
		}
	}
}

var (
	fieldName = regexp.MustCompile(`message\.([A-Za-z0-9_.]+)`)
	sqlText   = regexp.MustCompile(`'([^']*)'`)
	sqlAlias  = regexp.MustCompile(`(?i)\bas ([a-z_0-9]+)`)
	variable  = regexp.MustCompile(`[a-z][a-z_0-9]*`)
)

// Fields are the fields that the query names.
func (q Query) Fields() []string {
	var names []string
	for _, m := range fieldName.FindAllStringSubmatch(q.Text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sqlWords are texts that say something to SQL and are in no line.
var sqlWords = []string{"hour"}

// Faults says what of the query no line has: nothing that the search finds, or one
// of its terms alone, a field that is in none of the lines found, a text that is no
// value of any of its fields.
func (q Query) Faults(lines []Line) []string {
	search, sql, _ := strings.Cut(q.Text, "|")
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, q.File+": "+fmt.Sprintf(format, args...)) }
	p := &parser{tokens: searchToken.FindAllString(search, -1)}
	matches, err := p.whole()
	if err != nil {
		return []string{q.File + ": " + err.Error()}
	}
	for text, term := range p.terms {
		if !slices.ContainsFunc(lines, term) {
			fault("no line is found by its term %s", text)
		}
	}
	found := slices.DeleteFunc(slices.Clone(lines), func(l Line) bool { return !matches(l) })
	if len(found) == 0 {
		fault("no line is found by %s", search)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(found, func(l Line) bool { _, ok := l[name]; return ok })
	}
	fields := q.Fields()
	for _, name := range fields {
		if !has(name) {
			fault("no line that it finds has the field %s", name)
		}
	}
	for _, text := range sqlText.FindAllStringSubmatch(sql, -1) {
		is := func(l Line) bool {
			return slices.ContainsFunc(fields, func(name string) bool { return l[name] == text[1] })
		}
		if !slices.Contains(sqlWords, text[1]) && !slices.ContainsFunc(lines, is) {
			fault("no line has %s", text[0])
		}
	}
	columns := sqlAlias.FindAllStringSubmatch(sql, -1)
	for _, name := range variable.FindAllString(q.Condition, -1) {
		if !slices.ContainsFunc(columns, func(m []string) bool { return m[1] == name }) {
			fault("its condition is about %s, which it does not select", name)
		}
	}
	return faults
}

type matcher func(Line) bool

// searchToken is a parenthesis, a word, a text, or a comparison.
var searchToken = regexp.MustCompile(`\(|\)|"[^"]*"|>=|<=|[:<>]|[^\s()":<>=]+`)

// parser reads a search; "and" binds no closer than "or", so that what mixes them
// needs parentheses.
type parser struct {
	tokens []string
	terms  map[string]func(Line) bool // that were read
}

func (p *parser) whole() (matcher, error) {
	p.terms = map[string]func(Line) bool{}
	m, err := p.all()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("the search goes on with %s", p.tokens[0])
	}
	return m, err
}

func (p *parser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

func (p *parser) all() (matcher, error) {
	m, err := p.one()
	joined := ""
	for err == nil && len(p.tokens) > 0 && p.tokens[0] != ")" {
		word := p.next()
		if word != "and" && word != "or" || joined != "" && word != joined {
			return nil, fmt.Errorf("%q is no way to go on with a search", word)
		}
		joined = word
		left := m
		var right matcher
		if right, err = p.one(); word == "and" {
			m = func(l Line) bool { return left(l) && right(l) }
		} else {
			m = func(l Line) bool { return left(l) || right(l) }
		}
	}
	return m, err
}

func (p *parser) one() (matcher, error) {
	name := p.next()
	if name == "(" {
		m, err := p.all()
		if err == nil && p.next() != ")" {
			err = errors.New("a parenthesis is not closed")
		}
		return m, err
	}
	field, ok := strings.CutPrefix(name, "message.")
	compare, value := p.next(), p.next()
	if !ok || value == "" {
		return nil, fmt.Errorf("%q is not about a field of message", name)
	}
	m := is(field, strings.Trim(value, `"`))
	if compare != ":" {
		than, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("%s %s %q is no comparison with a number", name, compare, value)
		}
		m = numeric(field, compare, than)
	}
	p.terms[name+" "+compare+" "+value] = m
	return m, nil
}

func is(field, value string) matcher {
	return func(l Line) bool {
		got, ok := l[field]
		return ok && (value == "*" || strings.EqualFold(got, value))
	}
}

func numeric(field, compare string, than float64) matcher {
	return func(l Line) bool {
		got, err := strconv.ParseFloat(l[field], 64)
		if err != nil {
			return false
		}
		switch compare {
		case ">=":
			return got >= than
		case "<=":
			return got <= than
		case ">":
			return got > than
		default:
			return got < than
		}
	}
}
