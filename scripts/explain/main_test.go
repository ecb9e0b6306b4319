package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	refusedXML = `<Error><Code>NoSuchBucket</Code><BucketName>photos</BucketName></Error>`
	presignBad = `{"code":"unauthenticated"}`
	presigned  = `{"method":"PUT","url":"https://photos.oss-cn-hangzhou.aliyuncs.com/a?x=1","headers":{"Content-Type":"image/png"}}`
	transcript = "> PUT /a?x=1 HTTP/1.1\n> Host: photos.oss-cn-hangzhou.aliyuncs.com\n> Content-Type: text/csv\n> \n< HTTP/1.1 403 Forbidden\n"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"refused.xml": refusedXML, "bad.json": presignBad, "presign.json": presigned, "big": strings.Repeat(" ", maxInput+1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	tests := []struct {
		name   string
		args   []string
		stdin  string
		status int
		out    string // in part, of stdout or stderr
	}{
		{"a file", []string{"refused.xml"}, "", known, "404 NoSuchBucket\n  why:  There is no bucket photos at this endpoint."},
		{"stdin", nil, refusedXML, known, "There is no bucket photos"},
		{"stdin by name", []string{"-"}, refusedXML, known, "There is no bucket photos"},
		{"with the answer of presign", []string{"-presign", "presign.json"}, transcript, known, "Signed was Content-Type: image/png. Sent was text/csv."},
		{"the answer of presign from stdin", []string{"-presign", "-", "refused.xml"}, presigned, known, "There is no bucket photos"},
		{"nothing", nil, "", unknown, "Paste the whole answer"},
		{"help", []string{"-h"}, "", known, "usage: explain"},
		{"two files", []string{"refused.xml", "bad.json"}, "", unusable, "explain: give one file, or none for stdin"},
		{"another flag", []string{"-x"}, "", unusable, "flag provided but not defined"},
		{"a file that is not there", []string{"gone.xml"}, "", unusable, "explain: reading the input: open gone.xml"},
		{"another answer than presign's", []string{"-presign", "bad.json", "refused.xml"}, "", unusable, "this is not the answer of POST /presign"},
		{"too much", []string{"big"}, "", unusable, "it is over 16777216 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			status := run(tt.args, strings.NewReader(tt.stdin), &stdout, &stderr)
			if status != tt.status || !strings.Contains(stdout.String()+stderr.String(), tt.out) {
				t.Errorf("status %d, stdout %q, stderr %q, want %d and %q", status, &stdout, &stderr, tt.status, tt.out)
			}
			if (tt.status == unusable) != (stdout.Len() == 0 && stderr.Len() > 0) && tt.name != "help" {
				t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
			}
		})
	}
	var stdout, stderr strings.Builder
	if status := run(nil, iotest.ErrReader(errors.New("broken pipe")), &stdout, &stderr); status != unusable || !strings.Contains(stderr.String(), "broken pipe") {
		t.Errorf("a stdin that breaks: status %d, stderr %q", status, &stderr)
	}
}
