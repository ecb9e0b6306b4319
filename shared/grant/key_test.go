package grant_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
)

func TestOwnPrefix(t *testing.T) {
	tests := []struct{ subject, want string }{
		{"alice", "u/alice/"},
		{"a-1", "u/a-1/"},
		{"az09", "u/az09/"},
		{"`{/:", "u/_60_7b_2f_3a/"}, // beside a, z, 0 and 9
		{"Alice", "u/_41lice/"},
		{"a_b", "u/a_5fb/"},
		{"*", "u/_2a/"},
		{"../x", "u/_2e_2e_2fx/"},
		{"_sts", "u/_5fsts/"},
		{"__", "u/_5f_5f/"},
		{"夏", "u/_e5_a4_8f/"},
		{"a@example.com", "u/a_40example_2ecom/"},
		{strings.Repeat("x", 128), "u/" + strings.Repeat("x", 128) + "/"},
	}
	for _, tt := range tests {
		if got := policy().OwnPrefix(tt.subject); got != tt.want {
			t.Errorf("OwnPrefix(%q) = %q, want %q", tt.subject, got, tt.want)
		}
	}
	long := regexp.MustCompile(`^u/__[0-9a-f]{64}/$`)
	for _, subject := range []string{strings.Repeat("X", 43), strings.Repeat("x", 129), strings.Repeat("夏", 42)} {
		if got := policy().OwnPrefix(subject); !long.MatchString(got) {
			t.Errorf("OwnPrefix of %d bytes = %q, want a hash", len(subject), got)
		}
	}
}

func TestKeysAreSafe(t *testing.T) {
	form := regexp.MustCompile(`^u/[a-z0-9_-]+/2026/11/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(\.[a-z0-9]{1,8})?$`)
	seen := make(map[string]bool)
	for _, tt := range []struct{ filename, ext, contentType string }{
		{"a.jpg", ".jpg", "image/jpeg"},
		{"a.JPEG", ".jpeg", "image/jpeg"},
		{"a.tar.gz", ".gz", "application/gzip"},
		{"a", "", "image/jpeg"},
		{"a.", "", "image/jpeg"},
		{".env", ".env", "image/jpeg"},
		// What names another type than the granted one is dropped: OSS, and people,
		// would go by it.
		{"a.png", "", "image/jpeg"}, {"a.html", "", "image/jpeg"}, {"a.mjs", "", "image/png"}, {"a.shtml", "", "image/png"}, {"a.xht", "", "image/png"}, {"a.SVG", "", "image/png"}, {"a.jpg", ".jpg", "image/jpeg;charset=utf8"},
		{"a.txt", "", "image/png;charset=utf8"}, {"a.zip", "", "application/octet-stream"}, {"a.png", ".png", ""},
		{"a.toolongext", "", "image/jpeg"},
		{"a.p/g", "", "image/jpeg"},
		{"../../etc/passwd", "", "image/jpeg"},
		{"a.夏", "", "image/jpeg"},
		{"a.z", ".z", "image/jpeg"},
		{"a.az09", ".az09", "image/jpeg"},
		{"a.x1", ".x1", "image/jpeg"},
		{"a.abcdefgh", ".abcdefgh", "image/jpeg"},
		{"a.abcdefghi", "", "image/jpeg"},
		{"a.a-b", "", "image/jpeg"},
		{"a.php%00.jpg", ".jpg", "image/jpeg"},
		{"*?", "", "image/jpeg"},
	} {
		for _, subject := range []string{"*", "../x", "a/b", "夏", "x'\"<>"} {
			w := wish()
			w.Filename, w.ContentType = tt.filename, tt.contentType
			p := policy()
			p.ContentTypes = append(p.ContentTypes, "application/gzip")
			g, err := p.Grant(callerauth.Caller{Subject: subject}, w, now, rand.Reader)
			if err != nil {
				t.Fatalf("Grant(%q): %v", tt.filename, err)
			}
			key := g.Claims.Key
			if !form.MatchString(key) || !strings.HasSuffix(key, g.Claims.ID+tt.ext) || len(key) > 1023 {
				t.Errorf("key for %q of %q = %q, want %s with extension %q", tt.filename, subject, key, form, tt.ext)
			}
			if seen[key] {
				t.Errorf("key %q came twice", key)
			}
			seen[key] = true
		}
	}
}

