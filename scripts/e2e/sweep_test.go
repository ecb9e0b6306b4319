package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/outbox"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
	"ossupload/shared/sweep"
	"ossupload/shared/uploadtoken"
)

// fire lets the timer of complete fire.
func (r *rig) fire(t *testing.T, payload string) reply {
	t.Helper()
	return r.request(t, http.MethodPost, r.Ready.Gateway+"/_local/timer", nil, []byte(payload))
}

// sweep fires the timer for objects of any age and returns the summary of a run
// that came to the end.
func (r *rig) sweep(t *testing.T, payload string) sweep.Summary {
	t.Helper()
	var s sweep.Summary
	r.fire(t, payload).into(t, "POST /_local/timer "+payload, &s)
	if !s.Finished || s.Failed > 0 {
		t.Fatalf("POST /_local/timer %s = %+v, want a run that came to the end", payload, s)
	}
	return s
}

const anyAge = `{"do":"sweep","minAgeSeconds":0}`

// keys lists the bucket.
func (r *rig) keys(t *testing.T, prefix string) []string {
	t.Helper()
	var keys []string
	pages := r.developer.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: &r.Ready.Bucket, Prefix: &prefix})
	for pages.HasNext() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, oss.ToString(o.Key))
		}
	}
	return keys
}

// lose uploads while callbacks do not arrive, so that nobody is told.
func (r *rig) lose(t *testing.T) grantedPut {
	t.Helper()
	r.fail(t, fault.Fault{Target: "callback", Operation: "*", Mode: fault.InternalError, Count: 1000})
	defer r.Faults.Clear()
	u := r.grantPut(t, nil)
	if a := u.put(t); a.Status != http.StatusNonAuthoritativeInfo {
		t.Fatalf("PUT without a callback = %v, want 203", a)
	}
	r.wantNoEvent(t, u.key)
	return u
}

// completeAlone completes an upload at OSS itself, as complete does, and so that
// nobody is told.
func (m *transfer) completeAlone(t *testing.T, sent []sentPart) {
	t.Helper()
	var parts []oss.UploadPart
	for _, p := range sent {
		parts = append(parts, oss.UploadPart{PartNumber: int32(p.PartNumber), ETag: oss.Ptr(p.ETag)})
	}
	if _, err := m.r.developer.CompleteMultipartUpload(t.Context(), &oss.CompleteMultipartUploadRequest{
		Bucket: &m.r.Ready.Bucket, Key: &m.Key, UploadId: oss.Ptr(m.r.open(t, uploadtoken.Multipart, m.UploadID).UploadID),
		CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: parts},
	}); err != nil {
		t.Fatal(err)
	}
}

