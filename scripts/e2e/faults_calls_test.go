package e2e

import (
	"bytes"
	"net/http"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

// faultCalls are all calls that the functions make for a client, and the one that
// OSS makes to us.
var faultCalls = []faultCall{
	{
		lane: 0, title: "OSS → callback: the callback of an upload", target: "callback", op: "Callback",
		note:   "OSS sends it once and never again.",
		budget: callbackBudget, good: "the receipt", heals: "`/confirm`", prepare: preparePut,
	},
	{
		lane: 1, title: "callback → OSS: GetPublicKey", target: "keys", op: "GetPublicKey",
		note: "Only of a key that is not the published one, which is built in; once in the life of an instance. " +
			"Tried once, within 1 s; a failure stands for 5 s.",
		budget: callbackBudget, good: "the receipt", heals: "`/confirm`",
		prepare: func(t *testing.T, r *rig) trial {
			r.forget(t, "callback")
			return preparePut(t, r)
		},
	},
	{
		lane: 0, title: "callback → OSS: HeadObject", target: "oss", op: "HeadObject",
		note:   "Tried twice, within 2 s.",
		budget: callbackBudget, good: "the receipt", heals: "`/confirm`", prepare: preparePut,
	},
	{
		lane: 0, title: "callback → webhook: the delivery of an event", target: "webhook", op: "Deliver",
		note:   "Tried three times, within 2 s.",
		budget: callbackBudget, good: "the receipt", heals: "the timer, or `/confirm`", prepare: preparePut,
	},
	{
		lane: 0, title: "callback → OSS: PutObject of a mark", target: "oss", op: "PutObject",
		note:   "Tried twice, within 0.3 s. A mark that is missing makes whoever looks next deliver the event again.",
		budget: callbackBudget, good: "the receipt", heals: "`/confirm`, the trigger, or the sweep",
		prepare: prepareForm,
	},
	{
		lane: 13, title: "callback → OSS: GetObject of a mark, where the webhook fails", target: "oss", op: "GetObject", also: "webhook",
		note:   "Tried twice, within 0.3 s. It tells whether the event was taken before; a mark that cannot be read says no.",
		budget: callbackBudget, good: "the receipt", heals: "the timer, or `/confirm`", prepare: preparePut,
	},
	{
		lane: 13, title: "callback → OSS: PutObject of an event to be queued, where the webhook fails", target: "oss", op: "PutObject", also: "webhook",
		note:   "Tried twice, within 0.6 s. The mark is a PutObject too.",
		budget: callbackBudget, good: "the receipt", heals: "`/confirm`", prepare: prepareForm,
	},
	{
		lane: 2, title: "presign → STS: AssumeRole, for `POST /presign`", target: "sts", op: "AssumeRole",
		note: "Only without credentials that still live: those that are renewed at half their life serve on. " +
			"Tried again if the first try failed within 1 s; a try has 6 s.",
		budget: requestBudget, good: "the URL", heals: "asking again",
		prepare: func(t *testing.T, r *rig) trial {
			r.forget(t, "presign")
			content := []byte("content")
			ask := func(t *testing.T) reply {
				return r.call(t, http.MethodPost, "/presign", r.Ready.CallerToken,
					map[string]any{"filename": "a.png", "contentType": "image/png", "size": len(content)})
			}
			return trial{content: content, act: ask, again: ask, finish: func(t *testing.T, a reply) client.Receipt {
				var out struct {
					Key, URL string
					Headers  map[string]string
				}
				a.into(t, "POST /presign", &out)
				return grantedPut{r: r, url: out.URL, header: out.Headers, content: content}.put(t).receipt(t, "PUT", out.Key, content)
			}}
		},
	},
	{
		lane: 3, title: "presign → STS: AssumeRole, for `POST /sts`", target: "sts", op: "AssumeRole",
		note: "Only without credentials of this caller that have half their life before them. " +
			"Tried again if the first try failed within 1 s; a try has 6 s.",
		budget: requestBudget, good: "the credentials", heals: "asking again",
		prepare: func(t *testing.T, r *rig) trial {
			r.forget(t, "presign")
			ask := func(t *testing.T) reply { return r.call(t, http.MethodPost, "/sts", r.Ready.CallerToken, nil) }
			return trial{act: ask, again: ask, ended: func(t *testing.T) {
				g := r.sts(t, r.Ready.CallerToken, nil)
				if err := g.put(t, r, g.Prefix+"a.txt", []byte("x")); err != nil {
					t.Errorf("PutObject with the credentials = %v, want nil", err)
				}
			}}
		},
	},
	{
		lane: 4, title: "complete → STS: AssumeRole, for the URL of a part", target: "sts", op: "AssumeRole",
		note:   "As for `POST /presign`.",
		budget: requestBudget, good: "the URL", heals: "asking again",
		prepare: func(t *testing.T, r *rig) trial {
			m, content := r.begin(t, nil), []byte("content")
			r.forget(t, "complete")
			ask := func(t *testing.T) reply { return m.ask(t, http.MethodGet, "/1", nil) }
			return trial{key: m.Key, content: content, act: ask, again: ask, finish: func(t *testing.T, _ reply) client.Receipt {
				return m.complete(t, m.send(t, 1, content)).receipt(t, "complete", m.Key, content)
			}}
		},
	},
	{
		lane: 5, title: "complete → OSS: InitiateMultipartUpload", target: "oss", op: "InitiateMultipartUpload",
		note:   "Tried once, within 10 s: a repetition could leave an upload behind.",
		budget: requestBudget, good: "the upload id", heals: "asking again",
		prepare: func(t *testing.T, r *rig) trial {
			content := []byte("content")
			ask := func(t *testing.T) reply {
				return r.call(t, http.MethodPost, "/s3/multipart", r.Ready.CallerToken, map[string]any{"filename": "a"})
			}
			return trial{content: content, act: ask, again: ask, finish: func(t *testing.T, a reply) client.Receipt {
				m := &transfer{r: r, caller: r.Ready.CallerToken}
				a.into(t, "POST /s3/multipart", m)
				return m.complete(t, m.send(t, 1, content)).receipt(t, "complete", m.Key, content)
			}}
		},
	},
	{
		lane: 6, title: "complete → OSS: ListParts, for the list of parts", target: "oss", op: "ListParts",
		note:   "Tried twice, within 10 s.",
		budget: requestBudget, good: "the list", heals: "asking again",
		prepare: func(t *testing.T, r *rig) trial {
			m, content := r.begin(t, nil), []byte("content")
			sent := m.send(t, 1, content)
			ask := func(t *testing.T) reply { return m.ask(t, http.MethodGet, "", nil) }
			return trial{key: m.Key, content: content, act: ask, again: ask, finish: func(t *testing.T, a reply) client.Receipt {
				var list []sentPart
				a.into(t, "GET of the list", &list)
				if len(list) != 1 || list[0].ETag != sent[0].ETag {
					t.Errorf("list = %+v, want the part that was sent", list)
				}
				return m.complete(t, sent).receipt(t, "complete", m.Key, content)
			}}
		},
	},
	{
		lane: 7, title: "complete → OSS: ListParts, for completion", target: "oss", op: "ListParts",
		note:   "Tried twice, within 10 s.",
		budget: requestBudget, good: "the receipt", heals: "completing again", prepare: prepareCompletion,
	},
	{
		lane: 8, title: "complete → OSS: CompleteMultipartUpload", target: "oss", op: "CompleteMultipartUpload",
		note:   "Tried twice, within 10 s. A repetition that finds no upload asks for the object and its grant.",
		budget: requestBudget, good: "the receipt", heals: "completing again", prepare: prepareCompletion,
	},
	{
		lane: 9, title: "complete → OSS: HeadObject, after completion", target: "oss", op: "HeadObject",
		note:   "Tried twice, within 2 s.",
		budget: requestBudget, good: "the receipt", heals: "completing again", prepare: prepareCompletion,
	},
	{
		lane: 9, title: "complete → OSS: HeadObject, for completion asked again", target: "oss", op: "HeadObject",
		note:   "Tried twice, within 2 s.",
		budget: requestBudget, good: "the receipt", heals: "completing again",
		prepare: func(t *testing.T, r *rig) trial {
			x := prepareCompletion(t, r)
			x.act(t).receipt(t, "complete", x.key, x.content)
			return x
		},
	},
	{
		lane: 10, title: "complete → webhook: the delivery of an event, after completion", target: "webhook", op: "Deliver",
		note:   "Tried three times, within 8 s.",
		budget: requestBudget, good: "the receipt", heals: "the timer, or completing again", prepare: prepareCompletion,
	},
	{
		lane: 9, title: "complete → OSS: PutObject of a mark", target: "oss", op: "PutObject",
		note:   "Tried twice, within 0.3 s. A mark that is missing makes whoever looks next deliver the event again.",
		budget: requestBudget, good: "the receipt", heals: "completing again, the trigger, or the sweep", prepare: prepareCompletion,
	},
	{
		lane: 11, title: "complete → OSS: AbortMultipartUpload", target: "oss", op: "AbortMultipartUpload",
		note:   "Tried twice, within 10 s. A repetition that finds no upload asks whether there is an object.",
		budget: requestBudget, good: "`{}`", heals: "aborting again",
		prepare: func(t *testing.T, r *rig) trial {
			m := r.begin(t, nil)
			sent := m.send(t, 1, []byte("x"))
			ask := func(t *testing.T) reply { return m.ask(t, http.MethodDelete, "", nil) }
			return trial{key: m.Key, act: ask, again: ask, ended: func(t *testing.T) {
				m.complete(t, sent).refused(t, "complete after the abort", http.StatusGone, "upload_gone")
				r.wantStored(t, m.Key, nil)
				r.wantNoEvent(t, m.Key)
			}}
		},
	},
	{
		lane: 9, title: "complete → OSS: HeadObject, for an abort after completion", target: "oss", op: "HeadObject",
		note:   "Tried twice, within 2 s. Nothing is deleted, whatever fails.",
		budget: requestBudget, good: "409 `already_completed`", heals: "aborting again",
		prepare: func(t *testing.T, r *rig) trial {
			x := prepareCompletion(t, r)
			receipt := x.act(t).receipt(t, "complete", x.key, x.content)
			ask := func(t *testing.T) reply { return r.call(t, http.MethodDelete, x.path, r.Ready.CallerToken, nil) }
			return trial{
				key: x.key, content: x.content, act: ask, again: ask,
				success: func(a reply) bool {
					return a.Status == http.StatusConflict && bytes.Contains(a.Body, []byte(`"already_completed"`))
				},
				finish: func(*testing.T, reply) client.Receipt { return receipt },
			}
		},
	},
	{
		lane: 1, title: "complete → OSS: HeadObject, for `POST /confirm`", target: "oss", op: "HeadObject",
		note:   "Tried twice, within 2 s.",
		budget: requestBudget, good: "the receipt", heals: "`/confirm` again", prepare: prepareConfirm,
	},
	{
		lane: 12, title: "complete → webhook: the delivery of an event, for `POST /confirm`", target: "webhook", op: "Deliver",
		note:   "Tried three times, within 8 s.",
		budget: requestBudget, good: "the receipt", heals: "the timer, or `/confirm` again", prepare: prepareConfirm,
	},
}

// forget replaces the process of a function, and with it what it remembers.
func (r *rig) forget(t *testing.T, function string) {
	t.Helper()
	if err := r.Functions[function].Restart(); err != nil {
		t.Fatal(err)
	}
}

func preparePut(t *testing.T, r *rig) trial {
	u := r.grantPut(t, nil)
	return trial{
		key: u.key, content: u.content, act: u.put,
		again: func(t *testing.T) reply { return r.confirmToken(t, u.token) },
	}
}

// prepareForm is for faults of a PutObject, which the upload of a form is not.
func prepareForm(t *testing.T, r *rig) trial {
	content := []byte("sent with a form")
	f := r.form(t, r.Ready.CallerToken, map[string]any{"size": len(content)})
	return trial{
		key: f.Key, content: content,
		act:   func(t *testing.T) reply { return r.post(t, f.URL, f.with(content)) },
		again: func(t *testing.T) reply { return r.confirmToken(t, f.UploadToken) },
	}
}

// prepareConfirm stores an object whose callback is lost.
func prepareConfirm(t *testing.T, r *rig) trial {
	u := r.grantPut(t, nil)
	r.store(t, u.key, u.header, u.content)
	ask := func(t *testing.T) reply { return r.confirmToken(t, u.token) }
	return trial{key: u.key, content: u.content, act: ask, again: ask}
}

func prepareCompletion(t *testing.T, r *rig) trial {
	contents, whole := threeParts(11)
	m := r.begin(t, map[string]any{"size": len(whole), "partSize": minPart})
	sent := m.send(t, 1, contents...)
	ask := func(t *testing.T) reply { return m.complete(t, sent) }
	return trial{key: m.Key, path: m.path(""), content: whole, act: ask, again: ask}
}

// Each call has a limit of its own; here many of them reach it in one request.
func TestAnswersKeepTheirBudgetWhateverIsSlow(t *testing.T) {
	stacktest.EndToEnd(t)
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(*testing.T, *rig) trial
		faults  []fault.Fault
		queued  bool   // the answer is a receipt whose event waits
		seen    string // otherwise
		budget  time.Duration
	}{
		{"callback", preparePut, []fault.Fault{
			{Target: "oss", Operation: "HeadObject", Count: 1},
			{Target: "webhook", Operation: "Deliver", Count: many},
		}, true, "", 4 * time.Second}, // of the five that OSS waits
		{"callback that cannot queue", prepareForm, []fault.Fault{
			{Target: "oss", Operation: "HeadObject", Count: 1},
			{Target: "oss", Operation: "PutObject", Count: many},
			{Target: "webhook", Operation: "Deliver", Count: many},
		}, false, "203 `CallbackFailed`", 4 * time.Second},
		{"complete", prepareCompletion, []fault.Fault{
			{Target: "oss", Operation: "ListParts", Count: 1},
			{Target: "oss", Operation: "CompleteMultipartUpload", Count: 1},
			{Target: "oss", Operation: "HeadObject", Count: 1},
			{Target: "webhook", Operation: "Deliver", Count: many},
		}, true, "", requestBudget},
		{"complete that cannot queue", prepareCompletion, []fault.Fault{
			{Target: "oss", Operation: "ListParts", Count: 1},
			{Target: "oss", Operation: "CompleteMultipartUpload", Count: 1},
			{Target: "oss", Operation: "HeadObject", Count: 1},
			{Target: "oss", Operation: "PutObject", Count: many},
			{Target: "webhook", Operation: "Deliver", Count: many},
		}, false, "502 `delivery_failed`", requestBudget},
	}
	var wg sync.WaitGroup
	for _, tt := range tests {
		wg.Go(func() {
			t.Run(tt.name, func(t *testing.T) {
				r := newRig(t, fc.TriggerHTTP, nil)
				x := tt.prepare(t, r)
				for _, f := range tt.faults {
					f.Mode = fault.Timeout
					r.fail(t, f)
				}
				start := time.Now()
				answer := x.act(t)
				if took := time.Since(start); took > tt.budget {
					t.Errorf("the answer took %v, want less than %v", took, tt.budget)
				}
				for _, f := range r.Faults.List() {
					if f.Count == 1 || f.Count == many {
						t.Errorf("the fault %v is left, want each to have happened", f)
					}
				}
				r.Faults.Clear()
				r.wantNoEvent(t, x.key)
				if tt.queued {
					receipt := answer.receipt(t, "the answer", x.key, x.content)
					if receipt.Delivered {
						t.Error("delivered = true, and nobody took the event")
					}
					r.deliverQueued(t, 1)
					r.wantEvents(t, receipt, 1)
					return
				}
				if seen := answer.refusal(t); seen != tt.seen {
					t.Errorf("the client sees %s, want %s", seen, tt.seen)
				}
				r.wantEvents(t, x.again(t).receipt(t, "asked again", x.key, x.content), 1)
			})
		})
	}
	wg.Wait()
}
