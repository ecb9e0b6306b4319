package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
)

func TestComplete(t *testing.T) {
	f := newFixture(t, func(f *fixture) { f.settings.ReceiptSecret = []byte(strings.Repeat("r", 32)) })
	s := f.start(`{"filename":"夏.png","type":"image/png","size":102405,"partSize":102400,"metadata":{"album":"a b"},"vars":{"order":"7"}}`)
	parts := f.fill(s, 100*kib, 5)
	var got confirm.Answer
	f.as("alice", "POST", s.path("/complete"), listing(parts...)).ok(&got)

	calls := f.asked(storagetest.ListParts, storagetest.Complete, storagetest.Head, storagetest.Put)
	for i, p := range calls[1].Parts {
		if p.Number != parts[i].Number || p.ETag != parts[i].ETag {
			t.Errorf("completed with %+v, want %+v", calls[1].Parts, parts)
		}
	}
	object, _ := f.bucket.Object(s.Key)
	if marker := grant.Marker(prefix, s.Key, object.ETag, object.Size, object.LastModified); calls[3].Key != marker || string(calls[3].Content) != "taken" {
		t.Errorf("marked %q with %q, want %q", calls[3].Key, calls[3].Content, marker)
	}
	want := confirm.Answer{Delivered: true, ReceiptToken: got.ReceiptToken, Receipt: confirm.Receipt{
		Location: "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/" + s.Key, Bucket: bucketName, Key: s.Key, Size: 102405, ETag: object.ETag,
		CRC64: object.CRC64, ContentType: "image/png", Filename: "夏.png", Metadata: map[string]string{"album": "a b"},
		Vars: map[string]string{"order": "7"}, UploadedAt: today, EventID: got.EventID,
	}}
	if got, want := jsonOf(t, got), jsonOf(t, want); got != want {
		t.Errorf("receipt\n%s, want\n%s", got, want)
	}
	if got.ReceiptToken == "" || !strings.HasPrefix(got.EventID, "evt_") {
		t.Errorf("receipt %+v lacks a token or an id", got)
	}
	events := f.webhook.taken()
	if len(events) != 1 || events[0].ID != got.EventID {
		t.Fatalf("events = %+v, want one of %s", events, got.EventID)
	}
	// The event is the receipt and the subject; it needs no proof.
	data := map[string]any{}
	if err := json.Unmarshal([]byte(jsonOf(t, got)), &data); err != nil {
		t.Fatal(err)
	}
	delete(data, "receiptToken")
	delete(data, "delivered")
	data["subject"] = "alice"
	if got, want := jsonOf(t, events[0].Data), jsonOf(t, data); got != want {
		t.Errorf("event\n%s, want\n%s", got, want)
	}

	// Asked again, the same: by this instance, which does not tell again at once,
	// and by another.
	first := f.as("alice", "POST", s.path("/complete"), listing(parts...))
	f.asked(storagetest.ListParts, storagetest.Head, storagetest.Put)
	f.told()
	f.again()
	second := f.as("alice", "POST", s.path("/complete"), "")
	f.told(s.Key)
	for _, r := range []reply{first, second} {
		var again confirm.Answer
		if r.ok(&again); jsonOf(t, again) != jsonOf(t, got) {
			t.Errorf("asked again: %s, want %+v", r.body, got)
		}
	}
}