func TestSweepAnnouncesWhatWasLost(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(4)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		told := r.grantPut(t, nil)
		toldReceipt := told.put(t).receipt(t, "PUT", told.key, told.content)
		lost := r.lose(t)

		m := r.begin(t, nil)
		m.completeAlone(t, m.send(t, 1, contents...))
		r.wantNoEvent(t, lost.key)
		r.wantNoEvent(t, m.Key)

		for _, payload := range []string{`{"do":"sweep"}`, `{"do":"sweep","delete":true}`} {
			if s := r.sweep(t, payload); s.Announced != 0 || s.Young != 3 {
				t.Errorf("a sweep with the payload %q = %+v, want all three to be too young", payload, s)
			}
		}
		before := r.keys(t, "")
		// Of a mark that was missed OSS may have the bytes all the same.
		marked := func(s sweep.Summary) bool {
			return s.Announced+s.Known == 3 && s.Announced >= 2 && int(s.Announced) <= 2+r.missedMarks(0, toldReceipt.EventID)
		}
		if s := r.sweep(t, `{"do":"sweep","dryRun":true,"minAgeSeconds":0}`); !s.DryRun || !marked(s) {
			t.Errorf("a dry run = %+v, want two to announce and one known", s)
		}
		r.wantNoEvent(t, lost.key)
		if after := r.keys(t, ""); !slices.Equal(before, after) {
			t.Errorf("a dry run changed the bucket from %q to %q", before, after)
		}

		first := r.sweep(t, anyAge)
		if !marked(first) {
			t.Errorf("a sweep = %+v, want two announced and one known", first)
		}
		if s := r.sweep(t, anyAge); s.Announced != 0 || s.Known != 3 {
			t.Errorf("a second sweep = %+v, want three known", s)
		}
		if events := r.events(t, lost.key); len(events) != 1 || !events[0].Verified {
			t.Fatalf("events = %+v, want one", events)
		}
		r.wantEvents(t, toldReceipt, 1)
		// The receipt that a client asks for now names the same event.
		receipt := r.confirmKey(t, lost.key).receipt(t, "confirmed", lost.key, lost.content)
		if event := r.events(t, lost.key)[0]; event.ID != receipt.EventID {
			t.Errorf("the sweep announced %s, the receipt names %s", event.ID, receipt.EventID)
		}
		completed := m.complete(t, nil).receipt(t, "completed again", m.Key, whole)
		if event := r.events(t, m.Key)[0]; event.ID != completed.EventID {
			t.Errorf("the sweep announced %s, the receipt names %s", event.ID, completed.EventID)
		}
		r.logged.want(t, 0, `"msg":"sweep"`, `"action":"end"`, fmt.Sprintf(`"announced":%d`, first.Announced))
	})
}

func TestSweepDeletesAndAborts(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	encoded := func(grantHeader bool) grantedPut {
		u := r.grantPut(t, nil)
		u.header["Content-Encoding"] = "gzip"
		if !grantHeader {
			delete(u.header, metaGrant)
		}
		r.store(t, u.key, u.header, u.content)
		return u
	}
	smuggled, ungranted := encoded(true), encoded(false)
	copied := r.grantPut(t, nil)
	header := maps.Clone(smuggled.header) // with the grant of another key
	r.store(t, copied.key, header, copied.content)
	for _, key := range []string{"uploads/logo.png", "uploads/demo/logo.png", strings.Replace(smuggled.key, "uploads/", "uploads/_sts/", 1), "elsewhere/logo.png"} {
		r.store(t, key, smuggled.header, smuggled.content)
	}
	url := r.grantPut(t, map[string]any{"as": "url"})
	r.store(t, url.key, url.header, url.content)
	running := r.begin(t, nil)
	running.send(t, 1, filler(200<<10, 1))
	foreign, err := r.developer.InitiateMultipartUpload(t.Context(), &oss.InitiateMultipartUploadRequest{Bucket: &r.Ready.Bucket, Key: oss.Ptr("uploads/backup.tar")})
	if err != nil {
		t.Fatal(err)
	}
	all := r.keys(t, "")

	for _, payload := range []string{anyAge, `{"do":"sweep","minAgeSeconds":0,"delete":true}`, `{"do":"sweep","minAgeSeconds":0,"delete":true,"dryRun":true}`} {
		s := r.sweep(t, payload)
		if s.Announced != 0 || s.Deleted != 0 || s.Refused != 1 || s.NoGrant != 4 || s.Aborted != 0 {
			t.Errorf("a sweep with the payload %s = %+v", payload, s)
		}
	}
	// A day later, with the function's own code.
	const day = 25 * time.Hour
	for _, o := range []sweep.Options{{}, {DryRun: true}} {
		if s := r.later(t, day, o); s.Deleted != 0 || s.Refused != 1 || s.NoGrant != 4 {
			t.Errorf("a sweep with the options %+v a day later = %+v, want none deleted", o, s)
		}
	}
	if s := r.later(t, day, sweep.Options{DryRun: true, Delete: true}); s.Deleted != 1 || s.Refused != 0 {
		t.Errorf("a dry run that may delete = %+v, want one to delete", s)
	}
	uploads := func() []string {
		return slices.DeleteFunc(r.keys(t, ""), func(key string) bool { return strings.HasPrefix(key, grant.OwnRoot("uploads/")) })
	}
	if now := uploads(); !slices.Equal(now, all) {
		t.Errorf("the bucket holds %q, want %q", now, all)
	}
	if s := r.later(t, day, sweep.Options{Delete: true}); s.Deleted != 1 || s.Refused != 0 || s.NoGrant != 4 {
		t.Errorf("a sweep that may delete = %+v, want one deleted", s)
	}
	all = slices.DeleteFunc(all, func(key string) bool { return key == smuggled.key })
	if now := uploads(); !slices.Equal(now, all) {
		t.Errorf("the bucket holds %q, want %q", now, all)
	}

	// Nine days later.
	if s := r.later(t, 9*24*time.Hour, sweep.Options{DryRun: true}); s.Uploads != 2 || s.Aborted != 1 {
		t.Errorf("a dry run nine days later = %+v, want one of two uploads to abort", s)
	}
	running.ask(t, http.MethodGet, "", nil).into(t, "listing", new([]any))
	if s := r.later(t, 9*24*time.Hour, sweep.Options{}); s.Aborted != 1 {
		t.Errorf("a sweep nine days later = %+v, want one of two uploads to abort", s)
	}
	running.ask(t, http.MethodGet, "", nil).refused(t, "listing an aborted upload", http.StatusGone, "upload_gone")
	if _, err := r.developer.ListParts(t.Context(), &oss.ListPartsRequest{Bucket: &r.Ready.Bucket, Key: foreign.Key, UploadId: foreign.UploadId}); err != nil {
		t.Errorf("somebody else's upload: %v", err)
	}
	r.wantNoEvent(t, smuggled.key)
	r.wantNoEvent(t, ungranted.key)
}

