package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/shared/cputime"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// The rows of the table of speed that this function is about: whole invocations,
// from event to answer, with the line that is logged for them.

const (
	rowParts    = grant.MaxParts
	rowPartSize = 5 << 20
	rowKey      = "u/alice/2026/11/01a22d4a-b534-7000-8000-000000000000.mp4"
)

// rowOwn are a role's credentials, whose security token is as long as they are.
var rowOwn = rolecreds.Credentials{
	AccessKeyID: "STS.NUgYrLnoC37mZZCNnAbez7Jqy", AccessKeySecret: strings.Repeat("s", 44), SecurityToken: strings.Repeat("CAIS/t+=", 75),
}

// row is an upload of as many parts as there can be, and the function that it is
// asked of.
type row struct {
	*fixture
	adapter *fchttp.Adapter
	claims  uploadtoken.Claims
}

func newRow(b *testing.B, changes ...func(*fixture)) *row {
	b.Helper()
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	f := newFixture(b, append(changes, func(f *fixture) { f.outside.credentials, f.outside.log = &own{credentials: rowOwn}, log })...)
	size := int64(rowParts * rowPartSize)
	return &row{
		fixture: f,
		adapter: &fchttp.Adapter{Handler: f.handler.routes(), Log: log, Now: f.now, Pseudonym: f.handler.keyring.Pseudonym},
		claims: uploadtoken.Claims{
			ID: "01a22d4a-b534-7000-8000-000000000000", Method: uploadtoken.MultipartPart, Key: rowKey, Subject: "alice",
			Size: &size, MaxSize: size, PartSize: rowPartSize, ContentType: "image/png",
			Metadata: grant.MetadataSum(map[string]string{"ossupload-filename": "summer.mp4"}),
			UploadID: "0004B9894A22E5B1888A1E29F823D4C1", IssuedAt: today.Unix(), ExpiresAt: today.Add(tokenTTL).Unix(),
		},
	}
}

// event is a request of alice's about the upload.
func (r *row) event(b *testing.B, method, more string, query map[string][]string, body string) []byte {
	b.Helper()
	path := "/s3/multipart/" + r.seal(uploadtoken.Multipart, r.claims) + more
	return []byte(jsonOf(b, map[string]any{
		"version": "v1", "rawPath": path, "queryParameters": query, "body": body,
		"headers":        map[string]string{"Authorization": "alice", "Content-Type": "application/json"},
		"requestContext": map[string]any{"http": map[string]string{"method": method, "path": path}},
	}))
}

// batch is an answer with URLs or signatures.
type batch struct {
	Template                  string
	PresignedURLs, Signatures map[string]string
}

// ask invokes the function with an event that it grants.
func (r *row) ask(b *testing.B, event []byte) ([]byte, error) {
	out, err := r.adapter.Invoke(b.Context(), "request-1", event)
	if err == nil && !strings.Contains(string(out[:min(len(out), 1<<10)]), `"statusCode":200`) {
		err = fmt.Errorf("answer %.500s, want 200", out)
	}
	return out, err
}

// batch asks for parts, and reads the answer.
func (r *row) batch(b *testing.B, event []byte) (got batch) {
	b.Helper()
	out, err := r.ask(b, event)
	if err != nil {
		b.Fatal(err)
	}
	var a struct {
		IsBase64Encoded bool
		Body            string
	}
	err = json.Unmarshal(out, &a)
	body := []byte(a.Body)
	if err == nil && a.IsBase64Encoded {
		body, err = base64.StdEncoding.DecodeString(a.Body)
	}
	if err := errors.Join(err, json.Unmarshal(body, &got)); err != nil {
		b.Fatal(err)
	}
	return got
}

// BenchmarkRowPartURLsHandler is the URLs of 10,000 parts in answers of as many as
// one may have, beside an application that presigns them with the official SDK and
// answers them as JSON.
func BenchmarkRowPartURLsHandler(b *testing.B) {
	r := newRow(b)
	var events [][]byte
	for first := 1; first <= rowParts; first += maxBatchURLs {
		list := fmt.Sprintf("%d-%d", first, first+maxBatchURLs-1)
		events = append(events, r.event(b, "GET", "/batch", map[string][]string{"partNumbers": {list}}, ""))
	}
	client := oss.NewClient(oss.NewConfig().WithRegion(region).WithEndpoint("oss-cn-hangzhou.aliyuncs.com").
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(rowOwn.AccessKeyID, rowOwn.AccessKeySecret, rowOwn.SecurityToken)).
		WithAdditionalHeaders([]string{"content-length"}))
	bucket, key, id := bucketName, rowKey, r.claims.UploadID
	header := map[string]string{"content-length": strconv.Itoa(rowPartSize)}
	sdk := func(first int) ([]byte, error) {
		urls := make(map[string]string, maxBatchURLs)
		for n := first; n < first+maxBatchURLs; n++ {
			res, err := client.Presign(context.Background(), &oss.UploadPartRequest{
				Bucket: &bucket, Key: &key, UploadId: &id, PartNumber: int32(n), RequestCommon: oss.RequestCommon{Headers: header},
			}, oss.PresignExpires(15*time.Minute))
			if err != nil {
				return nil, err
			}
			urls[strconv.Itoa(n)] = res.URL
		}
		return json.Marshal(map[string]any{"presignedUrls": urls})
	}

	text, err := sdk(1)
	if err != nil {
		b.Fatal(err)
	}
	var theirs batch
	if err := json.Unmarshal(text, &theirs); err != nil {
		b.Fatal(err)
	}
	ours := r.batch(b, events[0])
	if our, their := ours.PresignedURLs["7"], theirs.PresignedURLs["7"]; len(ours.PresignedURLs) != maxBatchURLs || len(our) != len(their) {
		b.Fatalf("ours and theirs are not URLs of the same request:\n%.400s\n%.400s", our, their)
	}
	cputime.Bench(b, "ours", func() error {
		for _, event := range events {
			if _, err := r.ask(b, event); err != nil {
				return err
			}
		}
		return nil
	})
	cputime.Bench(b, "peer", func() error {
		for first := 1; first <= rowParts; first += maxBatchURLs {
			if _, err := sdk(first); err != nil {
				return err
			}
		}
		return nil
	})
}

