package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stacktest"
)

// name is one that can be written again and again, by one way to upload.
type name struct {
	key   string
	token string // of the last write
	write func(t *testing.T, content []byte) reply
}

// nameSize is of every content that is written under a name: most ways pin it.
const nameSize = 24

// ways take a name by each way to upload. All but multipart write by one URL or
// form; a second multipart upload needs a name that the application chose.
var ways = []struct {
	name string
	take func(t *testing.T, r *rig) *name
}{
	{"put", func(t *testing.T, r *rig) *name { return r.putName(r.grantPut(t, map[string]any{"size": nameSize})) }},
	{"url", func(t *testing.T, r *rig) *name {
		return r.putName(r.grantPut(t, map[string]any{"as": "url", "contentType": nil, "size": nameSize}))
	}},
	{"form", func(t *testing.T, r *rig) *name {
		f := r.form(t, r.Ready.CallerToken, map[string]any{"size": nameSize})
		return &name{f.Key, f.UploadToken, func(t *testing.T, content []byte) reply { return r.post(t, f.URL, f.with(content)) }}
	}},
	{"multipart", func(t *testing.T, r *rig) *name {
		caller := r.caller(t, stack.CallerSubject, map[string]any{"key": "films/" + randomName() + ".mp4"})
		n := &name{}
		begin := func(t *testing.T) *transfer {
			m := r.beginAs(t, caller, map[string]any{"size": nameSize})
			n.key, n.token = m.Key, m.UploadID
			return m
		}
		next := begin(t)
		n.write = func(t *testing.T, content []byte) reply {
			m := next
			n.token = m.UploadID
			a := m.complete(t, m.send(t, 1, content))
			next = r.beginAs(t, caller, map[string]any{"size": nameSize})
			return a
		}
		return n
	}},
}

func (r *rig) putName(u grantedPut) *name {
	return &name{u.key, u.token, func(t *testing.T, content []byte) reply {
		again := u
		again.content = content
		return again.put(t)
	}}
}

func randomName() string { return fmt.Sprintf("%x", randomBytes(8)) }

// randomContent is nameSize bytes that no other call makes.
func randomContent() []byte { return fmt.Appendf(nil, "%.*x", nameSize, randomBytes(nameSize/2)) }

// states are those in which OSS does not forbid to overwrite.
var states = []oss.Versioning{oss.VersioningEnabled, oss.VersioningSuspended}

// inBothStates runs a test against a stack for each state.
func inBothStates(t *testing.T, o stack.Options, test func(t *testing.T, r *rig, state oss.Versioning)) {
	t.Helper()
	stacktest.EndToEnd(t)
	for _, state := range states {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			o := o
			o.Versioning = state
			test(t, newRigOf(t, o), state)
		})
	}
}

// setVersioning switches the bucket, as its owner does.
func (r *rig) setVersioning(t *testing.T, state sdk.VersioningStatusType) {
	t.Helper()
	if _, err := r.developer.PutBucketVersioning(t.Context(), &sdk.PutBucketVersioningRequest{
		Bucket: &r.Ready.Bucket, VersioningConfiguration: &sdk.VersioningConfiguration{Status: state},
	}); err != nil {
		t.Fatal(err)
	}
}

// versions are the ids of what is stored under a key, newest first; that of a
// delete marker begins with "-".
func (r *rig) versions(t *testing.T, key string) []string {
	t.Helper()
	page, err := r.developer.ListObjectVersions(t.Context(), &sdk.ListObjectVersionsRequest{Bucket: &r.Ready.Bucket, Prefix: &key, MaxKeys: 1000, IsMix: true})
	if err != nil || page.IsTruncated {
		t.Fatalf("listing versions: %v", err)
	}
	var ids []string
	for _, v := range page.ObjectVersionsDeleteMarkers {
		id := sdk.ToString(v.VersionId)
		if v.IsDeleteMarker() {
			id = "-" + id
		}
		ids = append(ids, id)
	}
	return ids
}

// anotherSecond waits until nothing that is stored has the Last-Modified of what a
// receipt tells of.
func anotherSecond(t *testing.T, receipt client.Receipt) {
	t.Helper()
	stacktest.Eventually(t, "the next second", func() bool { return time.Now().Unix() > receipt.UploadedAt.Unix() })
}

