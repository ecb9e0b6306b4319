package assumerole_test

import (
	"errors"
	"testing"
	"time"

	"ossupload/shared/assumerole"
	"ossupload/shared/rolecreds"
)

// emptyChain leaves the default chain nowhere to look but in variables.
func emptyChain(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN",
		"ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "ALIBABA_CLOUD_ROLE_ARN",
		"ALIBABA_CLOUD_CREDENTIALS_URI", "ALIBABA_CLOUD_PROFILE", "ALIBABA_CLOUD_CREDENTIALS_FILE",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
}

func TestDefaultChain(t *testing.T) {
	t.Run("nothing found, and asked again", func(t *testing.T) {
		emptyChain(t)
		chain := assumerole.DefaultChain(newClock().now)
		if _, err := chain.Credentials(t.Context()); !errors.Is(err, rolecreds.ErrNone) {
			t.Fatalf("Credentials() = %v, want ErrNone", err)
		}
		t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI")
		t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", baseSecret)
		want := rolecreds.Credentials{AccessKeyID: "LTAI", AccessKeySecret: baseSecret}
		if got, err := chain.Credentials(t.Context()); err != nil || got != want {
			t.Errorf("Credentials() = %v, %v, want %v", got, err, want)
		}
	})
	t.Run("a token is bounded and renewed", func(t *testing.T) {
		emptyChain(t)
		clock := newClock()
		chain := assumerole.DefaultChain(clock.now)
		t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", baseID)
		t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", baseSecret)
		t.Setenv("ALIBABA_CLOUD_SECURITY_TOKEN", baseToken)
		for _, since := range []time.Duration{0, rolecreds.ContextLife / 2, 2 * rolecreds.ContextLife} {
			clock.set(since)
			want := base
			want.Expires = clock.now().Add(rolecreds.ContextLife)
			if got, err := chain.Credentials(t.Context()); err != nil || got != want {
				t.Errorf("Credentials() = %v, %v, want %v", got, err, want)
			}
		}
	})
	t.Run("a permanent key is looked for once", func(t *testing.T) {
		emptyChain(t)
		clock := newClock()
		chain := assumerole.DefaultChain(clock.now)
		t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI")
		t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", baseSecret)
		for range 2 {
			got, err := chain.Credentials(t.Context())
			if _, ends := got.Remaining(noon); err != nil || got.AccessKeyID != "LTAI" || ends {
				t.Errorf("Credentials() = %v, %v, want LTAI without end", got, err)
			}
			t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "another")
			clock.set(1000 * time.Hour)
		}
	})
}
