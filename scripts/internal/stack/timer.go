package stack

import (
	"encoding/json"
	"io"
	"net/http"
)

// maxPayload is what a timer trigger may be configured with.
const maxPayload = 4 << 10

// serveTimer lets the timer of repair fire now, with the body of the request as
// its payload, and answers what the function made of it.
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
	status := http.StatusOK
	answer, err := s.fireTimer(r.Context(), string(payload))
	if err != nil {
		status = http.StatusBadGateway
		answer, _ = json.Marshal(map[string]string{"error": err.Error()}) // strings always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(answer)
}
