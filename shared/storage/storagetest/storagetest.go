// Package storagetest is a bucket in memory, for tests of what calls OSS through
// storage.Client. It is for tests alone: it imports testing, and no function
// links it.
//
// A Bucket answers as OSS does, with errors as the client has them:
//
//   - an upload that was completed or aborted is ErrNoSuchUpload to every call;
//   - Complete never replaces an object (ErrExists), takes only parts that are
//     held, under their ETags, and none but the last under 100 KiB (ErrParts);
//   - the object has the headers that Initiate was given, and the ETag, size and
//     CRC-64 of its parts;
//   - a call whose context has ended is ErrTimeout.
//
// It fails the test when a call is one that OSS would refuse whatever it holds,
// or that Allow does not let pass, and when a fault that was planned met no call.
//
// What is not documented about OSS is not imitated: conditions on Initiate,
// versions, storage classes.
package storagetest

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/storage"
)

// Op is a call by OSS's name.
type Op string

// The calls of storage.Client.
const (
	Head        Op = "HeadObject"
	Get         Op = "GetObject"
	Put         Op = "PutObject"
	Delete      Op = "DeleteObject"
	List        Op = "ListObjectsV2"
	ListUploads Op = "ListMultipartUploads"
	Initiate    Op = "InitiateMultipartUpload"
	ListParts   Op = "ListParts"
	Complete    Op = "CompleteMultipartUpload"
	Abort       Op = "AbortMultipartUpload"
)

// Call is one call as it arrived.
type Call struct {
	Op       Op
	Key      string // or the prefix of a listing
	UploadID string
	Header   map[string]string // of Initiate
	Parts    []storage.Part    // of Complete
	Content  []byte            // of Put
}

// Fault is what happens to one call.
type Fault struct {
	// Before runs first, as what others do meanwhile. It may use the bucket, and
	// may wait for ctx, which is the call's.
	Before func(ctx context.Context)
	// Err is the answer, one of storage's reasons for instance. Nil: the bucket's
	// own.
	Err error
	// Done says that what was asked is done nevertheless: only the answer is lost.
	Done bool
}

// Bucket is a bucket in memory. It is safe for concurrent use. Its fields must
// not change once it is called.
type Bucket struct {
	// Allow says what the code under test may ask; nil: anything that OSS would
	// answer. A call for which it returns an error fails the test.
	Allow func(Call) error
	// NoPartCRC leaves the CRC-64 out of listed parts, as OSS may.
	NoPartCRC bool
	// PageSize is the most that a listing has; 0: as many as are asked for.
	PageSize int

	t   testing.TB
	now func() time.Time

	mu      sync.Mutex
	objects map[string]object
	uploads map[string]*upload // by id, the ended ones too
	calls   []Call
	planned map[Op][]Fault
	always  map[Op]error
}

type object struct {
	storage.Object
	content []byte
}

type upload struct {
	storage.Unfinished
	header map[string]string
	parts  map[int64]part
	ended  bool
}

type part struct {
	storage.Part
	content []byte
}

// New returns an empty bucket for t. now tells when objects are stored, and
// uploads begin.
func New(t testing.TB, now func() time.Time) *Bucket {
	b := &Bucket{
		t: t, now: now,
		objects: make(map[string]object), uploads: make(map[string]*upload),
		planned: make(map[Op][]Fault), always: make(map[Op]error),
	}
	t.Cleanup(func() {
		for op, faults := range b.planned {
			if len(faults) > 0 {
				t.Errorf("storagetest: %d planned faults of %s met no call", len(faults), op)
			}
		}
	})
	return b
}

// Next plans what happens to the next calls of op, one fault each. A zero Fault
// lets a call pass.
func (b *Bucket) Next(op Op, faults ...Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.planned[op] = append(b.planned[op], faults...)
}

// Fail makes every call of op fail with err for which no fault is planned; nil
// ends that.
func (b *Bucket) Fail(op Op, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.always[op] = err
}

// Calls returns all calls since the last time it was asked, in their order.
func (b *Bucket) Calls() []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls
	b.calls = nil
	return calls
}

// Ops are the names of calls.
func Ops(calls []Call) []Op {
	ops := make([]Op, len(calls))
	for i, c := range calls {
		ops[i] = c.Op
	}
	return ops
}

// Store puts an object into the bucket, whatever is there.
func (b *Bucket) Store(key string, o storage.Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.Metadata = maps.Clone(o.Metadata)
	b.objects[key] = object{Object: o}
}

// Remove takes an object out of the bucket.
func (b *Bucket) Remove(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, key)
}

// Object returns the object under key, as a HEAD shows it.
func (b *Bucket) Object(key string) (storage.Object, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	o.Metadata = maps.Clone(o.Metadata)
	return o.Object, ok
}

// Keys returns the keys of all objects below prefix, in their order.
func (b *Bucket) Keys(prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := slices.Sorted(maps.Keys(b.objects))
	return slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) })
}

// Open returns the multipart uploads that have not ended, by key and id.
func (b *Bucket) Open() []storage.Unfinished {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open()
}

