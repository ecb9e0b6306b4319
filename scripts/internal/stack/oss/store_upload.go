package oss

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// upload is one multipart upload in progress.
type upload struct {
	ID        string
	Key       string
	Initiated time.Time
	Forbid    bool `json:",omitempty"` // x-oss-forbid-overwrite was given
	attributes

	dir string

	// mu is held while a part is put in place and while the parts are
	// joined, so that Complete and Abort see every part or none of it.
	// It is taken before store.mu.
	mu    sync.Mutex
	gone  bool
	parts map[int]*part
}

// part is one stored part. It is never modified, only replaced.
type part struct {
	Number   int
	Modified time.Time
	content
}

func openUpload(dir string) (*upload, error) {
	u := &upload{dir: dir, parts: map[int]*part{}}
	if err := readJSON(filepath.Join(dir, "upload.json"), u); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".json") || entry.Name() == "upload.json" {
			continue
		}
		p := &part{}
		if err := readJSON(filepath.Join(dir, entry.Name()), p); err != nil {
			return nil, err
		}
		u.parts[p.Number] = p
	}
	return u, nil
}

func (u *upload) partFile(p *part) string { return filepath.Join(u.dir, p.File) }

// initiate starts an upload. With forbid an existing object is errExists; what the
// bucket forbids is judged when the upload is completed.
func (st *store) initiate(bucketName, key string, a attributes, forbid bool) (*upload, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b := st.buckets[bucketName]
	if b == nil {
		return nil, errNotStored
	}
	if forbid && b.protects(key, guard{forbid: true}) {
		return nil, errExists
	}
	u := &upload{ID: randomHex(16), Key: key, Initiated: st.now().UTC(), Forbid: forbid, attributes: a, parts: map[int]*part{}}
	u.dir = filepath.Join(b.dir, "uploads", u.ID)
	if err := os.Mkdir(u.dir, 0o700); err != nil {
		return nil, fmt.Errorf("initiating an upload of %q: %w", key, err)
	}
	if err := st.writeJSON(filepath.Join(u.dir, "upload.json"), u); err != nil {
		return nil, fmt.Errorf("initiating an upload of %q: %w", key, err)
	}
	b.uploads[u.ID] = u
	return u, nil
}

// lockUpload returns the upload of this id and key with its mutex held, or
// errNotStored.
func (st *store) lockUpload(bucketName, key, id string) (*upload, error) {
	st.mu.RLock()
	var u *upload
	if b := st.buckets[bucketName]; b != nil {
		u = b.uploads[id]
	}
	st.mu.RUnlock()
	if u == nil || u.Key != key {
		return nil, errNotStored
	}
	u.mu.Lock()
	if u.gone {
		u.mu.Unlock()
		return nil, errNotStored
	}
	return u, nil
}

// putPart makes f the part of this number.
func (st *store) putPart(bucketName, key, id string, number int, f *stagedFile) (*part, error) {
	u, err := st.lockUpload(bucketName, key, id)
	if err != nil {
		return nil, err
	}
	defer u.mu.Unlock()
	p := &part{Number: number, Modified: st.now().UTC(), content: f.content}
	p.File = randomHex(16)
	if err := os.Rename(f.path, u.partFile(p)); err != nil {
		return nil, fmt.Errorf("storing part %d: %w", number, err)
	}
	if err := st.writeJSON(filepath.Join(u.dir, fmt.Sprintf("%05d.json", number)), p); err != nil {
		os.Remove(u.partFile(p))
		return nil, fmt.Errorf("storing part %d: %w", number, err)
	}
	if old := u.parts[number]; old != nil {
		os.Remove(u.partFile(old))
	}
	u.parts[number] = p
	return p, nil
}

// sortedParts returns all parts by number. The upload must be locked.
func (u *upload) sortedParts() []*part {
	return slices.SortedFunc(maps.Values(u.parts), func(a, b *part) int { return a.Number - b.Number })
}

// join stages the bytes of the chosen parts, one after the other. The upload
// must be locked.
func (st *store) join(u *upload, parts []*part) (*stagedFile, error) {
	return st.stage(&partReader{upload: u, parts: parts})
}

// partReader reads parts with one file open at a time: there may be 10,000.
type partReader struct {
	upload *upload
	parts  []*part
	file   *os.File
}

func (r *partReader) Read(b []byte) (int, error) {
	for {
		if r.file == nil {
			if len(r.parts) == 0 {
				return 0, io.EOF
			}
			f, err := os.Open(r.upload.partFile(r.parts[0]))
			if err != nil {
				return 0, err
			}
			r.file, r.parts = f, r.parts[1:]
		}
		n, err := r.file.Read(b)
		if err == nil {
			return n, nil
		}
		r.file.Close()
		r.file = nil
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

// complete commits the joined object and ends the upload. The upload must be
// locked.
func (st *store) complete(bucketName string, u *upload, o *object, f *stagedFile, g guard) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.commitLocked(bucketName, o, f, g); err != nil {
		return err
	}
	return st.endLocked(bucketName, u)
}

// abort ends an upload and forgets its parts.
func (st *store) abort(bucketName, key, id string) error {
	u, err := st.lockUpload(bucketName, key, id)
	if err != nil {
		return err
	}
	defer u.mu.Unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.endLocked(bucketName, u)
}

// endLocked removes upload.json first: without it the rest is rubbish that
// the next start removes.
func (st *store) endLocked(bucketName string, u *upload) error {
	u.gone = true
	delete(st.buckets[bucketName].uploads, u.ID)
	if err := os.Remove(filepath.Join(u.dir, "upload.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ending upload %q: %w", u.ID, err)
	}
	return os.RemoveAll(u.dir)
}

// listUploads returns the uploads of a bucket under prefix, sorted by key and
// id.
func (st *store) listUploads(bucketName, prefix string) []*upload {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var list []*upload
	if b := st.buckets[bucketName]; b != nil {
		for _, u := range b.uploads {
			if strings.HasPrefix(u.Key, prefix) {
				list = append(list, u)
			}
		}
	}
	slices.SortFunc(list, func(a, b *upload) int {
		if n := strings.Compare(a.Key, b.Key); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}
