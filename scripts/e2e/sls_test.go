package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
	"ossupload/scripts/sls"
)

// What the saved searches and alerts ask for is what the functions write. An event
// of each kind is made once; then every query must find lines, with all that it
// names.
func TestLogAnswersTheQueries(t *testing.T) {
	stacktest.EndToEnd(t)
	t.Parallel()
	var (
		status atomic.Int64
		mu     sync.Mutex
		traces []string
	)
	status.Store(http.StatusOK)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		traces = append(traces, req.Header.Get("traceparent"))
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(receiver.Close)
	r := newRigOf(t, stack.Options{Trigger: fc.TriggerHTTP, Settings: map[string]string{"WEBHOOK_URL": receiver.URL}, NoTrigger: true})

	u := r.grantPut(t, nil)
	u.put(t).receipt(t, "PUT", u.key, u.content)
	r.confirmToken(t, "not a token").refused(t, "confirming with no token", http.StatusForbidden, "invalid_token")
	_, forged := r.stage(t, nil, func(_ *testing.T, s *scene) { s.notice.token = "forged" })
	r.deliver(t, forged).refused(t, "a forged callback", http.StatusForbidden, "callback_rejected")
	endpoint := r.session(t, r.Ready.CallerToken, map[string]any{}).Endpoint
	for _, base := range []string{"", strings.TrimPrefix(endpoint, r.Ready.Gateway)} {
		r.inOnePart(t, base)
	}
	r.fail(t, fault.Fault{Target: "oss", Operation: "HeadObject", Mode: fault.InternalError, Count: 2})
	r.confirmKey(t, u.key).refused(t, "confirming while OSS fails", http.StatusBadGateway, "storage_error")
	r.Faults.Clear()

	status.Store(http.StatusGone)
	u = r.grantPut(t, nil)
	u.put(t).receipt(t, "PUT while the receiver is gone", u.key, u.content)
	r.store(t, "_ossupload/uploads/_pending/0000000000-strange", nil, []byte("nothing of ours"))
	r.deliverQueued(t, 2)
	status.Store(http.StatusOK)

	lost := r.lose(t)
	r.lose(t)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	header := bearer(r.Ready.CallerToken)
	header.Set("traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	body, err := json.Marshal(map[string]string{"uploadToken": lost.token})
	if err != nil {
		t.Fatal(err)
	}
	r.request(t, http.MethodPost, r.Ready.Gateway+"/confirm", header, body).receipt(t, "confirming", lost.key, lost.content)
	mu.Lock()
	last := traces[len(traces)-1]
	mu.Unlock()
	if !strings.HasPrefix(last, "00-"+trace+"-") || !strings.HasSuffix(last, "-01") || strings.Contains(last, "b7ad6b7169203331") {
		t.Errorf("the receiver was told of the trace %q, want %s with a parent of ours", last, trace)
	}
	since := 0
	r.sweep(t, anyAge)
	r.logged.want(t, since, `"msg":"sweep"`, `"action":"announce"`)
	r.logged.want(t, since, `"msg":"sweep"`, `"action":"end"`)
	r.logged.want(t, since, `"traceId":"`+trace+`"`, `"route":"/confirm"`)
	r.checkQueries(t)
}

// inOnePart uploads by multipart, below a session's endpoint or not.
func (r *rig) inOnePart(t *testing.T, base string) {
	t.Helper()
	m := &transfer{r: r}
	r.call(t, http.MethodPost, base+"/s3/multipart", r.Ready.CallerToken, map[string]any{"filename": "a.mp4"}).into(t, "POST /s3/multipart", m)
	r.logged.secret(m.UploadID)
	var part struct{ URL string }
	path := base + "/s3/multipart/" + m.UploadID
	r.call(t, http.MethodGet, path+"/1", r.Ready.CallerToken, nil).into(t, "GET of a part", &part)
	content := []byte("a part")
	r.request(t, http.MethodPut, part.URL, nil, content)
	r.call(t, http.MethodPost, path+"/complete", r.Ready.CallerToken, map[string]any{}).receipt(t, "complete", m.Key, content)
}

// checkQueries holds all queries against what was logged.
func (r *rig) checkQueries(t *testing.T) {
	t.Helper()
	queries, err := sls.Queries()
	if err != nil {
		t.Fatal(err)
	}
	r.logged.mu.Lock()
	defer r.logged.mu.Unlock()
	var lines []sls.Line
	for text := range bytes.Lines(r.logged.text.Bytes()) {
		if line, err := sls.ReadLine(text); err == nil && line["msg"] != "" {
			lines = append(lines, line)
		}
	}
	for _, q := range queries {
		for _, fault := range q.Faults(lines) {
			t.Error(fault)
		}
	}
	// The one subject there is has one pseudonym, whichever function writes it.
	subjects := map[string]string{}
	for _, line := range lines {
		if line["subject"] != "" {
			subjects[line["function"]] = line["subject"]
		}
	}
	for _, function := range stack.FunctionNames {
		if got := subjects[function]; got != r.keyring.Pseudonym(stack.CallerSubject) {
			t.Errorf("%s calls the subject %q, want %q", function, got, r.keyring.Pseudonym(stack.CallerSubject))
		}
	}
}
