package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ossupload/shared/api"
	"ossupload/shared/grant"
	"ossupload/shared/hold"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// errParts is for an upload that is not whole, or not what was agreed.
var errParts = &api.Error{Code: api.PartsMismatch, Message: "The uploaded parts do not make up the object that was agreed. The details name those at fault."}

// partFault names one part that stands in the way of completion.
type partFault struct {
	PartNumber int64  `json:"partNumber"`
	Reason     string `json:"reason"`
}

// verifyParts holds the parts that OSS holds against what was agreed and, if
// the client named parts, against those. No error means that completing with
// exactly the held parts makes the agreed object. OSS would accept gaps, and
// would leave out what is not named; here both are faults, because either makes
// an object that silently lacks bytes.
//
// held is in ascending order without duplicates, as ListParts gives it. named
// is nil if the client named no parts.
func verifyParts(claims uploadtoken.Claims, held []storage.Part, named []partReference) error {
	v := verification{claims: claims, held: held, last: max(claims.PartCount(), 1)}
	if len(held) > 0 {
		v.last = max(v.last, held[len(held)-1].Number)
	}
	if named != nil {
		v.checkNamed(named)
	}
	v.checkHeld()
	if len(v.faults) == 0 {
		v.checkTotal() // beside other faults it says nothing more
	}
	if len(v.faults) > 0 {
		return errParts.With(v.faults)
	}
	if claims.CRC64 == "" {
		return nil
	}
	if actual, ok := combinedCRC64(held); ok && actual != claims.CRC64 {
		return hold.ChecksumMismatch(claims.CRC64, actual)
	}
	return nil
}

// verification collects what is wrong with the parts of one upload.
type verification struct {
	claims uploadtoken.Claims
	held   []storage.Part // what OSS has, in ascending order
	named  []bool         // by number: what the client named; nil: nothing, which means all
	last   int64          // the greatest number that is held, named or agreed
	faults []partFault
}

// part is what OSS has of a number. Where nothing is missing before a part it
// stands at its number.
func (v *verification) part(number int64) (part storage.Part, ok bool) {
	at := int(number - 1)
	if at >= len(v.held) || v.held[at].Number != number {
		at, ok = slices.BinarySearchFunc(v.held, number, func(p storage.Part, number int64) int { return cmp.Compare(p.Number, number) })
		if !ok {
			return storage.Part{}, false
		}
	}
	return v.held[at], true
}

// isNamed reports whether the client named a part of a number.
func (v *verification) isNamed(number int64) bool {
	return number < int64(len(v.named)) && v.named[number]
}

func (v *verification) fault(number int64, format string, args ...any) {
	if len(v.faults) < api.MaxFaults {
		v.faults = append(v.faults, partFault{number, fmt.Sprintf(format, args...)})
	}
}

// checkNamed: each part that the client names is held as it was sent, and they
// are in order, each once.
func (v *verification) checkNamed(parts []partReference) {
	v.named = make([]bool, grant.MaxParts+1)
	previous := int64(0)
	for _, named := range parts {
		number := named.PartNumber
		// A number that no part can have must not decide how far checkHeld goes:
		// it may be as large as 2^62.
		if number < 1 || number > grant.MaxParts {
			v.fault(number, "invalid_number")
			continue
		}
		held, ok := v.part(number)
		switch {
		case v.named[number]:
			v.fault(number, "duplicate")
		case number < previous:
			v.fault(number, "out_of_order")
		case !ok:
			v.fault(number, "missing")
		case !sameETag(held.ETag, named.ETag):
			v.fault(number, "etag_mismatch")
		}
		v.named[number] = true
		previous = max(previous, number)
	}
	v.last = max(v.last, previous)
}

// checkHeld: from 1 to the last there is every part, each of its size.
func (v *verification) checkHeld() {
	count := v.claims.PartCount()
	for number := int64(1); number <= v.last; number++ {
		held, ok := v.part(number)
		switch {
		case !ok && v.isNamed(number): // told by checkNamed
		case !ok:
			v.fault(number, "missing")
		case v.named != nil && !v.isNamed(number):
			v.fault(number, "not_listed")
		case count > 0 && number > count:
			v.fault(number, "beyond_the_last")
		default:
			v.checkSize(number, held.Size)
		}
	}
}

// checkSize: a part is as long as was agreed. All but the last have the agreed
// part size, or at least what OSS asks for.
func (v *verification) checkSize(number, size int64) {
	last, agreed := number == v.last, v.claims.PartSize
	if length, exact := v.claims.PartLength(number); exact {
		if size != length {
			v.fault(number, "size is %d, agreed was %d", size, length)
		}
		return
	}
	switch {
	case !last && size < grant.MinPart:
		v.fault(number, "size is %d, at least %d are needed", size, grant.MinPart)
	case agreed > 0 && (!last && size != agreed || size > agreed):
		v.fault(number, "size is %d, agreed was %d", size, agreed)
	}
}

// checkTotal: the object will be as large as was agreed, or not over the limit.
func (v *verification) checkTotal() {
	total := int64(0)
	for _, held := range v.held {
		total += held.Size
	}
	switch size := v.claims.Size; {
	case size != nil && total != *size:
		v.fault(v.last, "total size is %d, agreed was %d", total, *size)
	case total > v.claims.MaxSize:
		v.fault(v.last, "total size is %d, at most %d are allowed", total, v.claims.MaxSize)
	}
}

// combinedCRC64 is the CRC-64/XZ of the whole object from those of its parts.
// ok is false when OSS did not tell every part's; the object's own is then
// compared after completion.
func combinedCRC64(parts []storage.Part) (decimal string, ok bool) {
	whole := newCRCJoiner()
	for _, p := range parts {
		crc, err := strconv.ParseUint(p.CRC64, 10, 64)
		if err != nil {
			return "", false
		}
		whole.add(crc, p.Size)
	}
	return strconv.FormatUint(whole.crc, 10), true
}

func sameETag(a, b string) bool {
	return a == b || strings.EqualFold(strings.Trim(a, `"`), strings.Trim(b, `"`))
}
