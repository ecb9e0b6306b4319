package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// saved is what is kept of a multipart upload, so that another run of the
// program can go on with it. Which parts are there is not: the server knows.
//
// UploadID is a secret. Who has it, and the caller's token, can write to the
// upload; so the file is its owner's alone.
type saved struct {
	Version  int       `json:"version"`
	Endpoint string    `json:"endpoint"`
	Path     string    `json:"path"` // absolute
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`

	// What was asked for. An upload that began with other words is another.
	ContentType string            `json:"contentType,omitempty"`
	Vars        map[string]string `json:"vars,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	PartAsked   int64             `json:"partAsked,omitempty"`

	Key      string `json:"key"`
	UploadID string `json:"uploadId"`
	PartSize int64  `json:"partSize"`
}

const stateVersion = 1

// wanted is the state of an upload that begins now.
func (u *upload) wanted() saved {
	return saved{
		Version:  stateVersion,
		Endpoint: u.client.Endpoint,
		Path:     u.file.path,
		Size:     u.file.size,
		Modified: u.file.modified.Round(0),

		ContentType: u.wish.contentType,
		Vars:        u.wish.vars,
		Metadata:    u.wish.metadata,
		PartAsked:   u.wish.partSize,
	}
}

// continues reports whether the upload of s is the one that is wanted.
func (s saved) continues(wanted saved) bool {
	return s.Version == wanted.Version && s.Endpoint == wanted.Endpoint && s.Path == wanted.Path &&
		s.Size == wanted.Size && s.Modified.Equal(wanted.Modified) &&
		s.ContentType == wanted.ContentType && s.PartAsked == wanted.PartAsked &&
		maps.Equal(s.Vars, wanted.Vars) && maps.Equal(s.Metadata, wanted.Metadata) &&
		s.Key != "" && s.UploadID != "" && s.PartSize > 0
}

// partCount is how many parts the file has.
func (s saved) partCount() int64 {
	return (s.Size + s.PartSize - 1) / s.PartSize
}

// states is a folder with one file for each upload that is not finished. With
// an empty dir nothing is kept.
type states struct{ dir string }

func (s states) enabled() bool { return s.dir != "" }

// name is the file of an upload: the same for the same file at the same
// endpoint.
func (s states) name(of saved) string {
	sum := sha256.Sum256([]byte(of.Endpoint + "\n" + of.Path))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}

// load returns what was saved for the file of wanted, and whether it is the
// upload that is wanted; nil if there is nothing that can be read.
func (s states) load(wanted saved) (known *saved, same bool) {
	if !s.enabled() {
		return nil, false
	}
	text, err := os.ReadFile(s.name(wanted))
	if err != nil {
		return nil, false
	}
	known = new(saved)
	if json.Unmarshal(text, known) != nil || known.Version != stateVersion || known.Endpoint != wanted.Endpoint || known.UploadID == "" {
		return nil, false
	}
	return known, known.continues(wanted)
}

// save keeps an upload, all of it or nothing.
func (s states) save(of saved) (err error) {
	if !s.enabled() {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("keeping its state: %w", err)
		}
	}()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(of)
	if err != nil {
		return err
	}
	// CreateTemp's files have mode 0600.
	temporary, err := os.CreateTemp(s.dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // fails once it is renamed
	if _, err := temporary.Write(text); err != nil {
		temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), s.name(of))
}

// remove forgets an upload. What cannot be removed is found out to be over by
// the next run.
func (s states) remove(of saved) {
	if s.enabled() {
		_ = os.Remove(s.name(of))
	}
}
