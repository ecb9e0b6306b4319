package settings_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/settings"
)

func TestUnknown(t *testing.T) {
	for variable, want := range map[string]string{
		"UPLOAD_MAXSIZE":          "did you mean UPLOAD_MAX_SIZE?",
		"UPLOAD_MAX_SIZES":        "did you mean UPLOAD_MAX_SIZE?",
		"upload_prefix":           "did you mean UPLOAD_PREFIX?",
		"UPLAOD_PREFIX":           "did you mean UPLOAD_PREFIX?",
		"CORS_ORIGIN":             "did you mean CORS_ORIGINS?",
		"MY_UPLOAD_PREFIX":        "did you mean UPLOAD_PREFIX?",
		"WEBHOOK_SECRET":          "did you mean WEBHOOK_SECRETS?",
		"AUTH_AUD":                `"AUTH_AUD" is not a setting and is ignored`,
		"AUTH_JWT_AUDIENCE":       "did you mean AUTH_AUDIENCE?",
		"CORSORIGINS":             "did you mean CORS_ORIGINS?",
		"OSS_REGIONS":             "did you mean OSS_REGION?",
		"U_P_L_O_A_DPREFIX":       "did you mean UPLOAD_PREFIX?",
		"OSS_ACCESS_KEY_ID":       `"OSS_ACCESS_KEY_ID" is not a setting and is ignored`,
		"UPLOAD_SOMETHING":        `"UPLOAD_SOMETHING" is not a setting and is ignored`,
		"UPLOAD_MAX_SIZE":         "",
		"LOG_EVENTS":              "",
		"LOG_LEVEL":               "",
		"PATH":                    "",
		"HTTP_PROXY":              "",
		"FC_FUNCTION_NAME":        "",
		"FC_REGION":               "",
		"ALIBABA_CLOUD_REGION_ID": "",
		"OSSUPLOAD_ENDPOINT":      "",
		"PUBLIC_IP":               "",
		"":                        "",
	} {
		got := settings.Unknown([]string{variable + "=a value"})
		if (want == "") != (len(got) == 0) || len(got) > 1 || len(got) == 1 && !strings.Contains(got[0], want) {
			t.Errorf("Unknown(%q) = %q, want %q", variable, got, want)
		}
		if strings.Contains(fmt.Sprint(got), "a value") {
			t.Errorf("Unknown(%q) = %q repeats the value", variable, got)
		}
	}
	if got := settings.Unknown([]string{"UPLOAD_MAXSIZE=", "UPLOAD_MAXSIZE", "=x", ""}); got != nil {
		t.Errorf("Unknown of variables without a value = %q, want none", got)
	}
	for _, family := range []string{"OSS_", "UPLOAD_", "CALLBACK_", "AUTH_", "WEBHOOK_", "RECEIPT_", "FORMER_", "CORS_", "STS_"} {
		if got := settings.Unknown([]string{family + "SOMETHING_ELSE=1"}); len(got) != 1 {
			t.Errorf("Unknown of a name that begins with %s = %q, want one", family, got)
		}
	}
	both := settings.Unknown([]string{"UPLOAD_MAXSIZE=1", "CORS_ORIGIN=*"})
	if len(both) != 2 || !strings.Contains(both[0], "CORS_ORIGIN") || !strings.Contains(both[1], "UPLOAD_MAXSIZE") {
		t.Errorf("Unknown of two = %q, want them in order", both)
	}
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf("UPLOAD_X%d=1", i))
	}
	if got := settings.Unknown(many); len(got) != 21 || !strings.HasPrefix(got[20], "30 more") {
		t.Errorf("Unknown of 50 = %d warnings, want 20 and one line for the others", len(got))
	}
	if got := settings.Unknown(many[:20]); len(got) != 20 || strings.Contains(got[19], "more") {
		t.Errorf("Unknown of 20 = %q, want each of them and no more", got)
	}
	if got := settings.Unknown([]string{"UPLOAD_" + strings.Repeat("X", 64-len("UPLOAD_")) + "=1"}); len(got) != 1 {
		t.Errorf("Unknown of a name of 64 bytes = %q, want one", got)
	}
	if got := settings.Unknown([]string{"UPLOAD_" + strings.Repeat("X", 100) + "=1"}); got != nil {
		t.Errorf("Unknown of a name without end = %q, want none", got)
	}
}

// Unknown knows what Load reads, and nothing else.
func TestUnknownKnowsAllNames(t *testing.T) {
	read := map[string]bool{}
	for _, more := range []map[string]string{
		{},
		{"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": jwksURL, "AUTH_ISSUER": "me"},
		{"AUTH_MODE": "header", "AUTH_HEADER": "X-User", "AUTH_HEADER_SECRET": secretC},
		{"AUTH_MODE": "none", "AUTH_ALLOW_NONE": "true"},
	} {
		env := environment()
		maps.Copy(env, more)
		recorded := func(name string) (string, bool) {
			read[name] = true
			v, ok := env[name]
			return v, ok
		}
		for _, load := range []func(settings.Lookup) error{
			func(l settings.Lookup) error { _, err := settings.LoadPresign(l); return err },
			func(l settings.Lookup) error { _, err := settings.LoadComplete(l); return err },
			func(l settings.Lookup) error { _, err := settings.LoadCallback(l); return err },
		} {
			if err := load(recorded); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, want := slices.Sorted(slices.Values(settings.Names)), slices.Sorted(maps.Keys(read))
	if !slices.Equal(got, want) {
		t.Errorf("names = %q,\nread are %q", got, want)
	}
}
