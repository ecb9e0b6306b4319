package grant_test

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
)

const aKey = "u/alice/2025/11/019a9f3c-0000-7abc-8def-0123456789ab.png"

// What is granted is its subject's, whatever that is made of.
func TestGrantedKeysAreMine(t *testing.T) {
	for _, subject := range []string{"alice", "_sts", "夏", "*", strings.Repeat("X", 200)} {
		g, err := policy().Grant(callerauth.Caller{Subject: subject}, wish(), now, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if p := policy(); !p.Mine(subject, g.Claims.Key) || !p.Anybodys(g.Claims.Key) {
			t.Errorf("%q is not the key of %q, for whom it was made", g.Claims.Key, subject)
		}
	}
}

func TestMine(t *testing.T) {
	const id = "2026/11/019a9f3c-0000-7abc-8def-0123456789ab"
	long := strings.Repeat("X", 200)
	tests := []struct {
		subject, key   string
		mine, anybodys bool
	}{
		{"alice", "u/alice/" + id + ".png", true, true},
		{"alice", "u/alice/orders/7/invoice (copy).pdf", false, false}, // no such byte in a name
		{"alice", "u/alice/orders/7/invoice.pdf", true, true},
		{"alice", "u/alice/x", true, true},
		{"alice", "u/bob/" + id, false, true},
		{"alice", "u/alice2/" + id, false, true},
		{"alice", "u/alice/../bob/" + id, false, false},
		{"alice", "u/alice/./" + id, false, false},
		{"alice", "u/alice//" + id, false, false},
		{"alice", "u/alice/", false, false},
		{"alice", "u/alice", false, false},
		{"alice", "u/", false, false},
		{"alice", "", false, false},
		{"alice", "alice/" + id, false, false},
		{"alice", "v/alice/" + id, false, false},
		{"alice", "u/u/alice/" + id, false, true}, // of the subject "u"
		{"alice", "u/alice/_x", false, false},
		{"alice", "u/alice/a/_x/b", false, false},
		{"alice", "u/alice/" + id + "\x00", false, false},
		{"alice", "u/alice/" + id + "夏", false, false},
		{"alice", "u/alice/a%2Fb", false, false},
		{"alice", "u/alice/" + strings.Repeat("x", 512), true, true},
		{"alice", "u/alice/" + strings.Repeat("x", 513), false, false},
		{"_sts", "u/_sts/alice/x", false, false},
		{"_sts", "u/_5fsts/x", true, true},
		{"alice", "u/_sts/alice/x", false, false},
		{"alice", "_ossupload/u/_announced/alice/x", false, false},
		{"alice", "_ossupload/u/_pending/1795168860-evt_1", false, false},
		{"Alice", "u/_41lice/x", true, true},
		{"alice", "u/_61lice/x", false, false},  // nobody's: "a" stays as it is
		{"Alice", "u/Alice/x", false, false},    // nobody's
		{"alice", "u/alice_/x", false, false},   // half an escape
		{"alice", "u/alice_5/x", false, false},  // half an escape
		{"alice", "u/alice_5F/x", false, false}, // in capitals
		{long, "u/" + grant.SubjectSegment(long) + "/x", true, true},
		{"alice", "u/__" + strings.Repeat("a", 64) + "/x", false, true},
		{"alice", "u/__" + strings.Repeat("a", 63) + "/x", false, false},
		{"alice", "u/__" + strings.Repeat("g", 64) + "/x", false, false},
		{"alice", "u/" + strings.Repeat("x", 128) + "/x", false, true},
		{"alice", "u/" + strings.Repeat("x", 129) + "/x", false, false},
	}
	for _, tt := range tests {
		p := policy()
		if mine, anybodys := p.Mine(tt.subject, tt.key), p.Anybodys(tt.key); mine != tt.mine || anybodys != tt.anybodys {
			t.Errorf("%q of %q: Mine = %v, Anybodys = %v, want %v, %v", tt.key, tt.subject, mine, anybodys, tt.mine, tt.anybodys)
		}
	}
}

// Whatever subjects and keys are made of, a key has one owner at most.
func FuzzKeysHaveOneOwner(f *testing.F) {
	f.Add("alice", "bob", "u/alice/x")
	f.Add("A", "_41", "u/_41/x")
	f.Add("_sts", "sts", "u/_sts/x")
	f.Add("_ossupload", "ossupload", "_ossupload/u/_pending/x")
	f.Add("__", "_", "u/_5f_5f/x")
	f.Add(strings.Repeat("é", 64), "é", "u/__"+strings.Repeat("0", 64)+"/x")
	f.Add("a/b", "a", "u/a/b/x")
	f.Fuzz(func(t *testing.T, a, b, key string) {
		if a == "" || b == "" {
			return
		}
		p := policy()
		// The key as it came, and keys that are likely to be somebody's.
		for _, key := range []string{key, p.OwnPrefix(a) + key, p.OwnPrefix(b) + key, p.STSPrefix(a) + key, grant.MarkerStem("u/", key)} {
			if a != b && p.Mine(a, key) && p.Mine(b, key) {
				t.Errorf("%q belongs to %q and %q", key, a, b)
			}
			for _, subject := range []string{a, b} {
				if p.Mine(subject, key) && !p.Anybodys(key) {
					t.Errorf("%q belongs to %q and to nobody", key, subject)
				}
			}
			if p.Anybodys(key) && (strings.HasPrefix(key, grant.STSRoot("u/")) || strings.HasPrefix(key, "_ossupload/")) {
				t.Errorf("%q could be anybody's, and is ours", key)
			}
		}
	})
}

func TestMarker(t *testing.T) {
	at := time.Unix(1795168800, 999)
	// printf 'ETAG\n5\n1795168800' | sha256sum | cut -c1-16
	const want = "_ossupload/u/_announced/alice/2025/11/019a9f3c-0000-7abc-8def-0123456789ab.png-a7f6cf08235d2de7"
	first := grant.Marker("u/", aKey, "ETAG", 5, at)
	if first != want {
		t.Errorf("Marker = %q, want %q", first, want)
	}
	if again := grant.Marker("u/", aKey, "ETAG", 5, time.Unix(1795168800, 0).UTC()); again != first {
		t.Errorf("Marker at another fraction of the second = %q, want %q", again, first)
	}
	for name, other := range map[string]string{
		"bytes":  grant.Marker("u/", aKey, "ETAG2", 5, at),
		"size":   grant.Marker("u/", aKey, "ETAG", 6, at),
		"time":   grant.Marker("u/", aKey, "ETAG", 5, at.Add(time.Second)),
		"key":    grant.Marker("u/", aKey+"x", "ETAG", 5, at),
		"prefix": grant.Marker("v/", "v"+aKey[1:], "ETAG", 5, at),
	} {
		if other == first {
			t.Errorf("another %s has the same marker", name)
		}
	}
	for name, got := range map[string]string{
		"_ossupload/u/": grant.OwnRoot("u/"), "_ossupload/u/_announced/": grant.AnnouncedPrefix("u/"),
		"_ossupload/u/_sweep/": grant.SweepPrefix("u/"), "u/_sts/": grant.STSRoot("u/"),
		"_ossupload/u/_announced/alice/x": grant.MarkerStem("u/", "u/alice/x"),
	} {
		if got != name {
			t.Errorf("%q, want %q", got, name)
		}
	}
}

// Whoever compares a page of keys with a page of markers lists from a stem: all
// markers of the key come behind it, together but for those of keys that are the
// key with something behind it, and no marker is that of two keys.
func TestMarkersFollowTheirStem(t *testing.T) {
	var keys []string
	for _, subject := range []string{"alice", "al", "al-ice", "Alice", "夏"} {
		for _, name := range []string{"x", "x.png", "x-1", "x-0123456789abcdef", "x+y", "x(1)", "x,y", "x/y", "x~", "x.", "x=", "xy", "x0"} {
			keys = append(keys, policy().OwnPrefix(subject)+name)
		}
	}
	var markers []string
	of := make(map[string]string)
	for _, key := range keys {
		for _, etag := range []string{"E", "F"} {
			m := grant.Marker("u/", key, etag, 5, now)
			if other, ok := of[m]; ok {
				t.Errorf("%q is the marker of %q and %q", m, other, key)
			}
			of[m] = key
			markers = append(markers, m)
		}
	}
	slices.Sort(markers)
	for _, key := range keys {
		stem := grant.MarkerStem("u/", key)
		found := 0
		i, _ := slices.BinarySearch(markers, stem+"-")
		for ; i < len(markers) && strings.HasPrefix(markers[i], stem+"-"); i++ {
			if of[markers[i]] == key {
				found++
			}
		}
		if found != 2 {
			t.Errorf("%d markers of %q follow its stem, want 2", found, key)
		}
	}
	slices.Sort(keys)
	for i, key := range keys[1:] {
		if before := keys[i]; grant.MarkerStem("u/", before) >= grant.MarkerStem("u/", key) {
			t.Errorf("the stems of %q and %q are in another order", before, key)
		}
	}
}
