// Package sweep repairs what no client will: it announces uploads that were
// stored and whose announcement was lost, deletes objects that break their
// grant if it is told to, and aborts multipart uploads that nobody can finish.
//
// It needs no database. An upload carries its sealed grant as metadata, and
// what was announced has a marker beside it (grant.Place.Marker), which the
// confirmer writes once an event was taken. A run walks the keys of uploads and
// of markers side by side, both in the order of keys, and asks for the objects
// that have no marker:
//
//	uploads/alice/2026/11/<id>.png    uploads/_announced/alice/2026/11/<id>-<hash>
//	uploads/alice/2026/11/<id2>.mp4   (no marker: HEAD, open the grant, compare, announce)
//
// # Promises
//
// An upload is announced under the one id that the callback would have used, by
// the same code, and is marked then; if it cannot be marked the run ends, since
// the next would deliver it again. Nothing is announced that disagrees with its
// grant. Nothing is deleted but an object that carries a grant of ours for its
// very key and bucket, breaks it, was never announced, is older than
// Options.Grace, and is at a second look still the same; and that only with
// Options.Delete. Keys that no policy of this prefix makes are never touched,
// and neither are uploads without a grant (those of the url kind have none).
//
// A run is bounded by Options.MaxObjects and by the deadline of its context, of
// which it leaves a tenth to its caller. Where it stopped is kept in
// _sweep/cursor, and the next run goes on there; after the end comes the
// beginning. What fails is passed over until the next time around; three
// failures in a row end the run, because then it is not the object's fault. Two
// runs at once do no harm but deliver some events twice, under their one id.
//
// # Limits
//
// Markers must outlive Options.LookBack: a lifecycle rule for _announced/ of 14
// days does, unless upload tokens live longer than that. An object whose marker
// was lost, and which was given other headers or tags after its announcement,
// cannot be told from one that breaks its grant. So leave Options.Delete off
// where anything else writes below the prefix. An upload of the url kind whose
// announcement was lost is asked for in each run of the window, in vain.
//
// # Why markers and not tags
//
// A tag on the object could say the same. Listings do not show tags, so each
// object in the window would have to be asked in each run. In requests, as
// counted by the tests:
//
//	                        markers                          tags
//	per upload              1 PUT                            1 PutObjectTagging
//	per run, n objects      2 lists per 1,000 objects        1 list per 1,000 objects
//	in the window           (one of objects, one of markers) and n GetObjectTagging
//	per lost announcement   1 HEAD, 1 PUT                    1 HEAD, 1 PutObjectTagging
//	per run besides         3: the cursor, the list of multipart uploads, and
//	                        a list that leaps over the markers
//
// With 10,000 uploads in the window and a run each 15 minutes that is about
// 2,200 requests a day against 960,000. Markers cost their space (no bytes, one
// key each, for 14 days) and leave the tags to the application.
//
// The package imports confirm, whose decision it repeats; grant, which made the
// keys; and storage, for what listings show and how calls fail.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ossupload/shared/confirm"
	"ossupload/shared/storage"
)

// Storage is what a sweep asks of OSS: storage.Client.
type Storage interface {
	List(ctx context.Context, prefix, after string, n int) (storage.Page, error)
	ListUploads(ctx context.Context, prefix string, after storage.Unfinished, n int) (storage.UnfinishedPage, error)
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	Put(ctx context.Context, key string, content []byte) error
	Delete(ctx context.Context, key string) error
	Abort(ctx context.Context, key, uploadID string) error
}

// Options say what a run may do. Defaults has the usual ones.
type Options struct {
	DryRun bool // log what would be done, and change nothing
	Delete bool // delete what breaks its grant

	MaxObjects int // that are listed, and as many multipart uploads

	// MinAge since an object was stored leaves it to the callback and to the
	// client.
	MinAge time.Duration
	// LookBack is how long ago the oldest upload was granted that is looked at.
	// Zero is eight days, or a day more than an upload token lives if that is
	// longer.
	LookBack time.Duration
	// Grace is the age from which on an object that breaks its grant may be
	// deleted.
	Grace time.Duration
}

// Defaults are the options of a run that announces and aborts.
func Defaults() Options {
	return Options{MaxObjects: 100_000, MinAge: 15 * time.Minute, Grace: 24 * time.Hour}
}

const (
	leastLookBack = 8 * 24 * time.Hour
	// staleAfter is how much longer than its token a multipart upload is kept.
	staleAfter = 24 * time.Hour
)

