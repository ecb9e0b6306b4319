package stack

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"ossupload/scripts/internal/stack/fc"
)

// maxPayload is what a timer trigger may be configured with.
const maxPayload = 4 << 10

// serveTimer lets the timer of complete fire now, with the body of the request
// as its payload, and answers what the function made of it.
//
//	{"triggerTime":"2026-11-20T10:00:00Z","triggerName":"sweep","payload":"{\"dryRun\":true}"}
func (s *Stack) serveTimer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "use POST", http.StatusMethodNotAllowed)
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if err != nil {
		http.Error(w, "the payload is over 4 KiB", http.StatusRequestEntityTooLarge)
		return
	}
	event, _ := json.Marshal(map[string]string{ // strings always encode
		"triggerTime": time.Now().UTC().Format(time.RFC3339),
		"triggerName": "sweep",
		"payload":     string(payload),
	})
	status := http.StatusOK
	answer, err := s.Functions["complete"].Invoke(r.Context(), event)
	if err != nil {
		status = http.StatusBadGateway
		message := err.Error()
		if reported := (*fc.FunctionError)(nil); errors.As(err, &reported) {
			message = reported.Message
		}
		answer, _ = json.Marshal(map[string]string{"error": message}) // strings always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(answer)
}
