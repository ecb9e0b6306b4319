package fchttp

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// Code is one of the closed set of error codes; Status gives its HTTP status.
// Clients branch on codes, so a code keeps its meaning for ever.
type Code string

// The codes, in the order of their statuses.
const (
	InvalidRequest       Code = "invalid_request"
	InvalidJSON          Code = "invalid_json"
	Unauthenticated      Code = "unauthenticated"
	InvalidToken         Code = "invalid_token"
	Forbidden            Code = "forbidden"
	CallbackRejected     Code = "callback_rejected"
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	TooLarge             Code = "too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	AlreadyCompleted     Code = "already_completed"
	Aborted              Code = "aborted"
	UploadGone           Code = "upload_gone"
	PartsMismatch        Code = "parts_mismatch"
	ChecksumMismatch     Code = "checksum_mismatch"
	ObjectMismatch       Code = "object_mismatch"
	Internal             Code = "internal"
	StorageError         Code = "storage_error"
	StorageDenied        Code = "storage_denied"
	DeliveryFailed       Code = "delivery_failed"
	CredentialsExpiring  Code = "credentials_expiring"
	Throttled            Code = "throttled"
	StorageTimeout       Code = "storage_timeout"
)

var codeTable = [...]struct {
	code   Code
	status int
}{
	{InvalidRequest, http.StatusBadRequest},
	{InvalidJSON, http.StatusBadRequest},
	{Unauthenticated, http.StatusUnauthorized},
	{InvalidToken, http.StatusForbidden},
	{Forbidden, http.StatusForbidden},
	{CallbackRejected, http.StatusForbidden},
	{NotFound, http.StatusNotFound},
	{MethodNotAllowed, http.StatusMethodNotAllowed},
	{TooLarge, http.StatusRequestEntityTooLarge},
	{UnsupportedMediaType, http.StatusUnsupportedMediaType},
	{AlreadyCompleted, http.StatusConflict},
	{Aborted, http.StatusConflict},
	{UploadGone, http.StatusGone},
	{PartsMismatch, http.StatusUnprocessableEntity},
	{ChecksumMismatch, http.StatusUnprocessableEntity},
	{ObjectMismatch, http.StatusUnprocessableEntity},
	{Internal, http.StatusInternalServerError},
	{StorageError, http.StatusBadGateway},
	{StorageDenied, http.StatusBadGateway},
	{DeliveryFailed, http.StatusBadGateway},
	{CredentialsExpiring, http.StatusServiceUnavailable},
	{Throttled, http.StatusServiceUnavailable},
	{StorageTimeout, http.StatusGatewayTimeout},
}

// Codes returns all codes in the order of the documented table.
func Codes() []Code {
	codes := make([]Code, len(codeTable))
	for i, row := range codeTable {
		codes[i] = row.code
	}
	return codes
}

// Status returns the HTTP status of the code; 500 for one that is not in the
// set.
func (c Code) Status() int {
	for _, row := range codeTable {
		if row.code == c {
			return row.status
		}
	}
	return http.StatusInternalServerError
}

// known reports whether the code is in the set.
func (c Code) known() bool {
	for _, row := range codeTable {
		if row.code == c {
			return true
		}
	}
	return false
}

// Error is the only error a handler answers with on purpose; every other error
// becomes 500 internal. It may be wrapped: the words around it are logged.
type Error struct {
	Code       Code
	Message    string        // a fixed sentence, shown to the client
	Details    any           // JSON "details", omitted when nil
	RetryAfter time.Duration // Retry-After in whole seconds, rounded up, when > 0
	Reason     string        // logged as "reason", never sent
	Err        error         // cause: logged, never sent
}

// Error returns code, message and cause, for logs.
func (e *Error) Error() string {
	parts := []string{string(e.Code)}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

const internalMessage = "Something went wrong on our side."

// asError finds the answer to err. An *Error with a code outside the set is as
// unintended as any other error.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) && e != nil && e.Code.known() {
		return e
	}
	return &Error{Code: Internal, Message: internalMessage}
}

// badEvent answers for an event of known shape that cannot be read. It names
// the field of the event and never its content.
func badEvent(field, reason string) *Error {
	return &Error{
		Code:    InvalidRequest,
		Message: "The request did not arrive in a readable form.",
		Details: []Fault{{Field: field, Reason: reason}},
		Reason:  "event",
		Err:     errors.New("reading the event: " + field + " " + reason),
	}
}
