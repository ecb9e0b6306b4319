package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/issuer"
	"ossupload/shared/uploadtoken"
)

// maxSession is how long a session lasts at most.
const maxSession = time.Hour

var errNoSessions = &api.Error{Code: api.Forbidden, Message: "Sessions are not enabled."}

type sessionRequest struct {
	ExpiresIn *int64 `json:"expiresIn" validate:"omitempty,min=1"` // seconds
}

type sessionResponse struct {
	Endpoint  string    `json:"endpoint"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// session answers POST /session with a base URL that stands for the caller, for
// clients that send no headers of their own.
func (h *handler) session(_ context.Context, caller callerauth.Caller, in sessionRequest) (sessionResponse, error) {
	if h.publicURL == "" {
		return sessionResponse{}, errNoSessions
	}
	now := h.now()
	end := sessionEnd(caller, in.ExpiresIn, now)
	if end.Unix() <= now.Unix() {
		return sessionResponse{}, issuer.ErrCallerEnds
	}
	id, err := newSessionID(h.random)
	if err != nil {
		return sessionResponse{}, err
	}
	capability, err := h.keyring.SealSession(uploadtoken.Session{
		ID:           id,
		Subject:      caller.Subject,
		MaxSize:      caller.Limits.MaxSize,
		ContentTypes: caller.Limits.ContentTypes,
		Context:      caller.Limits.Context,
		Key:          caller.Limits.Key,
		ExpiresAt:    end.Unix(),
	})
	if err != nil {
		return sessionResponse{}, err
	}
	return sessionResponse{
		Endpoint:  h.publicURL + "/c/" + capability,
		ExpiresAt: time.Unix(end.Unix(), 0).UTC(),
	}, nil
}

// newSessionID names a session, so that uploads can tell in which they began.
func newSessionID(random io.Reader) (string, error) {
	var id [9]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return "", fmt.Errorf("reading randomness for a session: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(id[:]), nil
}

// sessionEnd is after as many seconds as were asked, with the caller's own token
// at the latest, and after maxSession in any case.
func sessionEnd(caller callerauth.Caller, asked *int64, now time.Time) time.Time {
	life := maxSession
	if asked != nil {
		life = time.Duration(min(*asked, int64(maxSession/time.Second))) * time.Second
	}
	end := now.Add(life)
	if !caller.Expires.IsZero() && caller.Expires.Before(end) {
		return caller.Expires
	}
	return end
}
