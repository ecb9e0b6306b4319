package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
)

type partRequest struct {
	uploadRef
	PartNumber string `path:"partNumber"`
}

type partResponse struct {
	Method  string `json:"method"`
	URL     string `json:"url"`
	Expires int64  `json:"expires"` // seconds
}

// part answers GET /s3/multipart/{uploadId}/{partNumber}.
func (h *handler) part(ctx context.Context, caller callerauth.Caller, in partRequest) (partResponse, error) {
	claims, err := h.upload(caller, in.uploadRef)
	if err != nil {
		return partResponse{}, err
	}
	last := claims.LastPart(grant.MinPart, grant.MaxParts)
	number, ok := parsePartNumber(in.PartNumber, last)
	if !ok {
		return partResponse{}, api.Invalid(api.Fault{Field: "partNumber", Reason: fmt.Sprintf("must be a whole number from 1 to %d", last)})
	}
	parts, err := h.issuer.Parts(ctx, claims, caller.Expires)
	if err != nil {
		return partResponse{}, err
	}
	url, err := parts.AppendURL(nil, number)
	if err != nil {
		return partResponse{}, err
	}
	return partResponse{Method: http.MethodPut, URL: string(url), Expires: parts.Expires}, nil
}

// parsePartNumber reads a number from 1 to last in its one decimal form.
func parsePartNumber(text string, last int64) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return n, err == nil && n >= 1 && n <= last && text[0] != '0' && text[0] != '+'
}
