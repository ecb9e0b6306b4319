package stack

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/ram"
)

// Identity holds the secrets of one local stack. A stack that is started again
// with the same identity accepts the tokens and events of the one before.
type Identity struct {
	// The developer's own access key, allowed everything.
	AccessKeyID     string `json:"accessKeyId"`
	AccessKeySecret string `json:"accessKeySecret"`

	TokenSecret   []byte `json:"tokenSecret"`   // seals upload tokens
	ReceiptSecret []byte `json:"receiptSecret"` // signs receipts
	CallerSecret  []byte `json:"callerSecret"`  // signs callers' tokens
	WebhookSecret []byte `json:"webhookSecret"` // signs events
	CallbackKey   []byte `json:"callbackKey"`   // signs callbacks; RSA, PKCS #8
}

const identityFile = "secrets.json"

// loadIdentity returns the identity that dir keeps, and makes one if there is
// none, with the fresh key for callbacks or, if that is nil, one of its own.
func loadIdentity(dir string, fresh *rsa.PrivateKey) (Identity, *rsa.PrivateKey, error) {
	path := filepath.Join(dir, identityFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createIdentity(path, fresh)
	}
	if err != nil {
		return Identity{}, nil, fmt.Errorf("reading the stack's secrets: %w", err)
	}
	var id Identity
	// The error of Unmarshal may quote what is in the file.
	if json.Unmarshal(text, &id) != nil || !id.whole() {
		return Identity{}, nil, fmt.Errorf("reading the stack's secrets: %q is damaged; delete it to start with new ones", path)
	}
	parsed, _ := x509.ParsePKCS8PrivateKey(id.CallbackKey)
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return Identity{}, nil, fmt.Errorf("reading the stack's secrets: the callback key in %q is not an RSA key; delete the file to start with new ones", path)
	}
	return id, key, nil
}

func (id Identity) whole() bool {
	if id.AccessKeyID == "" || id.AccessKeySecret == "" {
		return false
	}
	for _, secret := range [][]byte{id.TokenSecret, id.ReceiptSecret, id.CallerSecret, id.WebhookSecret} {
		if len(secret) != secretBytes {
			return false
		}
	}
	return true
}

const secretBytes = 32

func createIdentity(path string, key *rsa.PrivateKey) (_ Identity, _ *rsa.PrivateKey, err error) {
	if key == nil {
		if key, err = NewCallbackKey(); err != nil {
			return Identity{}, nil, err
		}
	}
	id := Identity{
		AccessKeyID:     "LTAI5t" + rand.Text()[:18], // 24 characters, as real ones have
		AccessKeySecret: rand.Text(),
		TokenSecret:     randomBytes(secretBytes),
		ReceiptSecret:   randomBytes(secretBytes),
		CallerSecret:    randomBytes(secretBytes),
		WebhookSecret:   randomBytes(secretBytes),
	}
	if id.CallbackKey, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return Identity{}, nil, fmt.Errorf("encoding the callback key: %w", err)
	}
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return Identity{}, nil, fmt.Errorf("encoding the stack's secrets: %w", err)
	}
	// Under another name first, so that a run that is killed here leaves no
	// half of a file. CreateTemp makes it readable by its owner alone.
	file, err := os.CreateTemp(filepath.Dir(path), identityFile+".*")
	if err == nil {
		_, err = file.Write(append(text, '\n'))
		err = errors.Join(err, file.Close())
		if err == nil {
			err = os.Rename(file.Name(), path)
		}
		if err != nil {
			os.Remove(file.Name())
		}
	}
	if err != nil {
		return Identity{}, nil, fmt.Errorf("keeping the stack's secrets: %w", err)
	}
	return id, key, nil
}

// NewCallbackKey makes a key with which OSS signs callbacks.
func NewCallbackKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making the callback key: %w", err)
	}
	return key, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// roleLife is how long the platform's credentials for a function's role live
// ("Grant Function Compute permissions to access other Alibaba Cloud services").
const roleLife = 36 * time.Hour

// roleSession hands out credentials of a function's role. It is safe for
// concurrent use.
type roleSession struct {
	store  *ram.Store
	arn    string
	policy ram.Policy
	now    func() time.Time
	assume facts.Assumptions

	mu      sync.Mutex
	current ram.Credential
}

// credentials makes new ones before the last end, so that a stack may be left
// running.
func (r *roleSession) credentials() (accessKeyID, accessKeySecret, securityToken string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// unconfirmed (credentials.fc-renewal): how much of its life an invocation may
	// count on.
	least := roleLife / 2
	if r.assume.Is("credentials.fc-renewal", "at their end") {
		least = time.Second
	}
	if now := r.now(); r.current.Expires.Sub(now) < least {
		r.current = ram.Credential{
			AccessKeyID:     "STS." + rand.Text()[:24],
			AccessKeySecret: rand.Text(),
			SecurityToken:   "CAIS" + base64.StdEncoding.EncodeToString(randomBytes(460)),
			Expires:         now.Add(roleLife),
			Policies:        []ram.Policy{r.policy},
			Role:            r.arn,
		}
		r.store.Add(r.current)
	}
	return r.current.AccessKeyID, r.current.AccessKeySecret, r.current.SecurityToken
}
