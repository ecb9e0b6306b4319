package fchttp

import (
	"errors"
	"fmt"

	"ossupload/shared/api"
)

// NoRoute is the message of a not_found that is about the path, and not about what
// a handler looked for.
const NoRoute = "There is nothing at this address."

var (
	errInternal = &api.Error{Code: api.Internal, Message: "Something went wrong on our side. The log has the cause, under the request id."}
	errPanic    = &api.Error{Code: api.Internal, Message: errInternal.Message, Reason: "panic"}
	errNoRoute  = &api.Error{Code: api.NotFound, Message: NoRoute}
	errMethod   = &api.Error{Code: api.MethodNotAllowed, Message: "This address does not answer that method. The Allow header lists those it does."}
	errTooLarge = &api.Error{Code: api.TooLarge, Message: "The request body is too large."}
	errEvent    = &api.Error{Code: api.InvalidRequest, Message: "The request did not arrive in a readable form.", Reason: "event"}
)

// answerTo finds the answer that err carries. An error that carries none, or one
// with a code outside the set, is not intended.
func answerTo(err error) *api.Error {
	if e, ok := errors.AsType[*api.Error](err); ok && e != nil && e.Code.Known() {
		return e
	}
	return errInternal
}

// badEvent is the error for an event of known shape that cannot be read. It
// names the field of the event and never its content.
func badEvent(field, reason string) error {
	return fmt.Errorf("%w: reading the event: %s %s", errEvent.With([]api.Fault{{Field: field, Reason: reason}}), field, reason)
}
