package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stacktest"
)

const (
	runbook     = "../deploy/RUNBOOK.md"
	upgradePage = "../deploy/UPGRADE.md"
)

// runbookEntry is what stands below a heading.
type runbookEntry struct{ heading, text string }

func runbookEntries(t *testing.T) []runbookEntry {
	t.Helper()
	return entriesOf(t, runbook)
}

func entriesOf(t *testing.T, page string) []runbookEntry {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []runbookEntry
	for _, part := range strings.Split("\n"+string(text), "\n## ")[1:] {
		heading, rest, _ := strings.Cut(part, "\n")
		all = append(all, runbookEntry{heading, rest})
	}
	return all
}

// tried are the tests that an entry names, each with the folder of its package.
func (e runbookEntry) tried() (tests [][2]string) {
	_, line, _ := strings.Cut(e.text, "\nTried by: ")
	line, _, _ = strings.Cut(line, "\n")
	for part := range strings.SplitSeq(line, "; ") {
		dir, names, _ := strings.Cut(part, "` ")
		for name := range strings.SplitSeq(names, ", ") {
			tests = append(tests, [2]string{strings.TrimPrefix(dir, "`"), name})
		}
	}
	return tests
}

var goRun = regexp.MustCompile(`go run \./(scripts/\w+)`)

// Each entry of the runbook has commands, programs that there are, and names tests
// that there are.
func TestRunbookNamesItsTests(t *testing.T) {
	entries := runbookEntries(t)
	const least = 12
	if len(entries) < least {
		t.Errorf("%d entries, want at least %d", len(entries), least)
	}
	for _, e := range entries {
		if !strings.Contains(e.text, "\n    ") {
			t.Errorf("%s: it has no command", e.heading)
		}
		e.checkNames(t)
	}
}

// So does what is promised of releases, where it names any.
func TestUpgradePageNamesItsTests(t *testing.T) {
	named := 0
	for _, e := range entriesOf(t, upgradePage) {
		if strings.Contains(e.text, "\nTried by: ") {
			named++
			e.checkNames(t)
		}
	}
	if named < 2 {
		t.Errorf("%d entries name tests, want at least 2", named)
	}
}

