package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"ossupload/scripts/internal/stacktest"
)

// logLine is what a function logs about a request.
type logLine struct {
	RequestID string `json:"requestId"`
	Route     string `json:"route"`
	Code      string `json:"code"`
	Reason    string `json:"reason"`
	Status    int    `json:"status"`
}

// line returns what was logged about the request that a refusal names. The
// answer may be there before the line.
func (l *logLines) line(t *testing.T, requestID string) logLine {
	t.Helper()
	var found logLine
	stacktest.Eventually(t, "the log has a line about request "+requestID, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for text := range bytes.Lines(l.text.Bytes()) {
			if !bytes.Contains(text, []byte(requestID)) {
				continue
			}
			var line logLine
			if json.Unmarshal(text, &line) == nil && line.RequestID == requestID && line.Route != "" {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

// logLines keeps a log, and the secrets that must not be in it.
type logLines struct {
	mu      sync.Mutex
	text    bytes.Buffer
	secrets []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// secret names what must never be logged.
func (l *logLines) secret(texts ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.secrets = append(l.secrets, texts...)
}

// accessKeyID is the id of an access key of the stack. It is no secret, and its
// random letters may spell what tokens begin with.
var accessKeyID = regexp.MustCompile(`(STS\.|LTAI5t)[A-Za-z0-9]{18,24}`)

// checkSecrets looks for what was named, and for the beginnings of tokens:
// v1.k1. of ours, eyJ of a JWT, CAIS of STS, and a URL's signature.
func (l *logLines) checkSecrets(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() == 0 {
		t.Error("nothing was logged")
	}
	for line := range strings.Lines(l.text.String()) {
		for _, secret := range secretsIn(line, l.secrets) {
			t.Errorf("the log holds a secret that begins with %.6q, in the line that begins with %.200s", secret, line)
		}
	}
}

// secretsIn returns which of the secrets are in a line of the log, and which
// beginnings of tokens.
func secretsIn(line string, secrets []string) []string {
	var found []string
	for _, secret := range secrets {
		if secret != "" && strings.Contains(line, secret) {
			found = append(found, secret)
		}
	}
	line = accessKeyID.ReplaceAllString(line, "$1")
	for _, beginning := range []string{"v1.k1.", "eyJ", "CAIS", "x-oss-signature=", "Signature="} {
		if strings.Contains(line, beginning) {
			found = append(found, beginning)
		}
	}
	return found
}

func TestSecretsInALine(t *testing.T) {
	const secret = "the whole of a secret"
	tests := []struct {
		line string
		want []string
	}{
		{`{"accessKeyId":"STS.aaaaeyJaaaaaCAISaaaaaaaa"}`, nil},
		{`{"accessKeyId":"LTAI5tAAAAAACAISAAAAAAAA"}`, nil},
		{`{"token":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZW1vIn0.AAAA"}`, []string{"eyJ"}},
		{`{"id":"STS.aaaaaaaaaaaaaaaaaaaaaaaa","token":"CAISabc"}`, []string{"CAIS"}},
		{`{"err":"the whole of a secret"}`, []string{secret}},
		{`{"uploadToken":"v1.k1.AAAA"}`, []string{"v1.k1."}},
	}
	for _, tt := range tests {
		if got := secretsIn(tt.line, []string{"", secret}); !slices.Equal(got, tt.want) {
			t.Errorf("secretsIn(%s) = %q, want %q", tt.line, got, tt.want)
		}
	}
}

// length is how much has been logged so far.
func (l *logLines) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Len()
}

// want waits for a line that holds all of texts, among those that came after
// the log had a length of since.
func (l *logLines) want(t *testing.T, since int, texts ...string) {
	t.Helper()
	stacktest.Eventually(t, fmt.Sprintf("the log has a line with all of %q", texts), func() bool { return l.count(since, texts...) > 0 })
}

// count is how many such lines there are.
func (l *logLines) count(since int, texts ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.text.Bytes()[since:]) {
		lacks := func(text string) bool { return !bytes.Contains(line, []byte(text)) }
		if !slices.ContainsFunc(texts, lacks) {
			n++
		}
	}
	return n
}
