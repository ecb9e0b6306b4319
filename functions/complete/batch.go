package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/uploadtoken"
)

const (
	maxBatchURLs       = 1_000  // whole URLs: over 1 MB with a security token in each
	maxBatchSignatures = 10_000 // of a template: all parts there can be
)

type batchResponse struct {
	PresignedURLs map[string]string `json:"presignedUrls"` // by part number
	ExpiresAt     time.Time         `json:"expiresAt"`
}

// templateResponse is the compact form: the URL of a part is Template with
// {partNumber} and {signature} replaced.
type templateResponse struct {
	Template   string            `json:"template"`
	Signatures map[string]string `json:"signatures"` // by part number
	ExpiresAt  time.Time         `json:"expiresAt"`
}

// batch answers GET /s3/multipart/{uploadId}/batch with the URLs of many parts.
func (h *handler) batch(r *http.Request) (any, error) {
	claims, err := h.upload(r)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	var faults []api.Fault
	most := maxBatchURLs
	switch as := query.Get("as"); as {
	case "":
	case "template":
		most = maxBatchSignatures
	default:
		faults = append(faults, api.Fault{Field: "as", Reason: "must be template or left out"})
	}
	numbers, reason := parsePartNumbers(strings.Join(query["partNumbers"], ","), lastPart(claims), most)
	if reason != "" {
		faults = append(faults, api.Fault{Field: "partNumbers", Reason: reason})
	}
	if len(faults) > 0 {
		return nil, api.Invalid(faults...)
	}
	parts, _, err := h.issuer.Parts(r.Context(), claims, min(partLife, h.policy.MaxExpires))
	if err != nil {
		return nil, err
	}
	sign := parts.URL
	if most == maxBatchSignatures {
		sign = parts.Signature
	}
	signed, err := signEach(sign, claims, numbers)
	if err != nil {
		return nil, err
	}
	if most == maxBatchSignatures {
		return templateResponse{Template: parts.Template(), Signatures: signed, ExpiresAt: parts.ExpiresAt()}, nil
	}
	return batchResponse{PresignedURLs: signed, ExpiresAt: parts.ExpiresAt()}, nil
}

// signEach signs every part with its agreed length, if there is one.
func signEach(sign func(number, length int64) (string, error), claims uploadtoken.Claims, numbers []int64) (map[string]string, error) {
	signed := make(map[string]string, len(numbers))
	for _, n := range numbers {
		length, _ := claims.PartLength(n)
		text, err := sign(n, length)
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

// parsePartNumber reads a number from 1 to last in its one decimal form.
func parsePartNumber(text string, last int64) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return n, err == nil && n >= 1 && n <= last && strconv.FormatInt(n, 10) == text
}
