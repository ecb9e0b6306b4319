package issuer_test

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ossupload/shared/issuer"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

// bucket starts multipart uploads under one id.
type bucket struct {
	id          string
	refuses     error // what Initiate and Abort fail with
	keepsAborts error

	started []map[string]string // headers
	aborted []string            // key and id
}

func (b *bucket) Initiate(_ context.Context, key string, header map[string]string) (string, error) {
	if key != "key" {
		return "", errors.New("another key")
	}
	if b.refuses != nil {
		return "", b.refuses
	}
	b.started = append(b.started, header)
	return b.id, nil
}

func (b *bucket) Abort(_ context.Context, key, uploadID string) error {
	b.aborted = append(b.aborted, key+" "+uploadID)
	return b.keepsAborts
}

const ossID = "0004B9894A22E5B1888A1E29F823602D" // 32 characters, as all of OSS

func TestMultipart(t *testing.T) {
	g := granted(uploadtoken.MultipartPart)
	before := maps.Clone(g.Header)
	b := &bucket{id: ossID}
	token, err := newIssuer(t, source{credentials: role}, noon).Multipart(t.Context(), g, b)
	if err != nil || len(b.started) != 1 || b.aborted != nil {
		t.Fatalf("Multipart = %v, with %d uploads and %q aborted, want one upload", err, len(b.started), b.aborted)
	}
	claims := g.Claims
	claims.UploadID = ossID
	checkToken(t, uploadtoken.Multipart, token, claims)

	want := maps.Clone(before)
	want[metaGrant] = b.started[0][metaGrant]
	if !maps.Equal(b.started[0], want) {
		t.Errorf("the upload was started with %v, want %v", b.started[0], want)
	}
	checkToken(t, uploadtoken.Grant, want[metaGrant], g.Claims)
	if !maps.Equal(g.Header, before) {
		t.Errorf("the grant's own headers became %v", g.Header)
	}
}

// An upload is started only if its token will fit, with the id that is not yet
// known.
func TestMultipartTooLongIsNotStarted(t *testing.T) {
	sealed := keyring(t, rand.Reader)
	fit, tooLong := 0, 0
	for n := 1000; n < 1500; n++ {
		g := granted(uploadtoken.MultipartPart)
		g.Claims.Vars = map[string]string{"v": strings.Repeat("x", n)}
		b := &bucket{id: ossID}
		_, err := newIssuer(t, source{credentials: role}, noon).Multipart(t.Context(), g, b)

		claims := g.Claims
		claims.UploadID = ossID
		if _, want := sealed.Seal(uploadtoken.Multipart, claims); want == nil {
			fit++
			if err != nil || len(b.started) != 1 {
				t.Errorf("%d bytes of variables: %v, want an upload", n, err)
			}
		} else {
			tooLong++
			if !errors.Is(err, uploadtoken.ErrTooLong) || len(b.started) != 0 {
				t.Errorf("%d bytes of variables: %v after starting %d uploads, want %v after none", n, err, len(b.started), uploadtoken.ErrTooLong)
			}
		}
	}
	if fit == 0 || tooLong == 0 {
		t.Errorf("%d fit and %d do not, want some of both", fit, tooLong)
	}
}

