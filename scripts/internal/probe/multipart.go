package probe

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

var multipartProbes = []Probe{
	{Fact: "multipart.part-numbers", Calls: 6, Try: partNumbers},
	{Fact: "multipart.least-part", Calls: 8, Try: leastPart},
	{Fact: "multipart.gone", Calls: 8, Try: gone},
	{Fact: "multipart.replaced-part", Calls: 6, Try: replacedPart},
	{Fact: "multipart.headers-at-initiate", Calls: 4, Try: headersAtInitiate},
	{Fact: "multipart.part-crc", Calls: 3, Try: partCRC},
	{Fact: "multipart.forbid-overwrite-at-initiate", Calls: 5, Try: forbidAtInitiate},
	{Fact: "multipart.no-such-upload-ec", Calls: 1, Try: noSuchUploadEC},
	{Fact: "multipart.complete-all-empty", Calls: 2, Try: completeAllEmpty},
	{Fact: "multipart.etag-suffix", Calls: 4, Try: etagSuffix},
}

// least is how many bytes a part but the last must have.
const least = 100 << 10

// initiate begins a multipart upload and returns its id.
func (r *run) initiate(ctx context.Context, key string) string { return r.initiateWith(ctx, key, nil) }

// initiateWith begins a multipart upload with headers and returns its id.
func (r *run) initiateWith(ctx context.Context, key string, header map[string]string) string {
	answer := r.do(ctx, call{method: "POST", key: key, query: map[string]string{"uploads": ""}, header: header})
	r.want(answer)
	id := element(answer.body, "UploadId")
	if id == "" {
		stop("an upload that was begun has no id")
	}
	return id
}

// uploaded is a part as a completion names it.
type uploaded struct {
	number int
	etag   string
}

func (r *run) putPart(ctx context.Context, key, id string, number int, body string, header map[string]string) reply {
	return r.do(ctx, call{method: "PUT", key: key, body: body, header: header,
		query: map[string]string{"uploadId": id, "partNumber": strconv.Itoa(number)}})
}

// part uploads one as a preparation.
func (r *run) part(ctx context.Context, key, id string, number int, body string, header map[string]string) uploaded {
	answer := r.putPart(ctx, key, id, number, body, header)
	r.want(answer)
	return uploaded{number, answer.header.Get("ETag")}
}

// complete ends a multipart upload.
func (r *run) complete(ctx context.Context, key, id string, header map[string]string, parts ...uploaded) reply {
	return r.do(ctx, call{method: "POST", key: key, query: map[string]string{"uploadId": id}, body: completion(parts...), header: header})
}

// completion is the document that completes an upload of these parts.
func completion(parts ...uploaded) string {
	var b strings.Builder
	b.WriteString("<CompleteMultipartUpload>")
	for _, p := range parts {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", p.number, p.etag)
	}
	b.WriteString("</CompleteMultipartUpload>")
	return b.String()
}

func (r *run) listParts(ctx context.Context, key, id string) reply {
	return r.do(ctx, call{method: "GET", key: key, query: map[string]string{"uploadId": id}})
}

// part1 is what a probe with one part uploads.
var part1 = strings.Repeat("p", least)

func partNumbers(ctx context.Context, r *run) Finding {
	key := r.key("a")
	id := r.initiate(ctx, key)
	zero, over := r.putPart(ctx, key, id, 0, "x", nil), r.putPart(ctx, key, id, 10_001, "x", nil)
	first, last := r.part(ctx, key, id, 1, part1, nil), r.putPart(ctx, key, id, 10_000, "x", nil)
	done := r.complete(ctx, key, id, nil, first, uploaded{10_000, last.header.Get("ETag")})
	return found(zero.status == http.StatusBadRequest && over.status == http.StatusBadRequest && last.ok() && done.ok(),
		"part 0: %v, 10,001: %v, 10,000: %v; a completion of 1 and 10,000: %v", zero, over, last, done)
}

func leastPart(ctx context.Context, r *run) Finding {
	var part, done [2]reply
	for i, size := range []int{least, least - 1} {
		key := r.key(strconv.Itoa(i))
		id := r.initiate(ctx, key)
		part[i] = r.putPart(ctx, key, id, 1, part1[:size], nil)
		last := r.part(ctx, key, id, 2, "x", nil)
		done[i] = r.complete(ctx, key, id, nil, uploaded{1, part[i].header.Get("ETag")}, last)
	}
	return found(done[0].ok() && part[1].ok() && done[1].code == "EntityTooSmall",
		"a first part of 102,400 bytes is completed: %v; one of 102,399 is taken: %v, and completed: %v", done[0], part[1], done[1])
}

