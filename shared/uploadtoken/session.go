package uploadtoken

import (
	"encoding/json"
	"time"
)

// MaxSessionLen is the length in bytes of the longest capability: it stands in
// a path, beside an upload token.
const MaxSessionLen = 512

// Session is what a capability in a URL stands for: a caller, with the limits
// that its own token had.
type Session struct {
	Subject      string          `json:"s"`
	MaxSize      *int64          `json:"m,omitempty"`
	ContentTypes []string        `json:"t,omitempty"`
	Context      json.RawMessage `json:"x,omitempty"`
	ExpiresAt    int64           `json:"e"` // Unix seconds
}

// SealSession returns s as a capability. It fails with ErrTooLong.
func (k *Keyring) SealSession(s Session) (string, error) {
	return k.seal(session, s, MaxSessionLen)
}

// OpenSession returns what a capability stands for.
func (k *Keyring) OpenSession(capability string, now time.Time) (Session, error) {
	var s Session
	if err := k.open(session, capability, MaxSessionLen, &s); err != nil {
		return Session{}, err
	}
	if now.Unix() >= s.ExpiresAt {
		return Session{}, ErrExpired
	}
	return s, nil
}
