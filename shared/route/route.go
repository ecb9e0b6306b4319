// Package route is the envelope of every route that a client calls. A route is
// a function of who asks and what is asked:
//
//	func(ctx context.Context, caller callerauth.Caller, in In) (Out, error)
//
// Around it happens here, once and in this order: the time limit, finding out
// who asks, reading the request into In, checking its shape, and, by fchttp,
// encoding Out or the error. The callback of OSS is no such route: it is
// authenticated by its bytes.
//
// In is a struct. Its fields are named by tags: `json` for members of the body,
// `path` and `query` for the rest of the request. What may stand in a field is
// said by its validate tag (validator/v10) and nowhere else; what a caller may
// have is not a matter of shape, and package grant decides it.
//
// All faults of shape are told together, at most api.MaxFaults of them, each
// under the path of its field.
//
// It imports callerauth for who asks, fchttp for the routes that it makes, trace to
// remember who asked, and rawjson to look through bodies.
package route

import (
	"context"
	"net/http"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/fchttp"
	"ossupload/shared/trace"
)

// answerWithin bounds all that a route waits for. Each call has its own limit,
// but one after the other they may take longer than gateways and browsers wait.
// What is not done by then can be asked for again.
const answerWithin = 14 * time.Second

// Body says what a route takes as its body, which is a JSON object.
type Body int

const (
	// None is for a route that reads no body.
	None Body = iota
	// Strict refuses members that In does not have.
	Strict
	// Optional is Strict, and the body may be absent: then In has its zero value.
	Optional
	// Lenient ignores members that In does not have, and the body may be absent:
	// Uppy sends more than is asked for, or nothing.
	Lenient
)

// Handler answers a route. What it returns is encoded as JSON.
type Handler[In, Out any] func(ctx context.Context, caller callerauth.Caller, in In) (Out, error)

// Authenticate finds out who sent a request.
type Authenticate func(*http.Request) (callerauth.Caller, error)

// Check finds what is wrong with a request beyond its shape. In holds what could
// be read of it.
type Check[In any] func(caller callerauth.Caller, in In) []api.Fault

// New puts handle into the envelope. A request that has faults of shape gets no
// further than the checks, so that all its faults are told together; any other
// is handle's to judge. New panics when In cannot be read from a request.
func New[In, Out any](who Authenticate, method, pattern string, body Body, handle Handler[In, Out], checks ...Check[In]) fchttp.Route {
	read := newReader[In](body)
	return fchttp.Route{Method: method, Pattern: pattern, Handle: func(r *http.Request) (any, error) {
		ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
		defer cancel()
		r = r.WithContext(ctx)
		caller, err := who(r)
		if err != nil {
			return nil, err
		}
		trace.From(ctx).Ask(caller.Subject)
		in, faults, err := read(r)
		if err != nil {
			return nil, err
		}
		if len(faults) > 0 {
			for _, check := range checks {
				faults = merge(faults, check(caller, in))
			}
			return nil, api.Invalid(faults...)
		}
		return handle(ctx, caller, in)
	}}
}

// For lets those through who may do what the route is for.
func For(s callerauth.Scope, who Authenticate) Authenticate {
	return func(r *http.Request) (callerauth.Caller, error) {
		caller, err := who(r)
		if err == nil {
			err = caller.May(s)
		}
		return caller, err
	}
}
