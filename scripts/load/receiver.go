package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver is a backend behind the stack's own receiver. It refuses some events
// for good.
type receiver struct {
	url    string
	server *http.Server
}

// refuseOne of so many events is refused.
const refuseOne = 8

// refused reports whether an event is one that the receiver refuses.
func refused(id string) bool {
	h := fnv.New32a()
	io.WriteString(h, id)
	return h.Sum32()%refuseOne == 0
}

func newReceiver() (*receiver, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening as the receiver: %w", err)
	}
	r := &receiver{url: "http://" + listener.Addr().String() + "/"}
	r.server = &http.Server{ReadHeaderTimeout: tryTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if refused(req.Header.Get(standardwebhooks.HeaderWebhookID)) {
			w.WriteHeader(http.StatusGone)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	go r.server.Serve(listener)
	return r, nil
}

func (r *receiver) close() { r.server.Close() }