// Nothing is created unless the parts are those that were agreed.
func TestCompleteRefusesParts(t *testing.T) {
	type bodyOf func(parts []storage.Part) string
	all := func(parts []storage.Part) string { return listing(parts...) }
	none := func([]storage.Part) string { return "" }
	with := func(change func(parts []storage.Part) []storage.Part) bodyOf {
		return func(parts []storage.Part) string { return listing(change(parts)...) }
	}
	extra := func(numbers ...int64) bodyOf {
		return with(func(parts []storage.Part) []storage.Part {
			for _, n := range numbers {
				parts = append(parts, storage.Part{Number: n, ETag: "X"})
			}
			return parts
		})
	}
	const whole, part = 2*100*kib + 5, 100 * kib
	tests := []struct {
		name  string
		agree string
		sizes []int // 0: the part is not uploaded
		body  bodyOf
		want  []partFault
	}{
		{"missing, none named", sized(whole), []int{part, 0, 5}, none, []partFault{{2, "missing"}}},
		{"missing, though named", sized(whole), []int{part, 0, 5}, all, []partFault{{2, "missing"}}},
		{"a gap where nothing was agreed", `{"filename":"a.png"}`, []int{part, 0, 5}, none, []partFault{{2, "missing"}}},
		{"nothing uploaded", `{"filename":"a.png"}`, nil, none, []partFault{{1, "missing"}}},
		{"the last one missing", sized(whole), []int{part, part}, none, []partFault{{3, "missing"}}},
		{"named twice", sized(whole), []int{part, part, 5}, with(func(p []storage.Part) []storage.Part { return append(p, p[2]) }), []partFault{{3, "duplicate"}}},
		{"out of order", sized(whole), []int{part, part, 5}, with(func(p []storage.Part) []storage.Part { p[0], p[1] = p[1], p[0]; return p }), []partFault{{1, "out_of_order"}}},
		{"not listed", sized(whole), []int{part, part, 5}, with(func(p []storage.Part) []storage.Part { return p[:2] }), []partFault{{3, "not_listed"}}},
		{"another ETag", sized(whole), []int{part, part, 5}, with(func(p []storage.Part) []storage.Part { p[1].ETag = "X"; return p }), []partFault{{2, "etag_mismatch"}}},
		{"of another size", sized(whole), []int{part, part, 6}, all, []partFault{{3, "size is 6, agreed was 5"}}},
		{"too small", `{"filename":"a.png"}`, []int{part - 1, 5}, all, []partFault{{1, "size is 102399, at least 102400 are needed"}}},
		{"beyond the last", sized(whole), []int{part, part, 5, 5}, all, []partFault{{4, "beyond_the_last"}}},
		{"too many", sized(5), []int{5, 5, 5}, none, []partFault{{2, "beyond_the_last"}, {3, "beyond_the_last"}}},
		{"number 0", sized(whole), []int{part, part, 5}, extra(0), []partFault{{0, "invalid_number"}}},
		{"number -1", sized(whole), []int{part, part, 5}, extra(-1), []partFault{{-1, "invalid_number"}}},
		{"number 10001", sized(whole), []int{part, part, 5}, extra(10001), []partFault{{10001, "invalid_number"}}},
		{"number 2^62", sized(whole), []int{part, part, 5}, extra(1 << 62), []partFault{{1 << 62, "invalid_number"}}},
		{"an empty list", sized(5), []int{5}, func([]storage.Part) string { return `{"parts":[]}` }, []partFault{{1, "not_listed"}}},
		{"more than may be", `{"filename":"a.png","partSize":102400}`, []int{part, part + 1}, all, []partFault{{2, "size is 102401, agreed was 102400"}}},
		{"over 20 faults", sized(30 * part), nil, none, func() (want []partFault) {
			for n := range int64(api.MaxFaults) {
				want = append(want, partFault{n + 1, "missing"})
			}
			return want
		}()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			s := f.start(tt.agree)
			parts := []storage.Part{}
			for i, size := range tt.sizes {
				p := storage.Part{Number: int64(i + 1), ETag: "NEVER"}
				if size > 0 {
					p = f.bucket.UploadPart(s.claims.UploadID, p.Number, make([]byte, size))
				}
				parts = append(parts, p)
			}
			details := f.as("alice", "POST", s.path("/complete"), tt.body(parts)).refused(api.PartsMismatch)
			var got []partFault
			if err := json.Unmarshal(details, &got); err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("faults = %v, %v, want %v", got, err, tt.want)
			}
			f.asked(storagetest.ListParts)
			f.told()
			if open := f.bucket.Open(); len(open) != 1 || len(f.bucket.Keys("")) != 0 {
				t.Errorf("uploads %+v, keys %q, want the upload still open", open, f.bucket.Keys(""))
			}
		})
	}
}

func TestCompleteRefusesRequests(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	many := make([]storage.Part, 10_001)
	for i := range many {
		many[i] = storage.Part{Number: int64(i + 1), ETag: "A"}
	}
	path := s.path("/complete")
	f.as("alice", "POST", path, listing(many...)).invalid("parts", "at most 10000")
	f.as("alice", "POST", path, `{"checksum":{"crc64":"x"}}`).invalid("checksum.crc64", "decimal")
	for _, parts := range []string{`7`, `[7]`, `[{"PartNumber":"1"}]`, `[{"PartNumber":1.5}]`, `[{"PartNumber":9223372036854775808}]`, `[{"PartNumber":1,"ETag":7}]`} {
		f.as("alice", "POST", path, `{"parts":`+parts+`}`).invalid("parts", "list of objects")
	}
	f.as("alice", "POST", path, `{`).refused(api.InvalidJSON)
	f.asked()
	// 10,000 are a list, if not this upload's.
	f.as("alice", "POST", path, listing(many[:10_000]...)).refused(api.PartsMismatch)
}

// OSS may refuse parts that it listed a moment ago.
func TestPartsChangeMeanwhile(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	f.bucket.Next(storagetest.Complete, storagetest.Fault{Before: func(context.Context) {
		f.bucket.UploadPart(s.claims.UploadID, 1, []byte("other"))
	}})
	if details := f.as("alice", "POST", s.path("/complete"), "").refused(api.PartsMismatch); details != nil {
		t.Errorf("details = %s, want none", details)
	}
	f.told()
}

