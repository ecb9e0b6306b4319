package e2e

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/roles"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	ossstack "ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/grant"
	"ossupload/shared/sweep"
)

// questions are what OSS and STS asked about the roles.
type questions struct {
	mu  sync.Mutex
	all []ram.Asked
}

func (q *questions) ask(a ram.Asked) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a.Role != "" {
		q.all = append(q.all, a)
	}
}

// used reports whether one of the questions about a role was answered by a
// statement.
func (q *questions) used(t *testing.T, role string, s roles.Statement) bool {
	t.Helper()
	text, err := json.Marshal(roles.Policy{s})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := ram.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.all, func(a ram.Asked) bool {
		return a.Role == role && a.Allowed && alone.AllowsWhen(a.Action, a.Resource, a.Known)
	})
}

// grants are a statement's parts: one action on one resource under one value of
// each condition.
func grants(s roles.Statement) (all []roles.Statement) {
	conditions := []roles.Conditions{{}}
	for operator, keys := range s.Condition {
		var more []roles.Conditions
		for key, values := range keys { // none has more than one
			for _, v := range values {
				for _, c := range conditions {
					c = maps.Clone(c)
					c[operator] = map[string][]string{key: {v}}
					more = append(more, c)
				}
			}
		}
		conditions = more
	}
	for _, action := range s.Action {
		for _, resource := range s.Resource {
			for _, c := range conditions {
				all = append(all, roles.Statement{Effect: s.Effect, Action: []string{action}, Resource: []string{resource}, Condition: c})
			}
		}
	}
	return all
}

// Everything that the roles grant in OSS and STS is used by somebody honest, and
// everything that somebody honest does is granted.
func TestRolesGrantWhatIsUsed(t *testing.T) {
	t.Parallel()
	for name, uploadRole := range map[string]string{"with the upload role": stack.UploadRole, "without": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := roles.Deployment{Account: accountOf(stack.UploadRole), Bucket: here.Bucket, Prefix: here.Prefix, UploadRole: uploadRole, Tags: true, Delete: true}
			var gone atomic.Bool
			receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if gone.Load() {
					w.WriteHeader(http.StatusGone)
				}
			}))
			t.Cleanup(receiver.Close)
			r := newRigOf(t, stack.Options{
				Trigger: fc.TriggerHTTP, Assume: stacktest.Assume(t, "access.head-without-list=403"), Versioning: ossstack.VersioningEnabled,
				Settings: map[string]string{
					"UPLOAD_ROLE_ARN": uploadRole, "UPLOAD_MAX_OPEN": "100", "WEBHOOK_URL": receiver.URL,
					"WEBHOOK_EVENTS": "upload.completed,upload.refused,upload.stored",
				},
			})
			asked := &questions{}
			r.Accounts.Watch(asked.ask)
			r.everything(t, d, &gone)
			r.Accounts.Watch(nil)
			asked.check(t, d)
		})
	}
}

func accountOf(arn string) string { return strings.Split(arn, ":")[3] }

func (q *questions) check(t *testing.T, d roles.Deployment) {
	t.Helper()
	all, err := d.Roles()
	if err != nil {
		t.Fatal(err)
	}
	arn := "acs:ram::" + d.Account + ":role/"
	for _, role := range all {
		if slices.Contains([]string{roles.Doctor, roles.Bucket, roles.Deployer}, strings.TrimPrefix(role.Name, "ossupload-")) {
			continue // the tests of the first two hold them, and no stand-in deploys
		}
		for _, statement := range role.Permissions {
			if !strings.HasPrefix(statement.Action[0], "oss:") && !strings.HasPrefix(statement.Action[0], "sts:") {
				continue // the stand-in has no such service
			}
			for _, g := range grants(statement) {
				// An operator may run what repair runs.
				asRepair := strings.HasSuffix(role.Name, roles.Operator) && q.used(t, arn+"ossupload-"+roles.Repair, g)
				if !asRepair && !q.used(t, arn+role.Name, g) {
					t.Errorf("%s may %s on %s %v, and never does", role.Name, g.Action[0], g.Resource[0], g.Condition)
				}
			}
		}
	}
	for _, a := range q.all {
		// Of what is not there, the stand-in asks whether its caller may list
		// everything, which would be told so.
		everything := a.Action == "oss:ListObjects" && a.Known["oss:Prefix"] == ""
		if !a.Allowed && !everything {
			t.Errorf("%s may not %s on %s %v, and wants to", a.Role, a.Action, a.Resource, a.Known)
		}
	}
}

