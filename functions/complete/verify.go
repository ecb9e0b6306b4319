package main

import (
	"fmt"
	"strconv"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// partFault names one part that stands in the way of completion.
type partFault struct {
	PartNumber int64  `json:"partNumber"`
	Reason     string `json:"reason"`
}

// maxFaults bounds the details of an answer; an upload that never got anywhere
// misses up to 10,000 parts.
const maxFaults = 100

// verifyParts holds the parts that OSS holds against what was agreed and, if
// the client named parts, against those. No fault means that completing with
// exactly the listed parts makes the agreed object. OSS would accept gaps, and
// would leave out what is not named; here both are faults, because either makes
// an object that silently lacks bytes.
//
// listed is in ascending order without duplicates, as ListParts gives it.
func verifyParts(claims uploadtoken.Claims, listed []storage.Part, wanted []partReference) []partFault {
	var faults []partFault
	fault := func(number int64, reason string) {
		if len(faults) < maxFaults {
			faults = append(faults, partFault{number, reason})
		}
	}
	held := make(map[int64]storage.Part, len(listed))
	for _, p := range listed {
		held[p.Number] = p
	}

	// What the client named: known to OSS, as it was sent, in order, once.
	named := make(map[int64]bool, len(wanted))
	previous := int64(0)
	for _, w := range wanted {
		// A number that no part can have must not decide how far the loop below
		// goes: it may be as large as 2^62.
		if w.PartNumber < 1 || w.PartNumber > grant.MaxParts {
			fault(w.PartNumber, "invalid_number")
			continue
		}
		p, ok := held[w.PartNumber]
		switch {
		case named[w.PartNumber]:
			fault(w.PartNumber, "duplicate")
		case w.PartNumber < previous:
			fault(w.PartNumber, "out_of_order")
		case !ok:
			fault(w.PartNumber, "missing")
		case !sameETag(p.ETag, w.ETag):
			fault(w.PartNumber, "etag_mismatch")
		}
		named[w.PartNumber] = true
		previous = max(previous, w.PartNumber)
	}

	// What OSS holds: from 1 on without a gap, each part of its size.
	count := claims.PartCount()
	last := max(count, previous, 1)
	if n := len(listed); n > 0 {
		last = max(last, listed[n-1].Number)
	}
	total := int64(0)
	for number := int64(1); number <= last; number++ {
		p, ok := held[number]
		total += p.Size
		length, exact := claims.PartLength(number)
		switch {
		case !ok && named[number]: // reported above
		case !ok:
			fault(number, "missing")
		case wanted != nil && !named[number]:
			fault(number, "not_listed")
		case count > 0 && number > count:
			fault(number, "beyond_the_last")
		case exact && p.Size != length:
			fault(number, fmt.Sprintf("size is %d, agreed was %d", p.Size, length))
		case exact:
		case number < last && p.Size < grant.MinPart:
			fault(number, fmt.Sprintf("size is %d, at least %d are needed", p.Size, grant.MinPart))
		case claims.PartSize > 0 && (number < last && p.Size != claims.PartSize || p.Size > claims.PartSize):
			fault(number, fmt.Sprintf("size is %d, agreed was %d", p.Size, claims.PartSize))
		}
	}
	switch {
	case len(faults) > 0: // a total says nothing more
	case claims.Size != nil && total != *claims.Size:
		fault(last, fmt.Sprintf("total size is %d, agreed was %d", total, *claims.Size))
	case total > claims.MaxSize:
		fault(last, fmt.Sprintf("total size is %d, at most %d are allowed", total, claims.MaxSize))
	}
	return faults
}

// combinedCRC64 is the CRC-64/XZ of the whole object from those of its parts.
// ok is false when OSS did not tell every part's; the object's own is then
// compared after completion.
func combinedCRC64(parts []storage.Part) (decimal string, ok bool) {
	var crc uint64
	for _, p := range parts {
		n, err := strconv.ParseUint(p.CRC64, 10, 64)
		if err != nil {
			return "", false
		}
		crc = oss.CRC64Combine(crc, n, uint64(p.Size))
	}
	return strconv.FormatUint(crc, 10), true
}
