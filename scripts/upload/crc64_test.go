package main

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/client"
)

// The CRC-64 of a file is combined from those of its parts, with a first CRC of
// no bytes, and both are what hash/crc64 computes.
func TestCRC64OfPartsIsThatOfTheFile(t *testing.T) {
	if got := crc64.Checksum([]byte("123456789"), client.CRCTable); got != 11051210869376104954 {
		t.Fatalf("CRC-64 of 123456789 = %d, want 11051210869376104954", got)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		text := make([]byte, random.IntN(5000))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		combined, rest := uint64(0), text
		for len(rest) > 0 {
			part := rest[:1+random.IntN(len(rest))]
			combined = oss.CRC64Combine(combined, crc64.Checksum(part, client.CRCTable), uint64(len(part)))
			rest = rest[len(part):]
		}
		if want := crc64.Checksum(text, client.CRCTable); combined != want {
			t.Fatalf("CRC-64 combined from the parts of %d bytes = %d, want %d", len(text), combined, want)
		}
	}
}
