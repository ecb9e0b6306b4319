package e2e

import (
	"net/http"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
)

// many is more often than a function and the HTTP client below it try, however
// many connections the client has kept alive.
const many = 50

// The faults of a stack are everybody's, so the rows come one after the other;
// each forgets its faults in the end. What a function makes of a fault does not
// depend on the trigger, so one is enough.
func TestMultipartSurvivesFaultsOfCompletion(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(8)
	tests := []struct {
		name   string
		fault  fault.Fault // of OSS unless it has a target
		status int         // of the first answer; 0: a receipt
		code   string      // or "queued": a receipt whose event waits
		stored bool        // after the first answer
		events int         // delivered with the first answer
	}{
		{"ListParts fails once", fault.Fault{Operation: "ListParts", Mode: "500", Count: 1}, 0, "", true, 1},
		{"ListParts fails", fault.Fault{Operation: "ListParts", Mode: "500", Count: 2}, 502, "storage_error", false, 0},
		{"ListParts is throttled", fault.Fault{Operation: "ListParts", Mode: "503", Count: 2}, 503, "throttled", false, 0},
		{"ListParts is cut off", fault.Fault{Operation: "ListParts", Mode: "reset", Count: many}, 502, "storage_error", false, 0},
		{"completion fails once", fault.Fault{Operation: "CompleteMultipartUpload", Mode: "500", Count: 1}, 0, "", true, 1},
		{"completion fails", fault.Fault{Operation: "CompleteMultipartUpload", Mode: "500", Count: 2}, 502, "storage_error", false, 0},
		{"completion is throttled", fault.Fault{Operation: "CompleteMultipartUpload", Mode: "503", Count: 2}, 503, "throttled", false, 0},
		{"completion is cut off", fault.Fault{Operation: "CompleteMultipartUpload", Mode: "reset", Count: many}, 502, "storage_error", false, 0},
		{"the answer to completion is lost", fault.Fault{Operation: "CompleteMultipartUpload", Mode: "stored-then-reset", Count: 1}, 0, "", true, 1},
		{"every answer to completion is lost", fault.Fault{Operation: "CompleteMultipartUpload", Mode: "stored-then-reset", Count: many}, 502, "storage_error", true, 0},
		{"HEAD fails once", fault.Fault{Operation: "HeadObject", Mode: "500", Count: 1}, 0, "", true, 1},
		{"HEAD fails", fault.Fault{Operation: "HeadObject", Mode: "500", Count: 2}, 502, "storage_error", true, 0},
		{"HEAD is throttled", fault.Fault{Operation: "HeadObject", Mode: "503", Count: 2}, 503, "throttled", true, 0},
		{"HEAD is cut off", fault.Fault{Operation: "HeadObject", Mode: "reset", Count: many}, 502, "storage_error", true, 0},
		{"HEAD is not answered", fault.Fault{Operation: "HeadObject", Mode: "timeout", Count: many}, 504, "storage_timeout", true, 0},
		{"the webhook fails twice", fault.Fault{Target: "webhook", Operation: "*", Mode: "500", Count: 2}, 0, "", true, 1},
		{"the webhook fails", fault.Fault{Target: "webhook", Operation: "*", Mode: "500", Count: 3}, 0, "queued", true, 0},
		{"the webhook is busy", fault.Fault{Target: "webhook", Operation: "*", Mode: "503", Count: 3}, 0, "queued", true, 0},
		{"the webhook is cut off", fault.Fault{Target: "webhook", Operation: "*", Mode: "reset", Count: many}, 0, "queued", true, 0},
		{"the webhook's answer is lost", fault.Fault{Target: "webhook", Operation: "*", Mode: "stored-then-reset", Count: 1}, 0, "", true, 2},
		{"every answer of the webhook is lost", fault.Fault{Target: "webhook", Operation: "*", Mode: "stored-then-reset", Count: 3}, 0, "queued", true, 3},
	}
	r := newRig(t, fc.TriggerAPIGateway, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := r.begin(t, map[string]any{"size": len(whole), "partSize": minPart})
			sent := m.send(t, 1, contents...)
			if tt.fault.Target == "" {
				tt.fault.Target = "oss"
			}
			r.fail(t, tt.fault)
			first := m.complete(t, sent)
			r.Faults.Clear()

			events, healed := tt.events, first
			switch {
			case tt.code == "queued":
				waiting := first.receipt(t, "complete", m.Key, whole)
				if waiting.Delivered {
					t.Errorf("complete = %v, want an event that is queued", first)
				}
				r.wantMark(t, waiting, "queued")
				r.deliverQueued(t, 1)
				healed = m.complete(t, sent)
				events += 2 // of the timer, and of this function, which has not delivered it
			case tt.status == 0:
				first.receipt(t, "complete", m.Key, whole)
			default:
				first.refused(t, "complete", tt.status, tt.code)
				if first.Header.Get("Retry-After") == "" {
					t.Errorf("complete = %v without Retry-After, want one: asking again helps", first)
				}
				if got := len(r.events(t, m.Key)); got != events {
					t.Errorf("%d events after the fault, want %d", got, events)
				}
				if tt.stored {
					r.wantStored(t, m.Key, whole)
				} else {
					r.wantStored(t, m.Key, nil)
				}
				healed = m.complete(t, sent)
				events++
			}
			receipt := healed.receipt(t, "complete, asked again", m.Key, whole)
			sameAnswers(t, "completed once more", []reply{healed, m.complete(t, sent), m.complete(t, nil)})
			r.wantStored(t, m.Key, whole)
			r.wantEvents(t, receipt, events)
		})
	}
}

