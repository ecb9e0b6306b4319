package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/bucket"
	"ossupload/scripts/internal/roles"
	standin "ossupload/scripts/internal/stack/oss"
)

var update = flag.Bool("update", false, "write testdata anew")

// An empty bucket gets what is needed, and then lacks nothing.
func TestEmptyBucket(t *testing.T) {
	f := newFixture(t)
	f.want(1, "6 to add or change", "-forbid-overwrite")
	if f.writes != 0 {
		t.Errorf("%d writes without -apply", f.writes)
	}
	f.want(0, "6 applied", "-apply", "-forbid-overwrite")
	if f.writes != 4 {
		t.Errorf("%d writes, want one for each setting", f.writes)
	}
	f.want(0, "nothing is missing", "-forbid-overwrite")
	f.calls = 0
	f.want(0, "nothing is missing", "-apply", "-forbid-overwrite")
	if f.calls != 5 || f.writes != 4 {
		t.Errorf("a second run made %d calls and %d writes, want 5 reads", f.calls, f.writes-4)
	}
}

// What is set has the effect that it is for.
func TestEffects(t *testing.T) {
	f := newFixture(t)
	for _, key := range []string{"uploads/_sts/a/old", pending, announced, aborted, "_ossupload/uploads/_dead/evt_2", "elsewhere"} {
		if err := f.put(key, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"uploads/a/unfinished", "elsewhere/unfinished"} {
		if _, err := f.owner.InitiateMultipartUpload(t.Context(), &oss.InitiateMultipartUploadRequest{Bucket: oss.Ptr(name), Key: oss.Ptr(key)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.preflight(origin); got != 403 {
		t.Fatalf("before, a preflight is answered %d", got)
	}
	f.want(0, "applied", "-apply", "-forbid-overwrite")
	if got := []int{f.preflight(origin), f.preflight("https://other.example.com")}; !slices.Equal(got, []int{200, 403}) {
		t.Errorf("preflights of ours and of another are answered %v", got)
	}
	var refusal *oss.ServiceError
	if err := f.put("uploads/_sts/a/old", ""); !errors.As(err, &refusal) || refusal.Code != "FileAlreadyExists" {
		t.Errorf("an upload is overwritten: %v", err)
	}
	if err := f.put("uploads/a/public", oss.ObjectACLPublicRead); !errors.As(err, &refusal) || refusal.Code != "AccessDenied" {
		t.Errorf("a public ACL is set: %v", err)
	}
	if err := errors.Join(f.put("elsewhere", ""), f.put(pending, "")); err != nil {
		t.Errorf("what may be overwritten is not: %v", err)
	}
	f.later(8)
	if got := f.uploads(); !slices.Contains(got, "uploads/a/unfinished") {
		t.Errorf("an upload is aborted before 8 days have gone by since its day; there is %q", got)
	}
	f.later(9)
	if got := f.uploads(); !slices.Equal(got, []string{"elsewhere/unfinished"}) {
		t.Errorf("after 9 days there are the uploads %q", got)
	}
	f.later(400)
	if got, _, _ := f.keys(); !slices.Equal(got, []string{"_ossupload/uploads/_dead/evt_2", pending, "elsewhere", "uploads/_sts/a/old"}) {
		t.Errorf("after 400 days there are %q", got)
	}
}

// Where there are versions, those of the functions' own objects go as well.
func TestVersions(t *testing.T) {
	for _, state := range []standin.Versioning{standin.VersioningEnabled, standin.VersioningSuspended} {
		t.Run(string(state), func(t *testing.T) {
			f := newFixture(t)
			f.version(standin.VersioningEnabled)
			for _, key := range []string{pending, pending, announced, "uploads/a", "uploads/a"} {
				if err := f.put(key, ""); err != nil {
					t.Fatal(err)
				}
			}
			f.version(state)
			f.want(0, "! overwrite: has no effect while versioning is "+strings.ToLower(string(state)), "-apply", "-forbid-overwrite")
			f.want(0, "nothing is missing", "-forbid-overwrite")
			if _, err := f.owner.DeleteObject(t.Context(), &oss.DeleteObjectRequest{Bucket: oss.Ptr(name), Key: oss.Ptr(pending)}); err != nil {
				t.Fatal(err)
			}
			f.later(40)
			f.later(45) // by then what 30 days deleted is noncurrent
			f.later(90)
			objects, versions, markers := f.keys()
			if fmt.Sprint(objects, versions, markers) != "[uploads/a] [uploads/a] []" {
				t.Errorf("there are the objects %q, the versions %q, the delete markers %q", objects, versions, markers)
			}
		})
	}
}

// foreign are rules that somebody else has, one with all that a rule may say.
func foreign() []oss.LifecycleRule {
	return []oss.LifecycleRule{
		{ID: oss.Ptr("logs & more"), Prefix: oss.Ptr("logs/"), Status: oss.Ptr("Enabled"), Tags: []oss.Tag{{Key: oss.Ptr("keep"), Value: oss.Ptr("no")}},
			Expiration:  &oss.LifecycleRuleExpiration{Days: oss.Ptr(int32(365))},
			Transitions: []oss.LifecycleRuleTransition{{Days: oss.Ptr(int32(30)), StorageClass: oss.StorageClassIA}, {Days: oss.Ptr(int32(60)), StorageClass: oss.StorageClassArchive}}},
		{ID: oss.Ptr("logs/old"), Prefix: oss.Ptr("logs/old/"), Status: oss.Ptr("Disabled"), Expiration: &oss.LifecycleRuleExpiration{CreatedBeforeDate: oss.Ptr("2026-01-01T00:00:00.000Z")}},
		{ID: oss.Ptr("ossupload-abort-00000000"), Prefix: oss.Ptr("other/"), Status: oss.Ptr("Enabled"), AbortMultipartUpload: &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(8))}},
	}
}

// What others have set stays as it is, in its order.
func TestForeignRules(t *testing.T) {
	f := newFixture(t)
	f.putLifecycle(foreign()...)
	theirs := []oss.CORSRule{
		{AllowedOrigins: []string{"https://*.other.example"}, AllowedMethods: []string{"GET", "DELETE"}, AllowedHeaders: []string{"x-oss-*"}, MaxAgeSeconds: oss.Ptr(int64(5))},
		{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"HEAD"}, ExposeHeaders: []string{"ETag"}},
	}
	f.putCORS(theirs...)
	protected := []oss.OverwriteRule{{ID: oss.Ptr("1"), Action: oss.Ptr("forbid"), Suffix: oss.Ptr(".txt"), Principals: &oss.OverwritePrincipals{Principals: []string{"27737962156157xxxx"}}}}
	if _, err := f.owner.PutBucketOverwriteConfig(t.Context(), &oss.PutBucketOverwriteConfigRequest{Bucket: oss.Ptr(name), OverwriteConfiguration: &oss.OverwriteConfiguration{Rules: protected}}); err != nil {
		t.Fatal(err)
	}
	f.want(0, "6 applied", "-apply", "-forbid-overwrite")
	if got := f.lifecycle(); len(got) != 6 || !reflect.DeepEqual(got[:3], foreign()) {
		t.Errorf("the rules of others are %+v", got)
	}
	if got := f.cors(); len(got.CORSRules) != 3 || !reflect.DeepEqual(got.CORSRules[:2], theirs) || !*got.ResponseVary {
		t.Errorf("the rules of CORS are %+v", got)
	}
	got, err := f.owner.GetBucketOverwriteConfig(t.Context(), &oss.GetBucketOverwriteConfigRequest{Bucket: oss.Ptr(name)})
	if err != nil || len(got.OverwriteConfiguration.Rules) != 2 || !reflect.DeepEqual(got.OverwriteConfiguration.Rules[:1], protected) {
		t.Errorf("the rules of overwriting are %+v, %v", got, err)
	}
	f.want(0, "nothing is missing", "-forbid-overwrite")
}

// Two deployments in one bucket leave each other alone.
func TestTwoDeployments(t *testing.T) {
	f := newFixture(t)
	f.want(0, "applied", "-apply")
	first := f.lifecycle()
	f.env["UPLOAD_PREFIX"], f.env["CORS_ORIGINS"] = "test/", "https://test.example.com"
	f.want(0, "applied", "-apply")
	if got := f.lifecycle(); len(got) != 6 || !reflect.DeepEqual(got[:3], first) {
		t.Errorf("the second made of the first's rules %+v", got)
	}
	f.env["UPLOAD_PREFIX"], f.env["CORS_ORIGINS"] = "uploads/", origin
	f.want(0, "nothing is missing")
	if got := f.cors().CORSRules; len(got) != 1 || !slices.Equal(got[0].AllowedOrigins, []string{origin, "https://test.example.com"}) {
		t.Errorf("the rules of CORS are %+v", got)
	}
	f.want(0, "lets in https://test.example.com, which CORS_ORIGINS does not name")
}

// Rules that have our ids and were changed, or lack something, are mended where they
// are.
func TestOursChanged(t *testing.T) {
	f := newFixture(t)
	f.want(0, "applied", "-apply")
	rules := f.lifecycle()
	whole := slices.Clone(rules)
	rules[0].AbortMultipartUpload = &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(3))}
	rules[1].Status = oss.Ptr("Disabled")
	f.putLifecycle(slices.Concat(rules[:2], foreign())...)
	f.env["CORS_ORIGINS"] = origin + ",https://second.example.com"
	out := f.want(1, "4 to add or change")
	for _, says := range []string{"(now: aborts multipart uploads below uploads/ after 3 days)", "but is disabled)", "(now: lets in " + origin + ")"} {
		if !strings.Contains(out, says) {
			t.Errorf("the difference does not say %q:\n%s", says, out)
		}
	}
	f.want(0, "4 applied", "-apply")
	want := slices.Concat(whole[:2], foreign(), whole[2:])
	if got := f.lifecycle(); !reflect.DeepEqual(got, want) {
		t.Errorf("the rules are %+v, want %+v", got, want)
	}
	if got := f.cors().CORSRules; len(got) != 1 || len(got[0].AllowedOrigins) != 2 {
		t.Errorf("the rules of CORS are %+v", got)
	}
}

