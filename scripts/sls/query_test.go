package sls

import (
	"slices"
	"strings"
	"testing"
)

// What is in no line is found.
func TestFaults(t *testing.T) {
	var lines []Line
	for _, text := range []string{
		`{"level":"INFO","msg":"request","route":"/presign","status":200,"coldStart":true}`,
		`{"level":"WARN","msg":"refused","route":"/confirm","status":403,"code":"forbidden"}`,
		`{"msg":"deliver","action":"end","summary":{"waiting":3}}`,
	} {
		line, err := ReadLine([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	tests := []struct {
		query, condition string
		want             string // "": nothing
	}{
		{`message.status >= 200 | select "message.route", count(1) as n group by "message.route"`, "n > 5", ""},
		{`message.msg: deliver and message.action: end | select max("message.summary.waiting") as w`, "w > 1 || w == 0", ""},
		{`(message.msg: request or message.msg: "refused") and message.status < 300`, "", ""},
		{`message.coldStart: * | select count_if("message.coldStart" = 'true')`, "", ""},
		{`message.route: "/confirm" or message.route: /presign`, "", ""},

		{`message.status >= 500`, "", "no line is found"},
		{`message.msg: request and message.code: forbidden`, "", "no line is found"},
		{`message.msg: request or message.msg: requested`, "", "term message.msg : requested"},
		{`message.msg: requested`, "", "no line is found"},
		{`message.stats: *`, "", "no line is found"},
		{`message.status: 200 | select "message.code"`, "", "has the field code"},
		{`message.status: 200 | select "message.durationMS"`, "", "has the field durationMS"},
		{`message.status >= 200 | select count_if("message.route" = '/confirmed')`, "", "no line has '/confirmed'"},
		{`message.status >= 200 | select count(1) as n`, "m > 0", "its condition is about m"},
		{`message.status >= many`, "", "no comparison"},
		{`status: 200`, "", "not about a field"},
		{`message.status: 200 message.msg: request`, "", "no way to go on"},
		{`message.status: 200 and message.msg: request or message.msg: refused`, "", "no way to go on"},
		{`(message.status: 200`, "", "not closed"},
		{`message.status: 200)`, "", "goes on with"},
	}
	for _, tt := range tests {
		got := strings.Join(Query{"q.json", tt.query, tt.condition}.Faults(lines), "\n")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s, %s: faults %q, want %q", tt.query, tt.condition, got, tt.want)
		}
	}
}

// Without an index a field can be neither searched nor selected.
func TestIndex(t *testing.T) {
	queries, err := Queries()
	if err != nil {
		t.Fatal(err)
	}
	const least = 12
	if len(queries) < least {
		t.Errorf("%d queries, want at least %d", len(queries), least)
	}
	indexed, err := Indexed()
	if err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, q := range queries {
		used = append(used, q.Fields()...)
	}
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(used, indexed) {
		t.Errorf("the queries use %q, and indexed are %q", used, indexed)
	}
}
