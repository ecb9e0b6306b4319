package secureurl_test

import (
	"errors"
	"strings"
	"testing"

	"ossupload/shared/secureurl"
)

func TestParse(t *testing.T) {
	tests := []struct {
		url  string
		want error
	}{
		{"https://api.example.com", nil},
		{"https://api.example.com:8443/hook?key=1", nil},
		{"HTTPS://api.example.com/", nil},
		{"https://192.0.2.1/", nil},
		{"http://127.0.0.1:8580/hook", nil},
		{"http://127.8.9.1/", nil},
		{"http://[::1]:80/", nil},
		{"http://localhost/", nil},

		{"http://api.example.com/", secureurl.ErrPlain},
		{"http://192.0.2.1/", secureurl.ErrPlain},
		{"http://localhost.example.com/", secureurl.ErrPlain},
		{"http://127.0.0.1.example.com/", secureurl.ErrPlain},
		{"http://2130706433/", secureurl.ErrPlain}, // 127.0.0.1 to some resolvers
		{"http://0.0.0.0/", secureurl.ErrPlain},

		{"", secureurl.ErrURL},
		{"api.example.com", secureurl.ErrURL},
		{"//api.example.com/", secureurl.ErrURL},
		{"/hook", secureurl.ErrURL},
		{"https:api.example.com", secureurl.ErrURL},
		{"https:///hook", secureurl.ErrURL},
		{"https://:8443/", secureurl.ErrURL},
		{"https://me:secret@api.example.com/", secureurl.ErrURL},
		{"https://api.example.com/#x", secureurl.ErrURL},
		{"ftp://api.example.com/", secureurl.ErrURL},
		{"ftp://127.0.0.1/", secureurl.ErrURL},
		{"https://api.example.com/\x7f", secureurl.ErrURL},
	}
	for _, tt := range tests {
		u, err := secureurl.Parse(tt.url)
		if !errors.Is(err, tt.want) || (err == nil) != (u != nil) {
			t.Errorf("Parse(%q) = %v, %v, want %v", tt.url, u, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "example.com") {
			t.Errorf("the error %q repeats the URL", err)
		}
	}
}
