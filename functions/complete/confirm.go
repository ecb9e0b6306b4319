package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/uploadtoken"
)

var errNotYours = &api.Error{Code: api.Forbidden, Message: "This key is not yours."}

type confirmRequest struct {
	UploadToken string `json:"uploadToken" validate:"required_without=Key,excluded_with=Key"`
	Key         string `json:"key"`
}

// confirm answers POST /confirm: the receipt of an upload whose announcement
// was lost. The event is delivered, or delivered again, under its one id.
func (h *handler) confirm(ctx context.Context, caller callerauth.Caller, in confirmRequest) (confirm.Receipt, error) {
	if in.Key != "" {
		return h.confirmKey(ctx, caller, in.Key)
	}
	claims, err := h.keyring.Open(uploadtoken.Upload, in.UploadToken, h.now())
	if errors.Is(err, uploadtoken.ErrForged) {
		claims, err = h.keyring.Open(uploadtoken.Multipart, in.UploadToken, h.now())
	}
	if err != nil {
		return confirm.Receipt{}, err
	}
	if err := h.own(caller, claims); err != nil {
		return confirm.Receipt{}, err
	}
	return h.confirmer.Confirm(ctx, claims)
}

// confirmKey confirms by the grant that the object itself carries. Keys of
// others are refused before anything is asked about them.
func (h *handler) confirmKey(ctx context.Context, caller callerauth.Caller, key string) (confirm.Receipt, error) {
	if !strings.HasPrefix(key, h.policy.OwnPrefix(caller.Subject)) {
		return confirm.Receipt{}, errNotYours
	}
	claims, object, err := h.confirmer.Stored(ctx, key)
	if err != nil {
		return confirm.Receipt{}, err
	}
	if claims.Subject != caller.Subject {
		return confirm.Receipt{}, fmt.Errorf("%w: the stored grant is another subject's", errNotYours)
	}
	if claims.Bucket != h.policy.Bucket {
		// It was copied here with the object, and the receipt would repeat it.
		return confirm.Receipt{}, fmt.Errorf("%w of this bucket", confirm.ErrNoGrant)
	}
	return h.confirmer.Announce(ctx, claims, object)
}