// Summary says what a run did or, when dry, would have done.
type Summary struct {
	DryRun   bool `json:"dryRun"`
	Finished bool `json:"finished"` // the ends were reached of objects and uploads

	Objects   int `json:"objects"`   // listed
	Foreign   int `json:"foreign"`   // of keys that are not ours
	Old       int `json:"old"`       // older than LookBack
	Young     int `json:"young"`     // younger than MinAge
	Known     int `json:"known"`     // that were announced before
	NoGrant   int `json:"noGrant"`   // that carry no grant of ours
	Announced int `json:"announced"` // now
	Refused   int `json:"refused"`   // that break their grant, and were left alone
	Deleted   int `json:"deleted"`   // that broke it

	Uploads int `json:"uploads"` // multipart uploads, listed
	Aborted int `json:"aborted"`

	Failed int `json:"failed"` // objects and uploads of which a call failed
}

// Sweeper sweeps one prefix of one bucket.
type Sweeper struct {
	Prefix    string // of every key, as in grant.Policy
	Bucket    string
	TokenTTL  time.Duration // how long an upload may take
	Storage   Storage
	Confirmer *confirm.Confirmer
	Now       func() time.Time
	Log       *slog.Logger // a line for each object or upload that is changed; nil: nothing is logged
}

// Run sweeps once. The summary counts what was done, also when there is an
// error. Running out of time is not an error; see Summary.Finished.
func (s *Sweeper) Run(ctx context.Context, o Options) (Summary, error) {
	if o.MaxObjects < 1 || o.MinAge < 0 || o.LookBack < 0 || o.Grace < 0 {
		return Summary{}, fmt.Errorf("sweeping: the options %+v are out of range", o)
	}
	if o.LookBack == 0 {
		o.LookBack = max(leastLookBack, s.TokenTTL+staleAfter)
	}
	if s.Log == nil {
		silent := *s
		silent.Log = slog.New(slog.DiscardHandler)
		s = &silent
	}
	now := s.Now()
	r := &run{
		Sweeper: s, Options: o, summary: Summary{DryRun: o.DryRun},
		youngest: now.Add(-o.MinAge), oldest: now.Add(-o.LookBack), graceEnds: now.Add(-o.Grace), stale: now.Add(-s.TokenTTL - staleAfter),
	}
	began, err := s.loadCursor(ctx)
	if err != nil {
		return r.summary, fmt.Errorf("sweeping: %w", err)
	}
	r.at = began

	// Neither half may starve the other, nor the cursor at the end.
	work, cancel := within(ctx, 0.9)
	defer cancel()
	first, cancel := within(work, 0.75)
	defer cancel()
	objectsEnd, err := r.objects(first)
	errs := []error{err}
	uploadsEnd, err := r.uploads(work)
	errs = append(errs, err)
	r.summary.Finished = objectsEnd && uploadsEnd

	if r.at != began && !o.DryRun {
		errs = append(errs, s.saveCursor(ctx, r.at))
	}
	if err := errors.Join(errs...); err != nil {
		return r.summary, fmt.Errorf("sweeping: %w", err)
	}
	return r.summary, nil
}

// within returns a context that ends when this part of the time that ctx has
// left is over. It has no deadline if ctx has none.
func within(ctx context.Context, part float64) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(part*float64(time.Until(deadline))))
}

// run is one run of a Sweeper.
type run struct {
	*Sweeper
	Options
	at                                 cursor
	youngest, oldest, graceEnds, stale time.Time

	mu      sync.Mutex
	summary Summary
	streak  int   // failures since something last went well
	fatal   error // ends the run
}

// maxStreak is how many failures in a row end a run.
const maxStreak = 3

// count adds one to a field of the summary.
func (r *run) count(field *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*field++
}

// settle takes note of how the work on one object or upload ended. It reports
// whether that was tried at all, which it was not if the time ran out.
func (r *run) settle(ctx context.Context, key string, err error) (tried bool) {
	if err != nil && ctx.Err() != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.streak = 0
		return true
	}
	r.summary.Failed++
	r.streak++
	r.Log.WarnContext(ctx, "sweep", "action", "pass over", "key", key, "err", err.Error())
	switch {
	case errors.Is(err, confirm.ErrMark):
		r.fatal = err
	case r.streak >= maxStreak:
		r.fatal = fmt.Errorf("giving up after %d failures in a row: %w", r.streak, err)
	}
	return true
}

// failed returns what ended the run, if anything did.
func (r *run) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fatal
}

// log tells what is done to an object or upload.
func (r *run) log(ctx context.Context, action, key string, more ...any) {
	r.Log.InfoContext(ctx, "sweep", append([]any{"action", action, "dryRun", r.DryRun, "key", key}, more...)...)
}