// told checks that the event of a receipt was delivered, in its words.
func (r *rig) told(t *testing.T, receipt client.Receipt) {
	t.Helper()
	events := slices.DeleteFunc(r.events(t, receipt.Key), func(e stack.Event) bool { return e.ID != receipt.EventID })
	if len(events) == 0 {
		t.Errorf("%s was not delivered", receipt.EventID)
	}
	for _, e := range events {
		if err := e.Check(receipt); err != nil {
			t.Errorf("%v: %+v; the receipt is %+v", err, e, receipt)
		}
	}
}

// readable checks what a signed download of a version shows; "" is the current one.
func (r *rig) readable(t *testing.T, key, version string, content []byte) {
	t.Helper()
	in := map[string]any{"key": key}
	if version != "" {
		in["versionId"] = version
	}
	a := r.get(t, r.download(t, in).URL)
	if a.Status != http.StatusOK || !bytes.Equal(a.Body, content) || version != "" && a.Header.Get("X-Oss-Version-Id") != version {
		t.Errorf("GET of %s in the version %q = %v of version %q, want %q", key, version, a, a.Header.Get("X-Oss-Version-Id"), content)
	}
}

// announce writes content under a name, and checks that OSS's answer, the marker and
// what is confirmed agree with the receipt.
func (r *rig) announce(t *testing.T, way string, state oss.Versioning, n *name, content []byte) client.Receipt {
	t.Helper()
	a := n.write(t, content)
	receipt := a.receipt(t, way, n.key, content)
	if !receipt.Delivered {
		t.Error("delivered false, want true")
	}
	r.wantMark(t, receipt, "taken")
	stored := map[oss.Versioning]string{oss.VersioningEnabled: receipt.VersionID, oss.VersioningSuspended: "null"}[state]
	if stored == "null" && assumed.Is("version.null-shown", "not by uploads") {
		stored = ""
	}
	if got := a.Header.Get("X-Oss-Version-Id"); got != stored && way != "multipart" { // whose answer is complete's
		t.Errorf("OSS stored version %q, the receipt names %q", got, receipt.VersionID)
	}
	confirmed := map[string]reply{"token": r.confirmToken(t, n.token)}
	if way == "url" {
		r.confirmKey(t, n.key).refused(t, "a url by key", http.StatusUnprocessableEntity, "object_mismatch")
	} else {
		confirmed["key"] = r.confirmKey(t, n.key)
	}
	for what, again := range confirmed {
		if got := again.receipt(t, "confirmed by "+what, n.key, content); got.EventID != receipt.EventID || got.VersionID != receipt.VersionID {
			t.Errorf("confirmed by %s as %s of version %q, told as %s of version %q", what, got.EventID, got.VersionID, receipt.EventID, receipt.VersionID)
		}
	}
	return receipt
}

// Where OSS does not forbid to overwrite, whatever comes by a URL that is still
// valid is told as what it is: each version has an id of its own, and the event of
// one never stands for another. A version that can be replaced is not named.
func TestVersionsByEveryWayToUpload(t *testing.T) {
	t.Parallel()
	inBothStates(t, stack.Options{Trigger: fc.TriggerHTTP, NoTrigger: true}, func(t *testing.T, r *rig, state oss.Versioning) {
		for _, way := range ways {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				n := way.take(t, r)
				one, other := randomContent(), randomContent()
				first := r.announce(t, way.name, state, n, one)
				anotherSecond(t, first)
				second := r.announce(t, way.name, state, n, one)
				third := r.announce(t, way.name, state, n, other)
				if third.EventID == first.EventID || third.EventID == second.EventID {
					t.Error("other bytes have the id of the first")
				}
				r.told(t, third)
				r.readable(t, n.key, "", other)
				if state == oss.VersioningSuspended {
					// Nothing tells a second write of the same bytes by one grant from the first.
					if same := second.EventID == first.EventID; same != (way.name != "multipart") || first.VersionID+second.VersionID+third.VersionID != "" {
						t.Errorf("the ids are equal: %v; the versions %q, %q and %q, want none", same, first.VersionID, second.VersionID, third.VersionID)
					}
					if got := r.versions(t, n.key); !slices.Equal(got, []string{"null"}) {
						t.Errorf("the bucket holds %q, want one version", got)
					}
					return
				}
				if first.EventID == second.EventID {
					t.Error("a second version of the same bytes has the id of the first")
				}
				if got, want := r.versions(t, n.key), []string{third.VersionID, second.VersionID, first.VersionID}; !slices.Equal(got, want) {
					t.Errorf("the bucket holds %q, the receipts tell of %q", got, want)
				}
				for _, receipt := range []client.Receipt{first, second} {
					r.told(t, receipt)
					r.readable(t, n.key, receipt.VersionID, one)
				}
				r.readable(t, n.key, third.VersionID, other)
			})
		}
	})
}