// BenchmarkRowPartSignatures is the signatures of 10,000 parts in one answer,
// beside a hash and an HMAC of strings of the same length for each.
func BenchmarkRowPartSignatures(b *testing.B) {
	r := newRow(b)
	event := r.event(b, "GET", "/batch", map[string][]string{"partNumbers": {"1-10000"}, "as": {"template"}}, "")
	cputime.Bench(b, "ours", func() error {
		_, err := r.ask(b, event)
		return err
	})
	got := r.batch(b, event)
	if len(got.Signatures) != rowParts {
		b.Fatalf("%d signatures, want %d", len(got.Signatures), rowParts)
	}
	canonical, toSign, key := rowPart(b, got.Template, rowParts)
	mac := hmac.New(sha256.New, key)
	var signature [sha256.Size]byte
	sign := func() {
		sum := sha256.Sum256(canonical)
		hex.Encode(toSign[len(toSign)-64:], sum[:])
		mac.Reset()
		mac.Write(toSign)
		mac.Sum(signature[:0])
	}
	if sign(); hex.EncodeToString(signature[:]) != got.Signatures["10000"] {
		b.Fatalf("the peer signs something else: %x, want %s", signature, got.Signatures["10000"])
	}
	cputime.Bench(b, "peer", func() error {
		for range rowParts {
			sign()
		}
		return nil
	})
}