// Who followed an instruction by hand has rules of other names, which do.
func TestMetByHand(t *testing.T) {
	f := newFixture(t)
	days := func(n int32) *oss.LifecycleRuleExpiration { return &oss.LifecycleRuleExpiration{Days: oss.Ptr(n)} }
	f.putLifecycle(
		oss.LifecycleRule{ID: oss.Ptr("a"), Prefix: oss.Ptr(""), AbortMultipartUpload: &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(8))}},
		oss.LifecycleRule{ID: oss.Ptr("b"), Prefix: oss.Ptr("_ossupload/uploads/_announced/"), Expiration: days(30)},
		oss.LifecycleRule{ID: oss.Ptr("c"), Prefix: oss.Ptr("_ossupload/uploads/_aborted/"), Expiration: days(30), Tags: []oss.Tag{{Key: oss.Ptr("k"), Value: oss.Ptr("")}}},
	)
	f.putCORS(oss.CORSRule{AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"PUT", "POST", "GET", "HEAD"}, AllowedHeaders: []string{"*"}, ExposeHeaders: []string{"etag"}})
	if got := f.report("-keep-public").Differences; len(got) != 1 || !strings.HasPrefix(got[0].Rule, "ossupload-aborted-") {
		t.Errorf("the differences are %+v, want that of the rule with tags alone", got)
	}
}

