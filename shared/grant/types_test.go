package grant_test

import (
	"testing"

	"ossupload/shared/grant"
)

func TestTypesAllow(t *testing.T) {
	tests := []struct {
		list, contentType string
		want              bool
	}{
		{"image/png", "image/png", true},
		{"image/png", "image/gif", false},
		{"IMAGE/PNG", "image/png", true},
		{"image/*", "image/png", true},
		{"image/*", "imagex/png", false},
		{"*/*", "application/zip", true},
		{"*/*", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", true},
		{"*/*", "text/plain", true},
		{"*/*", "text/html", false},
		{"text/*", "text/html", false},
		{"text/html", "text/html", true},
		{"*/*", "application/xhtml+xml", false},
		{"*/*", "application/xml", false},
		{"*/*", "text/xml", false},
		{"*/*", "text/xsl", false},
		{"*/*", "image/svg+xml", false},
		{"image/*", "image/svg+xml", false},
		{"image/svg+xml", "image/svg+xml", true},
		{"*/*", "application/rss+xml", false},
		{"*/*", "text/javascript", false},
		{"*/*", "application/x-javascript", false},
		{"*/*", "application/ecmascript", false},
		{"*/*", "text/vbscript", false},
		{"*/*", "application/hta", false},
	}
	for _, tt := range tests {
		types, err := grant.ParseTypes(tt.list)
		if err != nil {
			t.Fatalf("ParseTypes(%q): %v", tt.list, err)
		}
		if got := types.Allow(tt.contentType); got != tt.want {
			t.Errorf("ParseTypes(%q).Allow(%q) = %v, want %v", tt.list, tt.contentType, got, tt.want)
		}
	}
}

func TestParseTypesRefuses(t *testing.T) {
	for _, list := range []string{"", " , ", "png", "*", "*/png", "image/", "/png", "image/png;q=1", "image/*/x", "ima ge/png"} {
		if got, err := grant.ParseTypes(list); err == nil {
			t.Errorf("ParseTypes(%q) = %v, want an error", list, got)
		}
	}
}
