package storage

import (
	"errors"
	"time"

	"ossupload/shared/fchttp"
)

// Problem is the answer for a call to OSS that failed for a reason which is
// not the client's. Any other error comes back as it is.
func Problem(err error) error {
	answer := func(code fchttp.Code, message string, retryAfter time.Duration) error {
		return &fchttp.Error{Code: code, Message: message, RetryAfter: retryAfter, Err: err}
	}
	switch {
	case errors.Is(err, ErrDenied):
		return answer(fchttp.StorageDenied, "The storage refused this function's access.", 0)
	case errors.Is(err, ErrTimeout):
		return answer(fchttp.StorageTimeout, "The storage did not answer in time.", time.Second)
	case errors.Is(err, ErrThrottled), errors.Is(err, ErrCredentials):
		return answer(fchttp.Throttled, "The storage is busy. Try again.", time.Second)
	case errors.Is(err, ErrUnavailable):
		return answer(fchttp.StorageError, "The storage failed. Try again.", time.Second)
	}
	return err
}
