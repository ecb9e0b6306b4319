package oss

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// store keeps buckets on disk and an index of them in memory:
//
//	<dir>/staging/                        uploads that are not committed yet
//	<dir>/buckets/<bucket>/bucket.json
//	<dir>/buckets/<bucket>/objects/<sha256 of the key>[-<version id>].json
//	<dir>/buckets/<bucket>/data/<random>  the bytes; an object names its file
//	<dir>/buckets/<bucket>/uploads/<upload id>/upload.json, <number>.json, <random>
//
// The rename of the JSON file commits, so that an object is whole or absent
// after a crash of the process. Nothing is synced: the disk of a developer's
// machine is not asked to survive a power failure.
type store struct {
	dir string
	now func() time.Time

	// mu guards the maps and what they index. Bytes are received, joined
	// and sent outside of it; files are renamed, opened and removed inside.
	mu      sync.RWMutex
	buckets map[string]*bucket
}

type bucket struct {
	Name    string
	Created time.Time
	settings

	dir      string
	objects  map[string]*object
	versions map[string][]*object // see store_version.go
	uploads  map[string]*upload
}

// object is the metadata of one object. A stored object is never modified,
// only replaced.
type object struct {
	Key      string
	Type     string // Normal, Multipart or Symlink
	Modified time.Time
	content
	attributes
	SymlinkTarget string `json:",omitempty"`
	VersionID     string `json:",omitempty"` // "" is version "null"
	Sequence      int    `json:",omitempty"` // orders the versions of a key
}

// content describes stored bytes.
type content struct {
	File string // below the data directory of the bucket, or of the upload
	Size int64
	ETag string // without quotes
	MD5  string // base64, "" when the ETag is no MD5 of the bytes
	CRC  uint64 // CRC-64/XZ
}

// errNotStored says that there is no such bucket, object or upload; errExists
// that an object may not be overwritten.
var (
	errNotStored = errors.New("not stored")
	errExists    = errors.New("object exists")
)

var crcTable = crc64.MakeTable(crc64.ECMA)

// openStore reads what dir holds and removes what no metadata names.
func openStore(dir string, now func() time.Time) (*store, error) {
	st := &store{dir: dir, now: now, buckets: map[string]*bucket{}}
	if err := os.RemoveAll(st.staging()); err != nil {
		return nil, err
	}
	for _, d := range []string{st.staging(), filepath.Join(dir, "buckets")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "buckets"))
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		b, err := openBucket(filepath.Join(dir, "buckets", entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the process ended while it was being made
		}
		if err != nil {
			return nil, fmt.Errorf("reading bucket %q: %w", entry.Name(), err)
		}
		st.buckets[b.Name] = b
	}
	return st, nil
}

