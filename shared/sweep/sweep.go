// Package sweep repairs what no client will, where OSS's trigger is not deployed:
// it announces uploads that were stored and whose announcement was lost, deletes
// objects that break their grant if it is told to, and aborts multipart uploads
// that nobody can finish.
//
// It needs no database. An upload carries its sealed grant as metadata, and what
// was announced, or waits in the outbox, has a marker (grant.Marker) whose name
// follows from what a listing shows. A run walks the keys of uploads and of
// markers side by side, and asks for the objects that have no marker:
//
//	uploads/alice/2026/11/<id>.png    _ossupload/uploads/_announced/alice/2026/11/<id>.png-<hash>
//	uploads/alice/2026/11/<id2>.mp4   (no marker: HEAD, open the grant, compare, announce)
//
// # Promises
//
// An upload is announced under the one id that the callback would have used, by
// the same code: delivered or, if nobody takes it, queued, and marked then.
// Nothing is announced that disagrees with its grant. Nothing is deleted but an
// object that carries a grant of ours for its very key, breaks it, has no marker
// under any version, is older than Options.Grace, and is at a second look still
// the same; and that only with Options.Delete. Keys that no policy of this prefix
// makes are never touched, and neither are uploads without a grant (those of the
// url kind have none).
//
// No object ends a run, and none holds up another: what fails is counted, logged
// and passed over until the next time around. What ends a run is that it cannot
// list, or cannot write its cursor. It writes that before anything else, because
// where the cursor cannot be written markers cannot either, and every run would
// announce everything again.
//
// A run is bounded by Options.MaxObjects and by the deadline of its context, of
// which it leaves a tenth to its caller. Where it stopped is kept in
// _ossupload/<prefix>_sweep/cursor, and the next run goes on there; after the end
// comes the beginning. Two runs at once do no harm but deliver some events twice,
// under their one id.
//
// What no run will mend is said aloud, as an error in the log: grants that do not
// open, by reason, since a secret may have been replaced instead of rotated, or
// the deployment moved; and a round that takes over half of Options.LookBack,
// since what is stored meanwhile may be too old when its turn comes.
//
// # Limits
//
// A sweep is good to a million objects. A round lists all of them, old ones too,
// and with runs of Defaults every 15 minutes a million take two and a half hours.
// Beyond, deploy the trigger, whose cost is per upload.
//
// Markers must outlive Options.LookBack: a lifecycle rule of 30 days does. An
// object whose marker was lost, and which was given other headers or tags after
// its announcement, cannot be told from one that breaks its grant. So leave
// Options.Delete off where anything else writes below the prefix. An object of
// which upload.refused was told has a marker too, and is not deleted. An upload of
// the url kind whose announcement was lost is asked for in each run of the
// window, in vain. Multipart uploads are aborted 169 hours after their
// initiation, an hour after the longest life of a token, whatever the setting
// says today; also somebody else's, under a key that could be ours.
//
// # What a round costs
//
// TestRound writes this table: everything was announced, and was stored within
// the window. What was stored before it has its marker not looked for.
//
//	objects    subjects  runs  lists of objects  of markers  of uploads  other
//	1000000    1         10    1000              1000        10          30
//	1000000    1000      10    1000              1000        10          30
//	1000000    100000    10    1000              1000        10          30
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
//	per run besides         4: the cursor read and written twice, and the list of
//	                        multipart uploads
//
// With 10,000 uploads in the window and a run each 15 minutes that is about
// 2,300 requests a day against 960,000. Markers cost their space (a few bytes, one
// key each, for 30 days) and leave the tags to the application.
//
// The package imports confirm, whose decision it repeats; hold, for how an object
// fails it; uploadtoken, for how a grant does not open; grant, which made the
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
	"ossupload/shared/grant"
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
	// LookBack is how long ago the oldest object was stored that is looked at.
	// Zero is eight days.
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
	lookBack = 8 * 24 * time.Hour
	// staleAfter is the age at which a multipart upload is aborted: an hour more
	// than any token lives, whatever the setting says today.
	staleAfter = 169 * time.Hour
)

// Summary says what a run did or, when dry, would have done.
type Summary struct {
	DryRun   bool `json:"dryRun"`
	Finished bool `json:"finished"` // the ends were reached of objects and uploads

	Objects   int `json:"objects"`   // listed
	Foreign   int `json:"foreign"`   // of keys that are not ours
	Old       int `json:"old"`       // stored before LookBack
	Young     int `json:"young"`     // younger than MinAge
	Known     int `json:"known"`     // that have a marker
	NoGrant   int `json:"noGrant"`   // that carry no grant of ours
	Announced int `json:"announced"` // now
	Refused   int `json:"refused"`   // that break their grant, and were left alone
	Deleted   int `json:"deleted"`   // that broke it
	Stored    int `json:"stored"`    // with STS credentials, and told of

	// Of NoGrant, those whose grant does not open, by reason.
	UnknownSecret   int `json:"unknownSecret"`   // its secret is not among ours
	Unreadable      int `json:"unreadable"`      // it was not sealed with the secret that it names
	OtherDeployment int `json:"otherDeployment"` // it is of another bucket or prefix

	Uploads int `json:"uploads"` // multipart uploads, listed
	Aborted int `json:"aborted"`

	Failed int `json:"failed"` // objects and uploads of which a call failed
}