// later sweeps as if so much time had passed.
func (r *rig) later(t *testing.T, ahead time.Duration, o sweep.Options) sweep.Summary {
	t.Helper()
	return r.laterAs(t, ram.Credential{AccessKeyID: r.Ready.AccessKeyID, AccessKeySecret: r.Ready.AccessKeySecret}, ahead, o)
}

// storageAs calls OSS as the functions do, with what a credential may.
func (r *rig) storageAs(t *testing.T, by ram.Credential) *storage.Client {
	t.Helper()
	endpoint, err := signing.ParseEndpoint(r.Ready.OSS, signing.PathStyle)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": by.AccessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": by.AccessKeySecret}
	if by.SecurityToken != "" {
		env["ALIBABA_CLOUD_SECURITY_TOKEN"] = by.SecurityToken
	}
	return storage.New(storage.Config{
		Region: r.Ready.Region, Bucket: r.Ready.Bucket, Endpoint: endpoint,
		Credentials: rolecreds.Env{Now: time.Now, Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }},
	})
}

// queueIn is the stack's queue.
func (r *rig) queueIn(t *testing.T, store *storage.Client, log *slog.Logger) *outbox.Queue {
	t.Helper()
	queue, err := outbox.New(outbox.Config{Storage: store, Sealer: r.keyring, Root: grant.OwnRoot("uploads/"), RetryFor: 72 * time.Hour, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

// laterAs is later with what a credential may.
func (r *rig) laterAs(t *testing.T, by ram.Credential, ahead time.Duration, o sweep.Options) sweep.Summary {
	t.Helper()
	store := r.storageAs(t, by)
	log := slog.New(slog.NewJSONHandler(r.logged, nil))
	queue := r.queueIn(t, store, log)
	confirmer, err := confirm.New(confirm.Config{
		Storage: store, Queue: queue, Keyring: r.keyring, Bucket: r.Ready.Bucket, Prefix: "uploads/", Location: func(string) string { return "" }, Now: time.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &sweep.Sweeper{
		Prefix: "uploads/", Storage: store, Now: func() time.Time { return time.Now().Add(ahead) }, Log: log,
		Confirmer: confirmer,
	}
	defaults := sweep.Defaults()
	o.MaxObjects, o.LookBack, o.MinAge, o.Grace = defaults.MaxObjects, defaults.LookBack, defaults.MinAge, defaults.Grace
	summary, err := s.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

// What an upload and a sweep cost, as the documentation of shared/sweep has it.
func TestSweepRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	const uploads = 12
	count := func(do func()) map[string]int {
		before := r.logged.operations()
		do()
		after := r.logged.operations()
		for name, n := range before {
			if after[name] -= n; after[name] == 0 {
				delete(after, name)
			}
		}
		return after
	}
	want := func(what string, got, want map[string]int) {
		t.Helper()
		if !maps.Equal(got, want) {
			t.Errorf("%s took %v, want %v", what, got, want)
		}
	}
	upload := func() {
		u := r.grantPut(t, nil)
		u.put(t).receipt(t, "PUT", u.key, u.content)
	}
	if got := count(upload)["GetPublicKey"]; got != 1 {
		t.Errorf("the public key was fetched %d times, want once", got)
	}
	// A marker that takes its time is written once more, as on a slow machine: so of
	// some uploads only one has to do without.
	took := map[string]int{}
	for range uploads {
		if took = count(upload); took["PutObject"] == 2 {
			break
		}
	}
	want("uploading", took, map[string]int{
		"PutObject":  2, // the upload and its marker
		"HeadObject": 1,
	})
	if r.missedMarks(0, "") > 0 {
		r.sweep(t, anyAge)
	}
	// The cursor is written before anything is announced, and at the end if it
	// moved: its round is told in seconds.
	sweeping := func(lost int, named map[string]int) {
		t.Helper()
		got := count(func() { r.sweep(t, anyAge) })
		if n := got["PutObject"]; n != lost+1 && n != lost+2 {
			t.Errorf("sweeping with %d lost took %d PUTs, want one for each and one or two of the cursor", lost, n)
		}
		delete(got, "PutObject")
		maps.Copy(named, map[string]int{
			"GetObject":            1, // the cursor
			"ListObjectsV2":        2, // objects, markers
			"ListMultipartUploads": 1,
		})
		want(fmt.Sprintf("sweeping with %d lost", lost), got, named)
	}
	sweeping(0, map[string]int{})
	lost := r.grantPut(t, nil)
	r.store(t, lost.key, lost.header, lost.content)
	sweeping(1, map[string]int{"HeadObject": 1})
}

// operations counts the calls of OSS that were logged.
func (l *logLines) operations() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[string]int{}
	for text := range bytes.Lines(l.text.Bytes()) {
		var line struct{ Msg, Operation string }
		if json.Unmarshal(text, &line) == nil && line.Msg == "oss stand-in" {
			n[line.Operation]++
		}
	}
	return n
}

// An upload whose marker cannot be written is announced, and its receipt does
// not wait; the sweep announces it once more, under the same id, and marks it.
func TestMarkerIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	u := r.grantPut(t, nil)
	r.store(t, u.key, u.header, u.content)
	r.fail(t, fault.Fault{Target: "oss", Operation: "PutObject", Mode: fault.Timeout, Count: 100})
	start := time.Now()
	receipt := r.confirmKey(t, u.key).receipt(t, "confirmed", u.key, u.content)
	if took := time.Since(start); took > 2*time.Second { // ten without a limit of its own
		t.Errorf("the receipt took %v", took)
	}
	r.logged.want(t, 0, `"msg":"mark"`, receipt.EventID)
	r.Faults.Clear()
	r.fail(t, fault.Fault{Target: "oss", Operation: "PutObject", Mode: fault.InternalError, Count: 100})
	if a := r.fire(t, anyAge); a.Status != http.StatusBadGateway || !strings.Contains(string(a.Body), "cursor") {
		t.Errorf("a sweep that can write nothing = %v, want 502", a)
	}
	r.Faults.Clear()
	if s := r.sweep(t, anyAge); s.Announced != 1 {
		t.Errorf("a sweep = %+v, want one announced", s)
	}
	events := r.events(t, u.key)
	r.wantEvents(t, receipt, len(events))
	if s := r.sweep(t, anyAge); s.Announced != 0 || s.Known != 1 {
		t.Errorf("a second sweep = %+v, want one known", s)
	}
}

// A run is bounded, and the next goes on where it stopped.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	var keys []string
	for range 7 {
		u := r.grantPut(t, nil)
		r.store(t, u.key, u.header, u.content)
		keys = append(keys, u.key)
	}
	var s sweep.Summary
	runs := 0
	for ; !s.Finished && runs < 20; runs++ {
		s = sweep.Summary{}
		r.fire(t, `{"do":"sweep","minAgeSeconds":0,"maxObjects":3}`).into(t, "a bounded sweep", &s)
		if s.Objects > 3 {
			t.Errorf("a sweep of 3 objects = %+v", s)
		}
	}
	if runs < 3 {
		t.Errorf("%d runs were enough", runs)
	}
	for _, key := range keys {
		if n := len(r.events(t, key)); n != 1 {
			t.Errorf("%d events were delivered about %s, want 1", n, key)
		}
	}
}

func TestTimerRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	for _, payload := range []string{"", "{}", "sweep", `{"do":"sweeps"}`, `{"dryRun":true}`, `{"do":"sweep","graceSeconds":0}`, `{"do":"deliver","aheadSeconds":-1}`, `{"do":"sweep","dryrunn":true}`, `{"do":"sweep","maxObjects":0}`, `[]`} {
		if a := r.fire(t, payload); a.Status != http.StatusBadGateway || !strings.Contains(string(a.Body), `"error"`) {
			t.Errorf("POST /_local/timer %s = %v, want 502", payload, a)
		}
	}
	if a := r.fire(t, strings.Repeat(" ", 5000)); a.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a payload of 5,000 bytes = %v, want 413", a)
	}
	if a := r.request(t, http.MethodGet, r.Ready.Gateway+"/_local/timer", nil, nil); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET /_local/timer = %v, want 405", a)
	}
	r.fail(t, fault.Fault{Target: "oss", Operation: "ListObjectsV2", Mode: fault.InternalError, Count: 10})
	if a := r.fire(t, anyAge); a.Status != http.StatusBadGateway || !strings.Contains(string(a.Body), "listing objects") {
		t.Errorf("a sweep without lists = %v, want 502", a)
	}
}

