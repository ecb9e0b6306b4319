package sweep

import (
	"context"
	"errors"
	"fmt"

	"ossupload/shared/storage"
)

// uploads aborts, and reports whether it came to the end.
func (r *run) uploads(ctx context.Context) (end bool, err error) {
	for left := r.MaxObjects; left > 0 && ctx.Err() == nil; {
		after := storage.Unfinished{Key: r.at.UploadKey, ID: r.at.UploadID}
		page, err := r.Storage.ListUploads(ctx, r.Prefix, after, min(left, storage.PageSize))
		if err != nil {
			return false, unlessOver(ctx, fmt.Errorf("listing multipart uploads: %w", err))
		}
		left -= len(page.Uploads)
		for _, u := range page.Uploads {
			r.count(&r.summary.Uploads)
			if !r.settle(ctx, u.Key, r.abortIfStale(ctx, u)) {
				return false, nil
			}
			r.at.UploadKey, r.at.UploadID = u.Key, u.ID
		}
		if !page.More {
			r.at.UploadKey, r.at.UploadID = "", ""
			return true, nil
		}
	}
	return false, nil
}

// abortIfStale aborts an upload whose token has been of no use for an hour. Under a
// key that no policy makes, it is left alone.
func (r *run) abortIfStale(ctx context.Context, u storage.Unfinished) error {
	if !r.policy.Anybodys(u.Key) || u.Initiated.After(r.stale) {
		return nil
	}
	if !r.DryRun {
		if err := r.Storage.Abort(ctx, u.Key, u.ID); err != nil && !errors.Is(err, storage.ErrNoSuchUpload) {
			return err
		}
	}
	r.count(&r.summary.Aborted)
	r.log(ctx, "abort", u.Key)
	return nil
}
