package sweep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
)

// parallel is how many objects are worked on at a time: after an outage of the
// webhook there may be many, and each takes three calls.
const parallel = 8

// candidate is an object that was not announced as it is.
type candidate struct {
	storage.Listed
	announced bool   // other bytes of this upload were
	before    string // the cursor that lists it next
}

// objects announces, and reports whether it came to the end.
func (r *run) objects(ctx context.Context) (end bool, err error) {
	known := &markers{storage: r.Storage, prefix: grant.AnnouncedPrefix(r.Prefix)}
	for left := r.MaxObjects; left > 0 && ctx.Err() == nil; {
		page, err := r.Storage.List(ctx, r.Prefix, r.at.After, min(left, storage.PageSize))
		if err != nil {
			return false, unlessOver(ctx, fmt.Errorf("listing objects: %w", err))
		}
		left -= len(page.Objects)
		candidates, err := r.candidates(ctx, known, page.Objects)
		if err != nil {
			return false, unlessOver(ctx, fmt.Errorf("listing markers: %w", err))
		}
		if untried := r.examineAll(ctx, candidates); untried != nil {
			r.at.After = untried.before
			return false, r.failed()
		}
		// The page is behind us also when it ends the run: one on which all that
		// was tried fails must not be where every run begins.
		if end = !page.More; end {
			r.at.After = ""
		} else {
			r.at.After = r.next(page.Objects[len(page.Objects)-1].Key)
		}
		if err := r.failed(); end || err != nil {
			return end && err == nil, err
		}
	}
	return false, nil
}

// unlessOver drops what only says that the time is over.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// next is where the listing goes on behind key. It leaps over what is not ours
// and over what this subject uploaded before the window.
func (r *run) next(key string) string {
	if root, ok := grant.Reserved(r.Prefix, key); ok {
		return strings.TrimSuffix(root, "/") + "0" // which follows "/"
	}
	if place, ok := grant.ParseKey(key); ok && place.Prefix == r.Prefix && place.Granted.Before(r.oldest) {
		return place.Since(r.oldest)
	}
	return key
}

// candidates sorts a page of objects.
func (r *run) candidates(ctx context.Context, known *markers, page []storage.Listed) ([]candidate, error) {
	var found []candidate
	before := r.at.After
	for _, o := range page {
		r.count(&r.summary.Objects)
		place, ok := grant.ParseKey(o.Key)
		switch {
		case !ok || place.Prefix != r.Prefix:
			if _, ok := grant.Reserved(r.Prefix, o.Key); !ok {
				r.count(&r.summary.Foreign)
			}
		case place.Granted.Before(r.oldest):
			r.count(&r.summary.Old)
		case o.LastModified.After(r.youngest):
			r.count(&r.summary.Young)
		default:
			these, any, err := known.find(ctx, place, o.ETag)
			if err != nil {
				return nil, err
			}
			if these {
				r.count(&r.summary.Known)
			} else {
				found = append(found, candidate{Listed: o, announced: any, before: before})
			}
		}
		before = o.Key
	}
	return found, nil
}

// examineAll works on candidates until time or patience end, and returns the
// first that was not tried, or nil.
func (r *run) examineAll(ctx context.Context, candidates []candidate) (untried *candidate) {
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, parallel)
		tried = make([]bool, len(candidates))
	)
	for i, c := range candidates {
		slots <- struct{}{}
		if ctx.Err() != nil || r.failed() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			tried[i] = r.settle(ctx, c.Key, r.examine(ctx, c))
		})
	}
	wg.Wait()
	for i := range tried {
		if !tried[i] {
			return &candidates[i]
		}
	}
	return nil
}

// examine asks for one object and does what is to be done.
func (r *run) examine(ctx context.Context, c candidate) error {
	claims, object, err := r.Confirmer.Stored(ctx, c.Key)
	switch {
	case errors.Is(err, storage.ErrNotFound): // deleted meanwhile
		return nil
	case errors.Is(err, confirm.ErrNoGrant), err == nil && claims.Bucket != r.Bucket:
		r.count(&r.summary.NoGrant)
		return nil
	case err != nil:
		return err
	}
	if err := confirm.Check(claims, object); err != nil {
		return r.refuse(ctx, c, object, err)
	}
	if !r.DryRun {
		if _, err := r.Confirmer.Repair(ctx, claims, object); err != nil {
			return err
		}
	}
	r.count(&r.summary.Announced)
	r.log(ctx, "announce", c.Key)
	return nil
}

// refuse deletes an object that breaks its grant, if that is allowed and beyond
// doubt.
func (r *run) refuse(ctx context.Context, c candidate, object storage.Object, reason error) error {
	if !r.Delete || c.announced || object.ETag != c.ETag || object.LastModified.After(r.graceEnds) {
		r.count(&r.summary.Refused)
		if r.DryRun {
			r.log(ctx, "leave", c.Key, "reason", reason.Error())
		}
		return nil
	}
	if !r.DryRun {
		same, err := r.stillRefused(ctx, c.Key, object)
		if err != nil || !same {
			return err
		}
		if err := r.Storage.Delete(ctx, c.Key); err != nil {
			return err
		}
	}
	r.count(&r.summary.Deleted)
	r.log(ctx, "delete", c.Key, "reason", reason.Error())
	return nil
}

// stillRefused looks a second time, since OSS deletes without conditions.
func (r *run) stillRefused(ctx context.Context, key string, object storage.Object) (bool, error) {
	claims, again, err := r.Confirmer.Stored(ctx, key)
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, confirm.ErrNoGrant) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	same := again.ETag == object.ETag && again.VersionID == object.VersionID && again.LastModified.Equal(object.LastModified)
	return same && claims.Bucket == r.Bucket && errors.Is(confirm.Check(claims, again), confirm.ErrMismatch), nil
}