func TestWarnings(t *testing.T) {
	f := newFixture(t)
	days := func(n int32) *oss.LifecycleRuleExpiration { return &oss.LifecycleRuleExpiration{Days: oss.Ptr(n)} }
	f.version(standin.VersioningEnabled)
	f.putLifecycle(
		oss.LifecycleRule{ID: oss.Ptr("all"), Prefix: oss.Ptr(""), Expiration: days(90)},
		oss.LifecycleRule{ID: oss.Ptr("queue"), Prefix: oss.Ptr("_ossupload/"), Expiration: days(7)},
		oss.LifecycleRule{ID: oss.Ptr("parts"), Prefix: oss.Ptr("uploads/"), AbortMultipartUpload: &oss.LifecycleRuleAbortMultipartUpload{Days: oss.Ptr(int32(1))}},
		oss.LifecycleRule{ID: oss.Ptr("versions"), Prefix: oss.Ptr("up"), NoncurrentVersionExpiration: &oss.NoncurrentVersionExpiration{NoncurrentDays: oss.Ptr(int32(9))}},
		oss.LifecycleRule{ID: oss.Ptr("cold"), Prefix: oss.Ptr("_ossupload/uploads/"), Transitions: []oss.LifecycleRuleTransition{{Days: oss.Ptr(int32(60)), StorageClass: oss.StorageClassArchive}}},
		oss.LifecycleRule{ID: oss.Ptr("off"), Prefix: oss.Ptr(""), Status: oss.Ptr("Disabled"), Expiration: days(1)},
		oss.LifecycleRule{ID: oss.Ptr("apart"), Prefix: oss.Ptr("logs/"), Expiration: days(1)},
	)
	f.putCORS(oss.CORSRule{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"PUT"}, AllowedHeaders: []string{"content-type"}})
	f.want(0, "applied", "-apply")
	var got []string
	for _, w := range f.report().Warnings {
		text, _, _ := strings.Cut(w.Text, " (it ")
		got = append(got, w.Setting+" "+w.Rule+": "+text)
	}
	want := []string{
		"lifecycle all: deletes uploads below uploads/, events that wait below _ossupload/uploads/_pending/, dead letters below _ossupload/uploads/_dead/",
		"lifecycle queue: deletes events that wait below _ossupload/uploads/_pending/, dead letters below _ossupload/uploads/_dead/",
		"lifecycle parts: aborts multipart uploads that may still be completed, of uploads below uploads/",
		"lifecycle versions: deletes versions, which events name, of uploads below uploads/",
		"lifecycle cold: moves to where nothing can be read at once events that wait below _ossupload/uploads/_pending/, dead letters below _ossupload/uploads/_dead/",
		"lifecycle cold: moves what is deleted before, so that OSS may refuse the rules together (EC 0014-00000082), below _ossupload/uploads/_announced/",
		"lifecycle cold: moves what is deleted before, so that OSS may refuse the rules together (EC 0014-00000082), below _ossupload/uploads/_aborted/",
		"cors 1: is the first that answers PUT from " + origin + " and does not expose ETag, so that pages cannot read it; expose it there",
	}
	if !slices.Equal(got, want) {
		t.Errorf("warnings\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// OSS takes 1,000 rules, and 10 of CORS. One more is refused before anything is
// written.
func TestFullBucket(t *testing.T) {
	many := func(n int) (rules []oss.LifecycleRule) {
		for i := range n {
			id := fmt.Sprintf("rule-%03d", i)
			rules = append(rules, oss.LifecycleRule{ID: oss.Ptr(id), Prefix: oss.Ptr(id + "/"), Expiration: &oss.LifecycleRuleExpiration{Days: oss.Ptr(int32(1))}})
		}
		return rules
	}
	f := newFixture(t)
	f.putLifecycle(many(997)...)
	f.want(0, "applied", "-apply")
	if got := f.lifecycle(); len(got) != 1000 {
		t.Errorf("%d rules, want 1000", len(got))
	}
	f.want(0, "nothing is missing")

	f = newFixture(t)
	f.putLifecycle(many(1000)...)
	f.writes = 0
	f.want(3, "1003 rules of 1000 that OSS takes", "-apply")
	if f.writes != 0 {
		t.Errorf("%d writes, although the rules have no room", f.writes)
	}

	f = newFixture(t)
	f.putCORS(slices.Repeat([]oss.CORSRule{{AllowedOrigins: []string{"https://a"}, AllowedMethods: []string{"GET"}}}, 10)...)
	f.writes = 0
	f.want(3, "has 10 rules of CORS", "-apply")
	if f.writes != 0 {
		t.Errorf("%d writes, although the rules of CORS have no room", f.writes)
	}
}

// The policy of the roles is all that is needed, and each of its permissions is.
func TestPermissions(t *testing.T) {
	policy := roles.Deployment{Bucket: name, Prefix: "uploads/"}.LookingAfterBucket()
	for i, denied := range policy[0].Action {
		t.Run(denied, func(t *testing.T) {
			f := newFixture(t)
			less := roles.Policy{policy[0]}
			less[0].Action = slices.Delete(slices.Clone(policy[0].Action), i, i+1)
			f.restrict(less)
			f.want(3, "it needs the permission "+denied, "-apply", "-forbid-overwrite")
			// What may not be read stops it before the first write, what may not be written
			// is tried once, after what is written before.
			want := slices.Index([]string{"oss:PutBucketLifecycle", "oss:PutBucketOverwriteConfig", "oss:PutBucketPublicAccessBlock", "oss:PutBucketCors"}, denied) + 1
			if f.writes != want {
				t.Errorf("%d writes, want %d", f.writes, want)
			}
		})
	}
}

// What failed half-way says what is done and what is left, and goes on when it is run
// again.
func TestFaultInTheMiddle(t *testing.T) {
	f := newFixture(t)
	f.fault = func(call string) string {
		if call == "PutBucketPublicAccessBlock" {
			return "503"
		}
		return ""
	}
	out := f.want(3, "stopped; 3 applied, as said above, and 2 left", "-apply")
	for _, says := range []string{"= lifecycle ossupload-abort-", "+ cors 1:", "~ public-access:", "writing public-access", "ServiceUnavailable"} {
		if !strings.Contains(out, says) {
			t.Errorf("the report does not say %q:\n%s", says, out)
		}
	}
	f.fault = func(string) string { return "" }
	f.want(0, "2 applied", "-apply")
}

// A write whose answer is lost is known by what is there, and is not repeated. One
// that was refused for the moment is.
func TestFaultOnce(t *testing.T) {
	for _, fault := range []string{"stored-then-reset", "reset", "500"} {
		t.Run(fault, func(t *testing.T) {
			f := newFixture(t)
			met := map[string]bool{}
			f.fault = func(call string) string {
				if strings.HasPrefix(call, "PutBucket") && !met[call] {
					met[call] = true
					return fault
				}
				return ""
			}
			f.want(0, "5 applied", "-apply")
			want := 6
			if fault == "stored-then-reset" {
				want = 3
			}
			if f.writes != want {
				t.Errorf("%d writes, want %d", f.writes, want)
			}
		})
	}
}

// What can be neither written nor read again is said not to be known.
func TestFaultForGood(t *testing.T) {
	f := newFixture(t)
	broken := false
	f.fault = func(call string) string {
		switch {
		case call == "PutBucketLifecycle":
			broken = true
			return "stored-then-reset"
		case broken:
			return "500"
		}
		return ""
	}
	f.want(3, "0 applied, and what is left is not known", "-apply")

	f = newFixture(t)
	f.fault = func(call string) string { // all is written, and then read no more
		if call == "GetBucketVersioning" && f.writes == 3 {
			return "500"
		}
		return ""
	}
	f.want(3, "5 applied, and what is left is not known", "-apply")
}

// Who is interrupted is told what is done, all the same.
func TestInterrupted(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.fault = func(call string) string {
		if call == "PutBucketCors" {
			cancel()
			return "reset"
		}
		return ""
	}
	got, out := f.runUntil(ctx, "-apply")
	if got != 3 || !strings.Contains(out, "stopped; 4 applied, as said above, and 1 left") {
		t.Errorf("status %d and\n%s", got, out)
	}
}

// What another changes between reading and writing is read before each write; what it
// overwrites is written again.
func TestChangeInBetween(t *testing.T) {
	f := newFixture(t)
	reads, theirs := 0, foreign()[:1]
	busy := false
	f.fault = func(call string) string {
		if call == "GetBucketLifecycle" && !busy {
			if reads++; reads == 2 || reads == 4 {
				busy = true
				f.putLifecycle(theirs...) // and ours are gone, if they were there
				busy = false
			}
		}
		return ""
	}
	f.want(0, "applied", "-apply")
	if got := f.lifecycle(); len(got) != 4 || !reflect.DeepEqual(got[:1], theirs) {
		t.Errorf("the rules are %+v, want theirs and ours", got)
	}

	f = newFixture(t)
	f.fault = func(call string) string { // somebody who never lets ours stay
		if call == "GetBucketLifecycle" && !busy {
			busy = true
			f.putLifecycle(theirs...)
			busy = false
		}
		return ""
	}
	f.want(3, "something else writes them at the same time", "-apply")
}

// A bucket that is not there, and a 404 of something that is not OSS, are not taken
// for a bucket without rules.
func TestNotFound(t *testing.T) {
	f := newFixture(t)
	f.env["OSS_BUCKET"] = "absent"
	f.want(3, "calling GetBucketVersioning", "-apply")

	f = newFixture(t)
	stranger := http.NewServeMux()
	stranger.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("lifecycle") && r.Method == http.MethodGet {
			http.NotFound(w, r)
			return
		}
		f.server.ServeHTTP(w, r)
	})
	f.web.Config.Handler = stranger
	f.want(3, "calling GetBucketLifecycle: status 404", "-apply")
	if f.writes != 0 {
		t.Errorf("%d writes", f.writes)
	}
}