// everything is what honest clients, functions and operators do. While gone is true
// the receiver gives every event up.
func (r *rig) everything(t *testing.T, d roles.Deployment, gone *atomic.Bool) {
	t.Helper()
	tagged := map[string]any{"tags": map[string]string{"project": "x"}}
	contents, whole := threeParts(40)

	// By every way, and read again.
	put := r.grantPut(t, tagged)
	receipt := put.put(t).receipt(t, "PUT", put.key, put.content)
	r.grantURL(t).put(t)
	form := r.form(t, r.Ready.CallerToken, map[string]any{"size": 5, "tags": map[string]string{"project": "x"}})
	r.post(t, form.URL, form.with([]byte("hello")))
	m := r.begin(t, nil)
	sent := m.send(t, 1, contents...)
	m.ask(t, http.MethodGet, "", nil).into(t, "listing", new([]any))
	m.complete(t, sent).receipt(t, "complete", m.Key, whole)
	r.confirmKey(t, put.key).receipt(t, "confirm", put.key, put.content)
	for _, in := range []map[string]any{{"key": put.key}, {"key": put.key, "versionId": receipt.VersionID}} {
		if a := r.get(t, r.download(t, in).URL); a.Status != http.StatusOK {
			t.Fatalf("GET %v = %v, want 200", in, a)
		}
	}
	// What is not there, with which no list is spared.
	r.confirmKey(t, strings.Replace(put.key, ".png", "0.png", 1)).refused(t, "confirming nothing", http.StatusNotFound, "not_found")
	r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": strings.Replace(put.key, ".png", "0.png", 1)}).
		refused(t, "downloading nothing", http.StatusNotFound, "not_found")
	absent := r.grantPut(t, nil)
	if a := r.deliver(t, r.message(t, absent.notice(etagOf(absent.content)))); a.Status == http.StatusOK {
		t.Fatalf("the callback of nothing = %v", a)
	}
	given := r.begin(t, nil)
	given.send(t, 1, contents[0])
	given.ask(t, http.MethodDelete, "", nil).into(t, "abort", new(map[string]any))
	if d.UploadRole != "" {
		r.useCredentials(t)
	}
	narrow := r.beginAs(t, r.caller(t, "demo", map[string]any{"maxSize": len(contents[0]) + 1}), nil)
	parts := narrow.send(t, 1, contents[0], contents[0])
	narrow.complete(t, parts).mismatch(t, "complete of too much", "2 total size")

	// What was not delivered at once, by callback and by complete, what never is, and
	// what does not open.
	gone.Store(true)
	r.grantPut(t, nil).put(t)
	late := r.begin(t, nil)
	late.complete(t, late.send(t, 1, contents...))
	r.store(t, grant.OwnRoot(d.Prefix)+"_pending/strange", nil, []byte("strange"))
	r.runOutbox(t)
	gone.Store(false)
	r.revive(t, d)
	r.runOutbox(t)

	// What nobody announced: for the trigger, and for the sweep.
	r.lose(t)
	r.store(t, "uploads/demo/logo.png", nil, []byte("logo"))
	if err := r.Triggered.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.sweep(t, anyAge)
	r.runOutbox(t)

	// What breaks its grant, and what nobody completes.
	smuggled := r.grantPut(t, nil)
	smuggled.header["Content-Encoding"] = "gzip"
	r.store(t, smuggled.key, smuggled.header, smuggled.content)
	r.begin(t, nil)
	repair := r.Accounts.OfRole(strings.TrimSuffix(stack.UploadRole, roles.Upload) + roles.Repair)
	if len(repair) != 1 {
		t.Fatalf("repair has %d credentials, want 1", len(repair))
	}
	for ahead, done := range map[time.Duration]func(sweep.Summary) int64{
		25 * time.Hour:     func(s sweep.Summary) int64 { return int64(s.Deleted) },
		9 * 24 * time.Hour: func(s sweep.Summary) int64 { return int64(s.Aborted) },
	} {
		if s := r.laterAs(t, repair[0], ahead, sweep.Options{Delete: true}); done(s) != 1 {
			t.Fatalf("a sweep %v later = %+v, want one object deleted after a day, one upload aborted after nine", ahead, s)
		}
	}
}

// revive queues again what was given up, as the operator.
func (r *rig) revive(t *testing.T, d roles.Deployment) {
	t.Helper()
	text, err := json.Marshal(d.Operating())
	if err != nil {
		t.Fatal(err)
	}
	policy, err := ram.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	operator := ram.Credential{
		AccessKeyID: "STS.operator", AccessKeySecret: "operator", SecurityToken: "operator", Policies: []ram.Policy{policy},
		Role: "acs:ram::" + d.Account + ":role/ossupload-" + roles.Operator,
	}
	r.Accounts.Add(operator)
	queue := r.queueIn(t, r.storageAs(t, operator), slog.New(slog.DiscardHandler))
	revived := 0
	for dead, err := range queue.Dead(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(dead.Name, "strange") {
			continue
		}
		if _, err := queue.Revive(t.Context(), dead.Name); err != nil {
			t.Fatal(err)
		}
		revived++
	}
	if revived != 2 {
		t.Fatalf("%d events were given up, want 2", revived)
	}
}

// useCredentials uploads with credentials of STS.
func (r *rig) useCredentials(t *testing.T) {
	t.Helper()
	g := r.sts(t, r.Ready.CallerToken, nil)
	key := g.Prefix + "film.mp4"
	if err := g.put(t, r, key, []byte("film")); err != nil {
		t.Fatal(err)
	}
	c := g.client(r)
	begun, err := c.InitiateMultipartUpload(t.Context(), &oss.InitiateMultipartUploadRequest{Bucket: &g.Bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ListParts(t.Context(), &oss.ListPartsRequest{Bucket: &g.Bucket, Key: &key, UploadId: begun.UploadId}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AbortMultipartUpload(t.Context(), &oss.AbortMultipartUploadRequest{Bucket: &g.Bucket, Key: &key, UploadId: begun.UploadId}); err != nil {
		t.Fatal(err)
	}
}