// checkNames looks for the programs and tests that an entry names.
func (e runbookEntry) checkNames(t *testing.T) {
	t.Helper()
	for _, program := range goRun.FindAllStringSubmatch(e.text, -1) {
		if _, err := os.Stat(filepath.Join("../..", program[1], "main.go")); err != nil {
			t.Errorf("%s: %v", e.heading, err)
		}
	}
	for _, test := range e.tried() {
		files, err := filepath.Glob(filepath.Join("../..", test[0], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		has := func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && test[1] != "" && strings.Contains(string(text), "\nfunc "+test[1]+"(t *testing.T) {")
		}
		if !slices.ContainsFunc(files, has) {
			t.Errorf("%s: there is no test %q in %q", e.heading, test[1], test[0])
		}
	}
}

// commands are the lines of an entry that run this program.
func commands(t *testing.T, heading, program string) (args [][]string) {
	t.Helper()
	for _, e := range runbookEntries(t) {
		if e.heading != heading {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^    go run \./`+program+`([^#\n]*)`).FindAllStringSubmatch(e.text, -1) {
			args = append(args, strings.Fields(m[1]))
		}
	}
	if len(args) == 0 {
		t.Fatalf("the entry %q does not run %s", heading, program)
	}
	return args
}

// encoded is a secret as UPLOAD_TOKEN_SECRETS has it.
func encoded(id string, secret []byte) string {
	return id + ":" + base64.StdEncoding.EncodeToString(secret)
}

// reopen is a site on what another left in a folder.
func reopen(data string, overrides map[string]string) func(*stack.Options) {
	return func(o *stack.Options) { o.DataDir, o.Settings = data, overrides }
}

// In each of the steps uploads begin, and in the last they end.
func TestRotateTheSecretThatSeals(t *testing.T) {
	t.Parallel()
	stacktest.EndToEnd(t)
	data, fresh := t.TempDir(), encoded("k2", randomBytes(32))
	before := openSite(t, reopen(data, nil))
	t.Cleanup(func() { before.Close() })
	old := encoded("k1", before.Identity.TokenSecret)
	first := before.beginUploads(t)
	before.close(t)

	between := openSite(t, reopen(data, map[string]string{"UPLOAD_TOKEN_SECRETS": old + "," + fresh}))
	t.Cleanup(func() { between.Close() })
	second := between.beginUploads(t)
	if !strings.HasPrefix(second.put.UploadToken, "v1.k1.") {
		t.Errorf("with the new secret second, a token begins with %.6s, want v1.k1.", second.put.UploadToken)
	}
	between.close(t)

	after := newSite(t, reopen(data, map[string]string{"UPLOAD_TOKEN_SECRETS": fresh + "," + old}))
	for _, f := range []inFlight{first, second} {
		after.endParts(t, f)
		after.again(t, f)
	}
	if third := after.beginUploads(t); !strings.HasPrefix(third.put.UploadToken, "v1.k2.") {
		t.Errorf("with the new secret first, a token begins with %.6s, want v1.k2.", third.put.UploadToken)
	}
}

// Two new secrets in front end tokens and sessions, and nothing that is stored.
func TestTheSecretThatSealsLeaked(t *testing.T) {
	t.Parallel()
	stacktest.EndToEnd(t)
	data := t.TempDir()
	before := openSite(t, reopen(data, nil))
	t.Cleanup(func() { before.Close() })
	f := before.beginUploads(t)
	before.close(t)

	s := newSite(t, reopen(data, map[string]string{
		"UPLOAD_TOKEN_SECRETS": encoded("k3", randomBytes(32)) + "," + encoded("k2", randomBytes(32)) + "," + encoded("k1", before.Identity.TokenSecret),
	}))
	caller := holderOf(s.Ready.CallerToken)
	for what, a := range map[string]reply{
		"an upload token": s.ask(t, http.MethodPost, "/confirm", caller, fmt.Appendf(nil, `{"uploadToken":%q}`, f.stored.UploadToken)),
		"an upload id":    s.ask(t, http.MethodGet, "/s3/multipart/"+f.id+"/2", caller, nil),
		"a session":       s.ask(t, http.MethodGet, "/c/"+f.capability+"/s3/params?filename=a.png", nil, nil),
	} {
		a.refused(t, what+" of the leaked secret", http.StatusForbidden, "invalid_token")
	}
	var receipt struct{ EventID, ReceiptToken string }
	s.askJSON(t, http.MethodPost, "/confirm", wish{"key": f.stored.Key}, &receipt)
	s.keepSecret("a receipt token", receipt.ReceiptToken)
	if receipt.EventID != f.receipt.EventID {
		t.Errorf("what was stored is confirmed as %s, want %s", receipt.EventID, f.receipt.EventID)
	}
	s.beginUploads(t)
}

// Tokens of the secret of before are refused; sessions that were opened with them
// go on.
func TestTheSecretOfCallersLeaked(t *testing.T) {
	t.Parallel()
	stacktest.EndToEnd(t)
	data := t.TempDir()
	before := openSite(t, reopen(data, nil))
	t.Cleanup(func() { before.Close() })
	f := before.beginUploads(t)
	before.close(t)

	s := newSite(t, reopen(data, map[string]string{"AUTH_JWT_SECRET": "base64:" + base64.StdEncoding.EncodeToString(randomBytes(32))}))
	s.tryPresign(t, before.Ready.CallerToken, callerWish).refused(t, "a token of before", http.StatusUnauthorized, "unauthenticated")
	if a := s.ask(t, http.MethodGet, "/c/"+f.capability+"/s3/params?filename=a.png", nil, nil); a.Status != http.StatusOK {
		t.Errorf("a session of before = %v, want 200", a)
	}
	s.endParts(t, f)
	s.again(t, f)
}

// Without the role's policy its sessions open nothing, nor do URLs that were signed
// with them.
func TestCredentialsOfTheUploadRoleLeaked(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, stack.Options{Trigger: fc.TriggerHTTP})
	done, waiting := r.uploaded(t, nil), r.grantPut(t, nil)
	lent := r.sts(t, r.Ready.CallerToken, nil)
	read := r.download(t, map[string]any{"key": done.key})
	if a := r.get(t, read.URL); a.Status != http.StatusOK {
		t.Fatalf("GET before = %v, want 200", a)
	}
	for _, c := range r.Accounts.OfRole(stack.UploadRole) {
		c.Policies = append(c.Policies, ram.Policy{})
		r.Accounts.Add(c)
	}
	waiting.put(t).wantStorageError(t, "PUT", http.StatusForbidden, "AccessDenied")
	r.get(t, read.URL).wantStorageError(t, "GET", http.StatusForbidden, "AccessDenied")
	wantDenied(t, "PUT with what was lent", lent.put(t, r, lent.Prefix+"a.txt", []byte("x")))
}

// moved is a stack that goes on elsewhere with the secrets of r, which ends.
func (r *rig) moved(t *testing.T, data string, overrides map[string]string) *rig {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return newRigOf(t, stack.Options{Trigger: fc.TriggerHTTP, DataDir: data, Settings: overrides, NoTrigger: true})
}

// copyFrom copies an object as an operator does, with its metadata.
func (r *rig) copyFrom(t *testing.T, bucket, from, to string) {
	t.Helper()
	if _, err := r.developer.CopyObject(t.Context(), &oss.CopyObjectRequest{Bucket: &r.Ready.Bucket, Key: &to, SourceBucket: &bucket, SourceKey: &from}); err != nil {
		t.Fatal(err)
	}
}

// wantUpload uploads where the stack is now, whatever its place.
func (r *rig) wantUpload(t *testing.T, prefix string) {
	t.Helper()
	var out struct {
		Key, URL, UploadToken string
		Headers               map[string]string
	}
	content := []byte("uploaded after the move")
	r.call(t, http.MethodPost, "/presign", r.Ready.CallerToken, map[string]any{"filename": "a.png", "size": len(content)}).into(t, "POST /presign", &out)
	r.logged.secret(out.UploadToken)
	header := http.Header{}
	for name, value := range out.Headers {
		header.Set(name, value)
	}
	r.request(t, http.MethodPut, out.URL, header, content).receipt(t, "PUT", out.Key, content)
	if !strings.HasPrefix(out.Key, prefix) {
		t.Errorf("the key is %s, want it below %s", out.Key, prefix)
	}
}

func TestMoveToAnotherBucket(t *testing.T) {
	t.Parallel()
	stacktest.EndToEnd(t)
	data := t.TempDir()
	old := newRigOf(t, stack.Options{Trigger: fc.TriggerHTTP, DataDir: data, NoTrigger: true})
	u := old.grantPut(t, nil)
	before := u.put(t).receipt(t, "PUT", u.key, u.content)
	r := old.moved(t, data, map[string]string{"OSS_BUCKET": "moved-here", "OSS_REGION": "eu-central-1", "FORMER_PLACES": here.Bucket + "/uploads/"})
	r.copyFrom(t, here.Bucket, u.key, u.key)

	if got := r.confirmKey(t, u.key).receipt(t, "confirming a copy", u.key, u.content); got.EventID != before.EventID || got.Bucket != "moved-here" {
		t.Errorf("the copy is confirmed as %s in %s, want %s in moved-here", got.EventID, got.Bucket, before.EventID)
	}
	if a := r.get(t, r.download(t, map[string]any{"key": u.key}).URL); string(a.Body) != string(u.content) {
		t.Errorf("GET of the copy = %v", a)
	}
	r.confirmToken(t, u.token).refused(t, "an upload token of before", http.StatusForbidden, "invalid_token")
	r.wantUpload(t, "uploads/")
}

func TestMoveToAnotherPrefix(t *testing.T) {
	t.Parallel()
	stacktest.EndToEnd(t)
	data := t.TempDir()
	old := newRigOf(t, stack.Options{Trigger: fc.TriggerHTTP, DataDir: data, NoTrigger: true})
	u := old.uploaded(t, nil)
	r := old.moved(t, data, map[string]string{"UPLOAD_PREFIX": "in/", "FORMER_PLACES": here.Bucket + "/uploads/"})
	copied := "in/" + strings.TrimPrefix(u.key, "uploads/")
	r.copyFrom(t, here.Bucket, u.key, copied)

	for _, route := range []string{"/download", "/confirm"} {
		r.call(t, http.MethodPost, route, r.Ready.CallerToken, map[string]any{"key": u.key}).refused(t, route+" of the old key", http.StatusNotFound, "not_found")
		r.call(t, http.MethodPost, route, r.Ready.CallerToken, map[string]any{"key": copied}).refused(t, route+" of a copy", http.StatusUnprocessableEntity, "object_mismatch")
	}
	r.wantUpload(t, "in/")
}

// The commands of the runbook bring back what was given up.
func TestRestoreDeadLetters(t *testing.T) {
	t.Parallel()
	stacktest.EndToEnd(t)
	var gone atomic.Bool
	gone.Store(true)
	var delivered atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if gone.Load() {
			w.WriteHeader(http.StatusGone)
			return
		}
		delivered.Add(1)
	}))
	t.Cleanup(receiver.Close)
	r := newRigOf(t, stack.Options{Trigger: fc.TriggerHTTP, Settings: map[string]string{"WEBHOOK_URL": receiver.URL}, NoTrigger: true})
	u := r.grantPut(t, nil)
	receipt := u.put(t).receipt(t, "PUT", u.key, u.content)
	r.deliverQueued(t, 1)
	if got := r.mark(t, u.key); got != "dead" {
		t.Fatalf("the mark says %q, want dead", got)
	}
	gone.Store(false)

	binary := filepath.Join(t.TempDir(), "deliver")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "ossupload/scripts/deliver").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, args := range commands(t, "Restore dead letters", "scripts/deliver") {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = append(r.Settings.Variables(), "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"),
			"ALIBABA_CLOUD_ACCESS_KEY_ID="+r.Ready.AccessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET="+r.Ready.AccessKeySecret)
		cmd.Stderr = r.logged
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), receipt.EventID) {
			t.Errorf("deliver %q printed\n%s%v, want the event %s", args, out, err, receipt.EventID)
		}
	}
	r.deliverQueued(t, 1)
	if got := r.mark(t, u.key); got != "taken" || delivered.Load() != 1 {
		t.Errorf("the mark says %q after %d deliveries, want taken after one", got, delivered.Load())
	}
}
