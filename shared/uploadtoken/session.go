package uploadtoken

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ossupload/shared/api"
)

// MaxSessionLen is the length in bytes of the longest capability: it stands in
// a path, beside an upload token.
const MaxSessionLen = 512

// Session is what a capability in a URL stands for: a caller, with the limits
// that its own token had.
type Session struct {
	Place
	ID           string          `json:"j"` // the Session of tokens that it leads to
	Subject      string          `json:"s"`
	MaxSize      *int64          `json:"m,omitempty"`
	ContentTypes []string        `json:"t,omitempty"`
	Context      json.RawMessage `json:"x,omitempty"`
	Key          string          `json:"k,omitempty"`
	ExpiresAt    int64           `json:"e"` // Unix seconds; from then on it has ended
}

// ErrSession is for a capability that is not valid.
var ErrSession = &api.Error{Code: api.InvalidToken, Message: "The session is not valid, or has ended. Ask for another.", Reason: "token", Log: "session is not valid"}

// ErrSessionTooLong is for a caller whose own token says more about uploads than
// a capability can hold: nothing in its request could help.
var ErrSessionTooLong = &api.Error{Code: api.Forbidden, Message: "What your token says about uploads is too long for a session.", Log: "session would be too long"}

// SealSession returns s, which must have an id, as a capability. It fails with
// ErrSessionTooLong.
func (k *Keyring) SealSession(s Session) (string, error) {
	if s.ID == "" {
		return "", errors.New("sealing a session: it has no id")
	}
	s.Place = k.place
	plain, err := encode(s)
	if err != nil {
		return "", err
	}
	return k.seal(session, plain, MaxSessionLen, ErrSessionTooLong)
}

// OpenSession returns what a capability stands for. It fails with ErrSession and
// a reason of tokens. With ErrExpired, and no other, it returns the session as
// well, for what may still be done with the uploads that began in it.
func (k *Keyring) OpenSession(capability string, now time.Time) (Session, error) {
	var s Session
	if err := k.open(session, capability, MaxSessionLen, reading(&s)); err != nil {
		return Session{}, fmt.Errorf("%w: %w", ErrSession, err)
	}
	if s.ID == "" { // it would be the session of every token that has none
		return Session{}, fmt.Errorf("%w: %w", ErrSession, ErrMalformed)
	}
	if now.Unix() >= s.ExpiresAt {
		return s, fmt.Errorf("%w: %w", ErrSession, ErrExpired)
	}
	return s, nil
}
