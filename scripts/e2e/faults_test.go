package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/grant"
)

// faultTable is generated from what TestFaultTable sees, so it cannot say what
// is not so.
const faultTable = "FAULTS.md"

var update = flag.Bool("update", false, "write "+faultTable+" instead of comparing with it")

// How long an answer may take: OSS waits five seconds for that of the callback,
// gateways and browsers longer for the others.
const (
	callbackBudget = 3 * time.Second
	requestBudget  = 15 * time.Second
)

// faultCall is a call that a function makes, and that fails.
type faultCall struct {
	lane   int    // calls of one lane share a stack, one after the other
	title  string // who asks whom for what
	note   string // what is tried again, and how long it may take
	target string
	op     string
	also   string // a target that fails as well, every time
	budget time.Duration
	good   string // what the client sees when nothing is wrong
	heals  string // what the client does otherwise
	// prepare makes ready all that comes before the request.
	prepare func(t *testing.T, r *rig) trial
}

// trial is one request during which a call fails.
type trial struct {
	key     string // empty: it is not known before the answer
	path    string // of a multipart upload
	content []byte // that the object has in the end
	act     func(t *testing.T) reply
	again   func(t *testing.T) reply // what is documented to repair it
	// success reports whether an answer is the one hoped for; nil: it is a 200.
	success func(reply) bool
	// finish brings the upload to its end after such an answer, and returns the
	// receipt. nil: the answer is the receipt, and asking again answers it too.
	finish func(t *testing.T, a reply) client.Receipt
	// ended checks an upload that ends without a receipt, instead of finish.
	ended func(t *testing.T)
}

func (x trial) good(a reply) bool {
	if x.success != nil {
		return x.success(a)
	}
	return a.Status == http.StatusOK
}

// faultOutcome is what was seen of one trial.
type faultOutcome struct {
	good      bool
	seen      string // by the client
	stored    string
	delivered int // events by then
	queued    bool
}

// event is what became of the event.
func (o faultOutcome) event() string {
	if o.queued && o.delivered == 0 {
		return "queued"
	}
	if o.queued {
		return times(o.delivered) + ", and queued"
	}
	return times(o.delivered)
}

type faultMode struct{ mode, words string }

var faultModes = []faultMode{
	{fault.InternalError, "answers 500"},
	{fault.Unavailable, "answers 503"},
	{fault.Timeout, "does not answer"},
	{fault.ConnectionReset, "breaks the connection"},
	{fault.StoredThenReset, "does it, then breaks the connection"},
}

// faultModesTried are all of them, or with -brief those that leave nothing and all
// behind.
func faultModesTried() []faultMode {
	if *brief {
		return []faultMode{faultModes[0], faultModes[len(faultModes)-1]}
	}
	return faultModes
}

// TestFaultTable makes every call of the functions fail in every way, once and
// for good, and holds what clients see against the table in FAULTS.md. Whatever
// fails: the object is there whole or not at all, one event id is delivered for
// it and not none, the documented repair repairs, and the answer keeps within
// its budget.
//
// Tried again is only what a repetition cannot harm, and only as often as the
// budget allows. HEAD, ListParts, AbortMultipartUpload and PutObject of a mark:
// twice; CompleteMultipartUpload: twice, since a repetition that comes too late
// finds the object and its grant; InitiateMultipartUpload: once, since a
// repetition would leave an upload behind; AssumeRole: twice if the first
// failed within a second; the webhook: three times, under one event id, and
// then the event is queued;
// GetPublicKey: once, and a failure stands for five seconds; OSS's callback:
// once, by OSS. net/http may repeat by itself what is idempotent and was sent
// over a connection that turned out to be closed.
//
// The lanes spend their time waiting for timeouts, so they do not wait for each
// other, as parallel tests would on few processors.
func TestFaultTable(t *testing.T) {
	stacktest.EndToEnd(t)
	t.Parallel()
	rows := make([][]string, len(faultCalls))
	var lanes sync.WaitGroup
	for lane := range 1 + slices.MaxFunc(faultCalls, func(a, b faultCall) int { return a.lane - b.lane }).lane {
		lanes.Go(func() {
			t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
				r := newRig(t, []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP}[lane%2], nil)
				for i, c := range faultCalls {
					if c.lane == lane {
						t.Run(c.title, func(t *testing.T) { rows[i] = c.rows(t, r) })
					}
				}
			})
		})
	}
	lanes.Wait()
	if t.Failed() || slices.ContainsFunc(rows, func(r []string) bool { return len(r) != len(faultModesTried()) }) {
		return // nothing that should be written down
	}
	if *brief {
		compareRows(t, rows)
		return
	}
	compareTable(t, renderFaults(rows))
}

