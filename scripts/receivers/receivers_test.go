package receivers_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// Secrets as during a rotation. The stack signs with two of them; a receiver
// knows the next one, which nothing signs with yet, and the second of those.
const (
	nextSecret    = "whsec_dGhlIG5leHQgc2VjcmV0IG9mIHRoaXMgdGVzdCBvbmx5"
	retiredSecret = "whsec_YSByZXRpcmVkIHNlY3JldCBvZiB0aGlzIHRlc3Q="
	currentSecret = "whsec_Y3VycmVudCwgYW5kIG9mIHRoaXMgdGVzdCBvbmx5"
	foreignSecret = "whsec_Zm9yZWlnbiwgYW5kIG9mIHRoaXMgdGVzdCBvbmx5"
)

// Every receiver is the backend of the local stack for a while.
func TestReceivers(t *testing.T) {
	stacktest.EndToEnd(t)
	stacktest.Watch(t, ".")
	backend := new(backend)
	front := httptest.NewServer(backend)
	t.Cleanup(front.Close)
	stack := stacktest.Start(t, stacktest.Options{
		Webhook:  front.URL + "/webhook",
		Settings: map[string]string{"WEBHOOK_SECRETS": retiredSecret + "," + currentSecret},
	})

	table := stacktest.NewTable(t, "receivers that took the events of the local stack:")
	for _, r := range receivers {
		table.Run(t, r.name, func(t *testing.T, skip func(string)) {
			dir := t.TempDir()
			command := r.prepare(t, dir, skip)
			s := serve(t, dir, command, secrets)
			first := backend.deliver(t, s.url, stack)
			second := backend.deliver(t, s.url, stack)

			t.Run("takes an event once, however often and fast it comes", func(t *testing.T) {
				var group sync.WaitGroup
				for range 8 {
					group.Go(func() { s.want(t, http.StatusNoContent, first) })
				}
				group.Wait()
				for _, d := range []delivery{first, second} {
					s.wantTaken(t, d.id(), 1)
				}
			})
			t.Run("stores an id once, whatever comes with it", func(t *testing.T) {
				again := made(first.id(), `{"type":"upload.completed","data":{"key":"other"}}`, nextSecret, time.Now())
				s.want(t, http.StatusNoContent, again)
				event := made("evt_next", `{"type":"upload.completed","data":{"key":"k"}}`, nextSecret, time.Now())
				s.want(t, http.StatusNoContent, event)
				s.wantTaken(t, event.id(), 1)
				s.wantTaken(t, first.id(), 1)
			})
			t.Run("refuses", func(t *testing.T) { s.refusals(t, first.body) })
			if !r.forgets {
				t.Run("takes an event once, whenever it dies", func(t *testing.T) { dies(t, dir, command) })
			}
			if exists(dir, "events.db") {
				t.Run("takes no event without its work", func(t *testing.T) { s.fails(t, dir) })
			}
			t.Run("takes nothing when it has no secret", func(t *testing.T) {
				for name, secrets := range map[string]string{"none": "", "an empty one": "whsec_", "two empty ones": ",whsec_,"} {
					t.Run(name, func(t *testing.T) { takesNothing(t, command, dir, secrets) })
				}
			})
		})
	}
}