// The program does by hand what the timer does.
func TestSweepProgram(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	lost := r.lose(t)
	binary := filepath.Join(t.TempDir(), "sweep")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "ossupload/scripts/sweep").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	run := func(args ...string) (s sweep.Summary) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = append(r.Settings.Variables(), "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"),
			"ALIBABA_CLOUD_ACCESS_KEY_ID="+r.Ready.AccessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET="+r.Ready.AccessKeySecret)
		cmd.Stderr = r.logged
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("sweep %q = %v", args, err)
		}
		if err := json.Unmarshal(out, &s); err != nil || !s.Finished {
			t.Fatalf("sweep %q printed %s", args, out)
		}
		return s
	}
	if s := run(); !s.DryRun || s.Young != 1 {
		t.Errorf("sweep = %+v, want a dry run that finds one too young", s)
	}
	if s := run("-min-age=0s"); !s.DryRun || s.Announced != 1 {
		t.Errorf("sweep -min-age=0s = %+v, want a dry run that would announce one", s)
	}
	r.wantNoEvent(t, lost.key)
	if s := run("-min-age=0s", "-dry-run=false"); s.DryRun || s.Announced != 1 {
		t.Errorf("sweep -min-age=0s -dry-run=false = %+v, want one announced", s)
	}
	r.wantEvents(t, r.confirmKey(t, lost.key).receipt(t, "confirmed", lost.key, lost.content), 2)
	if s := r.sweep(t, anyAge); s.Known != 1 || s.Announced != 0 {
		t.Errorf("the timer, after the program = %+v, want one known", s)
	}
}
