package oss

import (
	"encoding/xml"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type listedBucket struct {
	Name             string
	Location         string
	Region           string
	CreationDate     string
	StorageClass     string
	ExtranetEndpoint string
	IntranetEndpoint string
}

type listBucketsResult struct {
	XMLName     xml.Name `xml:"ListAllMyBucketsResult"`
	Prefix      string   `xml:",omitempty"`
	Marker      string   `xml:",omitempty"`
	MaxKeys     int      `xml:",omitempty"`
	IsTruncated bool
	NextMarker  string `xml:",omitempty"`
	Owner       owner
	Buckets     []listedBucket `xml:"Buckets>Bucket"`
}

// listBuckets lists a page of buckets by name, those after the marker. There are no
// tags of buckets, and so nothing is found by them.
func (c *call) listBuckets() error {
	maxKeys, err := c.intParam("max-keys", 1, 1000, 100)
	if err != nil {
		return err
	}
	result := listBucketsResult{
		Prefix: c.query.get("prefix"), Marker: c.query.get("marker"), MaxKeys: maxKeys,
		Owner: owner{ID: accountID, DisplayName: accountID},
	}
	for _, b := range c.s.store.listBuckets(result.Prefix) {
		if b.Name <= result.Marker {
			continue
		}
		if len(result.Buckets) == maxKeys {
			result.IsTruncated = true
			result.NextMarker = result.Buckets[maxKeys-1].Name
			break
		}
		result.Buckets = append(result.Buckets, listedBucket{
			Name: b.Name, Location: "oss-" + c.s.cfg.Region, Region: c.s.cfg.Region,
			CreationDate: b.Created.Format(xmlTimeLayout), StorageClass: b.storageClass(),
			ExtranetEndpoint: c.r.Host, IntranetEndpoint: c.r.Host,
		})
	}
	return c.writeXML(result)
}

// deleteBucket deletes a bucket that holds neither versions nor uploads.
func (c *call) deleteBucket() error {
	ok, err := c.s.store.deleteBucket(c.target.bucket)
	if err != nil {
		return c.storeError(err)
	}
	if !ok {
		e := errorf(http.StatusConflict, codeBucketNotEmpty, "", "The bucket you tried to delete is not empty.")
		e.BucketName = c.target.bucket
		return e
	}
	return c.writeEmpty(http.StatusNoContent)
}

// bucketSummary is what a list of buckets says of one.
type bucketSummary struct {
	Name    string
	Created time.Time
	settings
}

func (st *store) listBuckets(prefix string) []bucketSummary {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var list []bucketSummary
	for name, b := range st.buckets {
		if strings.HasPrefix(name, prefix) {
			list = append(list, bucketSummary{name, b.Created, b.settings})
		}
	}
	slices.SortFunc(list, func(a, b bucketSummary) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// deleteBucket reports whether the bucket was empty and is gone. bucket.json goes
// first: a bucket without one is overlooked by the next start.
func (st *store) deleteBucket(name string) (bool, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b := st.buckets[name]
	switch {
	case b == nil:
		return false, errNotStored
	case len(b.versions) > 0 || len(b.uploads) > 0:
		return false, nil
	}
	if err := os.Remove(filepath.Join(b.dir, "bucket.json")); err != nil {
		return false, err
	}
	delete(st.buckets, name)
	return true, os.RemoveAll(b.dir)
}
