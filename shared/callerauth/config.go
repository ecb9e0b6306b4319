package callerauth

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config says who is believed, as an operator writes it. Exactly one of its
// parts is set.
type Config struct {
	JWT    *JWTConfig
	JWKS   *JWKSConfig
	Header *HeaderConfig
	// None believes everybody, for trials.
	None bool
}

// New returns the Authenticator that c describes, with this clock and log (nil:
// discard). It calls nobody.
func New(c Config, now func() time.Time, log *slog.Logger) (Authenticator, error) {
	var made []Authenticator
	var errs []error
	add := func(a Authenticator, err error) { made, errs = append(made, a), append(errs, err) }
	if c.JWT != nil {
		config := *c.JWT
		config.Now = now
		add(NewJWT(config))
	}
	if c.JWKS != nil {
		config := *c.JWKS
		config.Now, config.Log = now, log
		add(NewJWKS(config))
	}
	if c.Header != nil {
		add(NewHeader(*c.Header))
	}
	if c.None {
		add(NewNone(), nil)
	}
	if len(made) != 1 {
		return nil, fmt.Errorf("callers are authenticated in %d ways, want one", len(made))
	}
	return made[0], errors.Join(errs...)
}

// Check reports why New would refuse c.
func (c Config) Check() error {
	_, err := New(c, time.Now, nil)
	return err
}
