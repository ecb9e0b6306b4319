package settings_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

// The edges of what a variable may be.
func TestBounds(t *testing.T) {
	const role = "acs:ram::1234567890123456:role/"
	role64 := strings.Repeat("r", 64)
	tests := []struct {
		name        string // of the variable
		taken, left []string
	}{
		{"OSS_REGION", []string{"cn-hangzhou", "eu-central-1", "cn-wulanchabu", "cn-hangzhou-finance-1"}, []string{"cn", "c-hangzhou", "CN-hangzhou", "cn-", "cn-hang zhou", "oss-cn-hangzhou", "cn-hangzhou\n-x"}},
		{"OSS_BUCKET", []string{"abc", "a-1", "0-0", strings.Repeat("b", 63)}, []string{"ab", strings.Repeat("b", 64), "-ab", "ab-", "a_b", "a.b"}},
		{"OSS_PATH_STYLE", []string{"true", "false", "1", "0", ""}, []string{"yes", "2"}},
		{"UPLOAD_MAX_SIZE", []string{"1", "48800000000000"}, []string{"0", "-1", "48800000000001", "9223372036854775808", "1e3", "5GB"}},
		{"UPLOAD_MAX_EXPIRES", []string{"60", "1m", "604800", "168h"}, []string{"59", "604801", "168h1s", "61s1ms"}},
		{"UPLOAD_TOKEN_TTL", []string{"60", "90s", "1h30m", "168h"}, []string{"59", "59s", "168h1s", "1500ms", "60.5s", "1 h", "h", "-60"}},
		{"UPLOAD_ROLE_DURATION", []string{"900", "15m", "12h", "43200"}, []string{"899", "43201", "12h1s"}},
		{"UPLOAD_ROLE_ARN", []string{role + "a", role + "uploads.a_b-C9", role + role64}, []string{role, role + role64 + "r", role + "a/b", "acs:ram::x:role/a", "acs:ram::1:user/a", "x" + role + "a"}},
		{"UPLOAD_METHODS", []string{"put", "form", "url", "multipart", "put,form,url,multipart"}, []string{"post", "PUT", "put form"}},
		{"UPLOAD_STORAGE_CLASSES", []string{"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive", "IA,Archive", ""}, []string{"ia", "Glacier", "IA,Glacier"}},
		{"CORS_ORIGINS", []string{"*", "null", "https://app.example.com", "http://localhost:5173", "https://a.example.com, https://b.example.com:8443"},
			[]string{"app.example.com", "https://", "ftp://app.example.com", "https://app.example.com/", "https://App.example.com", "https://app.example.com:", "https://app.example.com?x", "https://me@app.example.com", "https://a b"}},
		{"PUBLIC_URL", []string{"https://api.example.com", "https://api.example.com/base/", "http://127.0.0.1:8580", "http://localhost", "http://[::1]:80"},
			[]string{"http://api.example.com", "http://10.0.0.1", "http://localhost.example.com", "https://me@api.example.com", "https://api.example.com/#x", "ftp://127.0.0.1", "https:api.example.com", "//api.example.com", "https://a b"}},
		{"UPLOAD_TOKEN_SECRETS", []string{"k:" + b64(secretA), "AZaz09_-:" + b64(secretA), strings.Repeat("k", 16) + ":" + b64(secretA), "k:" + strings.TrimRight(b64(secretA), "=")},
			[]string{b64(secretA), ":" + b64(secretA), strings.Repeat("k", 17) + ":" + b64(secretA), "k.1:" + b64(secretA), "k:", "k:%", "k:" + b64(secretA[:31])}},
		{"AUTH_JWT_SECRET", []string{secretC[:32], "base64:" + b64(secretC)}, []string{secretC[:31], "base64:" + b64(secretC[:31]), "base64:%" + secretC, strings.Repeat("x", 32)}},
	}
	for _, tt := range tests {
		for _, value := range tt.taken {
			env := environment()
			env[tt.name] = value
			if _, err := settings.LoadPresign(lookup(env)); err != nil {
				t.Errorf("%s=%q: %v, want it taken", tt.name, value, err)
			}
		}
		for _, value := range tt.left {
			env := environment()
			env[tt.name] = value
			if _, err := settings.LoadPresign(lookup(env)); err == nil || !strings.Contains(err.Error(), tt.name+": ") {
				t.Errorf("%s=%q: %v, want a fault of it", tt.name, value, err)
			}
		}
	}
}

