package confirm_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/confirm"
	"ossupload/shared/trace"
)

// The receiver is told the trace that an event was raised in, also when it was
// queued meanwhile.
func TestWebhookGoesOnWithTheTrace(t *testing.T) {
	const (
		came  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		ours  = "00-0af7651916cd43dd8448eb211c80319c-0202020202020202-01"
		later = "00-0af7651916cd43dd8448eb211c80319c-0303030303030303-01"
	)
	var got []string
	c := config(t, stored(object()))
	queue := &line{}
	refuses := true
	c.Notifier, c.Queue = nil, queue
	c.Webhook = confirm.WebhookConfig{URL: "https://backend.example.com/", Secrets: [][]byte{hookSecret}, Budget: time.Second, Client: roundTrip(func(r *http.Request) int {
		got = append(got, r.Header.Get("traceparent"))
		if refuses {
			return http.StatusBadRequest
		}
		return http.StatusOK
	})}
	confirmer := made(t, c)
	invocation := func(id, traceparent string) (context.Context, *trace.Trace) {
		tr := trace.New(time.Now, strings.NewReader(strings.Repeat(id, 24)), []string{traceparent})
		return trace.NewContext(t.Context(), tr), tr
	}
	ctx, raised := invocation("\x02", came)
	if _, err := confirmer.Announce(ctx, claims(), object()); err != nil {
		t.Fatal(err)
	}
	refuses = false
	ctx, delivered := invocation("\x03", "")
	if len(queue.entries) != 1 || queue.entries[0].Trace != ours {
		t.Fatalf("queued %+v, want the trace %s", queue.entries, ours)
	}
	if err := confirmer.Do(ctx, queue.entries[0]); err != nil {
		t.Fatal(err)
	}
	if want := []string{ours, later}; !slices.Equal(got, want) {
		t.Errorf("posted with the traces %q, want %q", got, want)
	}
	if told := raised.Announced(); told.As != "queued" || told.Event != queue.entries[0].ID || told.Bytes != object().Size {
		t.Errorf("Announced = %+v, want the queued event", told)
	}
	for name, tr := range map[string]*trace.Trace{"raising": raised, "delivering": delivered} {
		if _, ok := tr.Waited(trace.Webhook); !ok {
			t.Errorf("%s waited for no webhook", name)
		}
	}
}

type roundTrip func(*http.Request) int

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: f(r), Body: http.NoBody, Header: http.Header{}}, nil
}
