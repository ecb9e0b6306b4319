package outbox

import (
	"hash/fnv"
	"strings"
	"time"
)

// Entry is what waits: an event that nobody has taken yet, or an object that is
// to be looked at.
type Entry struct {
	Kind Kind `json:"k"`
	// ID is the event's, or the check's: letters, digits, "_" and "-", at most 64.
	// Entries with one ID are one entry.
	ID string `json:"i"`
	// Key is the object's, Marker the name of the marker that says how far its
	// announcement is; both are empty where there is no object.
	Key    string `json:"o,omitempty"`
	Marker string `json:"m,omitempty"`
	// Token is the upload token of a check, where the trigger told it.
	Token string `json:"u,omitempty"`
	// Type is the event's, Body its exact body.
	Type string `json:"t,omitempty"`
	Body []byte `json:"b,omitempty"`

	// Trace is the traceparent of the invocation that raised the event, or empty.
	Trace string `json:"p,omitempty"`

	// Stored is the object's Last-Modified, from which the schedule follows. Where
	// there is no object it is left zero, and the schedule begins with Put.
	Stored time.Time `json:"s"`
	// Queued is when the entry was first queued, or last revived, and Attempt how
	// often it has failed since then. The queue sets both.
	Queued  time.Time `json:"q"`
	Attempt int       `json:"a"`
}

// Kind says what is to be done with an entry.
type Kind string

const (
	// Event is to be delivered.
	Event Kind = "event"
	// Check is to be held against its grant, and announced.
	Check Kind = "check"
)

const maxID = 64

func validID(id string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	return id != "" && len(id) <= maxID && strings.Trim(id, allowed) == ""
}

// In seconds.
const (
	firstDue   = 60   // after the object was stored
	firstPause = 60   // then twice as long each
	lastPause  = 3600 // and from then on
	doublings  = 6    // of them are shorter than lastPause
)

// next is the first time of the entry's schedule after now, in Unix seconds.
func (e Entry) next(now time.Time) int64 {
	first := e.Stored.Unix() + firstDue
	waited := now.Unix() - first
	// No time comes later than it would if every pause were the last one.
	n := max(0, waited/lastPause)
	for e.offset(n) <= waited {
		n++
	}
	return first + e.offset(n)
}

// offset is how long after the first time of the schedule its n-th is, in
// seconds. It depends on nothing but n and the id, so that all who put an entry
// off agree, and entries that failed together do not come back together.
func (e Entry) offset(n int64) int64 {
	if n == 0 {
		return 0
	}
	regular := firstPause*(int64(1)<<min(n, doublings)-1) + lastPause*max(0, n-doublings)
	pause := min(int64(firstPause)<<min(n-1, doublings), lastPause)
	h := fnv.New64a()
	h.Write([]byte(e.ID))
	const steps = 1000
	return regular + pause*int64(h.Sum64()%steps)/(5*steps)
}
