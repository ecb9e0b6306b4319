package oss

import (
	"encoding/json"
	"fmt"
	"hash/crc64"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func TestMultipartVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/multipart.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		ETags []struct {
			ID       string
			Parts    []string `json:"part_etags"`
			Expected string   `json:"expected_etag"`
		} `json:"multipart_etag"`
		CRC []struct {
			Input    string `json:"input_utf8"`
			Expected string `json:"expected_decimal"`
		} `json:"crc64"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.ETags) == 0 || len(file.CRC) == 0 {
		t.Fatal("testdata/multipart.json holds no vectors")
	}
	for _, v := range file.ETags {
		var parts []*part
		for _, etag := range v.Parts {
			parts = append(parts, &part{content: content{ETag: etag}})
		}
		if got := multipartETag(parts); got != v.Expected {
			t.Errorf("multipartETag(%s) = %s, want %s", v.ID, got, v.Expected)
		}
	}
	for _, v := range file.CRC {
		if got := strconv.FormatUint(crc64.Checksum([]byte(v.Input), crcTable), 10); got != v.Expected {
			t.Errorf("CRC of %q = %s, want %s", v.Input, got, v.Expected)
		}
	}
}

// initiate starts an upload of key with the SDK.
func (f *fixture) initiate(key string) *string {
	f.t.Helper()
	result, err := f.client(permanent).InitiateMultipartUpload(f.t.Context(), &oss.InitiateMultipartUploadRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), ContentType: oss.Ptr("video/mp4"), Metadata: map[string]string{"grant": "v1"},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if *result.Key != key {
		f.t.Errorf("initiated key = %q, want %q", *result.Key, key)
	}
	return result.UploadId
}

func (f *fixture) part(key string, id *string, number int, body string) oss.UploadPart {
	f.t.Helper()
	result, err := f.client(permanent).UploadPart(f.t.Context(), &oss.UploadPartRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), UploadId: id, PartNumber: int32(number), Body: strings.NewReader(body),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return oss.UploadPart{PartNumber: int32(number), ETag: result.ETag}
}

func (f *fixture) complete(key string, id *string, parts ...oss.UploadPart) (*oss.CompleteMultipartUploadResult, error) {
	f.t.Helper()
	return f.client(permanent).CompleteMultipartUpload(f.t.Context(), &oss.CompleteMultipartUploadRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), UploadId: id,
		CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: parts},
	})
}

func TestSDKMultipart(t *testing.T) {
	f := newFixture(t)
	const key = "a b/é.mp4"
	big, small := strings.Repeat("x", minPartSize), "tail"
	id := f.initiate(key)
	first := f.part(key, id, 1, big)
	f.part(key, id, 7, "replaced")
	last := f.part(key, id, 7, small)

	var listed []string
	paginator := f.client(permanent).NewListPartsPaginator(&oss.ListPartsRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), UploadId: id, MaxParts: 1})
	for paginator.HasNext() {
		page := must[*oss.ListPartsResult](t)(paginator.NextPage(t.Context()))
		if *page.Key != key || len(page.Parts) != 1 {
			t.Fatalf("page of %q with %d parts", *page.Key, len(page.Parts))
		}
		p := page.Parts[0]
		listed = append(listed, fmt.Sprintf("%d %s %d %s", p.PartNumber, *p.ETag, p.Size, *p.HashCRC64))
	}
	want := []string{
		fmt.Sprintf("%d %s %d %d", 1, *first.ETag, minPartSize, crc64.Checksum([]byte(big), crcTable)),
		fmt.Sprintf("%d %s %d %d", 7, *last.ETag, 4, crc64.Checksum([]byte(small), crcTable)),
	}
	if fmt.Sprint(listed) != fmt.Sprint(want) {
		t.Errorf("parts = %v, want %v", listed, want)
	}

	uploads := must[*oss.ListMultipartUploadsResult](t)(f.client(permanent).ListMultipartUploads(t.Context(), &oss.ListMultipartUploadsRequest{Bucket: oss.Ptr(testBucket)}))
	if len(uploads.Uploads) != 1 || *uploads.Uploads[0].Key != key || *uploads.Uploads[0].UploadId != *id {
		t.Errorf("uploads = %v", uploads.Uploads)
	}

	done := must[*oss.CompleteMultipartUploadResult](t)(f.complete(key, id, first, last))
	if *done.Key != key || !strings.HasSuffix(*done.ETag, `-2"`) || *done.HashCRC64 != strconv.FormatUint(crc64.Checksum([]byte(big+small), crcTable), 10) {
		t.Errorf("complete = %q %s %s", *done.Key, *done.ETag, *done.HashCRC64)
	}
	if body, _ := f.stored(key); body != big+small {
		t.Errorf("stored %d bytes, want %d", len(body), len(big+small))
	}
	head := must[*oss.HeadObjectResult](t)(f.client(permanent).HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key)}))
	if *head.ObjectType != "Multipart" || *head.ContentType != "video/mp4" || head.Metadata["grant"] != "v1" || head.ContentMD5 != nil || *head.ETag != *done.ETag {
		t.Errorf("head = %s %s %v %v %s", *head.ObjectType, *head.ContentType, head.Metadata, head.ContentMD5, *head.ETag)
	}
	_, err := f.complete(key, id, first, last)
	wantServiceError(t, err, 404, codeNoSuchUpload, "")
}