// What is read arrives where it is used.
func TestValues(t *testing.T) {
	env := environment()
	maps.Copy(env, map[string]string{
		"UPLOAD_PREFIX": " uploads/ ", "UPLOAD_TOKEN_TTL": "2h", "UPLOAD_MAX_EXPIRES": "120", "UPLOAD_METHODS": "url, put,,put",
		"UPLOAD_STORAGE_CLASSES": "IA", "UPLOAD_TAG_KEYS": "project,stage",
		"UPLOAD_ROLE_ARN": "acs:ram::1:role/uploader", "UPLOAD_ROLE_DURATION": "1800", "STS_ENDPOINT": "sts.example.com", "STS_CA_FILE": "/ca.pem", "STS_ENABLED": "true",
		"PUBLIC_URL": "https://api.example.com/", "CORS_ORIGINS": "https://app.example.com", "RECEIPT_SECRET": "a receipt secret of enough bytes",
		"CALLBACK_KEY_URLS": "http://127.0.0.1:1/a,https://keys.example.com/b",
		"WEBHOOK_SECRETS":   "whsec_" + b64(secretD) + ",whsec_" + b64("24 bytes are just enough"),
	})
	p, err := settings.LoadPresign(lookup(env))
	if err != nil {
		t.Fatal(err)
	}
	c, err := settings.LoadComplete(lookup(env))
	if err != nil {
		t.Fatal(err)
	}
	cb, err := settings.LoadCallback(lookup(env))
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{[]byte(secretD), []byte("24 bytes are just enough")}
	webhook := settings.Webhook{URL: "https://backend.example.com/hooks", Secrets: secrets, Events: []string{"upload.completed"}, RetryFor: 72 * time.Hour}
	receipt := []byte("a receipt secret of enough bytes")
	role := settings.Role{ARN: "acs:ram::1:role/uploader", Duration: 30 * time.Minute, STSEndpoint: "sts.example.com", STSCAFile: "/ca.pem"}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"prefix", p.Policy.Prefix, "uploads/"},
		{"token TTL", p.Policy.TokenTTL, 2 * time.Hour},
		{"methods", p.Policy.Methods, []uploadtoken.Method{uploadtoken.URL, uploadtoken.Put}},
		{"storage classes", p.Policy.StorageClasses, []string{"IA"}},
		{"tag keys", p.Policy.TagKeys, []string{"project", "stage"}},
		{"bucket of presign", p.Policy.Bucket, "examplebucket"},
		{"policy of complete", c.Policy, p.Policy},
		{"longest life of presign", p.MaxExpires, 2 * time.Minute},
		{"longest life of complete", c.MaxExpires, 2 * time.Minute},
		{"role of presign", p.Role, role},
		{"role of complete", c.Role, role},
		{"STS", p.STSEnabled, true},
		{"public URL", p.PublicURL, "https://api.example.com"},
		{"origins of presign", p.CORSOrigins, []string{"https://app.example.com"}},
		{"origins of complete", c.CORSOrigins, []string{"https://app.example.com"}},
		{"callback URL of presign", p.CallbackURL, "https://api.example.com/callback"},
		{"callback URL of complete", c.CallbackURL, "https://api.example.com/callback"},
		{"receipt secret of complete", c.ReceiptSecret, receipt},
		{"receipt secret of callback", cb.ReceiptSecret, receipt},
		{"webhook of complete", c.Webhook, webhook},
		{"webhook of callback", cb.Webhook, webhook},
		{"key URLs", cb.CallbackKeyURLs, []string{"http://127.0.0.1:1/a", "https://keys.example.com/b"}},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s = %+v, want %+v", tt.name, tt.got, tt.want)
		}
	}
}

