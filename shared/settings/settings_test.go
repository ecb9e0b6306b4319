package settings_test

import (
	"encoding/base64"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/grant"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

const (
	secretA = "0123456789abcdef0123456789abcdeA"
	secretB = "0123456789abcdef0123456789abcdeB"
	secretC = "0123456789abcdef0123456789abcdeC"
	secretD = "0123456789abcdef0123456789abcdeD"
)

const jwksURL = "https://login.example.com/keys"

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// environment is the least that all three functions start with, and a webhook.
func environment() map[string]string {
	return map[string]string{
		"OSS_REGION":           "ap-southeast-1",
		"OSS_BUCKET":           "examplebucket",
		"UPLOAD_MAX_SIZE":      "1048576",
		"UPLOAD_CONTENT_TYPES": "image/*, application/pdf",
		"UPLOAD_TOKEN_SECRETS": "k2:" + b64(secretA) + ",k1:" + b64(secretB),
		"CALLBACK_URL":         "https://api.example.com/callback",
		"AUTH_MODE":            "jwt",
		"AUTH_JWT_SECRET":      secretC,
		"WEBHOOK_URL":          "https://backend.example.com/hooks",
		"WEBHOOK_SECRETS":      "whsec_" + b64(secretD),
	}
}

func lookup(env map[string]string) settings.Lookup {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func TestDefaults(t *testing.T) {
	env := environment()
	p, err := settings.LoadPresign(lookup(env))
	if err != nil {
		t.Fatalf("LoadPresign: %v", err)
	}
	public := signing.Endpoint{Scheme: "https", Host: "oss-ap-southeast-1.aliyuncs.com", Style: signing.VirtualHosted}
	if want := (settings.Storage{Region: "ap-southeast-1", Bucket: "examplebucket", Public: public, Download: public, Internal: public}); p.Storage != want {
		t.Errorf("Storage = %+v, want %+v", p.Storage, want)
	}
	wantPolicy := grant.Policy{
		Bucket: "examplebucket", Prefix: "uploads/", MaxSize: 1 << 20, ContentTypes: grant.Types{"image/*", "application/pdf"},
		Methods:  []uploadtoken.Method{uploadtoken.Put, uploadtoken.Form, uploadtoken.MultipartPart},
		TokenTTL: 168 * time.Hour,
	}
	if p.MaxExpires != time.Hour {
		t.Errorf("MaxExpires = %v, want an hour", p.MaxExpires)
	}
	if !reflect.DeepEqual(p.Policy, wantPolicy) {
		t.Errorf("Policy = %+v, want %+v", p.Policy, wantPolicy)
	}
	if len(p.TokenKeys) != 2 || p.TokenKeys[0].ID != "k2" || string(p.TokenKeys[1].Secret) != secretB {
		t.Errorf("TokenKeys = %d keys, first %q, want k2 and k1 in order", len(p.TokenKeys), p.TokenKeys[0].ID)
	}
	if p.Caller.JWT == nil || p.Role.ARN != "" || p.Role.Duration != time.Hour || len(p.Warnings) != 0 {
		t.Errorf("Caller %v, Role %+v, Warnings %v", p.Caller, p.Role, p.Warnings)
	}

	c, err := settings.LoadCallback(lookup(env))
	if err != nil {
		t.Fatalf("LoadCallback: %v", err)
	}
	if c.CallbackURL != "https://api.example.com/callback" || c.CallbackKeyURLs != nil || c.ReceiptSecret != nil ||
		c.Webhook.URL != "https://backend.example.com/hooks" || len(c.Webhook.Secrets) != 1 || string(c.Webhook.Secrets[0]) != secretD {
		t.Errorf("LoadCallback = %+v", c)
	}
	if _, err := settings.LoadComplete(lookup(env)); err != nil {
		t.Fatalf("LoadComplete: %v", err)
	}
}

func TestCallbackNeedsNoPolicy(t *testing.T) {
	env := environment()
	for name := range env {
		if strings.HasPrefix(name, "AUTH_") || name == "UPLOAD_MAX_SIZE" || name == "UPLOAD_CONTENT_TYPES" || strings.HasPrefix(name, "WEBHOOK_") {
			delete(env, name)
		}
	}
	if _, err := settings.LoadCallback(lookup(env)); err != nil {
		t.Errorf("LoadCallback = %v, want nil", err)
	}
}

func TestEndpoints(t *testing.T) {
	env := environment()
	maps.Copy(env, map[string]string{
		"OSS_ENDPOINT": "cdn.example.com", "OSS_CNAME": "true", "OSS_INTERNAL_ENDPOINT": "https://oss-ap-southeast-1-internal.aliyuncs.com",
	})
	p, err := settings.LoadPresign(lookup(env))
	if err != nil {
		t.Fatal(err)
	}
	if want := (signing.Endpoint{Scheme: "https", Host: "cdn.example.com", Style: signing.CNAME}); p.Storage.Public != want {
		t.Errorf("Public = %+v, want %+v", p.Storage.Public, want)
	}
	// OSS_CNAME speaks of the public endpoint only.
	if want := (signing.Endpoint{Scheme: "https", Host: "oss-ap-southeast-1-internal.aliyuncs.com"}); p.Storage.Internal != want {
		t.Errorf("Internal = %+v, want %+v", p.Storage.Internal, want)
	}
}

func TestDownloadEndpoint(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want signing.Endpoint
	}{
		{"a domain of one's own", map[string]string{"OSS_DOWNLOAD_ENDPOINT": "cdn.example.com"}, signing.Endpoint{Scheme: "https", Host: "cdn.example.com", Style: signing.CNAME}},
		{"acceleration", map[string]string{"OSS_DOWNLOAD_ENDPOINT": "oss-accelerate.aliyuncs.com"}, signing.Endpoint{Scheme: "https", Host: "oss-accelerate.aliyuncs.com"}},
		{"path style", map[string]string{"OSS_DOWNLOAD_ENDPOINT": "http://127.0.0.1:1", "OSS_ENDPOINT": "http://127.0.0.1:2"}, signing.Endpoint{Scheme: "http", Host: "127.0.0.1:1", Style: signing.PathStyle}},
	}
	for _, tt := range tests {
		env := environment()
		maps.Copy(env, tt.env)
		p, err := settings.LoadPresign(lookup(env))
		if err != nil || p.Storage.Download != tt.want {
			t.Errorf("%s: Download = %+v, %v, want %+v", tt.name, p.Storage.Download, err, tt.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	const mainland = "OSS_ENDPOINT is the default public domain of a mainland region"
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"default domain of a mainland region", map[string]string{"OSS_REGION": "cn-hangzhou"}, mainland},
		{"the same, spelled out", map[string]string{"OSS_REGION": "cn-hangzhou", "OSS_ENDPOINT": "oss-cn-hangzhou.aliyuncs.com"}, mainland},
		{"Hong Kong", map[string]string{"OSS_REGION": "cn-hongkong"}, ""},
		{"a custom domain", map[string]string{"OSS_REGION": "cn-hangzhou", "OSS_ENDPOINT": "cdn.example.com", "OSS_CNAME": "true"}, ""},
		{"nobody is asked who they are", map[string]string{"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "true"}, "AUTH_MODE is none: everybody"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := environment()
			maps.Copy(env, tt.env)
			p, err := settings.LoadPresign(lookup(env))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(p.Warnings, "\n"); (tt.want == "") != (got == "") || !strings.HasPrefix(got, tt.want) {
				t.Errorf("Warnings = %q, want one that begins with %q", got, tt.want)
			}
		})
	}
}

// One change each, from an environment that starts, and the variable that the
// error must name.
func TestRefuses(t *testing.T) {
	weak := strings.Repeat("x", 40)
	tests := []struct {
		name string
		set  map[string]string // "" unsets
		want string
	}{
		{"no region", map[string]string{"OSS_REGION": ""}, "OSS_REGION: is required"},
		{"a region with oss-", map[string]string{"OSS_REGION": "oss-cn-hangzhou"}, "OSS_REGION:"},
		{"no bucket", map[string]string{"OSS_BUCKET": " "}, "OSS_BUCKET: is required"},
		{"a bucket in capitals", map[string]string{"OSS_BUCKET": "Bucket"}, "OSS_BUCKET:"},
		{"an endpoint with a path", map[string]string{"OSS_ENDPOINT": "https://x.example.com/p"}, "OSS_ENDPOINT:"},
		{"a custom domain without its name", map[string]string{"OSS_CNAME": "true"}, "OSS_ENDPOINT: is required with OSS_CNAME"},
		{"a boolean that is none", map[string]string{"OSS_PATH_STYLE": "maybe"}, "OSS_PATH_STYLE:"},
		{"no size limit", map[string]string{"UPLOAD_MAX_SIZE": ""}, "UPLOAD_MAX_SIZE: is required"},
		{"a size limit of zero", map[string]string{"UPLOAD_MAX_SIZE": "0"}, "UPLOAD_MAX_SIZE:"},
		{"a size limit with a unit", map[string]string{"UPLOAD_MAX_SIZE": "5GB"}, "UPLOAD_MAX_SIZE:"},
		{"no types", map[string]string{"UPLOAD_CONTENT_TYPES": ""}, "UPLOAD_CONTENT_TYPES: is required"},
		{"a type that is none", map[string]string{"UPLOAD_CONTENT_TYPES": "png"}, "UPLOAD_CONTENT_TYPES:"},
		{"a prefix without a slash", map[string]string{"UPLOAD_PREFIX": "uploads"}, "UPLOAD_PREFIX:"},
		{"an unknown method", map[string]string{"UPLOAD_METHODS": "put,ftp"}, "UPLOAD_METHODS:"},
		{"an unknown storage class", map[string]string{"UPLOAD_STORAGE_CLASSES": "Glacier"}, "UPLOAD_STORAGE_CLASSES:"},
		{"URLs of more than seven days", map[string]string{"UPLOAD_MAX_EXPIRES": "604801"}, "UPLOAD_MAX_EXPIRES:"},
		{"tokens of more than a week", map[string]string{"UPLOAD_TOKEN_TTL": "604801"}, "UPLOAD_TOKEN_TTL: 604801 is not within 1m0s and 168h0m0s"},
		{"tokens of under a minute", map[string]string{"UPLOAD_TOKEN_TTL": "59"}, "UPLOAD_TOKEN_TTL:"},
		{"a negative number of open uploads", map[string]string{"UPLOAD_MAX_OPEN": "-1"}, "UPLOAD_MAX_OPEN:"},
		{"too many open uploads", map[string]string{"UPLOAD_MAX_OPEN": "1000001"}, "UPLOAD_MAX_OPEN:"},
		{"a number of open uploads with a unit", map[string]string{"UPLOAD_MAX_OPEN": "5k"}, "UPLOAD_MAX_OPEN:"},
		{"a boolean for unsized URLs that is none", map[string]string{"UPLOAD_URL_UNSIZED": "yes"}, "UPLOAD_URL_UNSIZED:"},
		{"a former bucket without a prefix", map[string]string{"FORMER_PLACES": "oldbucket"}, "FORMER_PLACES:"},
		{"a former bucket with an empty prefix", map[string]string{"FORMER_PLACES": "oldbucket/"}, "FORMER_PLACES:"},
		{"a former prefix without a slash", map[string]string{"FORMER_PLACES": "oldbucket/uploads"}, "FORMER_PLACES:"},
		{"a former bucket in capitals", map[string]string{"FORMER_PLACES": "Old/uploads/"}, "FORMER_PLACES:"},
		{"a former prefix with a way up", map[string]string{"FORMER_PLACES": "oldbucket/../"}, "FORMER_PLACES:"},
		{"an event that does not exist", map[string]string{"WEBHOOK_EVENTS": "upload.completed,upload.started"}, "WEBHOOK_EVENTS: \"upload.started\" is not one of"},
		{"events without completed", map[string]string{"WEBHOOK_EVENTS": "upload.refused"}, "WEBHOOK_EVENTS: must list upload.completed"},
		{"events of nothing but a comma", map[string]string{"WEBHOOK_EVENTS": ","}, "WEBHOOK_EVENTS: must list upload.completed"},
		{"under an hour of retries", map[string]string{"WEBHOOK_RETRY_FOR": "3599"}, "WEBHOOK_RETRY_FOR:"},
		{"over a week of retries", map[string]string{"WEBHOOK_RETRY_FOR": "604801"}, "WEBHOOK_RETRY_FOR:"},
		{"a boolean for logged events that is none", map[string]string{"LOG_EVENTS": "all"}, "LOG_EVENTS:"},
		{"a duration in fractions", map[string]string{"UPLOAD_TOKEN_TTL": "1.5s"}, "UPLOAD_TOKEN_TTL:"},
		{"no token secret", map[string]string{"UPLOAD_TOKEN_SECRETS": ""}, "UPLOAD_TOKEN_SECRETS: is required"},
		{"a token secret without an id", map[string]string{"UPLOAD_TOKEN_SECRETS": b64(secretA)}, "UPLOAD_TOKEN_SECRETS:"},
		{"a short token secret", map[string]string{"UPLOAD_TOKEN_SECRETS": "k:" + b64(secretA[:31])}, "UPLOAD_TOKEN_SECRETS: holds a secret of 31 bytes"},
		{"a weak token secret", map[string]string{"UPLOAD_TOKEN_SECRETS": "k:" + b64(weak)}, "UPLOAD_TOKEN_SECRETS: holds a secret that repeats itself"},
		{"one token secret twice", map[string]string{"UPLOAD_TOKEN_SECRETS": "a:" + b64(secretA) + ",b:" + b64(secretA)}, "the same secret as UPLOAD_TOKEN_SECRETS"},
		{"one token id twice", map[string]string{"UPLOAD_TOKEN_SECRETS": "a:" + b64(secretA) + ",a:" + b64(secretB)}, "used twice"},
		{"a secret of two uses", map[string]string{"AUTH_JWT_SECRET": "base64:" + b64(secretA)}, "AUTH_JWT_SECRET: holds the same secret as UPLOAD_TOKEN_SECRETS"},
		{"a role that is no ARN", map[string]string{"UPLOAD_ROLE_ARN": "uploader"}, "UPLOAD_ROLE_ARN:"},
		{"a role for under 15 minutes", map[string]string{"UPLOAD_ROLE_DURATION": "899"}, "UPLOAD_ROLE_DURATION:"},
		{"STS without a role", map[string]string{"STS_ENABLED": "true"}, "STS_ENABLED: needs UPLOAD_ROLE_ARN"},
		{"a download endpoint with a path", map[string]string{"OSS_DOWNLOAD_ENDPOINT": "https://x.example.com/p"}, "OSS_DOWNLOAD_ENDPOINT:"},
		{"a public URL over http", map[string]string{"PUBLIC_URL": "http://api.example.com"}, "PUBLIC_URL: must be https"},
		{"no callback URL", map[string]string{"CALLBACK_URL": ""}, "CALLBACK_URL: is required"},
		{"a callback URL without a scheme", map[string]string{"CALLBACK_URL": "api.example.com/callback"}, "CALLBACK_URL:"},
		{"no mode of authentication", map[string]string{"AUTH_MODE": ""}, "AUTH_MODE: is required"},
		{"an unknown mode", map[string]string{"AUTH_MODE": "basic"}, "AUTH_MODE:"},
		{"a short JWT secret", map[string]string{"AUTH_JWT_SECRET": "secret"}, "AUTH_JWT_SECRET: holds a secret of 6 bytes"},
		{"no JWT secret", map[string]string{"AUTH_JWT_SECRET": ""}, "AUTH_JWT_SECRET: is required"},
		{"alg none", map[string]string{"AUTH_JWT_ALGS": "none"}, "AUTH_JWT_ALGS:"},
		{"RS256 with a shared secret", map[string]string{"AUTH_JWT_ALGS": "RS256"}, "AUTH_JWT_ALGS:"},
		{"neither a JWT secret nor keys", map[string]string{"AUTH_JWT_SECRET": "", "AUTH_AUDIENCE": "uploads"}, "AUTH_JWT_SECRET: is required, or AUTH_JWKS_URL"},
		{"a JWT secret beside keys", map[string]string{"AUTH_JWKS_URL": jwksURL, "AUTH_AUDIENCE": "uploads"}, "AUTH_JWKS_URL: cannot be set beside AUTH_JWT_SECRET"},
		{"keys without an issuer", map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": jwksURL, "AUTH_AUDIENCE": "uploads"}, "AUTH_ISSUER: is required"},
		{"keys without an issuer, over http", map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": "http://login.example.com/keys"}, "AUTH_ISSUER: is required"},
		{"a header for tokens with a colon", map[string]string{"AUTH_TOKEN_HEADER": "X-Token:"}, "AUTH_TOKEN_HEADER: header name"},
		{"a header for tokens with a space", map[string]string{"AUTH_TOKEN_HEADER": "X Token"}, "AUTH_TOKEN_HEADER: header name"},
		{"cookies for tokens", map[string]string{"AUTH_TOKEN_HEADER": "Cookie"}, "AUTH_TOKEN_HEADER: header Cookie"},
		{"cookies for tokens of an issuer", map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": jwksURL, "AUTH_ISSUER": "me", "AUTH_TOKEN_HEADER": "Cookie"}, "AUTH_TOKEN_HEADER: header Cookie"},
		{"keys over http", map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": "http://login.example.com/keys", "AUTH_AUDIENCE": "uploads"}, "AUTH_JWKS_URL: must be https"},
		{"keys at no URL", map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": "login.example.com", "AUTH_AUDIENCE": "uploads"}, "AUTH_JWKS_URL:"},
		{"keys at a URL with a user", map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": "https://me@login.example.com/keys", "AUTH_AUDIENCE": "uploads"}, "AUTH_JWKS_URL:"},
		{"HS256 with keys", map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": jwksURL, "AUTH_ISSUER": "me", "AUTH_JWT_ALGS": "RS256,HS256"}, "AUTH_JWT_ALGS:"},
		{"PS256 with keys", map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": jwksURL, "AUTH_ISSUER": "me", "AUTH_JWT_ALGS": "PS256"}, "AUTH_JWT_ALGS:"},
		{"header mode without a header", map[string]string{"AUTH_MODE": "header", "AUTH_HEADER_SECRET": secretC}, "AUTH_HEADER: is required"},
		{"header mode without a secret", map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X-User"}, "AUTH_HEADER_SECRET: is required"},
		{"none without a second word", map[string]string{"AUTH_MODE": "none"}, "AUTH_ALLOW_NONE"},
		{"an origin with a path", map[string]string{"CORS_ORIGINS": "https://app.example.com/"}, "CORS_ORIGINS:"},
		{"an origin with a wildcard host in capitals", map[string]string{"CORS_ORIGINS": "https://App.example.com"}, "CORS_ORIGINS:"},
		{"a webhook over http", map[string]string{"WEBHOOK_URL": "http://backend.example.com/"}, "WEBHOOK_URL: must be https"},
		{"a webhook without a secret", map[string]string{"WEBHOOK_SECRETS": ""}, "WEBHOOK_SECRETS: is required"},
		{"a webhook secret without whsec_", map[string]string{"WEBHOOK_SECRETS": b64(secretD)}, "WEBHOOK_SECRETS:"},
		{"a short webhook secret", map[string]string{"WEBHOOK_SECRETS": "whsec_" + b64("short")}, "WEBHOOK_SECRETS: holds a secret of 5 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := environment()
			maps.Copy(env, tt.set)
			_, presignErr := settings.LoadPresign(lookup(env))
			_, completeErr := settings.LoadComplete(lookup(env))
			err := completeErr
			if presignErr != nil {
				err = presignErr
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Load = %v, want %q in it", err, tt.want)
			}
			for _, secret := range []string{secretA, secretB, secretC, secretD, b64(secretA), b64(secretD), weak} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds a secret: %v", err)
				}
			}
		})
	}
}

func TestKeysOfAnIssuer(t *testing.T) {
	for _, set := range []map[string]string{
		{"AUTH_JWKS_URL": jwksURL},
		{"AUTH_JWKS_URL": jwksURL, "AUTH_JWT_ALGS": "ES256, EdDSA", "AUTH_AUDIENCE": "uploads", "AUTH_SUBJECT_CLAIM": "uid"},
		{"AUTH_JWKS_URL": "http://127.0.0.1:8580/keys"},
	} {
		env := environment()
		env["AUTH_JWT_SECRET"], env["AUTH_ISSUER"] = "", "https://login.example.com"
		maps.Copy(env, set)
		p, err := settings.LoadPresign(lookup(env))
		if err != nil || p.Caller.JWKS == nil {
			t.Errorf("LoadPresign with %v = Caller %v, %v, want one", set, p.Caller, err)
		}
		c, err := settings.LoadComplete(lookup(env))
		if err != nil || c.Caller.JWKS == nil {
			t.Errorf("LoadComplete with %v = Caller %v, %v, want one", set, c.Caller, err)
		}
	}
}

func TestAllFaultsInOneError(t *testing.T) {
	_, err := settings.LoadPresign(lookup(nil))
	if err == nil {
		t.Fatal("LoadPresign of nothing = nil error")
	}
	for _, name := range []string{"OSS_REGION", "OSS_BUCKET", "UPLOAD_MAX_SIZE", "UPLOAD_CONTENT_TYPES", "UPLOAD_TOKEN_SECRETS", "CALLBACK_URL", "AUTH_MODE"} {
		if !strings.Contains(err.Error(), name+": is required") {
			t.Errorf("error %q does not name %s", err, name)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is not one line", err)
	}
}

func TestLoopbackWebhookMayBePlain(t *testing.T) {
	for _, host := range []string{"127.0.0.1:8580", "[::1]:80", "localhost"} {
		env := environment()
		env["WEBHOOK_URL"] = "http://" + host + "/hook"
		if _, err := settings.LoadCallback(lookup(env)); err != nil {
			t.Errorf("LoadCallback with a webhook at %s = %v, want nil", host, err)
		}
	}
}
