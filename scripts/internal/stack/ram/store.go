package ram

import (
	"slices"
	"sync"
	"time"
)

// Credential is one access key and what it may do.
type Credential struct {
	AccessKeyID     string
	AccessKeySecret string
	// SecurityToken is empty for a long-term key and must otherwise be
	// presented with every call.
	SecurityToken string
	// Expires is zero for a key that never expires. Whoever accepts the
	// credential compares it with the clock: Allows does not.
	Expires time.Time
	// Policies must all allow a call: the role's policy and the session's, whose
	// intersection counts. None at all allows everything, as an account's own
	// key does.
	Policies []Policy
	// Role is the ARN of the assumed role, or empty.
	Role string

	asked func(Asked) // of the Store that it was looked up in; nil for nobody
}

// Asked is one question whether a credential may do something, and its answer.
type Asked struct {
	Role             string // ARN of the credential's role, or empty
	Action, Resource string
	Known            map[string]string // as in [Policy.AllowsWhen]; not to be changed
	Allowed          bool
}

// Allows reports whether every policy of the credential permits action on
// resource; see Policy.Allows for their form.
func (c Credential) Allows(action, resource string) bool {
	return c.AllowsWhen(action, resource, nil)
}

// AllowsWhen is Allows for a call of which something is known; see
// Policy.AllowsWhen.
func (c Credential) AllowsWhen(action, resource string, known map[string]string) bool {
	allowed := !slices.ContainsFunc(c.Policies, func(p Policy) bool { return !p.AllowsWhen(action, resource, known) })
	if c.asked != nil {
		c.asked(Asked{Role: c.Role, Action: action, Resource: resource, Known: known, Allowed: allowed})
	}
	return allowed
}

// Role is a RAM role that STS lets callers assume.
type Role struct {
	// ARN looks like "acs:ram::1234567890123456:role/upload".
	ARN string
	// Policy is what the role permits; the zero Policy permits nothing.
	Policy Policy
	// MaxSessionDuration bounds DurationSeconds; zero means the default of
	// RAM, one hour.
	MaxSessionDuration time.Duration
	// TrustedBy is the role's trust policy. Nil trusts nobody.
	TrustedBy func(Credential) bool
}

// Store holds the credentials that the local stack accepts. It is safe for
// concurrent use.
type Store struct {
	mu    sync.RWMutex
	byID  map[string]Credential
	asked func(Asked)
}

// NewStore returns an empty Store.
func NewStore() *Store {
	return &Store{byID: make(map[string]Credential)}
}

// Add registers c and replaces any credential with the same access key ID. An
// expired credential stays, so that its use can be told from that of an unknown
// one.
func (s *Store) Add(c Credential) {
	c.Policies = slices.Clone(c.Policies)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[c.AccessKeyID] = c
}

// Watch has asked called with every question about the credentials that are
// looked up from now on. It must not block, and is called by several goroutines.
func (s *Store) Watch(asked func(Asked)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = asked
}

// OfRole returns the credentials of a role, expired or not. The caller must not
// change their policies.
func (s *Store) OfRole(arn string) []Credential {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Credential
	for _, c := range s.byID {
		if c.Role == arn {
			all = append(all, c)
		}
	}
	return all
}

// Lookup returns the credential with this access key ID, expired or not. The
// caller must not change its policies.
func (s *Store) Lookup(accessKeyID string) (Credential, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.byID[accessKeyID]
	c.asked = s.asked
	return c, ok
}
