package oss

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// putLifecycle sets the rules of the bucket with the SDK.
func (f *fixture) putLifecycle(rules ...oss.LifecycleRule) error {
	for i := range rules {
		if rules[i].Status == nil {
			rules[i].Status = oss.Ptr(statusEnabled)
		}
	}
	_, err := f.client(permanent).PutBucketLifecycle(f.t.Context(), &oss.PutBucketLifecycleRequest{
		Bucket: oss.Ptr(testBucket), LifecycleConfiguration: &oss.LifecycleConfiguration{Rules: rules},
	})
	return err
}

// lifecycle sets rules and applies them at a time.
func (f *fixture) lifecycle(now time.Time, rules ...oss.LifecycleRule) {
	f.t.Helper()
	f.setNow(time.Time{}) // the SDK signs with the real time
	if err := f.putLifecycle(rules...); err != nil {
		f.t.Fatal(err)
	}
	f.reopen()
	f.setNow(now)
	if err := f.s.ApplyLifecycle(); err != nil {
		f.t.Fatal(err)
	}
}

// storeAt stores an object as if it had been uploaded then.
func (f *fixture) storeAt(at time.Time, key string, tags ...tag) {
	f.t.Helper()
	f.setNow(at)
	body, err := f.s.store.stage(strings.NewReader(key))
	if err != nil {
		f.t.Fatal(err)
	}
	o := &object{Key: key, Type: typeNormal, content: body.content, attributes: attributes{Tags: tags}}
	if err := f.s.store.commit(testBucket, o, body, guard{}); err != nil {
		f.t.Fatal(err)
	}
}

// listAll names the versions of the bucket, "k" or "k!" for a delete marker, and the
// keys of its uploads, "k...".
func (f *fixture) listAll() string {
	var names []string
	for _, v := range f.s.store.listVersions(testBucket, "") {
		if v.Type == typeDeleteMarker {
			names = append(names, v.Key+"!")
		} else {
			names = append(names, v.Key)
		}
	}
	for _, u := range f.s.store.listUploads(testBucket, "") {
		names = append(names, u.Key+"...")
	}
	return strings.Join(names, " ")
}

func daysOld(n int32) *oss.LifecycleRuleExpiration {
	return &oss.LifecycleRuleExpiration{Days: oss.Ptr(n)}
}

var (
	noon     = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	midnight = noon.Add(12 * time.Hour)
)

func TestLifecycleExpiration(t *testing.T) {
	before := &oss.LifecycleRuleExpiration{CreatedBeforeDate: oss.Ptr("2026-11-22T00:00:00.000Z")}
	for _, test := range []struct {
		name string
		rule oss.LifecycleRule
		now  time.Time
		want string
	}{
		{"30 days after the next midnight", oss.LifecycleRule{Expiration: daysOld(30)}, midnight.Add(30 * day), "p/later"},
		{"a moment before", oss.LifecycleRule{Expiration: daysOld(30)}, midnight.Add(30*day - 1), "a p/b p/later p/tagged"},
		{"a day later", oss.LifecycleRule{Expiration: daysOld(30)}, midnight.Add(31 * day), ""},
		{"of a prefix", oss.LifecycleRule{Prefix: oss.Ptr("p/"), Expiration: daysOld(30)}, midnight.Add(31 * day), "a"},
		{"of a tag", oss.LifecycleRule{Tags: []oss.Tag{{Key: oss.Ptr("x"), Value: oss.Ptr("1")}}, Expiration: daysOld(1)}, midnight.Add(day), "a p/b p/later"},
		{"of another tag", oss.LifecycleRule{Tags: []oss.Tag{{Key: oss.Ptr("x"), Value: oss.Ptr("2")}}, Expiration: daysOld(1)}, midnight.Add(day), "a p/b p/later p/tagged"},
		{"from before a date", oss.LifecycleRule{Expiration: before}, midnight, "p/later"},
		{"disabled", oss.LifecycleRule{Status: oss.Ptr(statusDisabled), Expiration: daysOld(30)}, midnight.Add(31 * day), "a p/b p/later p/tagged"},
		{"a transition", oss.LifecycleRule{Transitions: []oss.LifecycleRuleTransition{{Days: oss.Ptr(int32(1)), StorageClass: oss.StorageClassIA}}}, midnight.Add(31 * day), "a p/b p/later p/tagged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.storeAt(noon, "a")
			f.storeAt(noon.Add(time.Hour), "p/b")
			f.storeAt(noon, "p/tagged", tag{"x", "1"}, tag{"y", "1"})
			f.storeAt(midnight.Add(1), "p/later")
			f.lifecycle(test.now, test.rule)
			if got := f.listAll(); got != test.want {
				t.Errorf("there is %q, want %q", got, test.want)
			}
		})
	}
}