// refusals changes one thing at a time of an event that would be taken, and is
// at the end.
func (s *server) refusals(t *testing.T, body []byte) {
	now := time.Now()
	signed := func(secret string, at time.Time) delivery { return made("evt_changed", string(body), secret, at) }
	valid := signed(nextSecret, now)
	header := func(name, value string) delivery {
		d := delivery{valid.header.Clone(), valid.body}
		d.header.Set(name, value)
		return d
	}
	const refused, tooLarge = http.StatusBadRequest, http.StatusRequestEntityTooLarge
	tests := []struct {
		name   string
		status int
		d      delivery
	}{
		{"a changed body", refused, delivery{valid.header, bytes.Replace(body, []byte(`"size":`), []byte(`"size":1`), 1)}},
		{"a body that means the same", refused, delivery{valid.header, append(slices.Clone(body), ' ')}},
		{"no body", refused, delivery{valid.header, nil}},
		{"a body of half a megabyte", tooLarge, made("evt_changed", strings.Repeat(" ", 512<<10)+string(body), nextSecret, now)},
		{"another id", refused, header("webhook-id", "evt_other")},
		{"no id", refused, header("webhook-id", "")},
		{"another timestamp", refused, header("webhook-timestamp", strconv.FormatInt(now.Unix()-1, 10))},
		{"a malformed timestamp", refused, header("webhook-timestamp", "soon")},
		{"no timestamp", refused, header("webhook-timestamp", "")},
		{"six minutes old", refused, signed(nextSecret, now.Add(-6*time.Minute))},
		{"six minutes early", refused, signed(nextSecret, now.Add(6*time.Minute))},
		{"a secret that is not its own", refused, signed(foreignSecret, now)},
		{"no signature", refused, header("webhook-signature", "")},
		{"an empty signature", refused, header("webhook-signature", "v1,")},
		{"a signature of another version", refused, header("webhook-signature", "v2"+strings.TrimPrefix(valid.header.Get("webhook-signature"), "v1"))},
		{"a signature beyond ASCII", refused, header("webhook-signature", "v1,é")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { s.want(t, tt.status, tt.d) })
	}
	// Had one of them been taken, this would not be new.
	s.want(t, http.StatusNoContent, valid)
	s.wantTaken(t, valid.id(), 1)
	if s.taken("evt_other")+s.taken("") != 0 {
		t.Error("another id was taken")
	}
}

// takesNothing starts a receiver that cannot verify. It may refuse to start, or
// to take; what it must not do is to verify with an empty key.
func takesNothing(t *testing.T, command []string, dir, secrets string) {
	s := launch(t, dir, command, secrets)
	if !s.ready() {
		return
	}
	d := made("evt_unsigned", `{"type":"upload.completed","data":{"key":"k"}}`, "whsec_", time.Now())
	if status, err := s.post(d); err == nil && status/100 == 2 {
		t.Errorf("it answered %d to an event that is signed with nothing", status)
	}
}

// delivery is a webhook as it is on the wire.
type delivery struct {
	header http.Header
	body   []byte
}

func (d delivery) id() string { return d.header.Get("webhook-id") }

// made signs a delivery as the functions do.
func made(id, body, secret string, at time.Time) delivery {
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		panic(err)
	}
	signature, err := webhook.Sign(id, at, []byte(body))
	if err != nil {
		panic(err)
	}
	return delivery{http.Header{
		"Content-Type":      {"application/json"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {signature},
	}, []byte(body)}
}

// backend is where the stack delivers to: the receiver under test, with a
// record of what it took.
type backend struct {
	mu       sync.Mutex
	url      string
	took     []delivery
	uploaded []string // ids of the events
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := delivery{r.Header.Clone(), body}
	status, err := (&server{url: b.url}).post(d)
	if err != nil {
		status = http.StatusBadGateway
	}
	if status/100 == 2 {
		b.took = append(b.took, d)
	}
	w.WriteHeader(status)
}