func TestAbort(t *testing.T) {
	f := newFixture(t)
	id := f.initiate("k")
	f.part("k", id, 1, "hello")
	client, ctx := f.client(permanent), t.Context()
	request := &oss.AbortMultipartUploadRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), UploadId: id}
	if got := must[*oss.AbortMultipartUploadResult](t)(client.AbortMultipartUpload(ctx, request)); got.StatusCode != 204 {
		t.Errorf("abort = %d, want 204", got.StatusCode)
	}
	_, err := client.AbortMultipartUpload(ctx, request)
	wantServiceError(t, err, 404, codeNoSuchUpload, "0042-00000002")
	_, err = client.ListParts(ctx, &oss.ListPartsRequest{Bucket: request.Bucket, Key: request.Key, UploadId: id})
	wantServiceError(t, err, 404, codeNoSuchUpload, "0042-00000002")
	_, err = client.UploadPart(ctx, &oss.UploadPartRequest{Bucket: request.Bucket, Key: request.Key, UploadId: id, PartNumber: 1})
	wantServiceError(t, err, 404, codeNoSuchUpload, "0042-00000104")
}

func TestCompleteRefusals(t *testing.T) {
	big := strings.Repeat("x", minPartSize)
	for _, test := range []struct {
		name   string
		bodies []string
		change func([]oss.UploadPart) []oss.UploadPart
		status int
		code   code
		ec     string
	}{
		{"a small part that is not the last", []string{"small", "tail"}, func(p []oss.UploadPart) []oss.UploadPart { return p }, 400, codeEntityTooSmall, ""},
		{"a part twice", []string{big}, func(p []oss.UploadPart) []oss.UploadPart { return append(p, p[0]) }, 400, codeInvalidPartOrder, "0042-00000209"},
		{"a part that is missing", []string{big}, func(p []oss.UploadPart) []oss.UploadPart {
			return append(p, oss.UploadPart{PartNumber: 2, ETag: p[0].ETag})
		}, 400, codeInvalidPart, ""},
		{"another ETag", []string{big, "tail"}, func(p []oss.UploadPart) []oss.UploadPart { p[1].ETag = p[0].ETag; return p }, 400, codeInvalidPart, ""},
		{"no parts", []string{big}, func([]oss.UploadPart) []oss.UploadPart { return nil }, 400, codeMalformedXML, "0042-00000205"},
		{"part number 10,001", []string{big}, func(p []oss.UploadPart) []oss.UploadPart {
			return append(p, oss.UploadPart{PartNumber: 10001, ETag: p[0].ETag})
		}, 400, codeInvalidArgument, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			id := f.initiate("k")
			var parts []oss.UploadPart
			for i, body := range test.bodies {
				parts = append(parts, f.part("k", id, i+1, body))
			}
			_, err := f.complete("k", id, test.change(parts)...)
			wantServiceError(t, err, test.status, test.code, test.ec)
			if _, ok := f.stored("k"); ok {
				t.Error("a refused completion made an object")
			}
			if _, err := f.s.store.lockUpload(testBucket, "k", *id); err != nil {
				t.Error("a refused completion ended the upload")
			}
		})
	}
}

// TestCompleteOrder sends the document itself: the SDK sorts parts.
func TestCompleteOrder(t *testing.T) {
	f := newFixture(t)
	id := f.initiate("k")
	f.part("k", id, 1, strings.Repeat("x", minPartSize))
	f.part("k", id, 2, "tail")
	signed := f.presign(permanent, &oss.CompleteMultipartUploadRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), UploadId: id})
	const unordered = "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>x</ETag></Part>" +
		"<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"
	f.wantError(f.send(signed.Method, signed.URL, signed.SignedHeaders, unordered), 400, codeInvalidPartOrder, "0042-00000209")
	for _, body := range []string{"", "<CompleteMultipartUpload>", "<Other/>", "{}"} {
		f.wantError(f.send(signed.Method, signed.URL, signed.SignedHeaders, body), 400, codeMalformedXML, "0042-00000205")
	}
}