// What was stored at midnight does not wait for the next one.
func TestLifecycleAtMidnight(t *testing.T) {
	f := newFixture(t)
	f.storeAt(midnight, "k")
	f.lifecycle(midnight.Add(day), oss.LifecycleRule{Expiration: daysOld(1)})
	if got := f.listAll(); got != "" {
		t.Errorf("there is %q", got)
	}
}

func TestLifecycleAbort(t *testing.T) {
	f := newFixture(t)
	for key, at := range map[string]time.Time{"p/old": noon, "p/young": midnight.Add(1), "q/old": noon} {
		f.setNow(at)
		if _, err := f.s.store.initiate(testBucket, key, attributes{}, false); err != nil {
			t.Fatal(err)
		}
	}
	f.storeAt(noon, "p/object")
	rule := oss.LifecycleRule{Prefix: oss.Ptr("p/"), AbortMultipartUpload: &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(8))}}
	f.lifecycle(midnight.Add(8*day-1), rule)
	if got := f.listAll(); got != "p/object p/old... p/young... q/old..." {
		t.Errorf("before the time, there is %q", got)
	}
	f.lifecycle(midnight.Add(8*day), rule)
	if got := f.listAll(); got != "p/object p/young... q/old..." {
		t.Errorf("there is %q", got)
	}
	f.reopen()
	if got := f.listAll(); got != "p/object p/young... q/old..." {
		t.Errorf("after a restart there is %q", got)
	}
}

func TestLifecycleVersions(t *testing.T) {
	replaced := func(n int32) *oss.NoncurrentVersionExpiration {
		return &oss.NoncurrentVersionExpiration{NoncurrentDays: oss.Ptr(n)}
	}
	markers := &oss.LifecycleRuleExpiration{ExpiredObjectDeleteMarker: oss.Ptr(true)}
	for _, test := range []struct {
		name  string
		rule  oss.LifecycleRule
		now   time.Time
		state Versioning
		want  string
	}{
		{"the current version gets a marker", oss.LifecycleRule{Expiration: daysOld(30)}, midnight.Add(31 * day), VersioningEnabled, "gone! gone k! k k"},
		{"which suspended is the version null", oss.LifecycleRule{Expiration: daysOld(30)}, midnight.Add(31 * day), VersioningSuspended, "gone! gone k! k k"},
		{"replaced versions go", oss.LifecycleRule{NoncurrentVersionExpiration: replaced(10)}, midnight.Add(11 * day), VersioningEnabled, "gone! k"},
		{"ten days after they were replaced", oss.LifecycleRule{NoncurrentVersionExpiration: replaced(10)}, midnight.Add(10 * day), VersioningEnabled, "gone! gone k k"},
		{"a marker with something behind it stays", oss.LifecycleRule{Expiration: markers}, midnight.Add(99 * day), VersioningEnabled, "gone! gone k k"},
		{"a marker with nothing behind it goes", oss.LifecycleRule{Expiration: markers, NoncurrentVersionExpiration: replaced(10)}, midnight.Add(11 * day), VersioningEnabled, "k"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			if err := f.s.SetVersioning(testBucket, VersioningEnabled); err != nil {
				t.Fatal(err)
			}
			f.storeAt(noon, "k")
			f.storeAt(noon, "gone")
			f.storeAt(noon.Add(day), "k")
			if _, err := f.s.store.remove(testBucket, "gone", ""); err != nil {
				t.Fatal(err)
			}
			if err := f.s.SetVersioning(testBucket, test.state); err != nil {
				t.Fatal(err)
			}
			f.lifecycle(test.now, test.rule)
			if got := f.listAll(); got != test.want {
				t.Errorf("there is %q, want %q", got, test.want)
			}
		})
	}
}

