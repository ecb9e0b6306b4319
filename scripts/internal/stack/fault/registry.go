package fault

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// The modes in which a call can be made to fail.
const (
	// InternalError answers status 500 and does nothing.
	InternalError = "500"
	// Unavailable answers status 503 and does nothing.
	Unavailable = "503"
	// Timeout keeps the caller waiting and does nothing.
	Timeout = "timeout"
	// ConnectionReset resets the connection and does nothing.
	ConnectionReset = "reset"
	// StoredThenReset does what was asked and resets the connection instead
	// of answering: an error to the caller, although it happened.
	StoredThenReset = "stored-then-reset"
)

// AnyOperation matches every operation of a target.
const AnyOperation = "*"

var (
	targets = []string{"oss", "sts", "keys", "webhook", "callback", "functions"}
	modes   = []string{InternalError, Unavailable, Timeout, ConnectionReset, StoredThenReset}
)

// Fault says which calls are to fail, how, and how many of them.
type Fault struct {
	// Target is oss, sts, keys, webhook, callback (OSS's call of it) or functions
	// (the calls of their clients).
	Target string `json:"target"`
	// Operation is an API name such as PutObject, the first segment of a path such
	// as /presign if the target is functions, or AnyOperation.
	Operation string `json:"operation"`
	// Mode is one of the modes above.
	Mode string `json:"mode"`
	// Count is how many calls are left to fail; to Set, 0 means one.
	Count int `json:"count"`
}

// Registry holds the faults that are still to happen. The zero Registry is
// empty and ready; it is safe for concurrent use.
type Registry struct {
	mu     sync.Mutex
	faults []Fault
}

// Set adds a fault behind those already set.
func (r *Registry) Set(f Fault) error {
	return r.setAll([]Fault{f})
}

// setAll adds all faults, or none if one of them is not valid.
func (r *Registry) setAll(faults []Fault) error {
	valid := make([]Fault, 0, len(faults))
	for _, f := range faults {
		if f.Count == 0 {
			f.Count = 1
		}
		if err := check(f); err != nil {
			return err
		}
		valid = append(valid, f)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, valid...)
	return nil
}

// Take returns the mode in which this call of operation on target has to
// fail, and uses up one count of the first fault that matches; or "" when the
// call is to succeed.
func (r *Registry) Take(target, operation string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.faults {
		f := &r.faults[i]
		if f.Target != target || f.Operation != AnyOperation && f.Operation != operation {
			continue
		}
		mode := f.Mode
		if f.Count--; f.Count == 0 {
			r.faults = slices.Delete(r.faults, i, i+1)
		}
		return mode
	}
	return ""
}

// List returns what is left, oldest first. It is never nil.
func (r *Registry) List() []Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Fault{}, r.faults...)
}

// Clear forgets every fault.
func (r *Registry) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = nil
}

func check(f Fault) error {
	switch {
	case !slices.Contains(targets, f.Target):
		return fmt.Errorf("target %q is not one of %s", f.Target, strings.Join(targets, ", "))
	case f.Operation == "":
		return fmt.Errorf("operation is missing: an API name, or %q for all", AnyOperation)
	case !slices.Contains(modes, f.Mode):
		return fmt.Errorf("mode %q is not one of %s", f.Mode, strings.Join(modes, ", "))
	case f.Count < 1:
		return fmt.Errorf("count %d is less than 1", f.Count)
	}
	return nil
}
