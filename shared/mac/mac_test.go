package mac_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"sync"
	"testing"

	"ossupload/shared/mac"
)

// RFC 4231, section 4.
func TestAppend(t *testing.T) {
	tests := []struct {
		name        string
		key         []byte
		parts, want string // the parts between bars
	}{
		{"1", bytes.Repeat([]byte{0x0b}, 20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"2", []byte("Jefe"), "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"2 in parts", []byte("Jefe"), "what do ya|| want |for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"6, a key longer than a block", bytes.Repeat([]byte{0xaa}, 131), "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	}
	for _, tt := range tests {
		k := mac.New(tt.key)
		for range 3 { // the key is as it was
			var parts [][]byte
			for part := range strings.SplitSeq(tt.parts, "|") {
				parts = append(parts, []byte(part))
			}
			if got := k.Append([]byte("dst"), parts...); string(got[:3]) != "dst" || hex.EncodeToString(got[3:]) != tt.want {
				t.Errorf("%s: Append = %x, want dst and %s", tt.name, got, tt.want)
			}
		}
	}
}

func TestKeyIsSafeForConcurrentUse(t *testing.T) {
	k := mac.New([]byte("Jefe"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got := hex.EncodeToString(k.Append(nil, []byte("what do ya want "), []byte("for nothing?"))); got != "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
					t.Errorf("Append = %s", got)
					return
				}
			}
		})
	}
	wg.Wait()
}
