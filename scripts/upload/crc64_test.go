package main

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

func TestCombineCRC64(t *testing.T) {
	if got := crc64.Checksum([]byte("123456789"), crcTable); got != 11051210869376104954 {
		t.Fatalf("CRC-64 of 123456789 = %d, want 11051210869376104954", got)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		text := make([]byte, random.IntN(5000))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		cut := random.IntN(len(text) + 1)
		first, second := crc64.Checksum(text[:cut], crcTable), crc64.Checksum(text[cut:], crcTable)
		if got, want := combineCRC64(first, second, int64(len(text)-cut)), crc64.Checksum(text, crcTable); got != want {
			t.Fatalf("combineCRC64 of %d and %d bytes = %d, want %d", cut, len(text)-cut, got, want)
		}
	}
}

// Ten thousand parts are combined at the end of an upload.
func BenchmarkCombineCRC64(b *testing.B) {
	crc := uint64(1)
	for b.Loop() {
		crc = combineCRC64(crc, 12345, 5<<20)
	}
}