// What waits in the outbox keeps its id, and each version is delivered.
func TestVersionsAreDeliveredLater(t *testing.T) {
	t.Parallel()
	inBothStates(t, stack.Options{Trigger: fc.TriggerHTTP, NoTrigger: true}, func(t *testing.T, r *rig, state oss.Versioning) {
		n, content := ways[0].take(t, r), randomContent()
		r.fail(t, fault.Fault{Target: "webhook", Operation: "*", Mode: fault.InternalError, Count: 1000})
		write := func() client.Receipt {
			receipt := n.write(t, content).receipt(t, "PUT", n.key, content)
			if receipt.Delivered {
				t.Error("delivered true, want false")
			}
			r.wantMark(t, receipt, "queued")
			return receipt
		}
		first := write()
		anotherSecond(t, first)
		second := write()
		r.Faults.Clear()
		r.deliverQueued(t, 2)
		r.deliverQueued(t, 0)
		if got := r.mark(t, n.key); got != "taken" {
			t.Errorf("the mark says %q, want taken", got)
		}
		switch state {
		case oss.VersioningEnabled:
			r.told(t, first)
			r.told(t, second)
		default:
			// One id for the same bytes: whichever entry was taken first.
			if events := r.events(t, n.key); len(events) != 1 || events[0].ID != first.EventID || second.EventID != first.EventID {
				t.Errorf("%d events were delivered, want one of %s, the id of both writes", len(events), first.EventID)
			}
		}
		if again := r.confirmToken(t, n.token).receipt(t, "confirmed", n.key, content); again.EventID != second.EventID {
			t.Errorf("confirmed as %s, told as %s", again.EventID, second.EventID)
		}
		// What the outbox deleted is not listed, whatever versions are kept of it.
		if left := r.keys(t, "_ossupload/uploads/_pending/"); len(left) != 0 {
			t.Errorf("%q wait still", left)
		}
	})
}

// Switching versioning changes no receipt of what is stored already.
func TestReceiptOutlivesVersioning(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, stack.Options{Trigger: fc.TriggerAPIGateway, NoTrigger: true})
	u := r.grantPut(t, nil)
	first := u.put(t).receipt(t, "PUT", u.key, u.content)
	for _, state := range []sdk.VersioningStatusType{sdk.VersionEnabled, sdk.VersionSuspended, sdk.VersionEnabled} {
		r.setVersioning(t, state)
		for _, a := range []reply{r.confirmToken(t, u.token), r.confirmKey(t, u.key)} {
			if again := a.receipt(t, "confirmed", u.key, u.content); again.EventID != first.EventID || again.VersionID != first.VersionID {
				t.Errorf("%s: confirmed as %s of version %q, told as %s of version %q", state, again.EventID, again.VersionID, first.EventID, first.VersionID)
			}
		}
		r.readable(t, u.key, "", u.content)
	}
	// The same URL is good for a version more, which is told as such.
	second := u.put(t).receipt(t, "PUT again", u.key, u.content)
	if second.VersionID == "" || second.EventID == first.EventID {
		t.Errorf("a second version is told as %s of version %q, the first as %s", second.EventID, second.VersionID, first.EventID)
	}
	r.setVersioning(t, sdk.VersionSuspended)
	if again := r.confirmKey(t, u.key).receipt(t, "confirmed", u.key, u.content); again.EventID != second.EventID || again.VersionID != second.VersionID {
		t.Errorf("confirmed as %s of version %q, told as %s of version %q", again.EventID, again.VersionID, second.EventID, second.VersionID)
	}
}