// deliver uploads a file, and returns the event that the receiver at url took. On
// a busy machine the functions may have stopped waiting for that, and have tried
// again under the same id.
func (b *backend) deliver(t *testing.T, url string, stack *stacktest.Stack) delivery {
	t.Helper()
	b.mu.Lock()
	b.url = url
	b.mu.Unlock()
	id := upload(t, stack)
	var event delivery
	stacktest.Eventually(t, "the receiver takes the event "+id, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		i := slices.IndexFunc(b.took, func(d delivery) bool { return d.id() == id })
		if i >= 0 {
			event = b.took[i]
		}
		return i >= 0
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uploaded = append(b.uploaded, id)
	for _, d := range b.took {
		if !slices.Contains(b.uploaded, d.id()) {
			t.Errorf("the event %s was delivered, and is of no upload", d.id())
		}
	}
	if n := strings.Count(event.header.Get("webhook-signature"), "v1,"); n != 2 {
		t.Errorf("the event has %d signatures, want one per secret of the stack", n)
	}
	return event
}

// upload sends a file with a name beyond ASCII to the stack and returns the
// event id of its receipt.
func upload(t *testing.T, stack *stacktest.Stack) string {
	t.Helper()
	receipt, err := stack.Client().Put(t.Context(), client.PresignRequest{
		Filename: "报告 <é>.txt", As: "url", ContentType: "text/plain", Vars: map[string]string{"note": `ünïcode & \u2028`},
	}, client.Bytes([]byte("hello\n")))
	if err != nil {
		t.Fatal(err)
	}
	return receipt.EventID
}

// server is a receiver that runs.
type server struct {
	url   string
	log   *output
	ended chan struct{}
	kill  func() // at once, and waits
}

// launch runs a receiver in dir until the end of the test.
func launch(t *testing.T, dir string, command []string, secrets string) *server {
	t.Helper()
	port := stacktest.FreePort(t)
	s := &server{url: "http://127.0.0.1:" + port + "/webhook", log: new(output), ended: make(chan struct{})}
	args := slices.Clone(command[1:])
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "{port}", port)
	}
	cmd := exec.CommandContext(t.Context(), command[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PORT="+port, "WEBHOOK_SECRETS="+secrets)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		_ = cmd.Wait()
	}()
	s.kill = func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-s.ended
	}
	t.Cleanup(func() {
		<-s.ended // the test's context has ended, and with it the process
		if t.Failed() {
			t.Logf("%s said:\n%s", command[0], s.log)
		}
	})
	return s
}

// serve launches a receiver that has to come up, and to take an event: a cold
// one may need longer for its first than the functions wait for any.
func serve(t *testing.T, dir string, command []string, secrets string) *server {
	t.Helper()
	s := launch(t, dir, command, secrets)
	if !s.ready() {
		t.Fatalf("%s does not listen:\n%s", command[0], s.log)
	}
	s.want(t, http.StatusNoContent, made("evt_first", `{"type":"upload.completed","data":{"key":"k"}}`, nextSecret, time.Now()))
	return s
}

// ready waits until the receiver listens, and reports false if it ends instead
// or takes two minutes, which a Java process may on a busy machine.
func (s *server) ready() bool {
	address := strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/webhook")
	return s.eventually(2*time.Minute, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// eventually asks until the answer is yes, the receiver ended, or time is up.
func (s *server) eventually(limit time.Duration, ask func() bool) bool {
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-s.ended:
			return ask()
		case <-deadline:
			return false
		}
	}
	return true
}

var poster = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// post sends a delivery and returns the status of the answer.
func (s *server) post(d delivery) (int, error) {
	req, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(d.body))
	if err != nil {
		return 0, err
	}
	req.Header = d.header.Clone()
	res, err := poster.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

func (s *server) want(t *testing.T, status int, d delivery) {
	t.Helper()
	got, err := s.post(d)
	var broken *net.OpError
	if status == http.StatusRequestEntityTooLarge && errors.As(err, &broken) {
		return // it closed the connection on a body that it will not read
	}
	if err != nil || got != status {
		t.Errorf("it answered %d, %v; want %d", got, err, status)
	}
}

// taken is how often the receiver said that it took an event.
func (s *server) taken(id string) int {
	return strings.Count(s.log.String(), "took "+id+":")
}

// wantTaken waits for the first word of an event that was taken.
func (s *server) wantTaken(t *testing.T, id string, want int) {
	t.Helper()
	s.eventually(10*time.Second, func() bool { return s.taken(id) >= want })
	if got := s.taken(id); got != want {
		t.Errorf("%s was taken %d times, want %d", id, got, want)
	}
}

// output collects what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