// rowPart is what is hashed and what is signed for a part, read out of the
// template. toSign ends with room for the hash.
func rowPart(b *testing.B, template string, number int) (canonical, toSign, key []byte) {
	b.Helper()
	u, err := url.Parse(strings.NewReplacer(signing.PartNumberPlaceholder, strconv.Itoa(number), signing.SignaturePlaceholder, "").Replace(template))
	if err != nil {
		b.Fatal(err)
	}
	params := slices.DeleteFunc(strings.Split(u.RawQuery, "&"), func(p string) bool { return p == "x-oss-signature=" })
	canonical = fmt.Appendf(nil, "PUT\n/%s%s\n%s\ncontent-length:%d\n\ncontent-length\nUNSIGNED-PAYLOAD", bucketName, u.EscapedPath(), strings.Join(params, "&"), rowPartSize)
	date := u.Query().Get("x-oss-date")
	scope := date[:8] + "/" + region + "/oss/aliyun_v4_request"
	toSign = fmt.Appendf(nil, "OSS4-HMAC-SHA256\n%s\n%s\n%064d", date, scope, 0)
	key = []byte("aliyun_v4" + rowOwn.AccessKeySecret)
	for part := range strings.SplitSeq(scope, "/") {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return canonical, toSign, key
}

// BenchmarkRowCompleteParts is the completion of 10,000 parts which the client
// names as Uppy does, beside decoding the pages of the parts with encoding/xml.
// OSS is a server on loopback that has every answer ready; what it costs, in this
// process, counts as ours.
func BenchmarkRowCompleteParts(b *testing.B) { rowComplete(b, rowParts, false) }

// BenchmarkRowCompletePartsCRC64 is the same with the CRC-64 of the object
// declared, which is then combined from those of the parts.
func BenchmarkRowCompletePartsCRC64(b *testing.B) { rowComplete(b, rowParts, true) }

// BenchmarkGrowthComplete is how completion grows with the parts.
func BenchmarkGrowthComplete(b *testing.B) {
	for _, parts := range []int{1, 10, 100, 1000, 10_000} {
		b.Run(strconv.Itoa(parts), func(b *testing.B) { rowComplete(b, parts, false) })
	}
}

func rowComplete(b *testing.B, parts int, declared bool) {
	stored := newReadyOSS(parts)
	server := httptest.NewServer(stored)
	b.Cleanup(server.Close)
	endpoint, err := signing.ParseEndpoint(server.URL, signing.PathStyle)
	if err != nil {
		b.Fatal(err)
	}
	r := newRow(b, func(f *fixture) {
		f.outside.storage = storage.New(storage.Config{Region: region, Bucket: bucketName, Endpoint: endpoint, Credentials: &own{credentials: rowOwn}})
	})
	size := int64(parts * rowPartSize)
	r.claims.Size, r.claims.MaxSize = &size, size
	if declared {
		r.claims.CRC64 = stored.header["x-oss-hash-crc64ecma"]
	}
	stored.header["x-oss-meta-ossupload-grant"] = r.seal(uploadtoken.Grant, r.claims)
	event := r.event(b, "POST", "/complete", nil, stored.listing())
	cputime.Bench(b, "ours", func() error {
		// Each is the first of its object: the last one is not of this minute.
		r.clock = today.Add(time.Minute - r.clock.Sub(today))
		_, err := r.ask(b, event)
		if told := len(r.webhook.taken()); err == nil && told != 1 {
			err = fmt.Errorf("%d events, want one", told)
		}
		return err
	})
	cputime.Bench(b, "peer", func() error {
		held := 0
		for _, page := range stored.pages {
			var p struct {
				NextPartNumberMarker int32
				IsTruncated          bool
				Part                 []struct {
					PartNumber    int32
					ETag          string
					HashCrc64ecma string
					Size          int64
				}
			}
			if err := xml.Unmarshal(page, &p); err != nil {
				return err
			}
			held += len(p.Part)
		}
		if held != parts {
			return fmt.Errorf("%d parts, want %d", held, parts)
		}
		return nil
	})
}

// readyOSS answers for one upload and its object, with what it has ready.
type readyOSS struct {
	pages  [][]byte // of ListParts, 1,000 parts each, as the reference shows them
	etags  []string
	header map[string]string // of the object
}

func newReadyOSS(parts int) *readyOSS {
	s := &readyOSS{}
	// What follows one more part is linear in what was before: 64 combinations say
	// all of it, and 10,000 would take seconds.
	var after [64]uint64
	for bit := range after {
		after[bit] = oss.CRC64Combine(1<<bit, 0, rowPartSize)
	}
	var crc uint64
	for first := 1; first <= parts; first += 1000 {
		last := min(first+999, parts)
		page := fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<ListPartsResult>
  <EncodingType>url</EncodingType>
  <Bucket>%s</Bucket>
  <Key>%s</Key>
  <UploadId>0004B9894A22E5B1888A1E29F823D4C1</UploadId>
  <StorageClass>Standard</StorageClass>
  <PartNumberMarker>%d</PartNumberMarker>
  <NextPartNumberMarker>%d</NextPartNumberMarker>
  <MaxParts>1000</MaxParts>
  <IsTruncated>%t</IsTruncated>
`, bucketName, url.QueryEscape(rowKey), first-1, last, last < parts)
		for n := first; n <= last; n++ {
			// Neither is of any bytes; both have to be as long as those that are.
			sum := sha256.Sum256([]byte{byte(n), byte(n >> 8)})
			etag, partCRC := strings.ToUpper(hex.EncodeToString(sum[:16])), uint64(n)*0x9E3779B97F4A7C15
			before := crc
			for crc = partCRC; before != 0; before &= before - 1 {
				crc ^= after[bits.TrailingZeros64(before)]
			}
			page = fmt.Appendf(page, `  <Part>
    <PartNumber>%d</PartNumber>
    <LastModified>2026-11-20T09:41:07.000Z</LastModified>
    <ETag>"%s"</ETag>
    <HashCrc64ecma>%d</HashCrc64ecma>
    <Size>%d</Size>
  </Part>
`, n, etag, partCRC, rowPartSize)
			s.etags = append(s.etags, etag)
		}
		s.pages = append(s.pages, append(page, "</ListPartsResult>\n"...))
	}
	s.header = map[string]string{
		"Content-Length": strconv.Itoa(parts * rowPartSize), "Content-Type": "image/png", "ETag": `"5F1D3DD2E24B4A4B8A4A1CD9B1B0B3C8-` + strconv.Itoa(parts) + `"`,
		"Last-Modified": today.Format(http.TimeFormat), "x-oss-object-type": "Multipart", "x-oss-hash-crc64ecma": strconv.FormatUint(crc, 10),
		"x-oss-storage-class": "Standard", "x-oss-meta-ossupload-filename": "summer.mp4",
	}
	return s
}

// listing is the body of a completion: what a client knows of its parts.
func (s *readyOSS) listing() string {
	parts := make([]storage.Part, len(s.etags))
	for i, etag := range s.etags {
		parts[i] = storage.Part{Number: int64(i + 1), ETag: etag}
	}
	return listing(parts...)
}

func (s *readyOSS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-oss-request-id", "5C3D9175B6FC201293AD4890")
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && query.Has("uploadId"):
		marker, _ := strconv.Atoi(query.Get("part-number-marker"))
		_, _ = w.Write(s.pages[marker/1000])
	case r.Method == http.MethodPost:
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
	case r.Method == http.MethodHead:
		for name, value := range s.header {
			w.Header().Set(name, value)
		}
	case r.Method == http.MethodGet:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
	}
}
