package hook

import (
	"encoding/json"
	"net/http"
	"sort"
	"strconv"
)

// event is a delivery as the local stack shows it.
type event struct {
	// Number counts the deliveries: 1, 2, 3, … A gap is what was forgotten. It is
	// shown to those who ask for what followed one.
	Number int    `json:"number,omitempty"`
	ID     string `json:"id"`
	// Timestamp is the webhook-timestamp, in Unix seconds.
	Timestamp int64 `json:"timestamp"`
	Verified  bool  `json:"verified"`
	// Body is the JSON that came, or a string if it was not JSON.
	Body any `json:"body"`
}

// Events shows the deliveries:
//
//	GET    /_local/events             the newest 1,000 events, newest last
//	GET    /_local/events?after=N     the first 1,000 with a number over N
//	POST   /_local/events/{id}/resend sends the newest verified one again and
//	                                  answers the backend's status
//	DELETE /_local/events             forgets them
func (h *Hook) Events() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_local/events", func(w http.ResponseWriter, r *http.Request) {
		after := r.URL.Query().Get("after")
		if after == "" {
			reply(w, http.StatusOK, h.newest())
			return
		}
		n, err := strconv.Atoi(after)
		if err != nil || n < 0 {
			refuse(w, http.StatusBadRequest, "invalid_request", "after is not the number of an event")
			return
		}
		reply(w, http.StatusOK, h.after(n))
	})
	mux.HandleFunc("DELETE /_local/events", func(w http.ResponseWriter, _ *http.Request) {
		h.mu.Lock()
		h.deliveries = nil
		h.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_local/events/{id}/resend", func(w http.ResponseWriter, r *http.Request) {
		d, ok := h.newestVerified(r.PathValue("id"))
		if !ok {
			refuse(w, http.StatusNotFound, "not_found", "no verified delivery has this id")
			return
		}
		if h.cfg.Forward == "" {
			refuse(w, http.StatusConflict, "no_forward", "no backend is configured to send it to")
			return
		}
		status, err := h.resend(r.Context(), d)
		if err != nil {
			refuse(w, http.StatusInternalServerError, "internal", "the delivery cannot be signed")
			return
		}
		h.cfg.Log.Info("sending a webhook again", "id", d.id, "status", status)
		w.WriteHeader(status)
	})
	return mux
}

// maxShown is how many events one answer holds.
const maxShown = 1000

func (h *Hook) newest() []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := shown(h.deliveries[max(0, len(h.deliveries)-maxShown):])
	for i := range list {
		list[i].Number = 0
	}
	return list
}

func (h *Hook) after(number int) []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := sort.Search(len(h.deliveries), func(i int) bool { return h.deliveries[i].number > number })
	rest := h.deliveries[first:]
	return shown(rest[:min(len(rest), maxShown)])
}

// shown is never nil, so that no event reads as [] and not as null.
func shown(deliveries []delivery) []event {
	list := make([]event, 0, len(deliveries))
	for _, d := range deliveries {
		e := event{Number: d.number, ID: d.id, Timestamp: d.timestamp, Verified: d.verified, Body: string(d.body)}
		if json.Valid(d.body) {
			e.Body = json.RawMessage(d.body)
		}
		list = append(list, e)
	}
	return list
}

func (h *Hook) newestVerified(id string) (delivery, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.deliveries) - 1; i >= 0; i-- {
		if d := h.deliveries[i]; d.verified && d.id == id {
			return d, true
		}
	}
	return delivery{}, false
}
