package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
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
	waitUntil(t, "the log has a line about request "+requestID, func() bool {
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

// checkSecrets looks for what was named, and for the beginnings of tokens:
// v1.k1. of ours, eyJ of a JWT, CAIS of STS, and a URL's signature.
func (l *logLines) checkSecrets(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	if text == "" {
		t.Error("nothing was logged")
	}
	for _, secret := range append(l.secrets, "v1.k1.", "eyJ", "CAIS", "x-oss-signature=", "Signature=") {
		if i := strings.Index(text, secret); secret != "" && i >= 0 {
			start := strings.LastIndexByte(text[:i], '\n') + 1
			t.Errorf("the log holds a secret that begins with %.6q, in the line that begins with %.200s", secret, text[start:])
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
	waitUntil(t, fmt.Sprintf("the log has a line with all of %q", texts), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for line := range bytes.Lines(l.text.Bytes()[since:]) {
			lacks := func(text string) bool { return !bytes.Contains(line, []byte(text)) }
			if !slices.ContainsFunc(texts, lacks) {
				return true
			}
		}
		return false
	})
}
