package stack

import (
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestOverride(t *testing.T) {
	e := Settings{{"A", "1"}, {"B", "2"}}
	got := e.Override(map[string]string{"B": "", "D": "4", "C": "3"}).Variables()
	if want := []string{"A=1", "B=", "C=3", "D=4"}; !slices.Equal(got, want) {
		t.Errorf("Override() = %q, want %q", got, want)
	}
	if e.Get("B") != "2" {
		t.Error("Override() changed what it was called on")
	}
}

// A token for another audience, or for none, is refused by the functions.
func TestCallerTokenHasTheAudience(t *testing.T) {
	for set, want := range map[string]string{"": "ossupload", "uploads.example.com": "uploads.example.com"} {
		s := Settings{{"AUTH_MODE", "jwt"}, {"AUTH_JWT_SECRET", "a secret of this test only, 32 bytes"}, {"AUTH_AUDIENCE", set}}
		token, err := s.callerToken(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var claims jwt.RegisteredClaims
		if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || !slices.Equal(claims.Audience, jwt.ClaimStrings{want}) {
			t.Errorf("with AUTH_AUDIENCE=%q the audience is %q, %v, want %q", set, claims.Audience, err, want)
		}
	}
}
