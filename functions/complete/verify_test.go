package main

import (
	"errors"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"ossupload/shared/api"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

const kib = 1 << 10

// three are three parts of 100, 100 and 50 KiB.
func three() []storage.Part {
	return []storage.Part{{Number: 1, Size: 100 * kib, ETag: "A"}, {Number: 2, Size: 100 * kib, ETag: "B"}, {Number: 3, Size: 50 * kib, ETag: "C"}}
}

func named(refs ...string) []partReference {
	list := []partReference{}
	for i := 0; i < len(refs); i += 2 {
		n, _ := strconv.ParseInt(refs[i], 10, 64)
		list = append(list, partReference{n, refs[i+1]})
	}
	return list
}

func without(parts []storage.Part, number int64) []storage.Part {
	var rest []storage.Part
	for _, p := range parts {
		if p.Number != number {
			rest = append(rest, p)
		}
	}
	return rest
}

func faultsOf(t *testing.T, err error) []partFault {
	t.Helper()
	if err == nil {
		return nil
	}
	answer, ok := errors.AsType[*api.Error](err)
	if !ok || answer.Code != api.PartsMismatch {
		t.Fatalf("verifyParts = %v, want %s", err, api.PartsMismatch)
	}
	return answer.Details.([]partFault)
}

func TestVerifyParts(t *testing.T) {
	size, sizeLess, zero := int64(250*kib), int64(250*kib-1), int64(0)
	free := uploadtoken.Claims{MaxSize: 1 << 30}
	sized := uploadtoken.Claims{MaxSize: 1 << 30, Size: &size, PartSize: 100 * kib}
	pinned := uploadtoken.Claims{MaxSize: 1 << 30, PartSize: 100 * kib}
	all := named("1", `"A"`, "2", "b", "3", "C")
	tests := []struct {
		name   string
		claims uploadtoken.Claims
		listed []storage.Part
		wanted []partReference
		want   []partFault
	}{
		{"all named, quoted or not", sized, three(), all, nil},
		{"none named", sized, three(), nil, nil},
		{"nothing agreed", free, three(), all, nil},
		{"part size agreed alone", pinned, three(), all, nil},
		{"one part of any size", free, three()[2:3], nil, []partFault{{1, "missing"}, {2, "missing"}}},
		{"a gap", sized, without(three(), 2), named("1", "A", "3", "C"), []partFault{{2, "missing"}}},
		{"a gap, none named", sized, without(three(), 2), nil, []partFault{{2, "missing"}}},
		{"a gap, nothing agreed", free, without(three(), 2), nil, []partFault{{2, "missing"}}},
		{"named but never uploaded", sized, without(three(), 2), all, []partFault{{2, "missing"}}},
		{"the last one missing", sized, without(three(), 3), named("1", "A", "2", "B"), []partFault{{3, "missing"}}},
		{"no part at all", free, nil, nil, []partFault{{1, "missing"}}},
		{"an empty list is a list", free, three(), named(), []partFault{{1, "not_listed"}, {2, "not_listed"}, {3, "not_listed"}}},
		{"uploaded but not named", free, three(), named("1", "A", "2", "B"), []partFault{{3, "not_listed"}}},
		{"named twice", sized, three(), named("1", "A", "2", "B", "2", "B", "3", "C"), []partFault{{2, "duplicate"}}},
		{"out of order", sized, three(), named("2", "B", "1", "A", "3", "C"), []partFault{{1, "out_of_order"}}},
		{"another ETag", sized, three(), named("1", "A", "2", "X", "3", "C"), []partFault{{2, "etag_mismatch"}}},
		{"an empty ETag", sized, three(), named("1", "A", "2", "", "3", "C"), []partFault{{2, "etag_mismatch"}}},
		{"part number 0", free, three()[:1], named("0", "A", "1", "A"), []partFault{{0, "invalid_number"}}},
		{"part number 10001", free, three()[:1], named("1", "A", "10001", "A"), []partFault{{10001, "invalid_number"}}},
		{"part number 2^62", sized, three(), append(slices.Clone(all), partReference{1 << 62, "A"}), []partFault{{1 << 62, "invalid_number"}}},
		{"part number -2^63", sized, three(), append(slices.Clone(all), partReference{-1 << 63, "A"}), []partFault{{-1 << 63, "invalid_number"}}},
		{"a part more than agreed", sized, append(three(), storage.Part{Number: 4, Size: 1, ETag: "D"}), nil, []partFault{{4, "beyond_the_last"}}},
		{"a part under 100 KiB", free, []storage.Part{{Number: 1, Size: 100*kib - 1, ETag: "A"}, {Number: 2, Size: 1, ETag: "B"}}, nil,
			[]partFault{{1, "size is 102399, at least 102400 are needed"}}},
		{"the last part may be small", free, []storage.Part{{Number: 1, Size: 100 * kib, ETag: "A"}, {Number: 2, Size: 1, ETag: "B"}}, nil, nil},
		{"a part of another size than agreed", sized, []storage.Part{{Number: 1, Size: 100 * kib}, {Number: 2, Size: 120 * kib}, {Number: 3, Size: 30 * kib}}, nil,
			[]partFault{{2, "size is 122880, agreed was 102400"}, {3, "size is 30720, agreed was 51200"}}},
		{"a last part over the agreed part size", pinned, []storage.Part{{Number: 1, Size: 100 * kib}, {Number: 2, Size: 100*kib + 1}}, nil,
			[]partFault{{2, "size is 102401, agreed was 102400"}}},
		{"a total that was not agreed", uploadtoken.Claims{MaxSize: 1 << 30, Size: &sizeLess}, three(), nil,
			[]partFault{{3, "total size is 256000, agreed was 255999"}}},
		{"a total over the limit", uploadtoken.Claims{MaxSize: 250*kib - 1}, three(), nil,
			[]partFault{{3, "total size is 256000, at most 255999 are allowed"}}},
		{"a total at the limit", uploadtoken.Claims{MaxSize: 250 * kib}, three(), nil, nil},
		{"an empty object is one empty part", uploadtoken.Claims{MaxSize: 1, Size: &zero, PartSize: 100 * kib}, []storage.Part{{Number: 1, ETag: "A"}}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := faultsOf(t, verifyParts(tt.claims, tt.listed, tt.wanted))
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("verifyParts = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestFaultsAreBounded(t *testing.T) {
	size := int64(100 * kib * 10_000)
	got := faultsOf(t, verifyParts(uploadtoken.Claims{Size: &size, MaxSize: size, PartSize: 100 * kib}, nil, nil))
	if len(got) != api.MaxFaults || got[0] != (partFault{1, "missing"}) {
		t.Errorf("verifyParts of 10,000 missing parts = %d faults, first %v, want %d", len(got), got[0], api.MaxFaults)
	}
}

// 10,000 is a number that a part can have.
func TestLastPartNumber(t *testing.T) {
	got := faultsOf(t, verifyParts(uploadtoken.Claims{MaxSize: 1 << 30}, three()[:1], named("1", "A", "10000", "A")))
	if len(got) != api.MaxFaults || got[0] != (partFault{10000, "missing"}) || got[1] != (partFault{2, "missing"}) {
		t.Errorf("verifyParts = %v, want part 10000 missing, and those before it", got)
	}
}

// hash/crc64's ECMA table with its own inversions is CRC-64/XZ, which is what
// OSS computes.
func TestCombinedCRC64(t *testing.T) {
	table := crc64.MakeTable(crc64.ECMA)
	if got := crc64.Checksum([]byte("123456789"), table); got != 11051210869376104954 {
		t.Fatalf("CRC-64 of 123456789 = %d, want 11051210869376104954", got)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var whole []byte
		var parts []storage.Part
		for number := range 1 + random.IntN(5) {
			part := make([]byte, random.IntN(3000))
			for i := range part {
				part[i] = byte(random.Uint32())
			}
			whole = append(whole, part...)
			parts = append(parts, storage.Part{Number: int64(number + 1), Size: int64(len(part)), CRC64: fmt.Sprint(crc64.Checksum(part, table))})
		}
		want := fmt.Sprint(crc64.Checksum(whole, table))
		if got, ok := combinedCRC64(parts); !ok || got != want {
			t.Fatalf("combinedCRC64 of %d parts = %s, %v, want %s", len(parts), got, ok, want)
		}
	}
	if _, ok := combinedCRC64([]storage.Part{{Number: 1, Size: 1}}); ok {
		t.Error("combinedCRC64 without a part's CRC = ok, want not")
	}
}
