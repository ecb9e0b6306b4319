package main

import (
	"maps"
	"mime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"ossupload/shared/api"
)

func TestDownloadQuery(t *testing.T) {
	const saved, shown = "attachment", "inline"
	tests := []struct {
		name  string
		in    downloadRequest
		want  map[string]string
		fault string
	}{
		{"saved by default", downloadRequest{Key: "u/a/x.html"}, map[string]string{"response-content-disposition": saved}, ""},
		{"under a name", downloadRequest{Key: "u/a/x", Filename: "a b.txt"},
			map[string]string{"response-content-disposition": `attachment; filename="a b.txt"; filename*=UTF-8''a%20b.txt`}, ""},
		{"an image shown", downloadRequest{Key: "u/a/x.png", Inline: true},
			map[string]string{"response-content-disposition": shown, "response-content-type": "image/png"}, ""},
		{"a page not shown", downloadRequest{Key: "u/a/x.html", Inline: true}, nil, "inline"},
		{"a drawing with scripts not shown", downloadRequest{Key: "u/a/x.svg", Inline: true}, nil, "inline"},
		{"an unknown kind not shown", downloadRequest{Key: "u/a/x", Inline: true}, nil, "inline"},
		{"a version", downloadRequest{Key: "u/a/x", VersionID: "CAEQNhiBgM0BYiIDc4MGZjZGI2OTBjOTRmNTE5NmU5NmFhZjhjYmY0"},
			map[string]string{"response-content-disposition": saved, "versionId": "CAEQNhiBgM0BYiIDc4MGZjZGI2OTBjOTRmNTE5NmU5NmFhZjhjYmY0"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, faults := downloadQuery(tt.in)
			if fields := fieldsOf(faults); fields != tt.fault {
				t.Fatalf("faults of %q, want %q", fields, tt.fault)
			}
			if tt.fault == "" && !maps.Equal(got, tt.want) {
				t.Errorf("downloadQuery = %v, want %v", got, tt.want)
			}
		})
	}
}

func fieldsOf(faults []api.Fault) string {
	var fields []string
	for _, f := range faults {
		fields = append(fields, f.Field)
	}
	return strings.Join(fields, " ")
}

// Whatever the name holds, one parameter named filename comes out, and what a
// browser decodes is the name itself.
func FuzzDispositionName(f *testing.F) {
	f.Add(`a"; filename="b.exe`)
	f.Add("夏 100%.txt")
	f.Add(`\";x=y`)
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) || name == "" {
			return // no request gets so far
		}
		header := "attachment; " + dispositionName(name)
		media, params, err := mime.ParseMediaType(strings.Replace(header, "filename*=", "star*=", 1))
		if err != nil || media != "attachment" || len(params) != 2 {
			t.Fatalf("%q parses as %q, %v, %v", header, media, params, err)
		}
		if params["star"] != name {
			t.Errorf("%q decodes to %q, want %q", header, params["star"], name)
		}
		if strings.ContainsAny(params["filename"], `/\";%`) {
			t.Errorf("%q has the plain name %q", header, params["filename"])
		}
	})
}
