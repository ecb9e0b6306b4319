package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/confirm"
	"ossupload/shared/request"
	"ossupload/shared/uploadtoken"
)

type confirmRequest struct {
	UploadToken string `json:"uploadToken" validate:"required_without=Key,excluded_with=Key"`
	Key         string `json:"key"`
}

// confirm answers POST /confirm: the receipt of an upload whose announcement
// was lost. The event is delivered, or delivered again, under its one id.
func (h *handler) confirm(r *http.Request) (any, error) {
	caller, err := h.authenticate(r)
	if err != nil {
		return nil, err
	}
	var in confirmRequest
	faults, err := request.Decode(r, &in, request.Refuse)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, api.Invalid(faults...)
	}
	if in.Key != "" {
		receipt, err := h.confirmKey(r.Context(), caller, in.Key)
		if err != nil {
			return nil, err
		}
		return receipt, nil
	}
	claims, err := h.open(caller, in.UploadToken, uploadtoken.Upload, uploadtoken.Multipart)
	if err != nil {
		return nil, err
	}
	receipt, err := h.confirmer.Confirm(r.Context(), claims)
	if err != nil {
		return nil, err
	}
	return receipt, nil
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
	return h.confirmer.Announce(ctx, claims, object)
}

var errNotYours = &api.Error{Code: api.Forbidden, Message: "This key is not yours."}