func TestMultipartSurvivesFaultsOfBeginning(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		mode   string
		status int
		code   string
		left   int // uploads that nobody can name
	}{
		{"OSS fails", "500", 502, "storage_error", 0},
		{"OSS is busy", "503", 503, "throttled", 0},
		{"the connection is cut off", "reset", 502, "storage_error", 0},
		{"the answer is lost", "stored-then-reset", 502, "storage_error", 1}, // not tried again, or it were 2
	}
	r := newRig(t, fc.TriggerHTTP, nil)
	uploads := func() int {
		t.Helper()
		result, err := r.developer.ListMultipartUploads(t.Context(), &oss.ListMultipartUploadsRequest{Bucket: &r.Ready.Bucket})
		if err != nil {
			t.Fatal(err)
		}
		return len(result.Uploads)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := uploads()
			r.fail(t, fault.Fault{Target: "oss", Operation: "InitiateMultipartUpload", Mode: tt.mode, Count: many})
			r.call(t, http.MethodPost, "/s3/multipart", r.Ready.CallerToken, map[string]any{"filename": "a"}).
				refused(t, "POST /s3/multipart", tt.status, tt.code)
			r.Faults.Clear()
			if left := uploads() - before; left != tt.left {
				t.Errorf("%d uploads are left behind, want %d", left, tt.left)
			}
			m := r.begin(t, nil)
			receipt := m.complete(t, m.send(t, 1, []byte("x"))).receipt(t, "complete of the next upload", m.Key, []byte("x"))
			r.wantEvents(t, receipt, 1)
		})
	}
}

func TestMultipartSurvivesFaultsOfAbortion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		faults []fault.Fault
		status int // of the first answer; 0: aborted
		code   string
	}{
		{"it fails once", []fault.Fault{{Operation: "AbortMultipartUpload", Mode: "500", Count: 1}}, 0, ""},
		{"it fails", []fault.Fault{{Operation: "AbortMultipartUpload", Mode: "500", Count: 2}}, 502, "storage_error"},
		{"it is throttled", []fault.Fault{{Operation: "AbortMultipartUpload", Mode: "503", Count: 2}}, 503, "throttled"},
		{"it is cut off", []fault.Fault{{Operation: "AbortMultipartUpload", Mode: "reset", Count: many}}, 502, "storage_error"},
		{"its answer is lost", []fault.Fault{{Operation: "AbortMultipartUpload", Mode: "stored-then-reset", Count: 1}}, 0, ""},
		{"every answer is lost", []fault.Fault{{Operation: "AbortMultipartUpload", Mode: "stored-then-reset", Count: many}}, 502, "storage_error"},
		{
			"its answer is lost, and so is that of the HEAD", // which would tell completed from aborted
			[]fault.Fault{{Operation: "AbortMultipartUpload", Mode: "stored-then-reset", Count: 1}, {Operation: "HeadObject", Mode: "500", Count: 2}},
			502, "storage_error",
		},
	}
	r := newRig(t, fc.TriggerHTTP, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := r.begin(t, nil)
			sent := m.send(t, 1, []byte("x"))
			for i := range tt.faults {
				tt.faults[i].Target = "oss"
			}
			r.fail(t, tt.faults...)
			a := m.ask(t, http.MethodDelete, "", nil)
			r.Faults.Clear()
			if tt.status != 0 {
				a.refused(t, "abort", tt.status, tt.code)
				a = m.ask(t, http.MethodDelete, "", nil)
			}
			if a.Status != http.StatusOK || string(a.Body) != "{}" {
				t.Errorf("abort = %v, want 200 {}", a)
			}
			m.complete(t, sent).refused(t, "complete after the abort", http.StatusGone, "upload_gone")
			r.wantStored(t, m.Key, nil)
			r.wantNoEvent(t, m.Key)
		})
	}
}
