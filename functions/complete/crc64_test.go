package main

import (
	"hash/crc64"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func TestJoinedCRCEqualsSDK(t *testing.T) {
	const crc, crc2 = 0x0123456789abcdef, 0xfedcba9876543210
	lengths := []int64{0, 1, 2, 3, 7, 8, 9, 255, 256, 102400, 5 << 20, 5<<20 + 1, 5 << 30, 1<<62 + 12345, 1<<63 - 1}
	for _, length := range lengths {
		j := newCRCJoiner()
		j.add(crc, 42)
		j.add(crc2, length)
		if want := oss.CRC64Combine(crc, crc2, uint64(length)); j.crc != want {
			t.Errorf("the CRC with %d bytes more = %#x, want %#x", length, j.crc, want)
		}
	}
}

// One joiner takes pieces of lengths that change and come again.
func FuzzJoinedCRC(f *testing.F) {
	f.Add([]byte("some bytes, of which parts are made"), uint64(0b0100_1011), int64(5<<20))
	f.Add([]byte(""), uint64(1), int64(0))
	f.Add(make([]byte, 300), uint64(1<<63), int64(1<<63-1))
	table := crc64.MakeTable(crc64.ECMA)
	f.Fuzz(func(t *testing.T, whole []byte, cuts uint64, length int64) {
		j, sdk, rest := newCRCJoiner(), uint64(0), whole
		for len(rest) > 0 {
			n := len(rest)
			if cuts != 0 {
				n = min(n, int(cuts&7)*17)
			}
			cuts >>= 3
			crc := crc64.Checksum(rest[:n], table)
			j.add(crc, int64(n))
			sdk = oss.CRC64Combine(sdk, crc, uint64(n))
			rest = rest[n:]
		}
		if want := crc64.Checksum(whole, table); j.crc != want || sdk != want {
			t.Errorf("the joined CRC of %d bytes = %#x, that of the SDK %#x, want %#x", len(whole), j.crc, sdk, want)
		}
		// Nobody has so many bytes, but anybody can state them.
		if length >= 0 {
			want := oss.CRC64Combine(j.crc, cuts, uint64(length))
			if j.add(cuts, length); j.crc != want {
				t.Errorf("the joined CRC with %d bytes more = %#x, want %#x", length, j.crc, want)
			}
		}
	})
}

func BenchmarkJoinedCRC(b *testing.B) {
	for b.Loop() {
		j := newCRCJoiner()
		for range 10_000 {
			j.add(0x0123456789abcdef, 5<<20)
		}
	}
}
