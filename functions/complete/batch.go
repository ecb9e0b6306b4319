package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/rawjson"
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

// batchResponse is the answer's JSON, written while it is signed: whole URLs, or
// the compact form, in which the URL of a part is the template with {partNumber}
// and {signature} replaced.
//
//	{"presignedUrls":{"1":"https://…","2":"https://…"},"expiresAt":"2026-11-20T10:27:40Z"}
//	{"template":"https://…","signatures":{"1":"…","2":"…"},"expiresAt":"2026-11-20T10:27:40Z"}
type batchResponse []byte

// AppendJSON appends the answer. To nothing it is not copied: it has up to 1.4 MB.
func (r batchResponse) AppendJSON(dst []byte) []byte {
	if dst == nil {
		return r
	}
	return append(dst, r...)
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
		return nil, err
	}
	numbers, faults := in.numbers(claims)
	if len(faults) > 0 {
		return nil, api.Invalid(faults...)
	}
	parts, err := h.issuer.Parts(ctx, claims, caller.Expires)
	if err != nil {
		return nil, err
	}
	slices.Sort(numbers)
	out, sign := []byte(`{"presignedUrls":{`), parts.AppendURL
	if in.compact() {
		out = rawjson.AppendQuote([]byte(`{"template":`), parts.Template())
		out, sign = append(out, `,"signatures":{`...), parts.AppendSignature
	}
	if out, err = signEach(out, sign, numbers); err != nil {
		return nil, err
	}
	out = rawjson.AppendTime(append(out, `},"expiresAt":`...), parts.ExpiresAt().UTC())
	return append(out, '}'), nil
}

// signEach appends a member for each number. What is signed is of characters that
// JSON need not escape.
func signEach(dst []byte, sign func(dst []byte, number int64) ([]byte, error), numbers []int64) ([]byte, error) {
	const digits = len("10000")
	start := len(dst)
	for i, n := range numbers {
		switch i {
		case 0:
		case 1: // the others are as long, but for digits of the number
			dst = slices.Grow(dst, (len(dst)-start+2*digits)*(len(numbers)-1)+len(`},"expiresAt":}`)+rawjson.TimeLen)
			fallthrough
		default:
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, '"'), n, 10)
		var err error
		if dst, err = sign(append(dst, `":"`...), n); err != nil {
			return nil, err
		}
		dst = append(dst, '"')
	}
	return dst, nil
}

// parsePartNumbers reads a list such as "1,2,5-900": numbers from 1 to last, each
// at most once, no more than most of them. reason says what is wrong.
func parsePartNumbers(list string, last int64, most int) (numbers []int64, reason string) {
	if list == "" {
		return nil, "is required: part numbers and ranges, as 1,2,5-900"
	}
	seen := make([]bool, last+1)
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
		numbers = slices.Grow(numbers, int(end-first)+1)
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
