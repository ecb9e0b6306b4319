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
	s := uploadtoken.Session{Place: place, ID: "sid", Subject: "alice", MaxSize: &size, ContentTypes: []string{"image/*"}, Context: []byte(`{"order":7}`), Key: "orders/7.png", ExpiresAt: now.Unix() + 60}
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
	for _, after := range []time.Duration{60, 61} {
		got, err := k.OpenSession(capability, now.Add(after*time.Second))
		if !errors.Is(err, uploadtoken.ErrExpired) || !errors.Is(err, uploadtoken.ErrSession) || !reflect.DeepEqual(got, s) {
			t.Errorf("OpenSession %d s on = %+v, %v, want the session and ErrExpired", after, got, err)
		}
	}
}

// A session without an id would be that of every token that began in none.
func TestSessionsHaveAnID(t *testing.T) {
	k := keyring(t, uploadtoken.Key{ID: "k1", Secret: secretA})
	if capability, err := k.SealSession(uploadtoken.Session{Subject: "alice", ExpiresAt: now.Unix() + 60}); err == nil {
		t.Errorf("SealSession without an id = %q, want an error", capability)
	}
	capability := sealByHand(t, sealedBefore{
		Purpose: "session", KeyID: "k1", Secret: secretA, Salt: make([]byte, 24),
		Claims: []byte(`{"b":"examplebucket","q":"uploads/","s":"alice","e":1800000060}`),
	})
	if got, err := k.OpenSession(capability, now); !errors.Is(err, uploadtoken.ErrSession) || !errors.Is(err, uploadtoken.ErrMalformed) || got.Subject != "" {
		t.Errorf("OpenSession without an id = %+v, %v, want ErrMalformed", got, err)
	}
}