func gone(ctx context.Context, r *run) Finding {
	key := r.key("completed")
	id := r.initiate(ctx, key)
	part := r.part(ctx, key, id, 1, "x", nil)
	r.want(r.complete(ctx, key, id, nil, part))
	again, late := r.complete(ctx, key, id, nil, part), r.putPart(ctx, key, id, 2, "x", nil)

	key = r.key("aborted")
	id = r.initiate(ctx, key)
	r.want(r.do(ctx, call{method: "DELETE", key: key, query: map[string]string{"uploadId": id}}))
	list := r.listParts(ctx, key, id)
	holds := true
	for _, a := range []reply{again, late, list} {
		holds = holds && a.status == http.StatusNotFound && a.code == "NoSuchUpload"
	}
	return found(holds, "of a completed upload a completion: %v, a part: %v; of an aborted one a list: %v", again, late, list)
}

func replacedPart(ctx context.Context, r *run) Finding {
	key := r.key("a")
	id := r.initiate(ctx, key)
	r.part(ctx, key, id, 1, "first", nil)
	second := r.part(ctx, key, id, 1, "second", nil)
	list := r.listParts(ctx, key, id)
	r.want(list)
	r.want(r.complete(ctx, key, id, nil, second))
	stored := r.do(ctx, call{method: "GET", key: key})
	count := strings.Count(list.body, "<Part>")
	return found(count == 1 && stored.body == "second",
		"a part that was sent twice is listed %d times, and the object holds the second: %v", count, stored.body == "second")
}

// headersAtInitiate leaves the storage class alone: another than the bucket's
// would cost for thirty days.
func headersAtInitiate(ctx context.Context, r *run) Finding {
	key := r.key("a")
	id := r.initiateWith(ctx, key, map[string]string{"Content-Type": "text/x-probe", "x-oss-meta-at": "initiate"})
	part := r.putPart(ctx, key, id, 1, "x", map[string]string{"Content-Type": "text/x-part", "x-oss-meta-at": "part"})
	r.want(part)
	r.want(r.complete(ctx, key, id, nil, uploaded{1, part.header.Get("ETag")}))
	head := r.do(ctx, call{method: "HEAD", key: key})
	r.want(head)
	ofInitiate := head.header.Get("Content-Type") == "text/x-probe" && head.header.Get("x-oss-meta-at") == "initiate"
	return found(ofInitiate, "type and metadata of the object are those of its initiation, and not those of its part: %v", ofInitiate)
}

func partCRC(ctx context.Context, r *run) Finding {
	key := r.key("a")
	id := r.initiate(ctx, key)
	part := r.putPart(ctx, key, id, 1, "123456789", nil)
	r.want(part)
	list := r.listParts(ctx, key, id)
	r.want(list)
	const check = "11051210869376104954" // of 123456789, which CRC catalogues have
	inList, inAnswer := element(list.body, "HashCrc64ecma") == check, part.header.Get("x-oss-hash-crc64ecma") == check
	return found(inList, "the CRC-64 of a part stands in a list of parts: %v; in the answer to it: %v", inList, inAnswer)
}

func forbidAtInitiate(ctx context.Context, r *run) Finding {
	key := r.key("a")
	if r.versioning(ctx) != "" {
		return notTried("needs a bucket without versioning, where the header does something")
	}
	id := r.initiateWith(ctx, key, map[string]string{"x-oss-forbid-overwrite": "true"})
	part := r.part(ctx, key, id, 1, "x", nil)
	r.put(ctx, key, "another", nil)
	done, value := r.complete(ctx, key, id, nil, part), "otherwise"
	switch {
	case done.ok():
		value = "forgotten"
	case done.status == http.StatusConflict:
		value = "kept"
	}
	return seen(value, "a completion, after an object was stored meanwhile: %v", done)
}

func noSuchUploadEC(ctx context.Context, r *run) Finding {
	sum := md5.Sum([]byte(r.folder))
	id := strings.ToUpper(hex.EncodeToString(sum[:])) // looks like one
	done := r.complete(ctx, r.key("a"), id, nil, uploaded{1, `"` + id + `"`})
	if done.code != "NoSuchUpload" {
		return seen(done.code, "a completion of an id that there is not: %v", done)
	}
	value := done.ec
	if value == "" {
		value = "none"
	}
	return seen(value, "a completion of an id that there is not: %v", done)
}

func completeAllEmpty(ctx context.Context, r *run) Finding {
	key := r.key("a")
	id := r.initiate(ctx, key)
	done := r.do(ctx, call{method: "POST", key: key, query: map[string]string{"uploadId": id}, header: map[string]string{"x-oss-complete-all": "yes"}})
	return seen(done.code, "x-oss-complete-all of an upload without parts: %v", done)
}

func etagSuffix(ctx context.Context, r *run) Finding {
	key := r.key("a")
	id := r.initiate(ctx, key)
	first, third := r.part(ctx, key, id, 1, part1, nil), r.part(ctx, key, id, 3, "x", nil)
	done := r.complete(ctx, key, id, nil, first, third)
	r.want(done)
	_, suffix, found := strings.Cut(strings.Trim(done.header.Get("ETag"), `"`), "-")
	value := "otherwise"
	switch {
	case !found:
		value = "none"
	case suffix == "2":
		value = "count"
	}
	return seen(value, "what the ETag of an object of the parts 1 and 3 ends in: %s", value)
}
