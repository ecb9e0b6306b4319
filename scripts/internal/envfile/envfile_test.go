package envfile_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ossupload/scripts/internal/envfile"
)

func TestRead(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]string
		fault      string // "" means none
	}{
		{"lines", "A=1\nB_2=two words\n", map[string]string{"A": "1", "B_2": "two words"}, ""},
		{"comments, empty lines, spaces, CRLF and no last line end", "# A=0\r\n\r\n  A = 1 \r\n#\nB=x", map[string]string{"A": "1", "B": "x"}, ""},
		{"values with = and # and quotes are taken as they are", "A=b64==\nB=a#b\nC=\"q\"", map[string]string{"A": "b64==", "B": "a#b", "C": `"q"`}, ""},
		{"an empty value", "A=", map[string]string{"A": ""}, ""},
		{"an empty file", "", map[string]string{}, ""},
		{"a line without =", "A=1\nsecret", nil, "line 2"},
		{"a name with a space", "export A=1", nil, "line 1"},
		{"no name", "=1", nil, "line 1"},
		{"a name that is repeated", "A=1\n\nA=2", nil, "line 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "env")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := envfile.Read(path)
			if tt.fault == "" {
				if err != nil || !maps.Equal(got, tt.want) {
					t.Errorf("Read() = %q, %v, want %q", got, err, tt.want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("Read() = %v, want %q in it", err, tt.fault)
			} else if strings.Contains(err.Error(), "secret") {
				t.Errorf("Read() = %v, which quotes the line", err)
			}
		})
	}
	if _, err := envfile.Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("Read(no file) = nil, want an error")
	}
}