// A second version of the same bytes is not announced by the first one's marker.
func TestVersionsThatNobodyAnnounced(t *testing.T) {
	t.Parallel()
	twice := func(t *testing.T, r *rig) (*name, []byte, client.Receipt) {
		n, content := ways[0].take(t, r), randomContent()
		first := n.write(t, content).receipt(t, "PUT", n.key, content)
		anotherSecond(t, first)
		r.fail(t, fault.Fault{Target: "callback", Operation: "*", Mode: fault.InternalError, Count: 1000})
		n.write(t, content).wantStorageError(t, "PUT", http.StatusNonAuthoritativeInfo, "CallbackFailed")
		r.Faults.Clear()
		r.told(t, first)
		return n, content, first
	}
	check := func(t *testing.T, r *rig, state oss.Versioning, n *name, content []byte, first client.Receipt) {
		second := r.confirmKey(t, n.key).receipt(t, "confirmed", n.key, content)
		if other := second.EventID != first.EventID; other != (state == oss.VersioningEnabled) {
			t.Errorf("the second is told as %s, the first as %s", second.EventID, first.EventID)
		}
		r.wantMark(t, second, "taken")
	}
	t.Run("sweep", func(t *testing.T) {
		t.Parallel()
		inBothStates(t, stack.Options{Trigger: fc.TriggerHTTP, NoTrigger: true}, func(t *testing.T, r *rig, state oss.Versioning) {
			n, content, first := twice(t, r)
			for _, want := range []struct{ announced, known int64 }{{1, 0}, {0, 1}} {
				if s := r.sweep(t, anyAge); int64(s.Announced) != want.announced || int64(s.Known) != want.known {
					t.Errorf("a sweep = %+v, want %+v", s, want)
				}
			}
			if events := len(r.events(t, n.key)); events != 2 {
				t.Errorf("%d events were delivered, want one for each write", events)
			}
			check(t, r, state, n, content, first)
		})
	})
	t.Run("trigger", func(t *testing.T) {
		t.Parallel()
		inBothStates(t, stack.Options{Trigger: fc.TriggerHTTP}, func(t *testing.T, r *rig, state oss.Versioning) {
			n, content, first := twice(t, r)
			if err := r.Triggered.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.runOutbox(t)
			if events := len(r.events(t, n.key)); events != 2 {
				t.Errorf("%d events were delivered, want one for each write", events)
			}
			r.runOutbox(t)
			if events := len(r.events(t, n.key)); events != 2 {
				t.Errorf("%d events were delivered after another run, want no more", events)
			}
			check(t, r, state, n, content, first)
		})
	})
}

// A key whose current version is a delete marker is absent. What lies under the
// marker is still to be had by its version.
func TestDeletedVersions(t *testing.T) {
	t.Parallel()
	inBothStates(t, stack.Options{Trigger: fc.TriggerAPIGateway, NoTrigger: true}, func(t *testing.T, r *rig, state oss.Versioning) {
		for _, way := range ways {
			n, content := way.take(t, r), randomContent()
			receipt := n.write(t, content).receipt(t, way.name, n.key, content)
			r.erase(t, n.key)
			marker := strings.TrimPrefix(r.versions(t, n.key)[0], "-")
			for what, in := range map[string]map[string]any{"": {"key": n.key}, "the marker": {"key": n.key, "versionId": marker}, "no version": {"key": n.key, "versionId": "CAEQ"}} {
				r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, in).refused(t, way.name+": a download of "+what, http.StatusNotFound, "not_found")
			}
			r.confirmToken(t, n.token).refused(t, way.name+": confirmed by token", http.StatusNotFound, "not_found")
			r.confirmKey(t, n.key).refused(t, way.name+": confirmed by key", http.StatusNotFound, "not_found")
			if state == oss.VersioningEnabled {
				r.readable(t, n.key, receipt.VersionID, content)
			}
			r.told(t, receipt)
			// The URL is good for an object more, which is none of before.
			if again := n.write(t, content).receipt(t, way.name, n.key, content); (again.EventID == receipt.EventID) != (state == oss.VersioningSuspended && way.name != "multipart") {
				t.Errorf("%s: told as %s, and before its deletion as %s", way.name, again.EventID, receipt.EventID)
			}
		}
		if s := r.sweep(t, anyAge); int(s.Announced) > r.missedMarks(0, "") {
			t.Errorf("a sweep = %+v, want nothing to announce", s)
		}
	})
}