// StartUpload starts a multipart upload as of began, as somebody else would.
func (b *Bucket) StartUpload(key string, header map[string]string, began time.Time) (uploadID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.start(key, header, began)
}

// UploadPart stores a part, as an uploader's PUT does, in place of another of its
// number, and returns what is held of it.
func (b *Bucket) UploadPart(uploadID string, number int64, content []byte) storage.Part {
	b.t.Helper()
	sum := md5.Sum(content)
	p := storage.Part{Number: number, Size: int64(len(content)), ETag: hexadecimal(sum[:]), CRC64: checksum(content)}
	b.hold(uploadID, part{p, slices.Clone(content)})
	return p
}

// HoldPart is UploadPart for a part of which no bytes exist, of 100 GiB for
// instance. The completed object then tells no CRC-64.
func (b *Bucket) HoldPart(uploadID string, p storage.Part) {
	b.t.Helper()
	b.hold(uploadID, part{p, nil})
}

func (b *Bucket) hold(uploadID string, p part) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	u, ok := b.uploads[uploadID]
	if !ok || u.ended {
		b.t.Fatalf("storagetest: there is no upload %q to put a part into", uploadID)
	}
	u.parts[p.Number] = p
}

// CompleteUpload makes the object of all parts that are held, as somebody else
// would.
func (b *Bucket) CompleteUpload(uploadID string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	u, ok := b.uploads[uploadID]
	if !ok {
		b.t.Fatalf("storagetest: there is no upload %q to complete", uploadID)
	}
	if err := b.complete(u.Key, uploadID, u.held()); err != nil {
		b.t.Fatalf("storagetest: completing upload %q: %v", uploadID, err)
	}
}

// AbortUpload ends an upload without an object, as somebody else would.
func (b *Bucket) AbortUpload(uploadID string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	u, ok := b.uploads[uploadID]
	if !ok || u.ended {
		b.t.Fatalf("storagetest: there is no upload %q to abort", uploadID)
	}
	u.ended = true
}

// running returns an upload that has not ended. The caller holds the lock.
func (b *Bucket) running(key, uploadID string) (*upload, error) {
	u, ok := b.uploads[uploadID]
	if !ok || u.ended || u.Key != key {
		return nil, storage.ErrNoSuchUpload
	}
	return u, nil
}

func (b *Bucket) start(key string, header map[string]string, began time.Time) string {
	id := fmt.Sprintf("%032X", len(b.uploads)+1) // OSS's have 32 characters
	b.uploads[id] = &upload{
		Unfinished: storage.Unfinished{Key: key, ID: id, Initiated: began.UTC().Truncate(time.Millisecond)},
		header:     maps.Clone(header), parts: make(map[int64]part),
	}
	return id
}

func (b *Bucket) open() []storage.Unfinished {
	var list []storage.Unfinished
	for _, id := range slices.Sorted(maps.Keys(b.uploads)) {
		if u := b.uploads[id]; !u.ended {
			list = append(list, u.Unfinished)
		}
	}
	slices.SortStableFunc(list, func(x, y storage.Unfinished) int { return strings.Compare(x.Key, y.Key) })
	return list
}

// held are the parts of an upload by their numbers.
func (u *upload) held() []storage.Part {
	var parts []storage.Part
	for _, number := range slices.Sorted(maps.Keys(u.parts)) {
		parts = append(parts, u.parts[number].Part)
	}
	return parts
}

// call takes note of a call and lets happen to it what is planned.
func (b *Bucket) call(ctx context.Context, c Call, do func() error) error {
	b.t.Helper()
	if err := check(c); err != nil {
		b.t.Errorf("storagetest: %s(%q): %v", c.Op, c.Key, err)
	}
	if b.Allow != nil {
		if err := b.Allow(c); err != nil {
			b.t.Errorf("storagetest: %s(%q) is not to be asked: %v", c.Op, c.Key, err)
		}
	}
	fault := b.note(c)
	if fault.Before != nil {
		fault.Before(ctx)
	}
	if ctx.Err() != nil {
		return failure(c.Op, storage.ErrTimeout)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if fault.Err == nil {
		return failure(c.Op, do())
	}
	if fault.Done {
		_ = do()
	}
	return failure(c.Op, fault.Err)
}

func (b *Bucket) note(c Call) Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, c)
	faults := b.planned[c.Op]
	if len(faults) == 0 {
		return Fault{Err: b.always[c.Op]}
	}
	b.planned[c.Op] = faults[1:]
	return faults[0]
}

// failure has a reason as the client has it.
func failure(op Op, err error) error {
	if reason, ok := err.(*api.Error); ok {
		return &storage.Error{Op: string(op), Reason: reason}
	}
	return err
}

func hexadecimal(sum []byte) string { return strings.ToUpper(hex.EncodeToString(sum)) }

var ecma = crc64.MakeTable(crc64.ECMA)

// checksum is CRC-64/XZ in decimal, as OSS has it.
func checksum(content []byte) string { return strconv.FormatUint(crc64.Checksum(content, ecma), 10) }