// rows makes the call fail in every way.
func (c faultCall) rows(t *testing.T, r *rig) (rows []string) {
	for _, m := range faultModesTried() {
		t.Run(m.words, func(t *testing.T) {
			var once, lasting faultOutcome
			t.Run("once", func(t *testing.T) { once = c.fail(t, r, m.mode, 1) })
			t.Run("as long as it is asked", func(t *testing.T) { lasting = c.fail(t, r, m.mode, many) })
			if t.Failed() {
				return
			}
			if !once.good && (once.stored != lasting.stored || once.event() != lasting.event()) {
				t.Errorf("once = %+v, lasting = %+v: the table has no place for the difference", once, lasting)
			}
			seen := once.seen
			if once.good && once.delivered > 1 {
				seen += ", and the event is " + times(once.delivered)
			}
			heals := c.heals
			if lasting.good && !lasting.queued && !strings.Contains(lasting.stored, "without") {
				heals = "nothing to repair"
			}
			if lasting.stored == orphan {
				heals += "; the sweep aborts the orphan"
			}
			rows = append(rows, strings.Join([]string{m.words, seen, lasting.seen, lasting.stored, lasting.event(), heals}, " | "))
		})
	}
	return rows
}

// fail makes one request while the call fails count times, has it repaired, and
// checks what is left in the end.
func (c faultCall) fail(t *testing.T, r *rig, mode string, count int) faultOutcome {
	t.Cleanup(r.Faults.Clear)
	before := r.uploads(t)
	since := r.logged.length()
	x := c.prepare(t, r)
	begun := r.uploads(t)
	faults := []fault.Fault{{Target: c.target, Operation: c.op, Mode: mode, Count: count}}
	if c.also != "" {
		faults = append(faults, fault.Fault{Target: c.also, Operation: "*", Mode: fault.InternalError, Count: many})
	}
	for _, f := range faults {
		if err := r.Faults.Set(f); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	answer := x.act(t)
	took := time.Since(start)
	if left := r.Faults.List(); slices.Contains(left, faults[0]) {
		t.Fatalf("nobody made the call: %v", left)
	}
	r.Faults.Clear()
	if c.op == "PutObject" {
		since = r.logged.length() // what failed by then was to fail
	}
	if took > c.budget {
		t.Errorf("the answer took %v, want less than %v", took, c.budget)
	}

	o := faultOutcome{good: x.good(answer), seen: c.good}
	if !o.good {
		o.seen = answer.refusal(t)
	}
	o.seen += within(took)
	// What OSS has begun behind our backs, nobody can name.
	orphans := max(0, len(r.uploads(t))-len(begun))
	o.stored = r.whatIs(t, x, orphans)
	if x.key != "" {
		o.delivered = len(r.events(t, x.key))
		// A slow machine may miss the mark though the call that fails is another.
		if c.op != "PutObject" {
			o.stored = strings.TrimSuffix(o.stored, withoutMark)
		}
		// The marker may say nothing: where time is short, an event is queued without.
		o.queued = o.stored == "the object" && len(r.keys(t, grant.OwnRoot(here.Prefix)+"_pending/")) > 0
	}

	if !o.good {
		if answer = x.again(t); !x.good(answer) {
			t.Fatalf("asked again = %v, want it repaired", answer)
		}
	}
	repairs := 1
	if o.queued {
		r.deliverQueued(t, 1)
		repairs = 2 // and once more by the function, which has not delivered it
	}
	c.check(t, r, x, answer, o.delivered, repairs, since)
	if left := len(r.uploads(t)) - len(before); left != orphans {
		t.Errorf("%d multipart uploads are left in the end, want %d", left, orphans)
	}
	return o
}

// check brings the upload to its end and looks at what there is: so many events
// delivered before the repair, and at most one more for each repair. A mark missed
// since the log had this length excuses one that is missing.
func (c faultCall) check(t *testing.T, r *rig, x trial, answer reply, delivered, repairs, since int) {
	t.Helper()
	if x.ended != nil {
		x.ended(t)
		return
	}
	var receipt client.Receipt
	if x.finish != nil {
		receipt = x.finish(t, answer)
	} else {
		receipt = answer.receipt(t, "the answer", x.key, x.content)
		got := x.again(t).receipt(t, "asked once more", x.key, x.content)
		if !got.Delivered {
			t.Errorf("asked once more = %+v, want an event that is delivered", got)
		}
		if got.Delivered = receipt.Delivered; !reflect.DeepEqual(got, receipt) {
			t.Errorf("asked once more = %+v, want %+v", got, receipt)
		}
	}
	r.wantStored(t, receipt.Key, x.content)
	n := len(r.events(t, receipt.Key))
	missed := r.missedMarks(since, receipt.EventID)
	if n == 0 || n > delivered+repairs+missed {
		t.Errorf("the event was delivered %d times, %d before the repair, want %d more at most", n, delivered, repairs)
	}
	r.wantEvents(t, receipt, n) // all under one id
	if r.mark(t, receipt.Key) != "taken" && missed == 0 {
		t.Error("the announcement is not marked")
	}
}

// uploads are the multipart uploads under way.
func (r *rig) uploads(t *testing.T) []oss.Upload {
	t.Helper()
	result, err := r.developer.ListMultipartUploads(t.Context(), &oss.ListMultipartUploadsRequest{Bucket: &r.Ready.Bucket, MaxUploads: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return result.Uploads
}

const (
	orphan      = "a multipart upload that nobody can name"
	withoutMark = ", without its mark"
)

// whatIs says what is stored of an upload, which must be all or nothing.
func (r *rig) whatIs(t *testing.T, x trial, orphans int) string {
	t.Helper()
	if orphans > 0 {
		return orphan
	}
	if x.key == "" {
		return "nothing"
	}
	if content, ok := r.stored(t, x.key); ok {
		if !bytes.Equal(content, x.content) {
			t.Errorf("%d bytes are stored, want %d or no object", len(content), len(x.content))
		}
		if events := r.events(t, x.key); len(events) > 0 && r.mark(t, x.key) == "" {
			return "the object" + withoutMark
		}
		return "the object"
	}
	if slices.ContainsFunc(r.uploads(t), func(u oss.Upload) bool { return oss.ToString(u.Key) == x.key }) {
		return "the multipart upload"
	}
	return "nothing"
}

// refusal is what a client sees of an answer that is not the one hoped for. Ours
// say when to ask again.
func (a reply) refusal(t *testing.T) string {
	t.Helper()
	code := a.Problem().Code
	if a.Status == http.StatusNonAuthoritativeInfo {
		return fmt.Sprintf("203 `%s`", code)
	}
	a.refused(t, "the answer", a.Status, code)
	if a.Status < 500 || a.Header.Get("Retry-After") == "" {
		t.Errorf("answer = %v, Retry-After %q, want one of ours that asks to try again", a, a.Header.Get("Retry-After"))
	}
	return fmt.Sprintf("%d `%s`", a.Status, code)
}

// within is empty for the three seconds that most answers keep to. The limits lie
// between the timeouts of the functions, so that they do not depend on the
// machine.
func within(took time.Duration) string {
	switch {
	case took < 3*time.Second:
		return ""
	case took < 7*time.Second:
		return ", within 7 s"
	}
	return ", within 12 s"
}

func times(n int) string {
	switch n {
	case 0:
		return "not delivered"
	case 1:
		return "delivered"
	}
	return fmt.Sprintf("delivered %d times, under one id", n)
}

func renderFaults(rows [][]string) []byte {
	var b bytes.Buffer
	b.WriteString(`# What happens when a call fails

Generated by TestFaultTable from what it sees, on the local stack: do not edit.
` + "`go test ./scripts/e2e -run TestFaultTable -update`" + ` writes it anew.

Each row is a fault of the call in the heading. "Once" is what the client sees when
one call fails and the next would not, "lasting" when all of them do; the columns
after it are the state that a lasting fault leaves. Every answer comes within 3 s
unless the table says otherwise. After the repair the object is there whole, and its
event was delivered at least once, always under one id; asking again changes nothing.
What is queued, the timer delivers; what no client repairs, OSS's trigger or the sweep
finds. Their own calls are not in the table, since nobody waits for them.
`)
	for i, c := range faultCalls {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", c.title, c.note)
		b.WriteString("| it | once | lasting | then stored | then the event | repaired by |\n|---|---|---|---|---|---|\n")
		for _, row := range rows[i] {
			fmt.Fprintf(&b, "| %s |\n", row)
		}
	}
	return b.Bytes()
}

// compareRows looks for some of the rows in the table.
func compareRows(t *testing.T, rows [][]string) {
	t.Helper()
	table, err := os.ReadFile(faultTable)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range faultCalls {
		_, section, _ := strings.Cut(string(table), "\n## "+c.title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		for _, row := range rows[i] {
			if !strings.Contains(section, "\n| "+row+" |\n") {
				t.Errorf("%s has no row of %s that is %q", faultTable, c.title, row)
			}
		}
	}
}

// compareTable fails with the lines that differ.
func compareTable(t *testing.T, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(faultTable, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(faultTable)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	// Rows seldom come or go, so lines are compared one by one.
	var diff strings.Builder
	was, is := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	line := func(lines []string, i int) string {
		if i < len(lines) {
			return lines[i]
		}
		return ""
	}
	heading := ""
	for i := range max(len(was), len(is)) {
		if strings.HasPrefix(line(is, i), "## ") {
			heading = is[i] + "\n"
		}
		if line(was, i) != line(is, i) {
			fmt.Fprintf(&diff, "%s- %s\n+ %s\n", heading, line(was, i), line(is, i))
			heading = ""
		}
	}
	t.Errorf("%s is not what was seen; -update writes it anew:\n%s", faultTable, &diff)
}
