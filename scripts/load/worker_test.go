package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/client/clienttest"
)

// newWorker is a worker at a deployment that never waits.
func newWorker(t *testing.T, steps map[string][]clienttest.Step) (*worker, *clienttest.Deployment) {
	d := clienttest.New(t, steps)
	w := newWire(d.URL, clienttest.Token, 1)
	w.Retry.Timer = new(clienttest.Pauses).Timer
	t.Cleanup(w.HTTP.CloseIdleConnections)
	return &worker{w, rand.New(rand.NewPCG(1, 2))}, d
}

// Whatever went wrong is noted, also when it was healed, and by whom.
func TestWorkersNoteEveryError(t *testing.T) {
	drop := clienttest.Step{Carry: true, Drop: true}
	callbackFailed := clienttest.Step{Carry: true, Status: 203, Body: "<Error><Code>CallbackFailed</Code></Error>"}
	wrong := clienttest.Step{Carry: true, Status: 200, Body: `{"key":"put1","size":1,"eventId":"e"}`}
	tests := []struct {
		name   string
		steps  map[string][]clienttest.Step
		errors []string
		fails  string
	}{
		{"nothing", nil, nil, ""},
		{"faults", map[string][]clienttest.Step{"presign": {{Status: 502}, clienttest.Code(503, "throttled", "")}, "put": {{Status: 500, Body: clienttest.OSS500}}},
			[]string{"status 502", "throttled", "InternalError"}, ""},
		{"the answer is lost", map[string][]clienttest.Step{"put": {drop}}, []string{"connection lost", "FileAlreadyExists"}, ""},
		{"the callback failed, and the confirmation at first", map[string][]clienttest.Step{"put": {callbackFailed}, "confirm": {clienttest.Code(502, "delivery_failed", "")}},
			[]string{"CallbackFailed", "delivery_failed"}, ""},
		{"a refusal", map[string][]clienttest.Step{"put": {{Status: 403, Body: clienttest.OSS403}}}, []string{"AccessDenied"}, "AccessDenied"},
		{"a receipt of other bytes", map[string][]clienttest.Step{"put": {wrong}}, nil, "the receipt says"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, d := newWorker(t, tt.steps)
			op, what := &operation{kind: kindPut}, content{1, 1000}
			u, err := w.put(t.Context(), op, what, 7)
			if (err != nil) != (tt.fails != "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("put = %v, want %q", err, tt.fails)
			}
			if !slices.Equal(op.errors, tt.errors) {
				t.Errorf("errors = %q, want %q", op.errors, tt.errors)
			}
			if tt.fails == "" && (u.receipt.Key != "put1" || !bytes.Equal(d.Object(), what.bytes(7))) {
				t.Errorf("put = %+v, want the upload and its bytes stored", u)
			}
		})
	}
}

func TestWorkersReadBackWhatTheySent(t *testing.T) {
	w, _ := newWorker(t, map[string][]clienttest.Step{"get": {{Status: 500}}})
	op := new(operation)
	u, err := w.put(t.Context(), op, content{1, 1000}, 7)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.confirm(t.Context(), op, u.token); err != nil || again != u.receipt {
		t.Errorf("confirm = %+v, %v, want %+v", again, err, u.receipt)
	}
	if got, err := w.fetch(t.Context(), op, u.receipt.Key); err != nil || !bytes.Equal(got, u.bytes(7)) || len(op.errors) != 1 {
		t.Errorf("fetch = %d bytes, %v, with errors %q, want those that were sent", len(got), err, op.errors)
	}
}

func TestWorkersUploadInParts(t *testing.T) {
	w, d := newWorker(t, map[string][]clienttest.Step{"url": {{Status: 503}}, "part 2": {{Status: 500, Body: clienttest.OSS500}}, "complete": {{Carry: true, Drop: true}}})
	op, what := &operation{kind: kindMultipart}, content{1, partSize + 5}
	u, err := w.multipart(t.Context(), op, what, 7)
	if err != nil || u.receipt.Key != "multi1" || !bytes.Equal(d.Object(), what.bytes(7)) {
		t.Errorf("multipart = %+v, %v, want the upload and its bytes stored", u, err)
	}
	if want := []string{"status 503", "InternalError", "connection lost"}; !slices.Equal(op.errors, want) {
		t.Errorf("errors = %q, want %q", op.errors, want)
	}
	// One URL for each part, by the route for a single one.
	if d.Count("url") != 3 || d.Count("batch") != 0 || d.Count("part") != 3 || d.Count("complete") != 2 {
		t.Errorf("requests = %q", d.Log())
	}
}
