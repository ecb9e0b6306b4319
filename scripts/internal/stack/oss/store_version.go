package oss

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// A bucket keeps every version of a key, oldest first, in versions; objects
// has the last of them, unless that is a delete marker. The id "" is that of the
// version "null", of which a key has one at most: without versioning it is all
// that there is, and while versioning is suspended uploads and delete markers
// replace it, and it alone ("Manage objects in a versioning-suspended bucket").

// Versioning is the state of a bucket; the zero value is that of one which never
// had versions. It cannot be had again.
type Versioning string

const (
	VersioningEnabled   Versioning = "Enabled"
	VersioningSuspended Versioning = "Suspended"
)

// typeDeleteMarker is the type of a version that has no bytes and says that
// the key was deleted.
const typeDeleteMarker = "DeleteMarker"

// errDeleteMarker is errNotStored where a delete marker is why; errNoVersion
// says that a key has no such version.
var (
	errDeleteMarker = fmt.Errorf("delete marker: %w", errNotStored)
	errNoVersion    = errors.New("no such version")
)

func (st *store) versioning(bucketName string) Versioning { return st.settings(bucketName).Versioning }

// version returns the metadata of one version. The id "" means the current
// one, "null" the one that was stored while there were no versions. Of a delete
// marker it returns the marker and errDeleteMarker.
func (st *store) version(bucketName, key, id string) (*object, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.versionLocked(bucketName, key, id)
}

func (st *store) versionLocked(bucketName, key, id string) (*object, error) {
	b := st.buckets[bucketName]
	if b == nil {
		return nil, errNotStored
	}
	versions := b.versions[key]
	at := len(versions) - 1
	if id != "" {
		at = slices.IndexFunc(versions, func(o *object) bool { return o.versionName() == id })
	}
	switch {
	case at >= 0 && versions[at].Type == typeDeleteMarker:
		return versions[at], errDeleteMarker
	case at >= 0:
		return versions[at], nil
	case id == "" || id == nullVersion && b.Versioning == "":
		return nil, errNotStored
	}
	return nil, errNoVersion
}

// nullVersion is how requests and answers name the version without an id.
const nullVersion = "null"

// versionName is the id of a version as requests have it.
func (o *object) versionName() string {
	if o.VersionID == "" {
		return nullVersion
	}
	return o.VersionID
}

// addLocked makes o the current version of its key.
func (st *store) addLocked(b *bucket, o *object) error {
	kept := b.versions[o.Key]
	if len(kept) > 0 {
		o.Sequence = kept[len(kept)-1].Sequence + 1
	}
	var replaced *object
	if b.Versioning == VersioningEnabled {
		o.VersionID = "CAEQ" + randomHex(16)
	} else if i := slices.IndexFunc(kept, isNull); i >= 0 {
		replaced = kept[i]
		kept = slices.Delete(slices.Clone(kept), i, i+1)
	}
	o.Modified = st.now().UTC()
	// The metadata of the replaced version has the same name.
	if err := st.writeJSON(b.objectFile(o), o); err != nil {
		return fmt.Errorf("storing the metadata of %q: %w", o.Key, err)
	}
	b.setVersions(o.Key, append(kept, o))
	if replaced != nil && replaced.File != "" {
		os.Remove(b.dataFile(replaced.File))
	}
	return nil
}

func isNull(o *object) bool { return o.VersionID == "" }

// remove deletes a version for good or, where versioning is enabled or suspended
// and none is named, adds a delete marker. It returns what it removed or added: nil if
// there was nothing to remove.
func (st *store) remove(bucketName, key, id string) (*object, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.removeLocked(bucketName, key, id)
}

func (st *store) removeLocked(bucketName, key, id string) (*object, error) {
	b := st.buckets[bucketName]
	if b != nil && b.Versioning != "" && id == "" {
		marker := &object{Key: key, Type: typeDeleteMarker}
		return marker, st.addLocked(b, marker)
	}
	o, err := st.versionLocked(bucketName, key, id)
	switch {
	case errors.Is(err, errDeleteMarker):
	case errors.Is(err, errNotStored):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := os.Remove(b.objectFile(o)); err != nil {
		return nil, fmt.Errorf("deleting %q: %w", key, err)
	}
	b.setVersions(key, slices.DeleteFunc(b.versions[key], func(v *object) bool { return v == o }))
	if o.File != "" {
		os.Remove(b.dataFile(o.File))
	}
	return o, nil
}

// modify replaces one version by what change makes of it, tags or ACL, and returns
// it. Of a delete marker it returns the marker and errDeleteMarker.
func (st *store) modify(bucketName, key, id string, change func(*object)) (*object, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	old, err := st.versionLocked(bucketName, key, id)
	if err != nil {
		return old, err
	}
	b, modified := st.buckets[bucketName], *old
	change(&modified)
	if err := st.writeJSON(b.objectFile(&modified), modified); err != nil {
		return nil, fmt.Errorf("modifying %q: %w", key, err)
	}
	versions := b.versions[key]
	versions[slices.Index(versions, old)] = &modified
	b.setVersions(key, versions)
	return &modified, nil
}

func (b *bucket) setVersions(key string, versions []*object) {
	delete(b.objects, key)
	delete(b.versions, key)
	if len(versions) == 0 {
		return
	}
	b.versions[key] = versions
	if last := versions[len(versions)-1]; last.Type != typeDeleteMarker {
		b.objects[key] = last
	}
}

// sortVersions orders what was read from the disk.
func (b *bucket) sortVersions() {
	for key, versions := range b.versions {
		slices.SortFunc(versions, func(v, w *object) int { return v.Sequence - w.Sequence })
		b.setVersions(key, versions)
	}
}