func openBucket(dir string) (*bucket, error) {
	b := newBucket(dir)
	if err := readJSON(filepath.Join(dir, "bucket.json"), b); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(filepath.Join(dir, "objects"))
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, file := range files {
		o := &object{}
		if err := readJSON(filepath.Join(dir, "objects", file.Name()), o); err != nil {
			return nil, err
		}
		b.objects[o.Key] = o
		b.versions[o.Key] = append(b.versions[o.Key], o)
		used[o.File] = true
	}
	b.sortVersions()
	if err := removeOthers(filepath.Join(dir, "data"), used); err != nil {
		return nil, err
	}
	ids, err := os.ReadDir(filepath.Join(dir, "uploads"))
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		u, err := openUpload(filepath.Join(dir, "uploads", id.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			// A half-made or half-removed upload.
			if err := os.RemoveAll(filepath.Join(dir, "uploads", id.Name())); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		b.uploads[u.ID] = u
	}
	return b, nil
}

func (st *store) staging() string { return filepath.Join(st.dir, "staging") }

func (b *bucket) dataFile(name string) string { return filepath.Join(b.dir, "data", name) }

// objectFile names the metadata file of an object: keys are longer than file
// names may be and hold any character.
func (b *bucket) objectFile(o *object) string {
	sum := sha256.Sum256([]byte(o.Key))
	name := hex.EncodeToString(sum[:])
	if o.VersionID != "" {
		name += "-" + o.VersionID
	}
	return filepath.Join(b.dir, "objects", name+".json")
}

func newBucket(dir string) *bucket {
	return &bucket{dir: dir, objects: map[string]*object{}, versions: map[string][]*object{}, uploads: map[string]*upload{}}
}

func (st *store) hasBucket(name string) bool {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.buckets[name] != nil
}

// createBucket makes a bucket with this storage class unless there is one.
func (st *store) createBucket(name, storageClass string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.buckets[name] != nil {
		return nil
	}
	b := newBucket(filepath.Join(st.dir, "buckets", name))
	b.Name, b.Created, b.StorageClass = name, st.now().UTC(), storageClass
	for _, d := range []string{"objects", "data", "uploads"} {
		if err := os.MkdirAll(filepath.Join(b.dir, d), 0o700); err != nil {
			return fmt.Errorf("creating bucket %q: %w", name, err)
		}
	}
	if err := st.writeJSON(filepath.Join(b.dir, "bucket.json"), b); err != nil {
		return fmt.Errorf("creating bucket %q: %w", name, err)
	}
	st.buckets[name] = b
	return nil
}

func (st *store) bucketCreated(name string) time.Time {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if b := st.buckets[name]; b != nil {
		return b.Created
	}
	return time.Time{}
}

// stagedFile is a body that was received whole but belongs to nothing yet.
type stagedFile struct {
	path string
	content
}

// stage receives a body. It must be committed or discarded.
func (st *store) stage(r io.Reader) (*stagedFile, error) {
	f, err := os.CreateTemp(st.staging(), "body-*")
	if err != nil {
		return nil, err
	}
	sum, crc := md5.New(), crc64.New(crcTable)
	size, err := io.Copy(io.MultiWriter(f, sum, crc), r)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return nil, err
	}
	digest := sum.Sum(nil)
	return &stagedFile{path: f.Name(), content: content{
		File: filepath.Base(f.Name()), Size: size, CRC: crc.Sum64(),
		ETag: strings.ToUpper(hex.EncodeToString(digest)),
		MD5:  base64.StdEncoding.EncodeToString(digest),
	}}, nil
}

// discard removes the file unless it was committed.
func (f *stagedFile) discard() { os.Remove(f.path) }

// commit makes o the object of its key, with the bytes of f. An existing object that
// the guard or the bucket protects is errExists; of many commits at once one wins.
func (st *store) commit(bucketName string, o *object, f *stagedFile, g guard) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.commitLocked(bucketName, o, f, g)
}

func (st *store) commitLocked(bucketName string, o *object, f *stagedFile, g guard) error {
	b := st.buckets[bucketName]
	if b == nil {
		return errNotStored
	}
	if b.protects(o.Key, g) {
		return errExists
	}
	// A random name of its own: whoever reads the old object keeps its file.
	o.File = randomHex(16)
	if err := os.Rename(f.path, b.dataFile(o.File)); err != nil {
		return fmt.Errorf("storing the bytes of %q: %w", o.Key, err)
	}
	if err := st.addLocked(b, o); err != nil {
		os.Remove(b.dataFile(o.File))
		return err
	}
	return nil
}

// object returns the metadata of a key. It must not be modified.
func (st *store) object(bucketName, key string) (*object, error) {
	return st.version(bucketName, key, "")
}

// open returns metadata and bytes of a version that belong together. Of a
// delete marker it returns the metadata and errDeleteMarker.
func (st *store) open(bucketName, key, versionID string) (*object, *os.File, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	o, err := st.versionLocked(bucketName, key, versionID)
	if err != nil {
		return o, nil, err
	}
	f, err := os.Open(st.buckets[bucketName].dataFile(o.File))
	if err != nil {
		return nil, nil, fmt.Errorf("opening %q: %w", key, err)
	}
	return o, f, nil
}

// list returns the objects of a bucket under prefix, sorted by key.
func (st *store) list(bucketName, prefix string) []*object {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var list []*object
	if b := st.buckets[bucketName]; b != nil {
		for key, o := range b.objects {
			if strings.HasPrefix(key, prefix) {
				list = append(list, o)
			}
		}
	}
	slices.SortFunc(list, func(a, b *object) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// writeJSON replaces a file in one step.
func (st *store) writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	temp := filepath.Join(st.staging(), randomHex(16))
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return nil
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("parsing %q: %w", path, err)
	}
	return nil
}

// removeOthers deletes the files of dir that are not used.
func removeOthers(dir string, used map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !used[entry.Name()] {
			if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
