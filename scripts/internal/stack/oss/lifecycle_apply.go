package oss

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ApplyLifecycle does what OSS does once a day: it applies the rules of every bucket
// to what is old by now. OSS takes up to a day to begin.
func (s *Server) ApplyLifecycle() error {
	now := s.cfg.Now()
	for _, b := range s.store.listBuckets("") {
		for _, r := range b.Lifecycle {
			if r.Status != statusEnabled {
				continue
			}
			removed, err := s.store.expire(b.Name, r, now)
			aborted, abortErr := s.store.abortOld(b.Name, r, now)
			if err := errors.Join(err, abortErr); err != nil {
				return fmt.Errorf("applying the lifecycle rule %q of bucket %q: %w", r.ID, b.Name, err)
			}
			s.cfg.Log.Info("oss stand-in: lifecycle", slog.String("bucket", b.Name), slog.String("rule", r.ID), slog.Int("removed", removed), slog.Int("aborted", aborted))
		}
	}
	return nil
}

// isOld reports whether what was modified then is old now. The days begin with the
// next midnight, in UTC ("Why are objects not deleted").
func (a lifecycleAge) isOld(modified, now time.Time) bool {
	if a.CreatedBeforeDate != "" {
		date, err := a.date()
		return err == nil && modified.Before(date)
	}
	return a.Days > 0 && isDaysOld(a.Days, modified, now)
}

func isDaysOld(days int, modified, now time.Time) bool {
	midnight := modified.UTC().Truncate(day)
	if midnight.Before(modified) {
		midnight = midnight.Add(day)
	}
	return !now.Before(midnight.Add(time.Duration(days) * day))
}

// matches reports whether a rule is about an object.
func (r lifecycleRule) matches(o *object) bool {
	return strings.HasPrefix(o.Key, r.Prefix) &&
		!slices.ContainsFunc(r.Tags, func(t tag) bool { return !slices.Contains(o.Tags, t) })
}

// old returns the ids of those versions of a key, oldest first, that a rule removes.
// The id "" is that of the current one, which goes as if somebody deleted it: where
// there are versions, it gets a delete marker.
func (r lifecycleRule) old(versions []*object, now time.Time) []string {
	var ids []string
	replaced, current := versions[:len(versions)-1], versions[len(versions)-1]
	for i, o := range replaced {
		if r.NoncurrentExpiration != nil && r.matches(o) && isDaysOld(r.NoncurrentExpiration.NoncurrentDays, versions[i+1].Modified, now) {
			ids = append(ids, o.versionName())
		}
	}
	switch e, isMarker := r.Expiration, current.Type == typeDeleteMarker; {
	case e == nil || !r.matches(current):
	case isMarker && e.ExpiredObjectDeleteMarker && len(ids) == len(replaced):
		ids = append(ids, current.versionName())
	case !isMarker && e.isOld(current.Modified, now):
		ids = append(ids, "")
	}
	return ids
}

// expire removes what a rule says, and returns how many versions that were.
func (st *store) expire(bucketName string, r lifecycleRule, now time.Time) (int, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b := st.buckets[bucketName]
	if b == nil {
		return 0, nil
	}
	removed := 0
	for _, key := range slices.Sorted(maps.Keys(b.versions)) {
		for _, id := range r.old(b.versions[key], now) {
			if _, err := st.removeLocked(bucketName, key, id); err != nil {
				return removed, err
			}
			removed++
		}
	}
	return removed, nil
}

// abortOld aborts the uploads that a rule says, and returns how many.
func (st *store) abortOld(bucketName string, r lifecycleRule, now time.Time) (int, error) {
	if r.AbortMultipartUpload == nil {
		return 0, nil
	}
	aborted := 0
	for _, u := range st.listUploads(bucketName, r.Prefix) {
		if !r.AbortMultipartUpload.isOld(u.Initiated, now) {
			continue
		}
		switch err := st.abort(bucketName, u.Key, u.ID); {
		case errors.Is(err, errNotStored): // completed meanwhile
		case err != nil:
			return aborted, err
		default:
			aborted++
		}
	}
	return aborted, nil
}
