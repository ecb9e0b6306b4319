// Package poison makes requests that are meant to hurt: bodies as large as they
// may be, made of one thing, and values that no field was made for, in every
// field. It tells what they cost, and what is wrong with the answers.
//
// It is for tests alone: no function links it. It imports cputime, for what a request
// costs.
package poison

import (
	"fmt"
	"strconv"
	"strings"
)

// Text is JSON that is made of one thing.
type Text struct {
	Name  string
	Value string
}

// Texts are JSON values made of one thing, each of about size bytes and not more.
func Texts(size int) []Text {
	many := func(open, item, end string) string {
		n := (size - len(open) - len(end) + 1) / (len(item) + 1)
		return open + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + end
	}
	filled := func(open, item, end string) string {
		return open + strings.Repeat(item, (size-len(open)-len(end))/len(item)) + end
	}
	deep := func(open, end string, depth int) string {
		return strings.Repeat(open, depth) + "0" + strings.Repeat(end, depth)
	}
	each := (size - 1) / 64        // bytes for each of 64 members
	part := max(size/10_000-34, 0) // bytes more for each of 10,000 parts
	return []Text{
		{"digits", filled("9", "9", "")},
		{"digits behind the point", filled("0.", "9", "")},
		{"digits of an exponent", filled("1e", "9", "")},
		{"numbers", many("[", "1", "]")},
		{"numbers beyond any range", many("[", "1e400", "]")},
		{"numbers below zero", many("[", "-0", "]")},
		{"nulls", many("[", "null", "]")},
		{"white space", filled("[", " \n", "]")},
		{"a string", filled(`"`, "x", `"`)},
		{"a string beyond ASCII", filled(`"`, "夏", `"`)},
		{"a string that is not UTF-8", filled(`"`, "\xff", `"`)},
		{"escaped NULs", filled(`"`, `\u0000`, `"`)},
		{"halves of surrogate pairs", filled(`"`, `\ud800`, `"`)},
		{"escaped backslashes", filled(`"`, `\\`, `"`)},
		{"escaped quotes", filled(`"`, `\"`, `"`)},
		{"strings", many("[", `"a"`, "]")},
		{"strings in need of escapes", many("[", `"\n"`, "]")},
		{"lists", many("[", "[]", "]")},
		{"lists nested 6 deep", many("[", deep("[", "]", 5), "]")},
		{"lists nested 9,000 deep", many("[", deep("[", "]", 9_000), "]")},
		{"lists nested as deep as they fit", filled("[", "[", "]")},
		{"objects nested 6 deep", many("[", deep(`{"a":`, "}", 5), "]")},
		{"objects nested 9,000 deep", many("[", deep(`{"a":`, "}", 9_000), "]")},
		{"objects", many("[", "{}", "]")},
		{"objects of one name", many("[", `{"a":1}`, "]")},
		{"objects of one escaped name", many("[", `{"\u0061":1}`, "]")},
		{"objects of 64 names", many("[", object(64, "k", `1`), "]")},
		{"objects of 64 escaped names", many("[", object(64, `\u006b`, `1`), "]")},
		{"an object of 64 names, then of one", many("["+object(64, "k", "1")+",", `{"a":1}`, "]")},
		{"names", object((size-2)/len(`"k100000":1,`), "k", "1")},
		{"names in need of escapes", object((size-2)/len(`"\u006b100000":1,`), `\u006b`, "1")},
		{"names that are not allowed", object((size-2)/len(`"Bad name 100000":"x",`), "Bad name ", `"x"`)},
		{"one name again and again", many("{", `"a":1`, "}")},
		{"a name", filled(`{"`, "x", `":1}`)},
		{"64 names", object(64, strings.Repeat("x", each-12), `"x"`)},
		{"64 strings", object(64, "k", `"`+strings.Repeat("x", each-12)+`"`)},
		{"64 strings beyond ASCII", object(64, "k", `"`+strings.Repeat("夏", (each-12)/3)+`"`)},
		{"64 strings of control characters", object(64, "k", `"`+strings.Repeat(`\u0000`, (each-12)/6)+`"`)},
		{"64 strings of halves of pairs", object(64, "k", `"`+strings.Repeat(`\ud800`, (each-12)/6)+`"`)},
		{"64 strings of markup", object(64, "k", `"`+strings.Repeat(`<`, (each-12))+`"`)},
		{"64 numbers", object(64, "k", strings.Repeat("9", each-12))},
		{"64 lists of numbers", object(64, "k", "["+strings.Repeat("1,", (each-14)/2)+"1]")},
		{"parts", many("[", `{"PartNumber":1,"ETag":"e"}`, "]")},
		{"parts of huge numbers", many("[", `{"PartNumber":4611686018427387904,"ETag":"e"}`, "]")},
		{"10,000 parts with more than is read", many("[", `{"PartNumber":1,"ETag":"e","x":"`+strings.Repeat("x", part)+`"}`, "]")},
		{"10,000 parts with long ETags", many("[", `{"PartNumber":1,"ETag":"`+strings.Repeat("e", part+9)+`"}`, "]")},
	}
}

// object is one of n names that begin with prefix.
func object(n int, prefix, value string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"` + prefix + strconv.Itoa(i) + `":` + value)
	}
	return fmt.Sprintf("{%s}", b.String()[1:])
}

// Large is a request with a body that is made of one thing.
type Large struct {
	Name string
	Request
}

// Large are requests with bodies of about size bytes, each made of one thing: as the
// whole body, and in a member that the route does not have.
func (r Route) Large(size int) (all []Large) {
	for _, text := range Texts(size) {
		all = append(all, r.large("", text))
	}
	return append(all, r.in("unknown", size, "[{\"0123456789")...)
}

// LargeFields are requests with bodies of about size bytes, each with one member that
// is made of one thing, of the kind that the member should be.
func (r Route) LargeFields(size int) (all []Large) {
	for _, f := range r.fields() {
		if f.from != "json" || f.name != f.top {
			continue
		}
		begins := "{"
		switch {
		case f.list:
			begins = "["
		case !f.holds:
			begins = r.Sound[f.name][:1]
			if '0' <= begins[0] && begins[0] <= '9' {
				begins = "0123456789"
			}
		}
		all = append(all, r.in(f.name, size, begins)...)
	}
	return all
}

// in are requests with a member made of one thing that begins with one of these
// bytes.
func (r Route) in(member string, size int, begins string) (all []Large) {
	for _, text := range Texts(size - len(`{"":}`) - len(member)) {
		if strings.Contains(begins, text.Value[:1]) {
			all = append(all, r.large(member, text))
		}
	}
	return all
}

func (r Route) large(member string, text Text) Large {
	l := Large{Name: fmt.Sprintf("%s, %q: %s", r.Pattern, member, text.Name), Request: r.Granted()}
	if l.Body = text.Value; member != "" {
		l.Body = fmt.Sprintf("{%q:%s}", member, text.Value)
	}
	return l
}