// RFC 9562, 5.7: of ten random bytes, version and variant replace six bits.
func TestIDIsUUIDv7(t *testing.T) {
	random := []byte{0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa}
	at := time.UnixMilli(0x019a9f3cabcd)
	g, err := policy().Grant(caller(), wish(), at, bytes.NewReader(random))
	if want := "019a9f3c-abcd-71f2-b3f4-f5f6f7f8f9fa"; err != nil || g.Claims.ID != want {
		t.Errorf("ID = %q, %v, want %q", g.Claims.ID, err, want)
	}
	if g, err := policy().Grant(caller(), wish(), at, bytes.NewReader(random[1:])); err == nil {
		t.Errorf("with nine random bytes ID = %q, want an error", g.Claims.ID)
	}
}

func TestCheckPrefix(t *testing.T) {
	for _, ok := range []string{"u/", "a/b-c_d.E/", "azAZ09-_./", "a_/", ".../", strings.Repeat("a", 255) + "/"} {
		for name, check := range map[string]func(string) error{"CheckPrefix": grant.CheckPrefix, "CheckBelow": grant.CheckBelow} {
			if err := check(ok); err != nil {
				t.Errorf("%s(%q) = %v, want nil", name, ok, err)
			}
		}
	}
	if grant.CheckPrefix("") == nil || grant.CheckBelow("") != nil {
		t.Errorf("of nothing CheckPrefix = %v, CheckBelow = %v, want an error and nil", grant.CheckPrefix(""), grant.CheckBelow(""))
	}
	for _, bad := range []string{"u", "/", "/u/", "u//", "a//b/", "../", "a/./", "*/", "a b/", "夏/", "a+b/", "a\\/", "a\n/", strings.Repeat("a", 256) + "/",
		"_/", "_sts/", "_ossupload/", "a/_b/", "a/_/"} {
		if grant.CheckPrefix(bad) == nil || grant.CheckBelow(bad) == nil {
			t.Errorf("CheckPrefix(%q) = %v, CheckBelow = %v, want errors", bad, grant.CheckPrefix(bad), grant.CheckBelow(bad))
		}
	}
}

// No two subjects share a prefix, and none's lies within another's.
func FuzzSubjectsShareNoPrefix(f *testing.F) {
	f.Add("a", "ab")
	f.Add("_", "_5f")
	f.Add("A", "_41")
	f.Add("__", "")
	f.Add(strings.Repeat("x", 128), strings.Repeat("x", 129))
	f.Add(strings.Repeat("é", 64), strings.Repeat("é", 65))
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == b || a == "" || b == "" {
			return
		}
		pa, pb := policy().OwnPrefix(a), policy().OwnPrefix(b)
		if strings.HasPrefix(pa, pb) || strings.HasPrefix(pb, pa) {
			t.Errorf("subjects %q and %q share the prefixes %q and %q", a, b, pa, pb)
		}
		for _, p := range []string{policy().STSPrefix(a), policy().STSPrefix(b)} {
			if strings.HasPrefix(p, pa) || strings.HasPrefix(pa, p) {
				t.Errorf("STS prefix %q and prefix %q lie within one another", p, pa)
			}
		}
		for _, p := range []string{pa, pb} {
			if strings.Count(p, "/") != 2 || strings.ContainsAny(p, "*?%\\") {
				t.Errorf("prefix %q is not one plain segment", p)
			}
			for _, root := range []string{grant.STSRoot("u/"), grant.OwnRoot("u/")} {
				if strings.HasPrefix(p, root) {
					t.Errorf("prefix %q lies below %q, which is no subject's", p, root)
				}
			}
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add("夏 100%.txt")
	f.Fuzz(func(t *testing.T, name string) {
		w := wish()
		w.Filename = name
		g, err := policy().Grant(caller(), w, now, zeros())
		if err != nil || !utf8.ValidString(name) { // which no route lets through
			return
		}
		header := g.Header["x-oss-meta-ossupload-filename"]
		for _, c := range []byte(header) {
			if c <= ' ' || c > '~' {
				t.Fatalf("header %q holds the byte %#x", header, c)
			}
		}
		if got := grant.Unescape(header); got != name {
			t.Errorf("Unescape(%q) = %q, want %q", header, got, name)
		}
	})
}

func TestUnescapeLeavesWhatIsNotEscaped(t *testing.T) {
	for text, want := range map[string]string{
		"%E5%A4%8F": "夏", "a%20b": "a b", "a+b": "a+b", "100%": "100%", "%zz": "%zz", "%ff": "%ff", "夏": "夏", "": "",
	} {
		if got := grant.Unescape(text); got != want {
			t.Errorf("Unescape(%q) = %q, want %q", text, got, want)
		}
	}
}

func ExamplePolicy_OwnPrefix() {
	p := grant.Policy{Prefix: "uploads/"}
	fmt.Println(p.OwnPrefix("alice@example.com"))
	// Output: uploads/alice_40example_2ecom/
}
