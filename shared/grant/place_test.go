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

// aKeysTime is 0x019a9f3c0000 milliseconds, as the key's id begins.
var aKeysTime = time.UnixMilli(0x019a9f3c0000).UTC()

func TestParseKey(t *testing.T) {
	const key, month = aKey, "2025/11"
	place, ok := grant.ParseKey(key)
	want := grant.Place{Prefix: "u/", Subject: "alice", Granted: aKeysTime, ID: "019a9f3c-0000-7abc-8def-0123456789ab"}
	if !ok || place != want {
		t.Fatalf("ParseKey(%q) = %+v, %v, want %+v", key, place, ok, want)
	}
	for _, prefix := range []string{"", "a/b-c_d.E/"} {
		place, ok := grant.ParseKey(prefix + strings.TrimPrefix(key, "u/"))
		if !ok || place.Prefix != prefix || place.Subject != "alice" {
			t.Errorf("ParseKey under %q = %+v, %v", prefix, place, ok)
		}
	}
	for name, other := range map[string]string{
		"nothing":                   "",
		"no folders":                "019a9f3c-0000-7abc-8def-0123456789ab.png",
		"no subject":                month + "/019a9f3c-0000-7abc-8def-0123456789ab.png",
		"a folder":                  key[:strings.LastIndex(key, "/")+1],
		"another month":             strings.Replace(key, month, "2020/01", 1),
		"a UUID of another version": strings.Replace(key, "-7abc-", "-4abc-", 1),
		"capitals":                  strings.ToUpper(key),
		"a long extension":          key + "extension",
		"something behind":          key + "/x",
		"an empty segment":          "/" + key,
		"a line feed":               key + "\n",
		"a marker":                  place.Marker("ETAG"),
	} {
		if place, ok := grant.ParseKey(other); ok {
			t.Errorf("%s: ParseKey(%q) = %+v, want no place", name, other, place)
		}
	}
}

func TestParseKeyReadsWhatIsGranted(t *testing.T) {
	for _, subject := range []string{"alice", "_sts", "夏", "*", strings.Repeat("X", 200)} {
		g, err := policy().Grant(callerauth.Caller{Subject: subject}, wish(), now, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		place, ok := grant.ParseKey(g.Claims.Key)
		want := grant.Place{Prefix: "u/", Subject: grant.SubjectSegment(subject), Granted: now.UTC().Truncate(time.Millisecond), ID: g.Claims.ID}
		if !ok || place != want {
			t.Errorf("ParseKey(%q) = %+v, %v, want %+v", g.Claims.Key, place, ok, want)
		}
	}
}

func TestMarker(t *testing.T) {
	place, _ := grant.ParseKey(aKey)
	// printf ETAG | sha256sum | cut -c1-16
	const want = "u/_announced/alice/2025/11/019a9f3c-0000-7abc-8def-0123456789ab-0c8a2e6240486b76"
	if got := place.Marker("ETAG"); got != want {
		t.Errorf("Marker(ETAG) = %q, want %q", got, want)
	}
	if place.Marker("ETAG") == place.Marker("ETAG2") {
		t.Error("other bytes have the same marker")
	}
	if stem := place.MarkerStem(); !strings.HasPrefix(want, stem+"-") {
		t.Errorf("MarkerStem = %q, want the beginning of %q", stem, want)
	}
}

// Pages of keys and of markers are compared side by side.
func TestKeysAndMarkersHaveOneOrder(t *testing.T) {
	var keys []string
	for _, subject := range []string{"alice", "al", "al-ice", "al_ice", "Alice", "0", "夏", strings.Repeat("X", 200)} {
		for i := range 20 {
			at := now.Add(time.Duration(i) * 9 * 24 * time.Hour)
			g, err := policy().Grant(callerauth.Caller{Subject: subject}, wish(), at, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, g.Claims.Key)
			place, _ := grant.ParseKey(g.Claims.Key)
			for _, c := range []struct {
				since time.Time
				below bool // since is below the key
			}{{at, true}, {at.Add(-time.Hour), true}, {at.Add(-40 * 24 * time.Hour), true}, {at.Add(time.Millisecond), false}, {at.Add(40 * 24 * time.Hour), false}} {
				if got := place.Since(c.since) < g.Claims.Key; got != c.below {
					t.Errorf("Since(%s) = %q is below %q: %v, want %v", c.since, place.Since(c.since), g.Claims.Key, got, c.below)
				}
			}
		}
	}
	slices.Sort(keys)
	var markers []string
	for _, key := range keys {
		place, _ := grant.ParseKey(key)
		markers = append(markers, place.Marker("E"))
	}
	if !slices.IsSorted(markers) {
		t.Error("the markers of sorted keys are not sorted")
	}
}

// A subject whose segment were one of the roots could write markers or be
// swept over.
func TestReserved(t *testing.T) {
	for _, root := range []string{"u/_announced/", "u/_sts/", "u/_sweep/"} {
		if got, ok := grant.Reserved("u/", root+"x"); !ok || got != root {
			t.Errorf("Reserved(%q) = %q, %v, want %q", root+"x", got, ok, root)
		}
	}
	if grant.AnnouncedPrefix("u/") != "u/_announced/" || grant.SweepPrefix("u/") != "u/_sweep/" || !strings.HasPrefix(policy().STSPrefix("a"), "u/_sts/") {
		t.Error("the roots are not where Reserved looks")
	}
	for _, subject := range []string{"_announced", "_sts", "_sweep", "announced", "_", "__", "_announced/x", "\xa0nounced", "_a", strings.Repeat("_", 99)} {
		key := policy().OwnPrefix(subject) + "x"
		if root, ok := grant.Reserved("u/", key); ok {
			t.Errorf("the subject %q writes below %q", subject, root)
		}
	}
}
