package confirm

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"ossupload/shared/grant"
	"ossupload/shared/mac"
	"ossupload/shared/rawjson"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// Receipt is what is known of an upload: with the subject, the event's data. It
// depends on the stored object and the grant alone, so that asking again gives an
// equal one.
type Receipt struct {
	Location    string            `json:"location"` // the object's URL, unsigned
	Bucket      string            `json:"bucket"`
	Key         string            `json:"key"`
	Size        int64             `json:"size"`  // bytes
	ETag        string            `json:"etag"`  // without quotes
	CRC64       string            `json:"crc64"` // CRC-64/XZ in decimal
	ContentType string            `json:"contentType"`
	VersionID   string            `json:"versionId,omitempty"`
	Filename    string            `json:"filename"`
	Metadata    map[string]string `json:"metadata"`
	Vars        map[string]string `json:"vars"`              // the uploader's words
	Context     json.RawMessage   `json:"context,omitempty"` // the application's
	UploadedAt  time.Time         `json:"uploadedAt"`
	EventID     string            `json:"eventId"`
}

// Answer is what the uploader gets: the receipt, and how far its announcement is.
// Delivered is not among what the event and the token state, since it may change.
type Answer struct {
	Receipt
	// Delivered is true if the event was taken, now or before. A stored and
	// verified upload is a success all the same: what was not taken is queued.
	Delivered    bool   `json:"delivered"`
	ReceiptToken string `json:"receiptToken,omitempty"`
}

// The types of events.
const (
	// Completed: an upload is stored, and is what was granted.
	Completed = "upload.completed"
	// Refused: an object is stored, and is not what was granted.
	Refused = "upload.refused"
	// Stored: an object was stored with STS credentials; nothing of it is
	// verified.
	Stored = "upload.stored"
)

// event is the webhook's body, as Standard Webhooks lays it out. It has no
// version: fields are only added, to it and to the receipt, and none is renamed
// or removed or changes its meaning. Receivers ignore what they do not know. That of
// a completed upload is written by completedEvent.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of the upload, not of the delivery
	Data      any       `json:"data"`
}

// refusedData tells of an object that disagrees with its grant.
type refusedData struct {
	Bucket     string    `json:"bucket"`
	Key        string    `json:"key"`
	Size       int64     `json:"size"`
	ETag       string    `json:"etag"`
	VersionID  string    `json:"versionId,omitempty"`
	Reason     string    `json:"reason"`
	Subject    string    `json:"subject"`
	UploadedAt time.Time `json:"uploadedAt"`
	EventID    string    `json:"eventId"`
}

// storedData tells of an object that nobody granted.
type storedData struct {
	Bucket     string    `json:"bucket"`
	Key        string    `json:"key"`
	Size       int64     `json:"size"`
	ETag       string    `json:"etag"`
	VersionID  string    `json:"versionId,omitempty"`
	UploadedAt time.Time `json:"uploadedAt"`
	EventID    string    `json:"eventId"`
}

func (c *Confirmer) receipt(claims uploadtoken.Claims, object storage.Object) Receipt {
	r := Receipt{
		Location:    c.config.Location(claims.Key),
		Bucket:      c.config.Bucket, // not that of the grant, which may be of before a move
		Key:         claims.Key,
		Size:        object.Size,
		ETag:        object.ETag,
		CRC64:       object.CRC64,
		ContentType: object.ContentType,
		VersionID:   object.VersionID,
		Filename:    claims.Filename,
		Metadata:    make(map[string]string),
		Vars:        claims.Vars,
		Context:     claims.Context,
		UploadedAt:  object.LastModified.UTC(),
		EventID:     eventID(Completed, claims.ID, object),
	}
	if r.Vars == nil {
		r.Vars = map[string]string{}
	}
	if name, ok := object.Metadata[grant.MetaName]; ok {
		r.Filename = grant.Unescape(name)
	}
	for name, value := range object.Metadata {
		if !grant.IsOwnMetadata(name) {
			r.Metadata[name] = grant.Unescape(value)
		}
	}
	return r
}

// eventID is a function of the upload and the bytes alone, so that every delivery
// about the same bytes has one id, and other bytes another. An ETag alone can be
// had for two contents (MD5), which is why size and CRC stand beside it.
//
//	"evt_" + hex(SHA-256(type LF jti LF etag LF size LF crc64 LF versionId))[:32]
func eventID(kind, jti string, o storage.Object) string {
	text := make([]byte, 0, 256) // on the stack, as usually all of it fits
	text = append(append(text, kind...), '\n')
	text = append(append(text, jti...), '\n')
	text = append(append(text, o.ETag...), '\n')
	text = append(strconv.AppendInt(text, o.Size, 10), '\n')
	text = append(append(text, o.CRC64...), '\n')
	sum := sha256.Sum256(append(text, o.VersionID...))
	return string(hex.AppendEncode([]byte("evt_"), sum[:16]))
}

// jwtHeader is {"alg":"HS256","typ":"JWT"} in base64url, and a dot.
const jwtHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

// receiptToken is the receipt as a JWT (HS256): sub is the subject, jti the
// event id, iat the time of the upload. It states a fact, which does not
// expire, so it has no exp; who takes it should take each jti once.
//
// encoded is an opening brace and the members of the receipt; it is used up.
func receiptToken(key *mac.Key, encoded []byte, r Receipt, subject string) string {
	claims := append(encoded, `,"iss":"ossupload"`...)
	if subject != "" {
		claims = rawjson.AppendQuote(append(claims, `,"sub":`...), subject)
	}
	claims = strconv.AppendInt(append(claims, `,"iat":`...), r.UploadedAt.Unix(), 10)
	claims = rawjson.AppendQuote(append(claims, `,"jti":`...), r.EventID)
	claims = append(claims, '}')

	encoding := base64.RawURLEncoding
	token := make([]byte, 0, len(jwtHeader)+encoding.EncodedLen(len(claims))+len(".")+encoding.EncodedLen(mac.Size))
	token = encoding.AppendEncode(append(token, jwtHeader...), claims)
	var sum [mac.Size]byte
	signature := key.Append(sum[:0], token)
	return string(encoding.AppendEncode(append(token, '.'), signature))
}
