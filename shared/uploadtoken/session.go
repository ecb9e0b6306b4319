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
	Subject      string          `json:"s"`
	MaxSize      *int64          `json:"m,omitempty"`
	ContentTypes []string        `json:"t,omitempty"`
	Context      json.RawMessage `json:"x,omitempty"`
	ExpiresAt    int64           `json:"e"` // Unix seconds
}

// ErrSession is for a capability that is not valid.
var ErrSession = &api.Error{Code: api.InvalidToken, Message: "The session is not valid, or has ended. Ask for another.", Reason: "token", Log: "session is not valid"}

// ErrSessionTooLong is for a caller whose own token says more about uploads than
// a capability can hold: nothing in its request could help.
var ErrSessionTooLong = &api.Error{Code: api.Forbidden, Message: "What your token says about uploads is too long for a session.", Log: "session would be too long"}

// SealSession returns s as a capability. It fails with ErrSessionTooLong.
func (k *Keyring) SealSession(s Session) (string, error) {
	capability, err := k.seal(session, s, MaxSessionLen)
	if errors.Is(err, ErrTooLong) {
		err = fmt.Errorf("%w: %w", ErrSessionTooLong, err)
	}
	return capability, err
}

// OpenSession returns what a capability stands for. It fails with ErrSession,
// and with a reason of tokens.
func (k *Keyring) OpenSession(capability string, now time.Time) (Session, error) {
	var s Session
	if err := k.open(session, capability, MaxSessionLen, &s); err != nil {
		return Session{}, fmt.Errorf("%w: %w", ErrSession, err)
	}
	if now.Unix() >= s.ExpiresAt {
		return Session{}, fmt.Errorf("%w: %w", ErrSession, ErrExpired)
	}
	return s, nil
}
