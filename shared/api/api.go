// Package api is what clients are told when a request fails: the closed set of
// codes, each with its HTTP status, the faults of single fields, and errors
// that carry their answer.
//
// A package that refuses something declares why as a sentinel of this package,
// with the code and the sentence that the client gets, and wraps it with what
// the log needs:
//
//	var ErrNotFound = &api.Error{
//		Code:    api.NotFound,
//		Message: "The object does not exist.",
//		Log:     "object does not exist",
//	}
//
//	return fmt.Errorf("asking for %q: %w", key, ErrNotFound)
//
// fchttp alone turns such an error into a reply: it answers with the first
// *Error in the tree (errors.As), and logs message and text. An error without one
// is answered as 500 internal, and nothing of it is told. No other code picks a
// status.
//
// The package is a leaf: it imports nothing of this project and not net/http.
package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
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
	AlreadyCompleted     Code = "already_completed"
	Aborted              Code = "aborted"
	UploadGone           Code = "upload_gone"
	TooLarge             Code = "too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
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

// codes is the table of the README, which a test holds to it.
var codes = [...]struct {
	code   Code
	status int
}{
	{InvalidRequest, 400},
	{InvalidJSON, 400},
	{Unauthenticated, 401},
	{InvalidToken, 403},
	{Forbidden, 403},
	{CallbackRejected, 403},
	{NotFound, 404},
	{MethodNotAllowed, 405},
	{AlreadyCompleted, 409},
	{Aborted, 409},
	{UploadGone, 410},
	{TooLarge, 413},
	{UnsupportedMediaType, 415},
	{PartsMismatch, 422},
	{ChecksumMismatch, 422},
	{ObjectMismatch, 422},
	{Internal, 500},
	{StorageError, 502},
	{StorageDenied, 502},
	{DeliveryFailed, 502},
	{CredentialsExpiring, 503},
	{Throttled, 503},
	{StorageTimeout, 504},
}

// Codes returns all codes in the order of their statuses.
func Codes() []Code {
	all := make([]Code, len(codes))
	for i, row := range codes {
		all[i] = row.code
	}
	return all
}

// Status returns the HTTP status of the code; 500 for one outside the set.
func (c Code) Status() int {
	for _, row := range codes {
		if row.code == c {
			return row.status
		}
	}
	return 500
}

// Known reports whether the code is in the set.
func (c Code) Known() bool {
	for _, row := range codes {
		if row.code == c {
			return true
		}
	}
	return false
}

// Error is an error that carries its answer. A sentinel is never changed: With
// returns another.
type Error struct {
	Code       Code
	Message    string        // a sentence that says what to do next, sent to the client
	Details    any           // JSON "details"; nil: none
	RetryAfter time.Duration // Retry-After in whole seconds, rounded up; 0: none
	Challenge  string        // WWW-Authenticate, visible ASCII and spaces; empty: none
	Log        string        // what Error says, for logs; empty: the code
	Reason     string        // logged as "reason", never sent

	of *Error // the sentinel that With was called on
}

// Error is for logs; clients get Message.
func (e *Error) Error() string {
	if e.Log == "" {
		return string(e.Code)
	}
	return e.Log
}

// With returns an error that is e (errors.Is) and answers with details.
func (e *Error) With(details any) *Error {
	detailed := *e
	detailed.Details = details
	if detailed.of == nil {
		detailed.of = e
	}
	return &detailed
}

// Is reports whether e was made from target by With.
func (e *Error) Is(target error) bool { return e.of != nil && target == error(e.of) }

// MaxFaults is how many faults an answer names at most. It bounds what a bad
// request costs.
const MaxFaults = 20

// Fault is what is wrong with one field of a request.
type Fault struct {
	Field  string `json:"field"` // the path of JSON names, as checksum.md5
	Reason string `json:"reason"`
	// Foreign is for a field whose name is none of ours: no log repeats it.
	Foreign bool `json:"-"`
}

// Faults returns those of an error that Invalid made, and nil for any other.
func Faults(err error) []Fault {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	faults, _ := e.Details.([]Fault)
	return faults
}

// Invalid is the invalid_request that names faults, the first MaxFaults of
// them, by names that fit a line. Its message repeats them, since some clients
// (Uppy) show nothing else.
func Invalid(faults ...Fault) *Error {
	details := slices.Clone(faults[:min(len(faults), MaxFaults)])
	told := make([]string, len(details))
	for i := range details {
		details[i].Field = printable(details[i].Field)
		told[i] = details[i].Field + " " + details[i].Reason
	}
	return &Error{
		Code:    InvalidRequest,
		Message: fmt.Sprintf("Some fields of the request are not valid: %s.", strings.Join(told, "; ")),
		Details: details,
	}
}

// printable shortens a path of names, which clients may have chosen, to what an
// answer should repeat.
func printable(field string) string {
	const most = 80 // bytes
	short := strings.ToValidUTF8(field[:min(len(field), most)], "\uFFFD")
	if len(field) > most {
		short = strings.TrimRight(short, "\uFFFD") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, short)
}
