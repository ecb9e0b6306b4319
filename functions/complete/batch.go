package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/uploadtoken"
)

const (
	maxBatchURLs       = 1_000          // whole URLs: over 1 MB with a security token in each
	maxBatchSignatures = grant.MaxParts // of a template: all that there can be
)

type batchRequest struct {
	uploadRef
	As          string   `query:"as" validate:"omitempty,oneof=template"`
	PartNumbers []string `query:"partNumbers"`
}

// batchResponse has whole URLs, or the compact form: the URL of a part is
// Template with {partNumber} and {signature} replaced. Both go by part number.
type batchResponse struct {
	PresignedURLs map[string]string `json:"presignedUrls,omitempty"`
	Template      string            `json:"template,omitempty"`
	Signatures    map[string]string `json:"signatures,omitempty"`
	ExpiresAt     time.Time         `json:"expiresAt"`
}

func (in batchRequest) compact() bool { return in.As == "template" }

// numbers are those of the parts that the request asks for.
func (in batchRequest) numbers(claims uploadtoken.Claims) ([]int64, []api.Fault) {
	most := maxBatchURLs
	if in.compact() {
		most = maxBatchSignatures
	}
	numbers, reason := parsePartNumbers(strings.Join(in.PartNumbers, ","), claims.LastPart(grant.MinPart, grant.MaxParts), most)
	if reason != "" {
		return nil, []api.Fault{{Field: "partNumbers", Reason: reason}}
	}
	return numbers, nil
}

func (h *handler) checkBatch(caller callerauth.Caller, in batchRequest) []api.Fault {
	claims, err := h.upload(caller, in.uploadRef)
	if err != nil {
		return nil // an upload that is not this caller's has no faults to tell
	}
	_, faults := in.numbers(claims)
	return faults
}

// batch answers GET /s3/multipart/{uploadId}/batch with the URLs of many parts.
func (h *handler) batch(ctx context.Context, caller callerauth.Caller, in batchRequest) (batchResponse, error) {
	claims, err := h.upload(caller, in.uploadRef)
	if err != nil {
		return batchResponse{}, err
	}
	numbers, faults := in.numbers(claims)
	if len(faults) > 0 {
		return batchResponse{}, api.Invalid(faults...)
	}
	parts, err := h.issuer.Parts(ctx, claims, caller.Expires)
	if err != nil {
		return batchResponse{}, err
	}
	out := batchResponse{ExpiresAt: parts.ExpiresAt()}
	if in.compact() {
		out.Template = parts.Template()
		out.Signatures, err = signEach(parts.Signature, numbers)
	} else {
		out.PresignedURLs, err = signEach(parts.URL, numbers)
	}
	return out, err
}

func signEach(sign func(number int64) (string, error), numbers []int64) (map[string]string, error) {
	signed := make(map[string]string, len(numbers))
	for _, n := range numbers {
		text, err := sign(n)
		if err != nil {
			return nil, err
		}
		signed[strconv.FormatInt(n, 10)] = text
	}
	return signed, nil
}

// parsePartNumbers reads a list such as "1,2,5-900": numbers from 1 to last, each
// at most once, no more than most of them. reason says what is wrong.
func parsePartNumbers(list string, last int64, most int) (numbers []int64, reason string) {
	if list == "" {
		return nil, "is required: part numbers and ranges, as 1,2,5-900"
	}
	seen := make(map[int64]bool)
	for item := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(item, "-")
		first, ok := parsePartNumber(from, last)
		end := first
		if ok && isRange {
			end, ok = parsePartNumber(to, last)
		}
		switch {
		case !ok:
			return nil, fmt.Sprintf("must be part numbers from 1 to %d and ranges of them, as 1,2,5-900", last)
		case end < first:
			return nil, fmt.Sprintf("has the range %d-%d, which is reversed", first, end)
		case end-first >= int64(most-len(numbers)):
			return nil, fmt.Sprintf("must name at most %d parts", most)
		}
		for n := first; n <= end; n++ {
			if seen[n] {
				return nil, fmt.Sprintf("names part %d twice", n)
			}
			seen[n] = true
			numbers = append(numbers, n)
		}
	}
	return numbers, ""
}
