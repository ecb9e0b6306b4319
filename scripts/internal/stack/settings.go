package stack

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/facts"
)

const (
	accountID  = "1234567890123456"
	rolePrefix = "acs:ram::" + accountID + ":role/ossupload-" // and the function's name

	// UploadRole is the role that the functions assume to sign uploads, unless
	// UPLOAD_ROLE_ARN is set otherwise.
	UploadRole = rolePrefix + "upload"

	// CallbackKeyPath is where the OSS stand-in publishes the key of its callbacks.
	CallbackKeyPath = "/_local/callback_pub_key.pem"

	webhookPath = "/_local/webhook" // at the gateway

	// What the functions take for a variable that is not set.
	defaultPrefix   = "uploads/"
	defaultAudience = "ossupload"
)

// setting is one environment variable of the functions.
type setting struct{ name, value string }

// Settings is all that the functions see of the world they are started in.
// Nothing of the developer's own environment is in it: what works here must not
// depend on a shell.
type Settings []setting

// defaultSettings are the settings of all three functions; each reads what it
// needs of them.
func defaultSettings(at Ready, id Identity) Settings {
	return Settings{
		{"OSS_REGION", "cn-hangzhou"},
		{"OSS_BUCKET", "ossupload-local"},
		{"OSS_ENDPOINT", at.OSS},
		{"OSS_PATH_STYLE", "true"},
		{"UPLOAD_PREFIX", defaultPrefix},
		{"UPLOAD_MAX_SIZE", "10737418240"},
		{"UPLOAD_CONTENT_TYPES", "*/*"},
		{"UPLOAD_METHODS", "put,form,url,multipart"},
		{"UPLOAD_STORAGE_CLASSES", "Standard,IA"},
		{"UPLOAD_TAG_KEYS", "project"},
		{"UPLOAD_TOKEN_SECRETS", "k1:" + base64.StdEncoding.EncodeToString(id.TokenSecret)},
		{"RECEIPT_SECRET", "base64:" + base64.StdEncoding.EncodeToString(id.ReceiptSecret)},
		{"UPLOAD_ROLE_ARN", UploadRole},
		{"STS_ENDPOINT", strings.TrimPrefix(at.STS, "https://")},
		{"STS_CA_FILE", at.STSCAFile},
		{"STS_ENABLED", "true"},
		{"CALLBACK_URL", at.Gateway + "/callback"},
		{"CALLBACK_KEY_URLS", at.OSS + CallbackKeyPath},
		{"AUTH_MODE", "jwt"},
		{"AUTH_AUDIENCE", defaultAudience},
		{"AUTH_JWT_SECRET", "base64:" + base64.StdEncoding.EncodeToString(id.CallerSecret)},
		{"PUBLIC_URL", at.Gateway},
		{"CORS_ORIGINS", "*"},
		{"WEBHOOK_URL", at.Gateway + webhookPath},
		{"WEBHOOK_SECRETS", "whsec_" + base64.StdEncoding.EncodeToString(id.WebhookSecret)},
	}
}

// suited are the settings that a cloud asks for whose facts are these. Where it
// adds CORS headers to the function's, all of them are left to it: the settings
// name no origin, and the triggers do not list OPTIONS.
func suited(a facts.Assumptions) map[string]string {
	settings := map[string]string{}
	if a.Is("gateway.authorization", "dropped") {
		settings["AUTH_TOKEN_HEADER"] = "X-Caller-Token"
	}
	if a.Is("fc.cors-headers", "doubled") {
		settings["CORS_ORIGINS"] = "" // Browsers refuse what is allowed twice.
	}
	return settings
}

// Override returns s with the values of overrides; names that s lacks follow
// in alphabetical order. An empty value unsets, as in a deployment template.
func (s Settings) Override(overrides map[string]string) Settings {
	s = slices.Clone(s)
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		i := slices.IndexFunc(s, func(v setting) bool { return v.name == name })
		if i < 0 {
			i, s = len(s), append(s, setting{name: name})
		}
		s[i].value = overrides[name]
	}
	return s
}

// Get returns a value without surrounding space, or "" for what is not set.
func (s Settings) Get(name string) string {
	for _, v := range s {
		if v.name == name {
			return strings.TrimSpace(v.value)
		}
	}
	return ""
}

// List returns the items of a comma separated value.
func (s Settings) List(name string) []string {
	var items []string
	for item := range strings.SplitSeq(s.Get(name), ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// prefix is what the keys of uploads begin with.
func (s Settings) prefix() string { return cmp.Or(s.Get("UPLOAD_PREFIX"), defaultPrefix) }

// Variables returns s as a process takes it.
func (s Settings) Variables() []string {
	variables := make([]string, len(s))
	for i, v := range s {
		variables[i] = v.name + "=" + v.value
	}
	return variables
}

// CallerSubject is who the caller of [Ready.CallerToken] is.
const CallerSubject = "demo"

const callerLife = 12 * time.Hour

// callerToken makes a token that the functions accept under s, so that a
// client can begin without an identity provider. It is "" where no secret is
// known to sign one with.
func (s Settings) callerToken(now time.Time) (string, error) {
	secret := s.Get("AUTH_JWT_SECRET")
	if s.Get("AUTH_MODE") != "jwt" || secret == "" {
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
	if pinned := s.List("AUTH_JWT_ALGS"); len(pinned) > 0 {
		algorithm = pinned[0]
	}
	method, ok := jwt.GetSigningMethod(algorithm).(*jwt.SigningMethodHMAC)
	if !ok {
		return "", nil
	}
	claims := jwt.MapClaims{
		"sub": CallerSubject, "iat": now.Unix(), "exp": now.Add(callerLife).Unix(),
		"aud": cmp.Or(s.Get("AUTH_AUDIENCE"), defaultAudience),
	}
	if issuer := s.Get("AUTH_ISSUER"); issuer != "" {
		claims["iss"] = issuer
	}
	if claim := s.Get("AUTH_SUBJECT_CLAIM"); claim != "" {
		claims[claim] = CallerSubject
	}
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("signing the caller's token: %w", err)
	}
	return token, nil
}