// Sweeper sweeps one prefix of one bucket.
type Sweeper struct {
	Prefix    string // of every key, as in grant.Policy
	Storage   Storage
	Confirmer *confirm.Confirmer
	// TellStored has what was stored with STS credentials told of: its confirmer
	// raises confirm.Stored.
	TellStored bool
	Now        func() time.Time
	Log        *slog.Logger // a line for each object or upload that is changed; nil: nothing is logged
}

// Run sweeps once. The summary counts what was done, also when there is an
// error. Running out of time is not an error; see Summary.Finished.
func (s *Sweeper) Run(ctx context.Context, o Options) (Summary, error) {
	if o.MaxObjects < 1 || o.MinAge < 0 || o.LookBack < 0 || o.Grace < 0 {
		return Summary{}, fmt.Errorf("sweeping: the options %+v are out of range", o)
	}
	if o.LookBack == 0 {
		o.LookBack = lookBack
	}
	r, err := s.begin(ctx, o)
	if err == nil {
		err = r.all(ctx)
	}
	if err != nil {
		return r.summary, fmt.Errorf("sweeping: %w", err)
	}
	return r.summary, nil
}

// begin begins a run where the last one stopped.
func (s *Sweeper) begin(ctx context.Context, o Options) (*run, error) {
	if s.Log == nil {
		silent := *s
		silent.Log = slog.New(slog.DiscardHandler)
		s = &silent
	}
	now := s.Now()
	r := &run{
		Sweeper: s, Options: o, policy: grant.Policy{Prefix: s.Prefix}, summary: Summary{DryRun: o.DryRun}, now: now,
		youngest: now.Add(-o.MinAge), oldest: now.Add(-o.LookBack), graceEnds: now.Add(-o.Grace), stale: now.Add(-staleAfter),
	}
	began, err := s.loadCursor(ctx)
	if err != nil {
		return r, err
	}
	r.began, r.at = began, began
	if !o.DryRun {
		// Where the cursor cannot be kept, markers cannot be written either, and
		// everything would be announced again in each run.
		if err := s.saveCursor(ctx, r.at); err != nil {
			return r, err
		}
	}
	if r.at.After == "" {
		r.at.Round = now.Unix()
	}
	return r, nil
}

// all sweeps objects, then uploads, and keeps where it stopped.
func (r *run) all(ctx context.Context) error {
	// Neither half may starve the other, nor the cursor at the end.
	work, cancel := within(ctx, 0.9)
	defer cancel()
	first, cancel := within(work, 0.75)
	defer cancel()
	objectsEnd, failed := r.objects(first)
	uploadsEnd, err := r.uploads(work)
	failed = errors.Join(failed, err)
	r.summary.Finished = objectsEnd && uploadsEnd
	r.sayAloud(ctx)
	if r.at != r.began && !r.DryRun {
		failed = errors.Join(failed, r.saveCursor(ctx, r.at))
	}
	return failed
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
	policy                             grant.Policy
	began, at                          cursor
	now                                time.Time
	youngest, oldest, graceEnds, stale time.Time

	mu      sync.Mutex
	summary Summary
}

// count adds one to each field of the summary; nil is none.
func (r *run) count(fields ...*int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, field := range fields {
		if field != nil {
			*field++
		}
	}
}

// settle takes note of how the work on one object or upload ended. A failure is
// passed over until the next time around; it never ends a run. settle reports
// whether the work was tried at all, which it was not if the time ran out.
func (r *run) settle(ctx context.Context, key string, err error) (tried bool) {
	if err == nil {
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	r.count(&r.summary.Failed)
	r.Log.WarnContext(ctx, "sweep", "action", "pass over", "key", key, "err", err.Error())
	return true
}

// sayAloud warns of what no run will mend.
func (r *run) sayAloud(ctx context.Context) {
	s := r.summary
	if s.UnknownSecret+s.Unreadable+s.OtherDeployment > 0 {
		r.Log.ErrorContext(ctx, "sweep", "action", "cannot open", "unknownSecret", s.UnknownSecret, "unreadable", s.Unreadable, "otherDeployment", s.OtherDeployment,
			"hint", "a secret was replaced instead of rotated, or the deployment moved: see UPLOAD_TOKEN_SECRETS and FORMER_PLACES")
	}
	if took := r.now.Sub(time.Unix(r.at.Round, 0)); r.at.Round > 0 && took > r.LookBack/2 {
		r.Log.ErrorContext(ctx, "sweep", "action", "too slow", "roundHours", int(took.Hours()), "lookBackHours", int(r.LookBack.Hours()),
			"hint", "there are too many objects for a sweep: deploy the trigger of OSS")
	}
}

// log tells what is done to an object or upload.
func (r *run) log(ctx context.Context, action, key string, more ...any) {
	r.Log.InfoContext(ctx, "sweep", append([]any{"action", action, "dryRun", r.DryRun, "key", key}, more...)...)
}