func TestCompleteAll(t *testing.T) {
	f := newFixture(t)
	id := f.initiate("k")
	big := strings.Repeat("x", minPartSize)
	part := f.part("k", id, 3, big)
	f.part("k", id, 9, "tail")
	request := &oss.CompleteMultipartUploadRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), UploadId: id, CompleteAll: oss.Ptr("yes"),
		CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: []oss.UploadPart{part}},
	}
	_, err := f.client(permanent).CompleteMultipartUpload(t.Context(), request)
	wantServiceError(t, err, 400, codeInvalidArgument, "0042-00000216")
	request.CompleteMultipartUpload = nil
	must[*oss.CompleteMultipartUploadResult](t)(f.client(permanent).CompleteMultipartUpload(t.Context(), request))
	if body, _ := f.stored("k"); body != big+"tail" {
		t.Errorf("stored %d bytes", len(body))
	}
}

func TestMultipartForbidOverwrite(t *testing.T) {
	f := newFixture(t)
	id := f.initiate("k")
	part := f.part("k", id, 1, "new")
	f.put("k", "old")
	client := f.client(permanent)
	_, err := client.InitiateMultipartUpload(t.Context(), &oss.InitiateMultipartUploadRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), ForbidOverwrite: oss.Ptr("true"),
	})
	wantServiceError(t, err, 409, codeFileAlreadyExists, "")
	_, err = client.CompleteMultipartUpload(t.Context(), &oss.CompleteMultipartUploadRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), UploadId: id, ForbidOverwrite: oss.Ptr("true"),
		CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: []oss.UploadPart{part}},
	})
	wantServiceError(t, err, 409, codeFileAlreadyExists, "")
	if body, _ := f.stored("k"); body != "old" {
		t.Errorf("stored %q, want the old object", body)
	}
}

func TestListUploads(t *testing.T) {
	f := newFixture(t)
	for _, key := range []string{"a b", "d/1", "d/1", "d/2", "e"} {
		f.initiate(key)
	}
	for _, test := range []struct {
		name   string
		change func(*oss.ListMultipartUploadsRequest)
		want   string
	}{
		{"everything", func(*oss.ListMultipartUploadsRequest) {}, "a b,d/1|d/1,d/2|e"},
		{"a prefix", func(r *oss.ListMultipartUploadsRequest) { r.Prefix = oss.Ptr("d/") }, "d/1,d/1|d/2"},
		{"a key marker", func(r *oss.ListMultipartUploadsRequest) { r.KeyMarker = oss.Ptr("d/1") }, "d/2,e"},
		{"a delimiter", func(r *oss.ListMultipartUploadsRequest) { r.Delimiter = oss.Ptr("/") }, "a b|e"},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := &oss.ListMultipartUploadsRequest{Bucket: oss.Ptr(testBucket), MaxUploads: 2}
			test.change(request)
			var pages []string
			for p := f.client(permanent).NewListMultipartUploadsPaginator(request); p.HasNext(); {
				page := must[*oss.ListMultipartUploadsResult](t)(p.NextPage(t.Context()))
				var keys []string
				for _, u := range page.Uploads {
					keys = append(keys, *u.Key)
				}
				pages = append(pages, strings.Join(keys, ","))
			}
			if got := strings.Join(pages, "|"); got != test.want {
				t.Errorf("pages = %q, want %q", got, test.want)
			}
		})
	}
}

// TestCompleteRace completes one upload many times at once: one wins, the
// others find no upload.
func TestCompleteRace(t *testing.T) {
	f := newFixture(t)
	id := f.initiate("k")
	part := f.part("k", id, 1, "hello")
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = f.complete("k", id, part) })
	}
	wg.Wait()
	winners := 0
	for _, err := range errs {
		if err == nil {
			winners++
			continue
		}
		wantServiceError(t, err, 404, codeNoSuchUpload, "")
	}
	if winners != 1 {
		t.Errorf("%d completions won, want 1", winners)
	}
}

func TestPresignedPart(t *testing.T) {
	f := newFixture(t)
	id := f.initiate("k")
	for _, test := range []struct {
		name   string
		number int32
		status int
		code   code
	}{
		{"the first number", 1, 200, ""},
		{"the last number", 10000, 200, ""},
		{"a number too high", 10001, 400, codeInvalidArgument},
	} {
		t.Run(test.name, func(t *testing.T) {
			signed := f.presign(temporary, &oss.UploadPartRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), UploadId: id, PartNumber: test.number})
			got := f.send(signed.Method, signed.URL, nil, "hello")
			f.wantStatus(got, test.status)
			if got.Code != test.code {
				t.Errorf("code = %s, want %s", got.Code, test.code)
			}
			if test.status == 200 && got.header.Get("ETag") != `"5D41402ABC4B2A76B9719D911017C592"` {
				t.Errorf("ETag = %s", got.header.Get("ETag"))
			}
		})
	}
	signed := f.presign(temporary, &oss.UploadPartRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr("other"), UploadId: id, PartNumber: 1,
	})
	f.wantError(f.send(signed.Method, signed.URL, nil, "hello"), 404, codeNoSuchUpload, "0042-00000104")
}
