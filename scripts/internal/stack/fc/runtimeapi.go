package fc

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	handlerName = "main" // the executable at the root of a go1 code package
	qualifier   = "LATEST"

	// maxPayload is room for an answer as large as the largest request, and as text.
	maxPayload = 64 << 20
)

// runtimeAPI is the API between the platform and the SDK, see
// fc-runtime-go-sdk:fc/runtime_api_client.go:
//
//	GET  /2020-11-11/runtime/invocation/next           an event, with its circumstances in x-fc-* headers
//	POST /2020-11-11/runtime/invocation/{id}/response  the payload
//	POST /2020-11-11/runtime/invocation/{id}/error     {"errorMessage","errorType","stackTrace"?}
//
// The SDK takes any status but 200 for a failure.
func (inst *instance) runtimeAPI() http.Handler {
	const base = "/2020-11-11/runtime/invocation/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"next", inst.serveNext)
	mux.HandleFunc("POST "+base+"{id}/response", inst.serveResponse)
	mux.HandleFunc("POST "+base+"{id}/error", inst.serveError)
	return mux
}

// serveNext blocks until there is an event. It never answers anything else:
// the SDK asks again at once, in a tight loop, after any other status.
func (inst *instance) serveNext(w http.ResponseWriter, r *http.Request) {
	inst.readyOnce.Do(func() { close(inst.ready) })
	var inv *invocation
	select {
	case inv = <-inst.queue:
	case <-r.Context().Done():
		return
	}
	deadline, alive := inst.take(inv)
	if !alive {
		return
	}

	accessKeyID, accessKeySecret, securityToken := inst.cfg.Credentials()
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.Itoa(len(inv.event)))
	header.Set("x-fc-request-id", inv.id)
	header.Set("x-fc-function-type", "0")
	header.Set("x-fc-function-deadline", strconv.FormatInt(deadline.UnixMilli(), 10))
	// Whole seconds only, and a function with less than one still has some.
	seconds := (inst.cfg.Timeout + time.Second - 1) / time.Second
	header.Set("x-fc-function-timeout", strconv.FormatInt(int64(seconds), 10))
	header.Set("x-fc-access-key-id", accessKeyID)
	header.Set("x-fc-access-key-secret", accessKeySecret)
	header.Set("x-fc-security-token", securityToken)
	header.Set("x-fc-function-name", inst.cfg.Name)
	header.Set("x-fc-function-handler", handlerName)
	header.Set("x-fc-function-memory", strconv.Itoa(inst.cfg.MemoryMB))
	header.Set("x-fc-region", inst.cfg.Region)
	header.Set("x-fc-account-id", inst.cfg.AccountID)
	header.Set("x-fc-qualifier", qualifier)
	w.Write(inv.event)
}

func (inst *instance) serveResponse(w http.ResponseWriter, r *http.Request) {
	payload, ok := inst.readPost(w, r)
	if ok {
		inst.answerPost(w, inst.settle(r.PathValue("id"), payload, nil))
	}
}

func (inst *instance) serveError(w http.ResponseWriter, r *http.Request) {
	body, ok := inst.readPost(w, r)
	if !ok {
		return
	}
	var report struct {
		Message    string            `json:"errorMessage"`
		Type       string            `json:"errorType"`
		StackTrace []json.RawMessage `json:"stackTrace"`
	}
	if err := json.Unmarshal(body, &report); err != nil {
		report.Type, report.Message = "InvalidErrorReport", err.Error()
	}
	inst.answerPost(w, inst.settle(r.PathValue("id"), nil, &FunctionError{
		Message: report.Message,
		Type:    report.Type,
		Panic:   len(report.StackTrace) > 0,
	}))
}

// readPost reads what the function posted. A payload over the limit ends the
// invocation, which would otherwise wait for its timeout.
func (inst *instance) readPost(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if err == nil {
		return body, true
	}
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		inst.settle(r.PathValue("id"), nil, &FunctionError{
			Type:    "ResponseTooLarge",
			Message: fmt.Sprintf("the payload is over %d bytes", maxPayload),
		})
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return nil, false
	}
	w.WriteHeader(http.StatusBadRequest)
	return nil, false
}

func (inst *instance) answerPost(w http.ResponseWriter, known bool) {
	w.Header().Set("Content-Type", "application/json")
	if !known {
		// The invocation has timed out, or never was.
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"errorMessage":"no such invocation"}`)
		return
	}
	io.WriteString(w, `{}`)
}

// newRequestID makes an id as the platform's look: 1-64f6cd87-… with the
// time in seconds in the middle.
func newRequestID(now time.Time) string {
	var random [12]byte
	rand.Read(random[:])
	return fmt.Sprintf("1-%08x-%s", now.Unix(), hex.EncodeToString(random[:]))
}
