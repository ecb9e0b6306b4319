package settings_test

import (
	"maps"
	"reflect"
	"testing"

	"ossupload/shared/callerauth"
	"ossupload/shared/settings"
)

// All that says who is believed arrives, and nothing else.
func TestCaller(t *testing.T) {
	header := func(secret string) callerauth.Config {
		return callerauth.Config{Header: &callerauth.HeaderConfig{Name: "X-User", Secret: []byte(secret)}}
	}
	for name, tt := range map[string]struct {
		set  map[string]string
		want callerauth.Config
	}{
		"a shared secret": {
			map[string]string{},
			callerauth.Config{JWT: &callerauth.JWTConfig{Secret: []byte(secretC), Algorithms: []string{"HS256"}, Audience: "ossupload"}},
		},
		"a shared secret and all there is": {
			map[string]string{
				"AUTH_JWT_SECRET": "base64:" + b64(secretC), "AUTH_JWT_ALGS": "HS512, HS384", "AUTH_ISSUER": "me", "AUTH_AUDIENCE": "uploads",
				"AUTH_SUBJECT_CLAIM": "uid", "AUTH_TOKEN_HEADER": "X-App-Token",
			},
			callerauth.Config{JWT: &callerauth.JWTConfig{
				Secret: []byte(secretC), Algorithms: []string{"HS512", "HS384"}, Issuer: "me", Audience: "uploads", SubjectClaim: "uid", TokenHeader: "X-App-Token",
			}},
		},
		"an issuer's keys": {
			map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": jwksURL, "AUTH_ISSUER": "me"},
			callerauth.Config{JWKS: &callerauth.JWKSConfig{URL: jwksURL, Issuer: "me", Audience: "ossupload"}},
		},
		"an issuer's keys and all there is": {
			map[string]string{
				"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": jwksURL, "AUTH_JWT_ALGS": "ES256,EdDSA", "AUTH_ISSUER": "me", "AUTH_AUDIENCE": "uploads",
				"AUTH_SUBJECT_CLAIM": "uid", "AUTH_TOKEN_HEADER": "X-App-Token",
			},
			callerauth.Config{JWKS: &callerauth.JWKSConfig{
				URL: jwksURL, Algorithms: []string{"ES256", "EdDSA"}, Issuer: "me", Audience: "uploads", SubjectClaim: "uid", TokenHeader: "X-App-Token",
			}},
		},
		"a gateway's header":              {map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X-User", "AUTH_HEADER_SECRET": secretC}, header(secretC)},
		"a gateway's header, with base64": {map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X-User", "AUTH_HEADER_SECRET": "base64:" + b64(secretC)}, header(secretC)},
		"nobody asked":                    {map[string]string{"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "true"}, callerauth.Config{None: true}},
	} {
		t.Run(name, func(t *testing.T) {
			env := environment()
			maps.Copy(env, tt.set)
			p, err := settings.LoadPresign(lookup(env))
			if err != nil || !reflect.DeepEqual(p.Caller, tt.want) {
				t.Errorf("LoadPresign = %+v, %v, want %+v", p.Caller, err, tt.want)
			}
			c, err := settings.LoadComplete(lookup(env))
			if err != nil || !reflect.DeepEqual(c.Caller, tt.want) {
				t.Errorf("LoadComplete = %+v, %v, want %+v", c.Caller, err, tt.want)
			}
		})
	}
}

// What is wrong once is said once, and nothing is believed then.
func TestOneMistakeIsOneFault(t *testing.T) {
	for _, tt := range []struct {
		set  map[string]string
		want string
	}{
		{map[string]string{"AUTH_JWT_SECRET": secretC[:31]}, "AUTH_JWT_SECRET: holds a secret of 31 bytes, at least 32 are needed"},
		{map[string]string{"AUTH_JWT_SECRET": "base64:%"}, "AUTH_JWT_SECRET: is not base64 behind the prefix base64:"},
		{map[string]string{"AUTH_JWT_SECRET": ""}, "AUTH_JWT_SECRET: is required, or AUTH_JWKS_URL"},
		{map[string]string{"AUTH_JWKS_URL": jwksURL, "AUTH_ISSUER": "me"}, "AUTH_JWKS_URL: cannot be set beside AUTH_JWT_SECRET"},
		{map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": jwksURL}, "AUTH_ISSUER: is required"},
		{map[string]string{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": "http://login.example.com/", "AUTH_ISSUER": "me"}, "AUTH_JWKS_URL: must be https"},
		{map[string]string{"AUTH_TOKEN_HEADER": "X Token"}, `AUTH_TOKEN_HEADER: header name "X Token" is not 1 to 64 letters, digits and hyphens`},
		{map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X-User", "AUTH_HEADER_SECRET": secretC[:31]},
			"AUTH_HEADER_SECRET: holds a secret of 31 bytes, at least 32 are needed"},
		{map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X-User"}, "AUTH_HEADER_SECRET: is required"},
		{map[string]string{"AUTH_MODE": "header", "AUTH_HEADER_SECRET": secretC}, "AUTH_HEADER: is required"},
		{map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X User", "AUTH_HEADER_SECRET": secretC},
			`AUTH_HEADER: header name "X User" is not 1 to 64 letters, digits and hyphens`},
		{map[string]string{"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "perhaps"}, `AUTH_ALLOW_NONE: "perhaps" is not true or false; ` +
			"AUTH_MODE: none lets everybody upload: it needs AUTH_ALLOW_NONE=true as well"},
		{map[string]string{"AUTH_MODE": "none"}, "AUTH_MODE: none lets everybody upload: it needs AUTH_ALLOW_NONE=true as well"},
		{map[string]string{"AUTH_MODE": ""}, "AUTH_MODE: is required: jwt, header or none"},
		{map[string]string{"AUTH_MODE": "basic"}, `AUTH_MODE: "basic" is not jwt, header or none`},
	} {
		env := environment()
		maps.Copy(env, tt.set)
		p, err := settings.LoadPresign(lookup(env))
		if want := "reading environment: " + tt.want; err == nil || err.Error() != want {
			t.Errorf("LoadPresign with %v = %v, want %s", tt.set, err, want)
		}
		if len(p.Warnings) > 0 {
			t.Errorf("LoadPresign with %v warns %q", tt.set, p.Warnings)
		}
	}
}
