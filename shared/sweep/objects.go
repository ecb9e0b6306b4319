package sweep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/hold"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// parallel is how many objects are worked on at a time: after an outage of the
// webhook there may be many, and each takes three calls.
const parallel = 8

// candidate is an object that has no marker as it is.
type candidate struct {
	storage.Listed
	before string // the cursor that lists it next
}

// objects announces, and reports whether it came to the end.
func (r *run) objects(ctx context.Context) (end bool, err error) {
	known := &markers{storage: r.Storage, prefix: r.Prefix}
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
			return false, nil
		}
		if !page.More {
			r.at.After = ""
			return true, nil
		}
		r.at.After = r.next(page.Objects[len(page.Objects)-1].Key)
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

// next is where the listing goes on behind key. It leaps over what was stored with
// STS credentials, unless somebody wants to know of it. It does not leap over
// what the ids in keys date before the window: names that an application chose
// may lie between.
func (r *run) next(key string) string {
	if root := grant.STSRoot(r.Prefix); !r.TellStored && strings.HasPrefix(key, root) {
		return strings.TrimSuffix(root, "/") + "0" // which follows "/"
	}
	return key
}

// ours reports whether a sweep has to do with key.
func (r *run) ours(key string) bool { return r.policy.Anybodys(key) || r.TellStored && r.isSTS(key) }

func (r *run) isSTS(key string) bool { return strings.HasPrefix(key, grant.STSRoot(r.Prefix)) }

// candidates sorts a page of objects.
func (r *run) candidates(ctx context.Context, known *markers, page []storage.Listed) ([]candidate, error) {
	var found []candidate
	before := r.at.After
	for _, o := range page {
		r.count(&r.summary.Objects)
		switch {
		case !r.ours(o.Key):
			r.count(&r.summary.Foreign)
		case o.LastModified.Before(r.oldest):
			r.count(&r.summary.Old)
		case o.LastModified.After(r.youngest):
			r.count(&r.summary.Young)
		default:
			announced, err := known.has(ctx, o)
			if err != nil {
				return nil, err
			}
			if announced {
				r.count(&r.summary.Known)
			} else {
				found = append(found, candidate{o, before})
			}
		}
		before = o.Key
	}
	return found, nil
}

// examineAll works on candidates until the time is over, and returns the first
// that was not tried, or nil.
func (r *run) examineAll(ctx context.Context, candidates []candidate) (untried *candidate) {
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, parallel)
		tried = make([]bool, len(candidates))
	)
	for i, c := range candidates {
		slots <- struct{}{}
		if ctx.Err() != nil {
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
	if r.isSTS(c.Key) {
		return r.tellStored(ctx, c)
	}
	claims, object, err := r.Confirmer.Granted(ctx, c.Key)
	switch {
	case errors.Is(err, storage.ErrNotFound): // deleted meanwhile
		return nil
	case errors.Is(err, hold.ErrNoGrant):
		r.count(&r.summary.NoGrant, r.unopened(err))
		return nil
	case err != nil:
		return err
	}
	if err := hold.Check(claims, object); err != nil {
		return r.refuse(ctx, c, claims, object, err)
	}
	if !r.DryRun {
		if err := r.Confirmer.Repair(ctx, claims, object); err != nil {
			return err
		}
	}
	r.count(&r.summary.Announced)
	r.log(ctx, "announce", c.Key)
	return nil
}

// tellStored tells of what was stored with STS credentials, which carries no
// grant.
func (r *run) tellStored(ctx context.Context, c candidate) error {
	if !r.DryRun {
		if err := r.Confirmer.Look(ctx, confirm.Sighting{Key: c.Key, ETag: c.ETag}); err != nil {
			return err
		}
	}
	r.count(&r.summary.Stored)
	r.log(ctx, "tell stored", c.Key)
	return nil
}

// unopened is where an object is counted whose grant does not open, by reason.
func (r *run) unopened(err error) *int {
	switch {
	case errors.Is(err, uploadtoken.ErrKey):
		return &r.summary.UnknownSecret
	case errors.Is(err, uploadtoken.ErrPlace):
		return &r.summary.OtherDeployment
	case errors.Is(err, uploadtoken.ErrToken):
		return &r.summary.Unreadable
	}
	return nil // it carries none
}

// refuse deletes an object that breaks its grant, if that is allowed and beyond
// doubt.
func (r *run) refuse(ctx context.Context, c candidate, claims uploadtoken.Claims, object storage.Object, reason error) error {
	doubtful := !r.Delete || object.ETag != c.ETag || object.LastModified.After(r.graceEnds)
	if !doubtful {
		var err error
		if doubtful, err = (&markers{storage: r.Storage, prefix: r.Prefix}).ever(ctx, c.Key); err != nil {
			return fmt.Errorf("listing markers: %w", err)
		}
	}
	if doubtful {
		return r.leave(ctx, c, claims, object, reason)
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

// leave leaves an object that breaks its grant where it is, and has that told
// once, if anybody wants to know.
func (r *run) leave(ctx context.Context, c candidate, claims uploadtoken.Claims, object storage.Object, reason error) error {
	if !r.DryRun {
		err := r.Confirmer.Repair(ctx, claims, object)
		if !errors.Is(err, hold.ErrMismatch) || errors.Is(err, confirm.ErrDelivery) {
			return err
		}
	}
	r.count(&r.summary.Refused)
	r.log(ctx, "leave", c.Key, "reason", reason.Error())
	return nil
}

// stillRefused looks a second time, since OSS deletes without conditions.
func (r *run) stillRefused(ctx context.Context, key string, object storage.Object) (bool, error) {
	claims, again, err := r.Confirmer.Granted(ctx, key)
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, hold.ErrNoGrant) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	same := again.ETag == object.ETag && again.VersionID == object.VersionID && again.LastModified.Equal(object.LastModified)
	return same && errors.Is(hold.Check(claims, again), hold.ErrMismatch), nil
}
