package redact_test

import (
	"strings"
	"testing"

	"ossupload/shared/redact"
)

// The largest events, whatever they hold, are a matter of milliseconds.
func BenchmarkRedact(b *testing.B) {
	for name, event := range map[string]string{
		"a small event":     `{"httpMethod":"POST","path":"/presign","headers":{"Authorization":"Bearer a.b.c","Content-Type":"application/json"},"body":"{\"filename\":\"a.jpg\"}"}`,
		"a body of 2 MiB":   `{"body":"` + strings.Repeat("a", 2<<20) + `"}`,
		"members of 2 MiB":  `{"body":1` + strings.Repeat(`,"a":""`, 2<<20/7) + `}`,
		"escapes of 2 MiB":  `{"body":"` + strings.Repeat(`\u0041`, 2<<20/6) + `"}`,
		"segments of 2 MiB": `{"path":"` + strings.Repeat("/a", 2<<20/2) + `"}`,
		"fields of 2 MiB":   `{"body":"` + strings.Repeat("a=b&", 2<<20/4) + `"}`,
		"words of 2 MiB":    `{"body":"` + strings.Repeat("a.", 2<<20/2) + `"}`,
		"one name of 2 MiB": `{"` + strings.Repeat("id-", 2<<20/3) + `":1}`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				redact.New().JSON([]byte(event), limit)
			}
		})
	}
}
