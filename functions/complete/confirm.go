package main

import (
	"context"
	"errors"
	"fmt"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// errNoUpload is for a key that is not this caller's, and for one where nothing
// is: which of them it is, a stranger is not told.
var errNoUpload = &api.Error{Code: api.NotFound, Message: "You have no upload under this key."}

type confirmRequest struct {
	UploadToken string `json:"uploadToken" validate:"required_without=Key,excluded_with=Key"`
	Key         string `json:"key"`
}

// confirm answers POST /confirm: the receipt of an upload whose announcement
// was lost. The event is delivered, or delivered again, under its one id.
func (h *handler) confirm(ctx context.Context, caller callerauth.Caller, in confirmRequest) (confirm.Answer, error) {
	if in.Key != "" {
		return h.confirmKey(ctx, caller, in.Key)
	}
	claims, err := h.keyring.Open(uploadtoken.Upload, in.UploadToken, h.now())
	if errors.Is(err, uploadtoken.ErrForged) {
		claims, err = h.keyring.Open(uploadtoken.Multipart, in.UploadToken, h.now())
	}
	if err != nil {
		return confirm.Answer{}, err
	}
	if err := h.own(caller, claims); err != nil {
		return confirm.Answer{}, err
	}
	object, err := h.storage.Head(ctx, claims.Key)
	if err != nil {
		return confirm.Answer{}, err
	}
	return h.confirmer.Asked(ctx, claims, object)
}

// confirmKey confirms by the grant that the object itself carries. Keys of
// others are refused before anything is asked about them.
func (h *handler) confirmKey(ctx context.Context, caller callerauth.Caller, key string) (confirm.Answer, error) {
	if !h.policy.Mine(caller.Subject, key) {
		return confirm.Answer{}, fmt.Errorf("%w: the key is not below the caller's prefix", errNoUpload)
	}
	claims, object, err := h.confirmer.Granted(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		return confirm.Answer{}, fmt.Errorf("%w: %w", errNoUpload, err)
	}
	if err != nil {
		return confirm.Answer{}, err
	}
	if claims.Subject != caller.Subject {
		return confirm.Answer{}, fmt.Errorf("%w: the stored grant is another subject's", errNoUpload)
	}
	return h.confirmer.Asked(ctx, claims, object)
}
