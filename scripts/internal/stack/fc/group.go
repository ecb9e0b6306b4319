package fc

import (
	"context"
	"sync/atomic"
	"time"
)

// Invoker is a function that takes events: one process of it or several.
type Invoker interface {
	Invoke(ctx context.Context, event []byte) (payload []byte, err error)

	invoke(ctx context.Context, requestID string, event []byte) ([]byte, error)
	accountID() string
}

// Group is a function in several instances, which know nothing of each other.
// Events go to them in turn. It is safe for concurrent use.
type Group struct {
	members []*Function
	calls   atomic.Uint64
}

// NewGroup returns the group of these instances.
func NewGroup(first *Function, more ...*Function) *Group {
	return &Group{members: append([]*Function{first}, more...)}
}

// Invoke hands the event to the next instance; see [Function.Invoke].
func (g *Group) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	return g.invoke(ctx, newRequestID(time.Now()), event)
}

func (g *Group) invoke(ctx context.Context, requestID string, event []byte) ([]byte, error) {
	next := (g.calls.Add(1) - 1) % uint64(len(g.members))
	return g.members[next].invoke(ctx, requestID, event)
}

func (g *Group) accountID() string { return g.members[0].accountID() }

func (f *Function) accountID() string { return f.cfg.AccountID }
