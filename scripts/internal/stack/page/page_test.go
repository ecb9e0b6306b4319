// Package page_test looks at the page of the local stack in Chromium, as a person
// does who has a mouse or a keyboard, and as a program does for who cannot see.
package page_test

import (
	"os"
	"path/filepath"
	"testing"

	"ossupload/scripts/internal/browsertest"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

func TestPageInBrowser(t *testing.T) {
	program := browsertest.Chromium(t)
	dir := browsertest.Client(t, "../../../..")
	stacktest.Watch(t, ".")
	const tests = "chromium.mjs"
	text, err := os.ReadFile(tests)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, tests), text, 0o600); err != nil {
		t.Fatal(err)
	}
	lax := stacktest.Start(t, stacktest.Options{})
	strict := stacktest.Start(t, stacktest.Options{Settings: map[string]string{
		"UPLOAD_CONTENT_TYPES": "image/png,text/*", "UPLOAD_MAX_SIZE": "1000000", "UPLOAD_METHODS": "put,form",
		"AUTH_TOKEN_HEADER": "X-Caller-Token",
	}})
	screenshots := browsertest.Screenshots(t)
	t.Logf("screenshots in %s", screenshots)
	t.Log(browsertest.Tests(t, dir, []string{
		"CHROMIUM=" + program, "SCREENSHOTS=" + screenshots, "LAX=" + lax.Ready.Gateway, "STRICT=" + strict.Ready.Gateway,
	}, tests))
}
