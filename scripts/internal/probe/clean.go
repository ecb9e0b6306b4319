package probe

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Bounds of a cleanup.
const (
	cleanupTime  = 2 * time.Minute
	cleanupBytes = 8 << 20
	cleanupMost  = 1000 // things, at once
)

// ErrDenied means that the credentials may not look below a prefix.
var ErrDenied = errors.New("denied")

// Empty reports whether there is nothing below the prefix of a target: no object,
// no version, no delete marker and no multipart upload.
func Empty(ctx context.Context, t Target) (bool, error) {
	if err := t.check(); err != nil {
		return false, err
	}
	t.MaxCalls, t.MaxBytes = lookCalls, lookBytes
	r, err := newRun(t)
	if err != nil {
		return false, err
	}
	for _, list := range listings {
		things, err := r.list(ctx, list, t.Prefix, 1)
		if err != nil {
			return false, fmt.Errorf("looking for what is there already: %w", err)
		}
		if len(things) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// thing is something that was found below a prefix.
type thing struct {
	key       string
	versionID string
	uploadID  string
}

// String names it in a report.
func (t thing) String() string {
	switch {
	case t.uploadID != "":
		return "a multipart upload of " + t.key
	case t.versionID != "":
		return "a version of " + t.key
	}
	return t.key
}

// listing is a call that lists things.
type listing struct {
	name  string
	query map[string]string
	// next are the parameters that continue the list, by the elements that have
	// their values.
	next map[string]string
}

var (
	uploads = listing{"multipart uploads", map[string]string{"uploads": "", "max-uploads": "1000"},
		map[string]string{"NextKeyMarker": "key-marker", "NextUploadIdMarker": "upload-id-marker"}}
	versions = listing{"versions", map[string]string{"versions": "", "max-keys": "1000"},
		map[string]string{"NextKeyMarker": "key-marker", "NextVersionIdMarker": "version-id-marker"}}
	objects = listing{"objects", map[string]string{"list-type": "2", "max-keys": "1000"},
		map[string]string{"NextContinuationToken": "continuation-token"}}

	listings = []listing{uploads, objects, versions}
)

// list returns what is below a prefix, up to the end of the page with which there
// are enough.
func (r *run) list(ctx context.Context, l listing, prefix string, enough int) (things []thing, err error) {
	more := map[string]string{}
	for {
		query := map[string]string{"prefix": prefix, "encoding-type": "url"}
		for _, part := range []map[string]string{l.query, more} {
			for name, value := range part {
				query[name] = value
			}
		}
		answer, err := r.quietly(ctx, call{method: "GET", query: query})
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", l.name, err)
		}
		if answer.status == http.StatusForbidden {
			return nil, fmt.Errorf("listing %s: %w: answered %v", l.name, ErrDenied, answer)
		}
		if answer.status != http.StatusOK || answer.foreign() {
			return nil, fmt.Errorf("listing %s: answered %v", l.name, answer)
		}
		page, err := readPage(answer.body)
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", l.name, err)
		}
		things = append(things, page...)
		if len(things) >= enough || element(answer.body, "IsTruncated") != "true" {
			return things, nil
		}
		for name, parameter := range l.next {
			if more[parameter], err = url.QueryUnescape(element(answer.body, name)); err != nil {
				return nil, fmt.Errorf("listing %s: the marker is not encoded", l.name)
			}
		}
	}
}

// readPage reads what is listed on one page, of objects, versions or uploads.
func readPage(document string) ([]thing, error) {
	type entry struct {
		Key       string
		VersionID string `xml:"VersionId"`
		UploadID  string `xml:"UploadId"`
	}
	var page struct {
		Contents     []entry
		Version      []entry
		DeleteMarker []entry
		Upload       []entry
	}
	if err := xml.Unmarshal([]byte(document), &page); err != nil {
		return nil, errors.New("the answer is not a list")
	}
	var things []thing
	for _, entries := range [][]entry{page.Contents, page.Version, page.DeleteMarker, page.Upload} {
		for _, e := range entries {
			key, err := url.QueryUnescape(e.Key)
			if err != nil {
				return nil, errors.New("a key is not encoded")
			}
			things = append(things, thing{key, e.VersionID, e.UploadID})
		}
	}
	return things, nil
}

