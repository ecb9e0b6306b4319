package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/ram"
)

func TestLoadIdentity(t *testing.T) {
	dir := t.TempDir()
	first, firstKey, err := loadIdentity(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, secondKey, err := loadIdentity(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if first.AccessKeyID != second.AccessKeyID || string(first.TokenSecret) != string(second.TokenSecret) || !firstKey.Equal(secondKey) {
		t.Error("loadIdentity() gives another identity the second time")
	}
	other, _, err := loadIdentity(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if other.AccessKeyID == first.AccessKeyID || string(other.TokenSecret) == string(first.TokenSecret) {
		t.Error("two folders have one identity")
	}
}

func TestLoadIdentityRefusesADamagedFile(t *testing.T) {
	whole := t.TempDir()
	if _, _, err := loadIdentity(whole, nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(whole, identityFile))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, text string }{
		{"an empty file", ""},
		{"half of a file", string(text[:len(text)/2])},
		{"no secrets", "{}"},
		{"a secret that is missing", strings.Replace(string(text), `"webhookSecret"`, `"x"`, 1)},
		{"a key that is missing", strings.Replace(string(text), `"callbackKey"`, `"x"`, 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, identityFile)
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := loadIdentity(dir, nil); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("loadIdentity() = %v, want an error that names the file", err)
			}
		})
	}
}

func TestRoleCredentialsAreRenewedAtHalfTheirLife(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	role := &roleSession{store: ram.NewStore(), arn: rolePrefix + "repair", now: func() time.Time { return now }}
	first, _, token := role.credentials()
	if !strings.HasPrefix(first, "STS.") || token == "" {
		t.Errorf("credentials() = %q with a token of %d bytes, want those of a role", first, len(token))
	}
	if c, ok := role.store.Lookup(first); !ok || !c.Expires.Equal(now.Add(36*time.Hour)) || c.Role != role.arn {
		t.Errorf("the store has %v until %v for %q, want 36 hours of its role", ok, c.Expires, c.Role)
	}
	now = now.Add(18 * time.Hour)
	if again, _, _ := role.credentials(); again != first {
		t.Error("credentials() changed before half of their life was over")
	}
	now = now.Add(time.Second)
	if renewed, _, _ := role.credentials(); renewed == first {
		t.Error("credentials() are the same after half of their life")
	}
}

func TestRoleCredentialsMayLastToTheirEnd(t *testing.T) {
	late, err := facts.Assume("credentials.fc-renewal=at their end")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	role := &roleSession{store: ram.NewStore(), arn: rolePrefix + "repair", now: func() time.Time { return now }, assume: late}
	first, _, _ := role.credentials()
	now = now.Add(36*time.Hour - time.Second)
	if again, _, _ := role.credentials(); again != first {
		t.Error("credentials() changed before their last second")
	}
	now = now.Add(time.Second)
	if renewed, _, _ := role.credentials(); renewed == first {
		t.Error("credentials() are the same after their end")
	}
}