func TestLifecycleRefusals(t *testing.T) {
	f := newFixture(t)
	client, bucket := f.client(permanent), oss.Ptr(testBucket)
	get := func() (*oss.GetBucketLifecycleResult, error) {
		return client.GetBucketLifecycle(t.Context(), &oss.GetBucketLifecycleRequest{Bucket: bucket})
	}
	_, err := get()
	wantServiceError(t, err, 404, codeNoSuchLifecycle, "")
	abort := &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(1))}
	oneDay := oss.LifecycleRule{Expiration: daysOld(1)}
	for _, test := range []struct {
		name  string
		rules []oss.LifecycleRule
		code  code
		ec    string
	}{
		{"no rule", nil, codeMalformedXML, ""},
		{"1,001 rules", slices.Repeat([]oss.LifecycleRule{oneDay}, maxLifecycleRules+1), codeMalformedXML, ""},
		{"no action", []oss.LifecycleRule{{}}, codeMalformedXML, ecNoLifecycleAction},
		{"no age", []oss.LifecycleRule{{Expiration: &oss.LifecycleRuleExpiration{}}}, codeMalformedXML, ecNoLifecycleAge},
		{"no days", []oss.LifecycleRule{{Expiration: daysOld(0)}}, codeMalformedXML, ecNoLifecycleAge},
		{"days and a date", []oss.LifecycleRule{{Expiration: &oss.LifecycleRuleExpiration{Days: oss.Ptr(int32(1)), CreatedBeforeDate: oss.Ptr("2026-11-22T00:00:00.000Z")}}}, codeMalformedXML, ecNoLifecycleAge},
		{"no midnight", []oss.LifecycleRule{{Expiration: &oss.LifecycleRuleExpiration{CreatedBeforeDate: oss.Ptr("2026-11-22T01:00:00.000Z")}}}, codeMalformedXML, ecNoLifecycleAge},
		{"a bad date", []oss.LifecycleRule{{Expiration: &oss.LifecycleRuleExpiration{CreatedBeforeDate: oss.Ptr("tomorrow")}}}, codeMalformedXML, ecNoLifecycleAge},
		{"markers and days", []oss.LifecycleRule{{Expiration: &oss.LifecycleRuleExpiration{Days: oss.Ptr(int32(1)), ExpiredObjectDeleteMarker: oss.Ptr(true)}}}, codeMalformedXML, ecNoLifecycleAge},
		{"another status", []oss.LifecycleRule{{Status: oss.Ptr("On"), Expiration: daysOld(1)}}, codeMalformedXML, ""},
		{"a long ID", []oss.LifecycleRule{{ID: oss.Ptr(strings.Repeat("i", 256)), Expiration: daysOld(1)}}, codeMalformedXML, ""},
		{"a tag that cannot be", []oss.LifecycleRule{{Tags: []oss.Tag{{Key: oss.Ptr("test#"), Value: oss.Ptr("")}}, Expiration: daysOld(1)}}, codeMalformedXML, ecBadLifecycleTagKey},
		{"uploads of tags", []oss.LifecycleRule{{Tags: []oss.Tag{{Key: oss.Ptr("x"), Value: oss.Ptr("1")}}, AbortMultipartUpload: abort}}, codeMalformedXML, ""},
		{"no days of replaced versions", []oss.LifecycleRule{{NoncurrentVersionExpiration: &oss.NoncurrentVersionExpiration{}}}, codeMalformedXML, ""},
		{"a class that there is not", []oss.LifecycleRule{{Transitions: []oss.LifecycleRuleTransition{{Days: oss.Ptr(int32(1)), StorageClass: "Cold"}}}}, codeMalformedXML, ""},
		{"one ID of two rules", []oss.LifecycleRule{{ID: oss.Ptr("1"), Prefix: oss.Ptr("a"), Expiration: daysOld(1)}, {ID: oss.Ptr("1"), Prefix: oss.Ptr("b"), Expiration: daysOld(1)}}, codeInvalidArgument, ""},
		{"overlapping prefixes", []oss.LifecycleRule{{Prefix: oss.Ptr("a/"), AbortMultipartUpload: abort}, {Prefix: oss.Ptr("a/b/"), AbortMultipartUpload: abort}}, codeInvalidArgument, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantServiceError(t, f.putLifecycle(test.rules...), 400, test.code, test.ec)
		})
	}
	wantServiceError(t, f.putLifecycle(oss.LifecycleRule{Expiration: daysOld(1), Filter: &oss.LifecycleRuleFilter{}}), 501, codeNotImplemented, "")
	apart := []oss.LifecycleRule{{Prefix: oss.Ptr("a/"), AbortMultipartUpload: abort}, {Prefix: oss.Ptr("a/b/"), Expiration: daysOld(30)}}
	if err := f.putLifecycle(apart...); err != nil {
		t.Fatal(err)
	}
	got := must[*oss.GetBucketLifecycleResult](t)(get()).LifecycleConfiguration.Rules
	if len(got) != 2 || *got[0].Prefix != "a/" || *got[0].AbortMultipartUpload.Days != 1 || got[0].Expiration != nil || *got[1].Expiration.Days != 30 || *got[1].ID == "" {
		t.Errorf("rules = %+v", got)
	}
	must[*oss.DeleteBucketLifecycleResult](t)(client.DeleteBucketLifecycle(t.Context(), &oss.DeleteBucketLifecycleRequest{Bucket: bucket}))
	_, err = get()
	wantServiceError(t, err, 404, codeNoSuchLifecycle, "")
}

