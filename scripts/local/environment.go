package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	accountID    = "1234567890123456"
	functionRole = "acs:ram::" + accountID + ":role/ossupload-function"
	uploadRole   = "acs:ram::" + accountID + ":role/ossupload-upload"

	keyPath     = "/_local/callback_pub_key.pem" // at the OSS stand-in
	webhookPath = "/_local/webhook"              // at the gateway
)

// setting is one environment variable of the functions.
type setting struct{ name, value string }

// environment is all that the functions see of the world they are started in.
// Nothing of the developer's own environment is in it: what works here must not
// depend on a shell.
type environment []setting

// defaultEnvironment is the environment of all three functions; each reads
// what it needs of it.
func defaultEnvironment(at addresses, id identity, stsCAFile string) environment {
	return environment{
		{"OSS_REGION", "cn-hangzhou"},
		{"OSS_BUCKET", "ossupload-local"},
		{"OSS_ENDPOINT", at.oss},
		{"OSS_PATH_STYLE", "true"},
		{"UPLOAD_PREFIX", "uploads/"},
		{"UPLOAD_MAX_SIZE", "10737418240"},
		{"UPLOAD_CONTENT_TYPES", "*/*"},
		{"UPLOAD_METHODS", "put,form,url,multipart"},
		{"UPLOAD_STORAGE_CLASSES", "Standard,IA"},
		{"UPLOAD_TAG_KEYS", "project"},
		{"UPLOAD_TOKEN_SECRETS", "k1:" + base64.StdEncoding.EncodeToString(id.TokenSecret)},
		{"RECEIPT_SECRET", "base64:" + base64.StdEncoding.EncodeToString(id.ReceiptSecret)},
		{"UPLOAD_ROLE_ARN", uploadRole},
		{"STS_ENDPOINT", strings.TrimPrefix(at.sts, "https://")},
		{"STS_CA_FILE", stsCAFile},
		{"STS_ENABLED", "true"},
		{"CALLBACK_URL", at.gateway + "/callback"},
		{"CALLBACK_KEY_URLS", at.oss + keyPath},
		{"AUTH_MODE", "jwt"},
		{"AUTH_JWT_SECRET", "base64:" + base64.StdEncoding.EncodeToString(id.CallerSecret)},
		{"PUBLIC_URL", at.gateway},
		{"CORS_ORIGINS", "*"},
		{"WEBHOOK_URL", at.gateway + webhookPath},
		{"WEBHOOK_SECRETS", "whsec_" + base64.StdEncoding.EncodeToString(id.WebhookSecret)},
	}
}

// override returns e with the values of overrides; names that e lacks follow
// in alphabetical order. An empty value unsets, as in a deployment template.
func (e environment) override(overrides map[string]string) environment {
	e = slices.Clone(e)
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		i := slices.IndexFunc(e, func(s setting) bool { return s.name == name })
		if i < 0 {
			i, e = len(e), append(e, setting{name: name})
		}
		e[i].value = overrides[name]
	}
	return e
}

// get returns a value without surrounding space, or "" for what is not set.
func (e environment) get(name string) string {
	for _, s := range e {
		if s.name == name {
			return strings.TrimSpace(s.value)
		}
	}
	return ""
}

// list returns the items of a comma separated value.
func (e environment) list(name string) []string {
	var items []string
	for item := range strings.SplitSeq(e.get(name), ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// variables returns e as a process takes it.
func (e environment) variables() []string {
	variables := make([]string, len(e))
	for i, s := range e {
		variables[i] = s.name + "=" + s.value
	}
	return variables
}

const (
	callerSubject = "demo"
	callerLife    = 12 * time.Hour
)

// callerToken makes a token that the functions accept under e, so that a
// client can begin without an identity provider. It is "" where no secret is
// known to sign one with.
func (e environment) callerToken(now time.Time) (string, error) {
	secret := e.get("AUTH_JWT_SECRET")
	if e.get("AUTH_MODE") != "jwt" || secret == "" {
		return "", nil
	}
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(secret, "base64:"); ok {
		// Either alphabet, padded or not, is what the functions take.
		encoded = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(encoded, "="))
		var err error
		if key, err = base64.RawStdEncoding.DecodeString(encoded); err != nil {
			return "", nil // the functions will say so
		}
	}
	algorithm := "HS256"
	if pinned := e.list("AUTH_JWT_ALGS"); len(pinned) > 0 {
		algorithm = pinned[0]
	}
	method, ok := jwt.GetSigningMethod(algorithm).(*jwt.SigningMethodHMAC)
	if !ok {
		return "", nil
	}
	claims := jwt.MapClaims{"sub": callerSubject, "iat": now.Unix(), "exp": now.Add(callerLife).Unix()}
	for claim, name := range map[string]string{"iss": "AUTH_ISSUER", "aud": "AUTH_AUDIENCE"} {
		if value := e.get(name); value != "" {
			claims[claim] = value
		}
	}
	if claim := e.get("AUTH_SUBJECT_CLAIM"); claim != "" {
		claims[claim] = callerSubject
	}
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("signing the caller's token: %w", err)
	}
	return token, nil
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// readEnvFile reads KEY=VALUE lines. Empty lines and those that begin with #
// are skipped; a value is taken as it is, without quotes or substitution.
func readEnvFile(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading settings: %w", err)
	}
	values := map[string]string{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		// The line itself is not quoted: it may hold a secret.
		if !ok || !settingName.MatchString(name) {
			return nil, fmt.Errorf("reading settings: line %d of %q is not KEY=VALUE", number, path)
		}
		if _, repeated := values[name]; repeated {
			return nil, fmt.Errorf("reading settings: line %d of %q sets %s again", number, path, name)
		}
		values[name] = strings.TrimSpace(value)
	}
	return values, nil
}