func TestCompleteChecksum(t *testing.T) {
	sum := checksumOf("aaaaa")
	const other = "42"
	declared := func(crc string) string {
		return fmt.Sprintf(`{"filename":"a.png","checksum":{"crc64":%q}}`, crc)
	}
	late := func(crc string) string { return fmt.Sprintf(`{"checksum":{"crc64":%q}}`, crc) }
	tests := []struct {
		name                 string
		create, complete     string
		hidden               bool   // OSS does not tell that of parts
		expected             string // in the refusal; "": it is completed
		actual               string
		asked                []storagetest.Op
		leavesTheUploadAlone bool
	}{
		{name: "declared at the start", create: declared(sum)},
		{name: "declared late", create: `{"filename":"a"}`, complete: late(sum)},
		{name: "declared twice", create: declared(sum), complete: late(sum)},
		{name: "declared late as nothing", create: declared(sum), complete: late("")},
		{name: "known after completion only", create: declared(sum), hidden: true},
		{name: "declared otherwise at the start", create: declared(other), expected: other, actual: sum,
			asked: []storagetest.Op{storagetest.ListParts}, leavesTheUploadAlone: true},
		{name: "declared otherwise late", create: `{"filename":"a"}`, complete: late(other), expected: other, actual: sum,
			asked: []storagetest.Op{storagetest.ListParts}, leavesTheUploadAlone: true},
		{name: "declared otherwise the second time", create: declared(sum), complete: late(other), expected: sum, actual: other, leavesTheUploadAlone: true},
		{name: "declared otherwise, known after completion only", create: declared(other), hidden: true, expected: other, actual: sum,
			asked: []storagetest.Op{storagetest.ListParts, storagetest.Complete, storagetest.Head}},
		{name: "declared otherwise late, known after completion only", create: `{"filename":"a"}`, complete: late(other), hidden: true, expected: other, actual: sum,
			asked: []storagetest.Op{storagetest.ListParts, storagetest.Complete, storagetest.Head}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, func(f *fixture) { f.bucket.NoPartCRC = tt.hidden })
			s := f.start(tt.create)
			f.fill(s, 5)
			r := f.as("alice", "POST", s.path("/complete"), tt.complete)
			if tt.expected == "" {
				var got confirm.Answer
				if r.ok(&got); got.CRC64 != sum {
					t.Errorf("crc64 = %s, want %s", got.CRC64, sum)
				}
				f.told(s.Key)
				return
			}
			var got map[string]string
			if err := json.Unmarshal(r.refused(api.ChecksumMismatch), &got); err != nil {
				t.Fatal(err)
			}
			sameMap(t, "details", got, map[string]string{"expected": tt.expected, "actual": tt.actual})
			f.asked(tt.asked...)
			f.told()
			if open := f.bucket.Open(); (len(open) == 1) != tt.leavesTheUploadAlone {
				t.Errorf("uploads = %+v", open)
			}
		})
	}
}

// The CRC-64 of parts is combined in their order.
func TestCompleteCombinesChecksums(t *testing.T) {
	f := newFixture(t)
	s := f.start(fmt.Sprintf(`{"filename":"a.png","checksum":{"crc64":%q}}`, checksumOf(strings.Repeat("a", 100*kib)+"bbb")))
	f.fill(s, 100*kib, 3)
	f.as("alice", "POST", s.path("/complete"), "").ok(new(confirm.Answer))
}

// Only the exact names count.
func TestPartReference(t *testing.T) {
	tests := []struct {
		text string
		want partReference
		ok   bool
	}{
		{`{"PartNumber":1,"ETag":"A","etag":"B","ETAG":"C","partNumber":2}`, partReference{1, "A"}, true},
		{`{}`, partReference{}, true},
		{`{"ETag":"A"}`, partReference{0, "A"}, true},
		{`{"PartNumber":"1"}`, partReference{}, false},
		{`{"PartNumber":1,"ETag":1}`, partReference{}, false},
		{`[]`, partReference{}, false},
	}
	for _, tt := range tests {
		var got partReference
		if err := json.Unmarshal([]byte(tt.text), &got); (err == nil) != tt.ok || tt.ok && got != tt.want {
			t.Errorf("Unmarshal(%s) = %+v, %v, want %+v", tt.text, got, err, tt.want)
		}
	}
}

// Everything about an object comes from OSS: what the client says of parts is
// compared and not repeated.
func TestCompleteSendsWhatOSSHolds(t *testing.T) {
	f := newFixture(t)
	s := f.start(`{"filename":"a.png"}`)
	parts := f.fill(s, 100*kib, 5)
	lower := []storage.Part{parts[0], parts[1]}
	lower[0].ETag = strings.ToLower(lower[0].ETag)
	f.as("alice", "POST", s.path("/complete"), strings.ReplaceAll(listing(lower...), `\"`, "")).ok(new(map[string]any))
	calls := f.asked(storagetest.ListParts, storagetest.Complete, storagetest.Head, storagetest.Put)
	if got := calls[1].Parts; len(got) != 2 || got[0].ETag != parts[0].ETag || got[1].ETag != parts[1].ETag {
		t.Errorf("completed with %+v, want %+v", got, parts)
	}
	object, _ := f.bucket.Object(s.Key)
	want := map[string]string{"ossupload-filename": "a.png", grant.MetaGrant: object.Metadata[grant.MetaGrant]}
	if !maps.Equal(object.Metadata, want) {
		t.Errorf("metadata = %v, want %v", object.Metadata, want)
	}
}
