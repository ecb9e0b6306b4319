package bucket

import (
	"strings"
	"testing"
)

func TestLetIn(t *testing.T) {
	rule := func(origin, methods, headers string) string {
		text := "<CORSRule><AllowedOrigin>" + origin + "</AllowedOrigin>"
		for m := range strings.FieldsSeq(methods) {
			text += "<AllowedMethod>" + m + "</AllowedMethod>"
		}
		return text + "<AllowedHeader>" + headers + "</AllowedHeader></CORSRule>"
	}
	const all = "GET POST HEAD PUT"
	for _, tt := range []struct {
		rules, origin string
		want          bool
	}{
		{"", "https://a.example", false},
		{rule("*", all, "*"), "https://a.example", true},
		{rule("*", all, "*"), "*", true},
		{rule("https://A.example", all, "*"), "https://a.example", true},
		{rule("https://*.example", all, "*"), "https://a.example", true},
		{rule("https://*.example", all, "*"), "*", false},
		{rule("https://*.example", all, "*"), "https://a.example:8443", false},
		{rule("https://a*a.example", all, "*"), "https://a.example", false},
		{rule("https://b.example", all, "*"), "https://a.example", false},
		{rule("*", "GET POST HEAD", "*"), "https://a.example", false},
		{rule("*", "GET POST HEAD", "*") + rule("*", "PUT", "*"), "https://a.example", true},
		{rule("*", all, "x-oss-*"), "https://a.example", false},
	} {
		m, err := mergeCORS(situation{Needs: Needs{Prefix: "uploads/", Origins: []string{tt.origin}}}, parsed(t, "<R>"+tt.rules+"</R>"))
		if err != nil || (len(m.differences) == 0) != tt.want {
			t.Errorf("of %s, %q is let in: %v, %v, want %t", tt.rules, tt.origin, len(m.differences) == 0, err, tt.want)
		}
	}
}
