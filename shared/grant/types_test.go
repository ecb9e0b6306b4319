package grant_test

import (
	"fmt"
	"slices"
	"strings"
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
		{"*/*", "multipart/form-data", false},
		{"*/*", "multipart/x-mixed-replace", false},
		{"multipart/*", "multipart/related", false},
		{"multipart/related", "multipart/related", true},
		{"multipart/related", "multipart/mixed", false},
		{"*/*", "message/rfc822", false},
		{"message/*", "message/rfc822", false},
		{"MESSAGE/rfc822", "message/rfc822", true},
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
	for _, list := range []string{"", " , ", "png", "*", "*/png", "image/", "/png", "image/png;q=1", "image/*/x", "ima ge/png",
		"image/夏", "image/$", "image/-x", "-x/png", "image/x/y", "im*/png", "image/@", "image/`", "image/{", "image/:", "image/" + strings.Repeat("x", 128)} {
		if got, err := grant.ParseTypes(list); err == nil {
			t.Errorf("ParseTypes(%q) = %v, want an error", list, got)
		}
	}
}

func TestParseTypes(t *testing.T) {
	long := "image/" + strings.Repeat("x", 127)
	got, err := grant.ParseTypes(" image/PNG ,, video/*,application/az09!#&-^_.+," + long + ",*/*")
	want := grant.Types{"image/png", "video/*", "application/az09!#&-^_.+", long, "*/*"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("ParseTypes = %q, %v, want %q", got, err, want)
	}
}

// What a name makes of a file, and whether a browser may show it on the bucket's
// origin: pictures, sound and film, plain text and PDF, and nothing that runs.
func TestInlineType(t *testing.T) {
	shown := map[string]string{
		"image/avif": "avif", "image/bmp": "bmp", "image/gif": "gif", "image/heic": "heic", "image/jpeg": "jpeg jpg",
		"image/png": "png", "image/tiff": "tif tiff", "image/webp": "webp",
		"audio/aac": "aac", "audio/flac": "flac", "audio/mp4": "m4a", "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/wav": "wav",
		"video/x-msvideo": "avi", "video/mp4": "mp4 m4v", "video/x-matroska": "mkv", "video/quicktime": "mov", "video/webm": "webm",
		"text/plain": "txt", "application/pdf": "pdf",
	}
	downloaded := map[string]string{
		"image/svg+xml": "svg", "text/html": "htm html", "text/javascript": "js", "application/xml": "xml",
		"text/csv": "csv", "text/calendar": "ics", "text/markdown": "md", "application/json": "json",
		"application/msword": "doc", "application/vnd.ms-excel": "xls", "application/vnd.ms-powerpoint": "ppt",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   "docx",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         "xlsx",
		"application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
		"application/gzip": "gz", "application/x-tar": "tar", "application/zip": "zip",
		"application/octet-stream": "bin exe x",
	}
	for harmless, types := range map[bool]map[string]string{true: shown, false: downloaded} {
		for contentType, extensions := range types {
			for extension := range strings.FieldsSeq(extensions) {
				for _, key := range []string{"u/alice/a." + extension, "A." + strings.ToUpper(extension)} {
					if got, ok := grant.InlineType(key); got != contentType || ok != harmless {
						t.Errorf("InlineType(%q) = %q, %v, want %q, %v", key, got, ok, contentType, harmless)
					}
				}
			}
		}
	}
	for _, key := range []string{"", "a", "a.", "png", "a.png/b"} {
		if got, ok := grant.InlineType(key); got != "application/octet-stream" || ok {
			t.Errorf("InlineType(%q) = %q, %v, want nothing to show", key, got, ok)
		}
	}
}

func TestInsteadFitsALine(t *testing.T) {
	var many grant.Types
	for i := range 40 {
		many = append(many, fmt.Sprintf("application/x-%d", i))
	}
	p, w := policy(), wish()
	p.ContentTypes, w.ContentType = many, "text/html"
	faults := p.Check(caller(), w)
	if len(faults) != 1 || !strings.HasSuffix(faults[0].Reason, "application/x-11 and 28 more") {
		t.Errorf("Check = %+v, want twelve types and the number of the others", faults)
	}
}
