package uploadtoken_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/uploadtoken"
)

func TestSession(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	size := int64(10)
	s := uploadtoken.Session{Subject: "alice", MaxSize: &size, ContentTypes: []string{"image/*"}, Context: []byte(`{"order":7}`), ExpiresAt: now.Unix() + 60}
	capability, err := k.SealSession(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(capability) > uploadtoken.MaxSessionLen || strings.ContainsAny(capability, "/?#%") {
		t.Errorf("SealSession = %q, want one path segment of at most 512 bytes", capability)
	}
	got, err := k.OpenSession(capability, now.Add(59*time.Second))
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("OpenSession = %+v, %v, want %+v", got, err, s)
	}
	if _, err := k.OpenSession(capability, now.Add(60*time.Second)); !errors.Is(err, uploadtoken.ErrExpired) {
		t.Errorf("OpenSession at its end = %v, want ErrExpired", err)
	}
	// Neither opens as the other.
	if _, err := k.Open(uploadtoken.Upload, capability, now); !errors.Is(err, uploadtoken.ErrForged) {
		t.Errorf("Open of a capability = %v, want ErrForged", err)
	}
	token, err := k.Seal(uploadtoken.Upload, uploadtoken.Claims{Subject: "alice", ExpiresAt: now.Unix() + 60})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.OpenSession(token, now); !errors.Is(err, uploadtoken.ErrForged) {
		t.Errorf("OpenSession of an upload token = %v, want ErrForged", err)
	}
	s.Context = []byte(`"` + strings.Repeat("x", 500) + `"`)
	if _, err := k.SealSession(s); !errors.Is(err, uploadtoken.ErrTooLong) {
		t.Errorf("SealSession of too much = %v, want ErrTooLong", err)
	}
}