// Rules with one action may overlap if the request says so.
func TestLifecycleOverlap(t *testing.T) {
	f := newFixture(t)
	for allow, ok := range map[string]bool{"true": true, "false": false, "yes": false} {
		_, err := f.client(permanent).PutBucketLifecycle(t.Context(), &oss.PutBucketLifecycleRequest{
			Bucket: oss.Ptr(testBucket), AllowSameActionOverlap: oss.Ptr(allow),
			LifecycleConfiguration: &oss.LifecycleConfiguration{Rules: []oss.LifecycleRule{
				{Status: oss.Ptr(statusEnabled), Prefix: oss.Ptr("a/"), Expiration: daysOld(1)},
				{Status: oss.Ptr(statusEnabled), Prefix: oss.Ptr("a/b/"), Expiration: daysOld(2)},
			}},
		})
		if (err == nil) != ok {
			t.Errorf("with x-oss-allow-same-action-overlap %s, the rules are answered %v", allow, err)
		}
		if err != nil {
			wantServiceError(t, err, 400, codeInvalidArgument, "")
		}
	}
}

// An upload that is aborted by age answers as any that is gone.
func TestLifecycleAbortedUpload(t *testing.T) {
	f := newFixture(t)
	id := f.initiate("k")
	part := f.part("k", id, 1, "hello")
	f.lifecycle(time.Now().Add(9*day), oss.LifecycleRule{AbortMultipartUpload: &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(8))}})
	f.setNow(time.Time{})
	_, err := f.complete("k", id, part)
	wantServiceError(t, err, 404, codeNoSuchUpload, "")
	if _, err := f.s.store.lockUpload(testBucket, "k", *id); !errors.Is(err, errNotStored) {
		t.Errorf("the upload is there: %v", err)
	}
}
