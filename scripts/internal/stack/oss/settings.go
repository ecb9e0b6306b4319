package oss

import (
	"path/filepath"
)

// settings are what a bucket is told about the objects in it. They are part of
// bucket.json, and never modified in place.
type settings struct {
	Versioning   Versioning      `json:",omitempty"`
	StorageClass string          `json:",omitempty"` // "" is Standard
	Overwrite    []overwriteRule `json:",omitempty"`
	Lifecycle    []lifecycleRule `json:",omitempty"`
	// CORS is nil until the bucket is told its own, if only to have none.
	CORS *corsConfiguration `json:",omitempty"`
	// BlockPublicAccess refuses public ACLs, and has those that are there do nothing.
	BlockPublicAccess bool `json:",omitempty"`
}

const standard = "Standard"

// storageClasses begins with the one that a bucket has unless it is told otherwise.
var storageClasses = []string{standard, "IA", "Archive", "ColdArchive", "DeepColdArchive"}

func (s settings) storageClass() string {
	if s.StorageClass == "" {
		return standard
	}
	return s.StorageClass
}

// configure changes the settings of a bucket.
func (st *store) configure(bucketName string, change func(*settings)) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b := st.buckets[bucketName]
	if b == nil {
		return errNotStored
	}
	was := b.settings
	change(&b.settings)
	if err := st.writeJSON(filepath.Join(b.dir, "bucket.json"), b); err != nil {
		b.settings = was
		return err
	}
	return nil
}

// settings returns those of a bucket; of one that there is not, the zero value.
func (st *store) settings(bucketName string) settings {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if b := st.buckets[bucketName]; b != nil {
		return b.settings
	}
	return settings{}
}
