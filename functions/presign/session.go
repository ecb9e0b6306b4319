package main

import (
	"net/http"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/uploadtoken"
)

const maxSession = time.Hour

type sessionRequest struct {
	ExpiresIn *int64 `json:"expiresIn" validate:"omitempty,min=1"` // seconds
}

type sessionResponse struct {
	Endpoint  string    `json:"endpoint"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// session answers POST /session with a base URL that stands for the caller, for
// clients that send no headers of their own. It ends with the caller's own
// token, and after an hour at the latest.
func (h *handler) session(r *http.Request) (any, error) {
	caller, err := h.caller.Authenticate(r)
	if err != nil {
		return nil, err
	}
	var in sessionRequest
	if err := decodeOptional(r, &in); err != nil {
		return nil, err
	}
	if h.publicURL == "" {
		return nil, &api.Error{Code: api.Forbidden, Message: "Sessions are not enabled."}
	}
	life := maxSession
	if in.ExpiresIn != nil {
		life = min(life, time.Duration(min(*in.ExpiresIn, int64(maxSession/time.Second)))*time.Second)
	}
	expiresAt := h.now().Add(life)
	if !caller.Expires.IsZero() && caller.Expires.Before(expiresAt) {
		expiresAt = caller.Expires
	}
	capability, err := h.issuer.Keyring.SealSession(uploadtoken.Session{
		Subject:      caller.Subject,
		MaxSize:      caller.Upload.MaxSize,
		ContentTypes: caller.Upload.ContentTypes,
		Context:      caller.Upload.Context,
		ExpiresAt:    expiresAt.Unix(),
	})
	if err != nil {
		return nil, err
	}
	return sessionResponse{
		Endpoint:  h.publicURL + "/c/" + capability,
		ExpiresAt: time.Unix(expiresAt.Unix(), 0).UTC(),
	}, nil
}
