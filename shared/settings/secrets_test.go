package settings_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"ossupload/shared/settings"
)

// The same text for two uses is the same secret, whatever each makes of it.
func TestOneSecretForTwoUses(t *testing.T) {
	text := b64(secretA) // 44 characters, padded
	bare := strings.TrimRight(text, "=")
	for _, c := range []struct {
		name string
		set  map[string]string
		want string // "": starts
	}{
		{"different secrets", map[string]string{"RECEIPT_SECRET": "a receipt's own secret, 36 characters"}, ""},
		{"bytes and base64", map[string]string{"AUTH_JWT_SECRET": secretA}, "AUTH_JWT_SECRET: holds the same secret as UPLOAD_TOKEN_SECRETS"},
		{"base64 twice", map[string]string{"AUTH_JWT_SECRET": "base64:" + text}, "AUTH_JWT_SECRET: holds the same secret as UPLOAD_TOKEN_SECRETS"},
		{"base64, taken as text by one", map[string]string{"AUTH_JWT_SECRET": text}, "AUTH_JWT_SECRET: holds the same secret as UPLOAD_TOKEN_SECRETS"},
		{"the same without padding", map[string]string{"AUTH_JWT_SECRET": bare}, "AUTH_JWT_SECRET: holds the same secret as UPLOAD_TOKEN_SECRETS"},
		{"the second secret", map[string]string{"AUTH_JWT_SECRET": b64(secretB)}, "AUTH_JWT_SECRET: holds the same secret as UPLOAD_TOKEN_SECRETS"},
		{"text of a receipt and of callers", map[string]string{"RECEIPT_SECRET": secretC}, "holds the same secret as"},
		{"base64 of a receipt, text of callers", map[string]string{"RECEIPT_SECRET": "base64:" + b64(secretC)}, "holds the same secret as"},
		{"text of a receipt, webhook", map[string]string{"RECEIPT_SECRET": b64(secretD)}, "holds the same secret as"},
		{"webhook and upload tokens", map[string]string{"WEBHOOK_SECRETS": "whsec_" + text}, "WEBHOOK_SECRETS: holds the same secret as UPLOAD_TOKEN_SECRETS"},
		{"webhook twice, padded and not", map[string]string{"WEBHOOK_SECRETS": "whsec_" + b64(secretD) + ",whsec_" + strings.TrimRight(b64(secretD), "=")}, "WEBHOOK_SECRETS: holds the same secret as WEBHOOK_SECRETS"},
		{"both alphabets", map[string]string{
			"RECEIPT_SECRET":  "base64:" + base64.StdEncoding.EncodeToString(alphabets),
			"AUTH_JWT_SECRET": base64.RawURLEncoding.EncodeToString(alphabets),
		}, "holds the same secret as"},
		{"a gateway's", map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X-User", "AUTH_HEADER_SECRET": text}, "AUTH_HEADER_SECRET: holds the same secret as UPLOAD_TOKEN_SECRETS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := environment()
			maps.Copy(env, c.set)
			_, err := settings.LoadComplete(lookup(env))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("LoadComplete = %v, want %q in it", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), bare) || strings.Contains(err.Error(), secretA)) {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

// alphabets are bytes whose base64 differs in the two alphabets.
var alphabets = []byte("\xfb\xef\xbe\xff\xff\xff0123456789abcdefghijklmnopqrstu")

func TestGuessableSecrets(t *testing.T) {
	for _, c := range []struct {
		secret string
		ok     bool
	}{
		{strings.Repeat("password", 4), false},
		{strings.Repeat("password", 4) + "pass", false},
		{strings.Repeat("a long sentence!", 2), false},
		{strings.Repeat("a long sentence! ", 2)[:33], true}, // under twice
		{strings.Repeat("0123456789abcdef", 2), false},
		{strings.Repeat("x", 40), false},
		{strings.Repeat("changeme", 5), false},
		{"1212121221211212121221212112121212", false},
		{"abcdefgabcdfegabcdefgabcdfegabcdef", false},
		{"abcdefggfedcbaacegbdfabfdecgaacegd", false}, // 7 kinds and no period
		{"abcdefghabcdefhgabcdefghabcdfegh", true},    // 8 kinds and no period
		{"correct horse battery staple, four times", true},
	} {
		env := environment()
		env["AUTH_JWT_SECRET"] = c.secret
		_, err := settings.LoadPresign(lookup(env))
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "AUTH_JWT_SECRET: holds a secret that repeats itself") {
			t.Errorf("AUTH_JWT_SECRET of %q: LoadPresign = %v, want ok %v", c.secret, err, c.ok)
		}
		env["AUTH_JWT_SECRET"] = "base64:" + b64(c.secret)
		if _, err := settings.LoadPresign(lookup(env)); (err == nil) != c.ok {
			t.Errorf("AUTH_JWT_SECRET of base64 of %q: LoadPresign = %v, want ok %v", c.secret, err, c.ok)
		}
	}
	env := environment()
	env["WEBHOOK_SECRETS"] = "whsec_" + b64(strings.Repeat("password", 3))
	if _, err := settings.LoadCallback(lookup(env)); err == nil {
		t.Error("LoadCallback with a webhook secret that repeats itself = nil")
	}
}

func TestRandomSecretsPass(t *testing.T) {
	random := rand.NewChaCha8([32]byte{7})
	env := environment()
	delete(env, "WEBHOOK_URL")
	for i := range 10_000 {
		var a, b, c [32]byte
		random.Read(a[:])
		random.Read(b[:])
		random.Read(c[:])
		env["AUTH_JWT_SECRET"] = hex.EncodeToString(a[:])
		env["RECEIPT_SECRET"] = "base64:" + base64.StdEncoding.EncodeToString(b[:])
		env["UPLOAD_TOKEN_SECRETS"] = fmt.Sprintf("k:%s", base64.RawURLEncoding.EncodeToString(c[:]))
		if i%2 == 1 {
			env["AUTH_JWT_SECRET"], env["RECEIPT_SECRET"] = hex.EncodeToString(a[:16]), base64.StdEncoding.EncodeToString(b[:])
		}
		if _, err := settings.LoadComplete(lookup(env)); err != nil {
			t.Fatalf("LoadComplete with random secrets, the %dth time = %v", i, err)
		}
	}
}
