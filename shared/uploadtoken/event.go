package uploadtoken

import (
	"encoding/json"
	"errors"
)

// MaxEventLen is the length in bytes of the longest sealed event: a receipt with
// everything that an upload can carry is under 16 KiB.
const MaxEventLen = 64 << 10

// ErrEventTooLong is returned by SealEvent. It is no client's fault: what clients
// and applications may say is bounded far below.
var ErrEventTooLong = errors.New("queued event would be too long")

// sealedEvent is a queued event, as the queue has it, and its place.
type sealedEvent struct {
	Place
	Content json.RawMessage `json:"v"`
}

// SealEvent seals what a queue keeps, one JSON value. It fails with
// ErrEventTooLong.
func (k *Keyring) SealEvent(content json.RawMessage) (string, error) {
	plain, err := encode(sealedEvent{k.place, content})
	if err != nil {
		return "", err
	}
	return k.seal(event, plain, MaxEventLen, ErrEventTooLong)
}

// OpenEvent returns what SealEvent sealed, without insignificant white space. It
// opens with any secret that is known, and at any age.
func (k *Keyring) OpenEvent(sealed string) (json.RawMessage, error) {
	var s sealedEvent
	if err := k.open(event, sealed, MaxEventLen, reading(&s)); err != nil {
		return nil, err
	}
	return s.Content, nil
}
