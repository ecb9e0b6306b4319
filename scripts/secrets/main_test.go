package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ossupload/shared/settings"
)

func secretsOf(t *testing.T, args ...string) string {
	t.Helper()
	var out, stderr bytes.Buffer
	if err := run(t.Context(), args, nil, &out, &stderr); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func parse(text string) map[string]string {
	env := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			env[name] = value
		}
	}
	return env
}

// What is printed starts the functions, beside what is no secret.
func TestSecretsStartTheFunctions(t *testing.T) {
	env := parse(secretsOf(t))
	for name, value := range map[string]string{
		"OSS_REGION": "eu-central-1", "OSS_BUCKET": "photos", "UPLOAD_MAX_SIZE": "1", "UPLOAD_CONTENT_TYPES": "image/*",
		"AUTH_MODE": "jwt", "CALLBACK_URL": "https://api.example.com/callback", "WEBHOOK_URL": "https://app.example.com/",
	} {
		env[name] = value
	}
	c, err := settings.LoadComplete(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	if len(c.TokenKeys) != 1 || len(c.ReceiptSecret) != 32 || len(c.Webhook.Secrets) != 1 || c.Caller.JWT == nil {
		t.Errorf("LoadComplete = %d token keys, a receipt secret of %d bytes, %d webhook secrets, %v", len(c.TokenKeys), len(c.ReceiptSecret), len(c.Webhook.Secrets), c.Caller.JWT)
	}
	again := parse(secretsOf(t))
	for name := range again {
		if again[name] == env[name] {
			t.Errorf("%s is made twice", name)
		}
	}
}

func TestInto(t *testing.T) {
	const own = "AUTH_JWT_SECRET=of my own, 0123456789abcdefghijkl"
	before := "# mine\nOSS_REGION=eu-central-1\n#RECEIPT_SECRET=\nUPLOAD_TOKEN_SECRETS=\n" + own
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	printed := secretsOf(t, "-into", path)
	want := "UPLOAD_TOKEN_SECRETS is new\nRECEIPT_SECRET is new\nAUTH_JWT_SECRET is there\nWEBHOOK_SECRETS is new\n"
	if printed != want {
		t.Errorf("printed %q, want %q", printed, want)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 8 || lines[0] != "# mine" || lines[2] != "#RECEIPT_SECRET=" || lines[4] != own ||
		!strings.HasPrefix(lines[3], "UPLOAD_TOKEN_SECRETS=k1:") || !strings.HasPrefix(lines[5], "RECEIPT_SECRET=base64:") || !strings.HasPrefix(lines[6], "WEBHOOK_SECRETS=whsec_") {
		t.Errorf("the file has %d lines of other forms than wanted", len(lines))
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v, want 0600", info.Mode(), err)
	}

	// A second time changes nothing.
	secretsOf(t, "-into", path)
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, text) {
		t.Errorf("a second run changed the file: %v", err)
	}
}

func TestIntoWhatIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	secretsOf(t, "-into", path)
	text, err := os.ReadFile(path)
	if err != nil || len(parse(string(text))) != 4 {
		t.Errorf("the new file holds %d variables, %v, want 4", len(parse(string(text))), err)
	}
}

func TestNoSecretForAnIssuersTokens(t *testing.T) {
	for _, line := range []string{"AUTH_JWKS_URL=https://issuer.example.com/keys\n", "AUTH_MODE=header\n"} {
		path := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if printed := secretsOf(t, "-into", path); !strings.Contains(printed, "AUTH_JWT_SECRET is not needed") {
			t.Errorf("with %s: %s", line, printed)
		}
	}
}

func TestRefusals(t *testing.T) {
	broken := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(broken, []byte("a secret, and no name\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args  []string
		usage bool
	}{{[]string{"more"}, true}, {[]string{"-nothing"}, true}, {[]string{"-into", broken}, false}, {[]string{"-into", t.TempDir()}, false}} {
		var out, stderr bytes.Buffer
		err := run(t.Context(), tt.args, nil, &out, &stderr)
		if err == nil || errors.Is(err, errUsage) != tt.usage {
			t.Errorf("run %q = %v, want a usage error: %v", tt.args, err, tt.usage)
		}
		if err != nil && strings.Contains(err.Error(), "a secret") {
			t.Errorf("run %q tells what the file holds: %v", tt.args, err)
		}
	}
}
