package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// maxBody bounds the list of faults that one request may set.
const maxBody = 64 << 10

// wireFault tells a count of 0, which is refused, from none, which means 1.
type wireFault struct {
	Target    string `json:"target"`
	Operation string `json:"operation"`
	Mode      string `json:"mode"`
	Count     *int   `json:"count"`
}

// ServeHTTP is the registry's own API, whatever the path:
//
//	POST   {"target":"oss","operation":"PutObject","mode":"503","count":2},
//	       or a list of such objects, of which all are set or none
//	GET    the faults that are left, as POST also answers
//	DELETE forgets them all
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		reply(w, http.StatusOK, r.List())
	case http.MethodDelete:
		r.Clear()
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		faults, err := readFaults(http.MaxBytesReader(w, req.Body, maxBody))
		if err == nil {
			err = r.setAll(faults)
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
			return
		}
		reply(w, http.StatusOK, r.List())
	default:
		w.Header().Set("Allow", "GET, HEAD, POST, DELETE")
		refuse(w, http.StatusMethodNotAllowed, "method_not_allowed", "use GET, POST or DELETE")
	}
}

func readFaults(body io.Reader) ([]Fault, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, errors.New("the body cannot be read or is too large")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var wire []wireFault
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		err = dec.Decode(&wire)
	} else {
		wire = make([]wireFault, 1)
		err = dec.Decode(&wire[0])
	}
	if err != nil {
		return nil, errors.New("the body is not a fault {target, operation, mode, count} or a list of them")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected text after the faults")
	}
	if len(wire) == 0 {
		return nil, errors.New("the list of faults is empty")
	}
	faults := make([]Fault, len(wire))
	for i, f := range wire {
		faults[i] = Fault{Target: f.Target, Operation: f.Operation, Mode: f.Mode, Count: 1}
		if f.Count != nil {
			if *f.Count < 1 {
				return nil, errors.New("count is less than 1")
			}
			faults[i].Count = *f.Count
		}
	}
	return faults, nil
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	reply(w, status, map[string]string{"code": code, "message": message})
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The only possible error is that the client has left.
	_ = json.NewEncoder(w).Encode(value)
}