// An operator finds what is wrong by name and by number.
func TestFaultsNameTheItem(t *testing.T) {
	env := environment()
	maps.Copy(env, map[string]string{
		"UPLOAD_TOKEN_SECRETS": "k:" + b64(secretA) + ",x,k:" + b64(secretB),
		"WEBHOOK_SECRETS":      "whsec_" + b64(secretD) + ",x,whsec_%",
		"AUTH_JWT_SECRET":      "base64:" + b64(secretA),
		"RECEIPT_SECRET":       secretD,
		"UPLOAD_MAX_SIZE":      "5GB", "UPLOAD_MAX_EXPIRES": "30s", "OSS_CNAME": "maybe", "CORS_ORIGINS": "app",
	})
	_, err := settings.LoadComplete(lookup(env))
	if err == nil {
		t.Fatal("LoadComplete = nil error")
	}
	var faults settings.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("LoadComplete = %T, want Faults", err)
	}
	got := strings.Split(strings.TrimPrefix(err.Error(), "reading environment: "), "; ")
	if !slices.Equal(got, faults) {
		t.Errorf("Faults = %q, and their text %q", faults, got)
	}
	want := []string{
		`OSS_CNAME: "maybe" is not true or false`,
		`UPLOAD_MAX_SIZE: "5GB" is not a number of bytes from 1 to 48800000000000`,
		`UPLOAD_MAX_EXPIRES: 30s is not within 1m0s and 168h0m0s`,
		`UPLOAD_TOKEN_SECRETS: item 2 is not kid:base64`,
		`UPLOAD_TOKEN_SECRETS: key id "k" is used twice`,
		`CORS_ORIGINS: "app" is not an origin such as https://app.example.com`,
		`WEBHOOK_SECRETS: item 2 is not whsec_ and base64`,
		`WEBHOOK_SECRETS: item 3 is not whsec_ and base64`,
		`AUTH_JWT_SECRET: holds the same secret as UPLOAD_TOKEN_SECRETS`,
		`WEBHOOK_SECRETS: holds the same secret as RECEIPT_SECRET`,
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("faults =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPathStyle(t *testing.T) {
	env := environment()
	maps.Copy(env, map[string]string{
		"OSS_ENDPOINT": "oss.example.com", "OSS_INTERNAL_ENDPOINT": "http://internal.example.com", "OSS_DOWNLOAD_ENDPOINT": "oss-accelerate.aliyuncs.com", "OSS_PATH_STYLE": "true",
	})
	p, err := settings.LoadPresign(lookup(env))
	want := settings.Storage{
		Region: "ap-southeast-1", Bucket: "examplebucket",
		Public:   signing.Endpoint{Scheme: "https", Host: "oss.example.com", Style: signing.PathStyle},
		Internal: signing.Endpoint{Scheme: "http", Host: "internal.example.com", Style: signing.PathStyle},
		Download: signing.Endpoint{Scheme: "https", Host: "oss-accelerate.aliyuncs.com", Style: signing.PathStyle},
	}
	if err != nil || p.Storage != want {
		t.Errorf("Storage = %+v, %v, want %+v", p.Storage, err, want)
	}
	if got, want := p.Storage.Location("a b"), "https://oss.example.com/examplebucket/a%20b"; got != want {
		t.Errorf("Location = %q, want %q", got, want)
	}
}

// Tools that make secrets write them in either alphabet, padded or not.
func TestSecretsInEitherAlphabet(t *testing.T) {
	key := []byte(secretA[:31] + "\xff\xfe")
	for _, text := range []string{"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf/+", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf_-", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf_-="} {
		env := environment()
		env["UPLOAD_TOKEN_SECRETS"] = "k:" + text
		p, err := settings.LoadPresign(lookup(env))
		if err != nil || len(p.TokenKeys) != 1 || !reflect.DeepEqual(p.TokenKeys[0].Secret, key) {
			t.Errorf("with %q: %d keys, %v, want the one", text, len(p.TokenKeys), err)
		}
	}
}

// Padding is all that is cut off: a letter at the end is of the secret.
func TestSecretsEndInAnyLetter(t *testing.T) {
	for _, last := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		env := environment()
		env["UPLOAD_TOKEN_SECRETS"] = "k:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf_" + string(last)
		p, err := settings.LoadPresign(lookup(env))
		if err != nil || len(p.TokenKeys) != 1 || len(p.TokenKeys[0].Secret) != 33 {
			t.Errorf("with a secret that ends in %c: %d keys, %v, want one of 33 bytes", last, len(p.TokenKeys), err)
		}
	}
}

// Without a webhook its secrets do not matter.
func TestNoWebhook(t *testing.T) {
	env := environment()
	env["WEBHOOK_URL"], env["WEBHOOK_SECRETS"] = "", "nonsense"
	c, err := settings.LoadComplete(lookup(env))
	if err != nil || c.Webhook.URL != "" || c.Webhook.Secrets != nil {
		t.Errorf("LoadComplete = %+v, %v, want no webhook", c.Webhook, err)
	}
}

// Faults of what presign does not read.
func TestCallbackRefuses(t *testing.T) {
	for name, values := range map[string][]string{
		"RECEIPT_SECRET":    {"short", "base64:%", "base64:" + b64("short"), secretA, "a receipt secret of enough byte"},
		"CALLBACK_KEY_URLS": {"keys.example.com", "https://me@keys.example.com/"},
		"WEBHOOK_SECRETS":   {"whsec_", "whsec_" + b64("23 bytes are not enough"), "whsec_" + b64(secretD) + ",x"},
	} {
		for _, value := range values {
			env := environment()
			env[name] = value
			if _, err := settings.LoadCallback(lookup(env)); err == nil || !strings.Contains(err.Error(), name+": ") {
				t.Errorf("%s=%q: %v, want a fault of it", name, value, err)
			}
		}
	}
}