// quietly is do for what is not a probe: it returns an error instead of stopping.
// The error holds no URL.
func (r *run) quietly(ctx context.Context, c call) (answer reply, err error) {
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case interruption:
			err = errors.New(thrown.finding.Saw)
		default:
			panic(thrown)
		}
	}()
	return r.do(ctx, c), nil
}

// clean removes all that the run made, also if ctx has ended, and returns what it
// could not. In a bucket with versioning versions are removed, and delete markers
// like them. What failed is tried again after a pause, and it is over when nothing
// is listed any more. Where nothing may be listed, the uploads that the run began
// are aborted and the keys that it gave out deleted one by one.
func (r *run) clean(ctx context.Context) (leftovers []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	cleaner := *r
	made, _ := r.budget.spent()
	cleaner.budget = &budget{calls: cleanupFor(made), bytes: cleanupBytes}
	cleaner.client = metered(r.HTTP.Transport, cleaner.budget)
	for i, pause := range cleanupPauses {
		if i > 0 && len(leftovers) > 0 {
			cleaner.sleep(ctx, pause)
		}
		var empty bool
		if empty, leftovers = cleaner.sweep(ctx, i == len(cleanupPauses)-1); empty {
			break
		}
	}
	return leftovers
}

// cleanupPauses come before the tries of a cleanup that follow one that failed.
var cleanupPauses = []time.Duration{0, 200 * time.Millisecond, time.Second, 3 * time.Second}

// sweep removes what is listed. It reports whether there was nothing, and what it
// could not do. The last one also removes what was given out where the list fails.
func (r *run) sweep(ctx context.Context, last bool) (empty bool, failed []string) {
	empty = true
	for _, l := range r.toClean(ctx) {
		things, err := r.list(ctx, l, r.folder, cleanupMost)
		if err != nil {
			failed = append(failed, r.redact(fmt.Sprintf("unknown below %s: %v", r.folder, err)))
			if last {
				things = r.given(l)
			}
		}
		empty = empty && err == nil && len(things) == 0
		for _, t := range things {
			if err := r.remove(ctx, t); err != nil {
				failed = append(failed, r.redact(fmt.Sprintf("%v: %v", t, err)))
			}
		}
	}
	return empty, failed
}

func (r *run) sleep(ctx context.Context, d time.Duration) {
	if r.Sleep != nil {
		r.Sleep(ctx, d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// toClean are the listings of what has to be removed. Versions are only asked for
// in a bucket that has them: elsewhere a deletion by a version's id is not needed.
func (r *run) toClean(ctx context.Context) []listing {
	answer, err := r.quietly(ctx, call{method: "GET", query: map[string]string{"versioning": ""}})
	if known := err == nil && answer.status == http.StatusOK && !answer.foreign(); known {
		state := element(answer.body, "Status")
		r.versioned = r.versioned || state != ""
		if !r.versioned {
			return []listing{uploads, objects}
		}
	}
	return []listing{uploads, versions}
}

// given is what probes may have made, as far as is known without a list.
func (r *run) given(l listing) []thing {
	if l.name == uploads.name {
		return r.begun
	}
	var things []thing
	for _, key := range r.keys {
		things = append(things, thing{key: key})
	}
	return things
}

// remove removes one thing. Without the id of a version it would add a delete
// marker where there are versions, and remove nothing.
func (r *run) remove(ctx context.Context, t thing) error {
	if r.versioned && t.uploadID == "" && t.versionID == "" {
		return errors.New("it has versions, and their ids are not known")
	}
	c := call{method: "DELETE", key: t.key, query: map[string]string{}}
	switch {
	case t.uploadID != "":
		c.query["uploadId"] = t.uploadID
	case t.versionID != "":
		c.query["versionId"] = t.versionID
	}
	answer, err := r.quietly(ctx, c)
	if err != nil {
		return err
	}
	if answer.foreign() || answer.status != http.StatusNoContent && answer.status != http.StatusNotFound {
		return fmt.Errorf("answered %v", answer)
	}
	return nil
}
