package signing_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"ossupload/shared/signing"
)

func partRequest() signing.Request {
	req := put()
	req.Header, req.AdditionalHeaders = nil, nil
	req.Query = []signing.Param{{"uploadId", "0004B9894A22E5B1888A1E29F823"}}
	return req
}

func TestPartsEqualPresign(t *testing.T) {
	s := newSigner(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, withLength := range []bool{false, true} {
		for _, key := range []string{"a/b.mp4", "夏 {partNumber}{signature}%00", strings.Repeat("x", 1023)} {
			req := partRequest()
			req.Key = key
			parts, err := s.PresignParts(cred, req, withLength, now)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 200 {
				number, length := int64(1+r.IntN(10000)), r.Int64N(5<<30)
				if i == 0 {
					number, length = 1, 0
				}
				if i == 1 {
					number = 10000
				}
				one := partRequest()
				one.Key = key
				setQuery(&one, "partNumber", strconv.FormatInt(number, 10))
				if withLength {
					one.Header = []signing.Param{{"content-length", strconv.FormatInt(length, 10)}}
					one.AdditionalHeaders = []string{"content-length"}
				}
				want, err := s.Presign(cred, one, now)
				if err != nil {
					t.Fatal(err)
				}
				got, err := parts.AppendURL([]byte("before "), number, length)
				if err != nil || string(got) != "before "+want.URL {
					t.Fatalf("AppendURL(%d, %d) =\n%s, %v, want\n%s", number, length, got, err, want.URL)
				}
				signature, err := parts.AppendSignature(nil, number, length)
				if err != nil {
					t.Fatal(err)
				}
				expanded := strings.NewReplacer("{partNumber}", strconv.FormatInt(number, 10), "{signature}", string(signature)).Replace(parts.Template())
				if expanded != want.URL {
					t.Fatalf("expanded template =\n%s, want\n%s", expanded, want.URL)
				}
				if !parts.ExpiresAt().Equal(want.ExpiresAt) {
					t.Fatalf("ExpiresAt = %v, want %v", parts.ExpiresAt(), want.ExpiresAt)
				}
			}
		}
	}
}

// What stands for the number and the signature must not be found elsewhere.
func TestPartsAreNotMisledByPlaceholders(t *testing.T) {
	s := newSigner(t)
	for _, odd := range []string{"\x00", "\x01", "%00", "partNumber=0", "&partNumber=0&", "{partNumber}", "{signature}", "&x-oss-signature="} {
		req := partRequest()
		req.Key = "k" + odd
		setQuery(&req, "callback", odd)
		setQuery(&req, "z", odd)
		setQuery(&req, "apartNumber", "0")
		setQuery(&req, "a"+odd, "0")
		setQuery(&req, "partNumber0", "0")
		setHeader(&req, "x-oss-meta-a", strings.Trim(odd, "\x00\x01")+"content-length:0")
		parts, err := s.PresignParts(cred, req, false, now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parts.AppendURL(nil, 7, 0)
		if err != nil {
			t.Fatal(err)
		}
		setQuery(&req, "partNumber", "7")
		want, err := s.Presign(cred, req, now)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want.URL {
			t.Errorf("with %q: AppendURL(7, 0) =\n%s\nwant\n%s", odd, got, want.URL)
		}
	}
}

func TestPartsRefuse(t *testing.T) {
	s := newSigner(t)
	tests := []struct {
		name       string
		change     func(*signing.Request)
		withLength bool
		want       error
	}{
		{"a part number", func(r *signing.Request) { setQuery(r, "partNumber", "1") }, false, signing.ErrQuery},
		{"no upload id", func(r *signing.Request) { r.Query = nil }, false, signing.ErrPart},
		{"not a PUT", func(r *signing.Request) { r.Method = "POST" }, false, signing.ErrPart},
		{"a length of its own", func(r *signing.Request) { setHeader(r, "Content-Length", "5") }, true, signing.ErrHeader},
		{"no life", func(r *signing.Request) { r.Expires = 0 }, false, signing.ErrExpires},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := partRequest()
			tt.change(&req)
			if _, err := s.PresignParts(cred, req, tt.withLength, now); !errors.Is(err, tt.want) {
				t.Errorf("PresignParts = %v, want %v", err, tt.want)
			}
		})
	}
	parts, err := s.PresignParts(cred, partRequest(), true, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][2]int64{{0, 1}, {-1, 1}, {10001, 1}, {1, -1}} {
		if got, err := parts.AppendURL([]byte("x"), p[0], p[1]); !errors.Is(err, signing.ErrPart) || string(got) != "x" {
			t.Errorf("AppendURL(%d, %d) = %q, %v, want ErrPart", p[0], p[1], got, err)
		}
	}
}