func TestFlagsAndSettings(t *testing.T) {
	f := newFixture(t)
	for _, args := range [][]string{{"-what"}, {"apply"}, {"-out", "x", "-apply"}, {"-timeout", "0s"}, {"-env", "none"}, {"-endpoint", "http://a b"}} {
		f.want(2, "bucket cannot begin", args...)
	}
	f.want(0, "-forbid-overwrite", "-help")
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("OSS_REGION=cn-shanghai\nUPLOAD_PREFIX=up\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := f.want(2, "OSS_BUCKET: is required", "-env", file)
	if !strings.Contains(out, "UPLOAD_PREFIX") {
		t.Errorf("not all faults are named: %s", out)
	}
	delete(f.env, "CORS_ORIGINS")
	for _, d := range f.report("-keep-public").Differences {
		if d.Setting != "lifecycle" {
			t.Errorf("%s is needed although nothing asks for it", d.Setting)
		}
	}
}

// A domain of the bucket is for its objects: its settings are at OSS's.
func TestEndpoint(t *testing.T) {
	f := newFixture(t)
	f.env["OSS_ENDPOINT"], f.env["OSS_CNAME"], f.env["OSS_PATH_STYLE"] = "https://files.example.com", "true", "false"
	f.env["HTTPS_PROXY"] = ""
	_, endpoint := mustSettings(t, f)
	if endpoint != "https://oss-cn-shanghai.aliyuncs.com" {
		t.Errorf("the settings are asked for at %s", endpoint)
	}
}

func mustSettings(t *testing.T, f *fixture) (bucket.Needs, string) {
	t.Helper()
	p := program{lookup: func(n string) (string, bool) { v, ok := f.env[n]; return v, ok }, credentials: source{}, err: t.Output()}
	s, err := p.settings("")
	if err != nil {
		t.Fatal(err)
	}
	at, err := endpointOf(s.Storage, "")
	if err != nil {
		t.Fatal(err)
	}
	return bucket.Needs{Prefix: s.Prefix}, at.Scheme + "://" + at.Host
}

// The files are what the command would write, for those who would rather read, or
// use the console.
func TestFiles(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	if *update {
		dir = "testdata"
	}
	f.want(0, "lifecycle-versioned.xml", "-out", dir, "-forbid-overwrite")
	for _, file := range []string{"cors.xml", "lifecycle.xml", "lifecycle-versioned.xml", "overwrite.xml", "public-access.xml"} {
		got, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs from testdata; \"go test ./scripts/bucket -update\" writes it (%v)", file, err)
		}
	}
	if f.writes != 0 {
		t.Errorf("%d writes", f.writes)
	}
}