// Whatever fails, no upload is left that nobody can name.
func TestMultipartFails(t *testing.T) {
	refused, kept := errors.New("no upload today"), errors.New("no abort today")
	long := strings.Repeat("9", uploadtoken.MaxLen)
	tests := []struct {
		name    string
		bucket  bucket
		sealing int // tokens for which there is randomness
		want    []error
		started int
		aborted []string
	}{
		{"no randomness to try the token", bucket{id: ossID}, 0, nil, 0, nil},
		{"no randomness for the grant", bucket{id: ossID}, 1, nil, 0, nil},
		{"no upload", bucket{refuses: refused}, 3, []error{refused}, 0, nil},
		{"no randomness for the token", bucket{id: ossID}, 2, nil, 1, []string{"key " + ossID}},
		{"an id that does not fit", bucket{id: long}, 3, []error{uploadtoken.ErrTooLong}, 1, []string{"key " + long}},
		{"an id that does not fit, and no abort", bucket{id: long, keepsAborts: kept}, 3, []error{uploadtoken.ErrTooLong, kept}, 1, []string{"key " + long}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config(t, source{credentials: role}, noon)
			c.Keyring = keyring(t, sealings(tt.sealing))
			token, err := made(t, c).Multipart(t.Context(), granted(uploadtoken.MultipartPart), &tt.bucket)
			if err == nil || token != "" {
				t.Errorf("Multipart = %q, %v, want an error alone", token, err)
			}
			for _, want := range tt.want {
				if !errors.Is(err, want) {
					t.Errorf("err = %v, want %v", err, want)
				}
			}
			if len(tt.bucket.started) != tt.started || !slices.Equal(tt.bucket.aborted, tt.aborted) {
				t.Errorf("%d uploads were started and %q aborted, want %d and %q", len(tt.bucket.started), tt.bucket.aborted, tt.started, tt.aborted)
			}
		})
	}
}

func TestParts(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name     string
		size     *int64
		partSize int64
		number   int64
		length   string // that is signed; empty: none
	}{
		{"the first of three", size(2*mib + 7), mib, 1, "1048576"},
		{"the second of three", size(2*mib + 7), mib, 2, "1048576"},
		{"the last, which is shorter", size(2*mib + 7), mib, 3, "7"},
		{"the last, which is not", size(2 * mib), mib, 2, "1048576"},
		{"the one of an empty object", size(0), mib, 1, "0"},
		{"no size agreed", nil, mib, 1, ""},
		{"no part size agreed", size(5), 0, 1, ""},
		{"the greatest number", nil, 0, 10_000, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := granted(uploadtoken.MultipartPart).Claims
			c.UploadID, c.Size, c.PartSize = ossID, tt.size, tt.partSize
			parts, err := newIssuer(t, source{credentials: role}, noon).Parts(t.Context(), c, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			text, err := parts.AppendURL(nil, tt.number)
			if err != nil {
				t.Fatal(err)
			}
			got := string(text)
			// A Content-Type is not signed: browsers send none with a part.
			number := strconv.FormatInt(tt.number, 10)
			r := signing.Request{Method: "PUT", Bucket: "bucket", Key: "key", Query: signing.Query(map[string]string{"uploadId": ossID, "partNumber": number})}
			if tt.length != "" {
				r.Header, r.AdditionalHeaders = signing.Header(map[string]string{"content-length": tt.length}), []string{"content-length"}
			}
			if want := presigned(t, uploadHost, r); got != want {
				t.Errorf("URL = %s\nwant  %s", got, want)
			}
			// Clients that put it together from the template have the same.
			signature, err := parts.AppendSignature(nil, tt.number)
			filled := strings.NewReplacer("{partNumber}", number, "{signature}", string(signature)).Replace(parts.Template())
			if err != nil || filled != got {
				t.Errorf("template and signature make %s, %v\nwant %s", filled, err, got)
			}
		})
	}
}

func TestPartsRefuse(t *testing.T) {
	i := newIssuer(t, source{credentials: role}, noon)
	if _, err := i.Parts(t.Context(), granted(uploadtoken.MultipartPart).Claims, time.Time{}); !errors.Is(err, signing.ErrPart) {
		t.Errorf("Parts of no upload: %v, want %v", err, signing.ErrPart)
	}
	c := granted(uploadtoken.MultipartPart).Claims
	c.UploadID = ossID
	parts, err := i.Parts(t.Context(), c, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range []int64{-1, 0, 10_001} {
		if got, err := parts.AppendURL(nil, number); !errors.Is(err, signing.ErrPart) || len(got) > 0 {
			t.Errorf("AppendURL(%d) = %q, %v, want %v", number, got, err, signing.ErrPart)
		}
		if got, err := parts.AppendSignature(nil, number); !errors.Is(err, signing.ErrPart) || len(got) > 0 {
			t.Errorf("AppendSignature(%d) = %q, %v, want %v", number, got, err, signing.ErrPart)
		}
	}
}

var _ issuer.Uploads = (*bucket)(nil)
