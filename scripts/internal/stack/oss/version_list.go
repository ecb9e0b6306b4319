package oss

import (
	"encoding/xml"
	"slices"
	"strings"
)

// listedVersion is a Version or, without type, size and ETag, a DeleteMarker.
type listedVersion struct {
	XMLName      xml.Name
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified string
	ETag         string `xml:",omitempty"`
	Type         string `xml:",omitempty"`
	Size         *int64 `xml:",omitempty"`
	StorageClass string `xml:",omitempty"`
	Owner        owner
}

type listVersionsResult struct {
	XMLName             xml.Name `xml:"ListVersionsResult"`
	Name                string
	Prefix              string
	KeyMarker           string
	VersionIDMarker     string `xml:"VersionIdMarker"`
	NextKeyMarker       string `xml:",omitempty"`
	NextVersionIDMarker string `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys             int
	Delimiter           string `xml:",omitempty"`
	EncodingType        string `xml:",omitempty"`
	IsTruncated         bool
	Versions            []listedVersion
	CommonPrefixes      []commonPrefix
}

// listObjectVersions lists a page of versions and delete markers, by key and then
// from the newest to the oldest ("ListObjectVersions"). With only a key marker,
// every version of that key has been seen; with a version marker as well, those up
// to it.
func (c *call) listObjectVersions() error {
	encode, encodingType, err := c.encodeKey()
	if err != nil {
		return err
	}
	maxKeys, err := c.intParam("max-keys", 1, 1000, 100)
	if err != nil {
		return err
	}
	keyMarker, versionMarker := c.query.get("key-marker"), c.query.get("version-id-marker")
	if keyMarker == "" && versionMarker != "" {
		return invalidArgument("version-id-marker", versionMarker, "", "A version-id marker cannot be specified without a key marker.")
	}
	prefix, delimiter := c.query.get("prefix"), c.query.get("delimiter")
	result := listVersionsResult{
		Name: c.target.bucket, Prefix: encode(prefix), KeyMarker: encode(keyMarker), VersionIDMarker: versionMarker,
		MaxKeys: maxKeys, Delimiter: encode(delimiter), EncodingType: encodingType,
	}
	last := keyMarker
	for _, v := range versionsAfter(c.s.store.listVersions(c.target.bucket, prefix), keyMarker, versionMarker) {
		name, isPrefix := groupOf(v.Key, prefix, delimiter)
		if isPrefix && name == last {
			continue
		}
		if len(result.Versions)+len(result.CommonPrefixes) == maxKeys {
			result.IsTruncated = true
			break
		}
		last = name
		result.NextKeyMarker, result.NextVersionIDMarker = encode(name), ""
		if isPrefix {
			result.CommonPrefixes = append(result.CommonPrefixes, commonPrefix{encode(name)})
			continue
		}
		result.NextVersionIDMarker = v.versionName()
		result.Versions = append(result.Versions, listVersion(v, encode))
	}
	if !result.IsTruncated {
		result.NextKeyMarker, result.NextVersionIDMarker = "", ""
	}
	return c.writeXML(result)
}

// versionsAfter is the rest of a list behind a marker. Behind a version that is
// gone, it begins with the next key.
func versionsAfter(list []storedVersion, key, version string) []storedVersion {
	if i := slices.IndexFunc(list, func(v storedVersion) bool { return v.Key == key && v.versionName() == version }); i >= 0 {
		return list[i+1:]
	}
	if i := slices.IndexFunc(list, func(v storedVersion) bool { return v.Key > key }); i >= 0 {
		return list[i:]
	}
	return nil
}

// groupOf is what a listing shows for a key: the key itself, or the prefix that it
// has in common with others.
func groupOf(key, prefix, delimiter string) (name string, isPrefix bool) {
	if delimiter != "" {
		if before, _, found := strings.Cut(key[len(prefix):], delimiter); found {
			return prefix + before + delimiter, true
		}
	}
	return key, false
}

// storedVersion is a version, and whether it is the current one.
type storedVersion struct {
	*object
	latest bool
}

// listVersions returns all versions of the keys under prefix, in the order of a
// listing.
func (st *store) listVersions(bucketName, prefix string) []storedVersion {
	st.mu.RLock()
	defer st.mu.RUnlock()
	b := st.buckets[bucketName]
	if b == nil {
		return nil
	}
	var keys []string
	for key := range b.versions {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var list []storedVersion
	for _, key := range keys {
		versions := b.versions[key]
		for i, o := range slices.Backward(versions) {
			list = append(list, storedVersion{object: o, latest: i == len(versions)-1})
		}
	}
	return list
}

func listVersion(v storedVersion, encode func(string) string) listedVersion {
	listed := listedVersion{
		XMLName: xml.Name{Local: "Version"},
		Key:     encode(v.Key), VersionID: v.versionName(), IsLatest: v.latest,
		LastModified: v.Modified.Format(xmlTimeLayout),
		Owner:        owner{ID: accountID, DisplayName: accountID},
	}
	if v.Type == typeDeleteMarker {
		listed.XMLName.Local = typeDeleteMarker
		return listed
	}
	listed.ETag, listed.Type, listed.Size, listed.StorageClass = quote(v.ETag), v.Type, &v.Size, v.StorageClass
	return listed
}
