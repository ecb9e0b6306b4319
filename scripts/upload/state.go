package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// saved is what is kept of an upload, so that another run of the program can go
// on with it: with a multipart upload where it ended, and with a single PUT by
// asking for its receipt before anything is sent again. Which parts are there
// is not kept: the server knows.
//
// UploadID and UploadToken are secrets, of one kind. Who has them, and the
// caller's token, can write to the upload; so the file is its owner's alone. They
// are good for a week at most, and so is the file.
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

	Key string `json:"key"`

	// Of a multipart upload:
	UploadID string `json:"uploadId,omitempty"`
	PartSize int64  `json:"partSize,omitempty"`

	// Of a single PUT:
	UploadToken string `json:"uploadToken,omitempty"`
	CRC64       string `json:"crc64,omitempty"` // decimal, of what was going to be sent
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
	sameFile := s.Version == wanted.Version && s.Endpoint == wanted.Endpoint && s.Path == wanted.Path &&
		s.Size == wanted.Size && s.Modified.Equal(wanted.Modified) && s.CRC64 == wanted.CRC64
	return sameFile && s.sameWish(wanted) && s.Key != "" && (s.UploadToken != "" || s.UploadID != "" && s.PartSize > 0)
}

// sameWish reports whether the same was asked for.
func (s saved) sameWish(wanted saved) bool {
	return s.ContentType == wanted.ContentType && s.PartAsked == wanted.PartAsked &&
		maps.Equal(s.Vars, wanted.Vars) && maps.Equal(s.Metadata, wanted.Metadata)
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
	if json.Unmarshal(text, known) != nil || known.Version != stateVersion || known.Endpoint != wanted.Endpoint || known.UploadID == "" && known.UploadToken == "" {
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

// maxStateAge is how long an upload can be gone on with: no token lives longer,
// and by then the parts of a multipart upload have been aborted.
const maxStateAge = 169 * time.Hour

// prune forgets the uploads that nobody can go on with any more, so that what
// is never tried again does not stay for ever.
func (s states) prune(now time.Time) {
	if !s.enabled() {
		return
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return // there is nothing to forget, or another run will
	}
	for _, e := range entries {
		ours := stateName.MatchString(e.Name())
		if info, err := e.Info(); ours && err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > maxStateAge {
			_ = os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
}

// stateName are the names that name and save give.
var stateName = regexp.MustCompile(`^([0-9a-f]{32}\.json|\.new-[0-9]+)$`)

// remove forgets an upload. What cannot be removed is found out to be over by
// the next run.
func (s states) remove(of saved) {
	if s.enabled() {
		_ = os.Remove(s.name(of))
	}
}
