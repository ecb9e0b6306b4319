package oss

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sdkTests are the official SDK's integration tests that the stand-in passes, by the
// file that holds them. Their authors run them against the service.
//
// Left out are, of these files: TestAppendObject (there is no AppendObject),
// TestListBuckets (buckets have no tags), TestGetBucketInfo (wants the names of the
// service's endpoints), TestGetBucketLocation, TestGetBucketStat, TestRegions and
// TestRedundancyTransition (no such calls), TestAddressingModePathStyle (wants a bucket
// of the service). The other files are about calls that the stand-in does not have, or
// about how the SDK transfers large files.
var sdkTests = map[string][]string{
	"client_integration_object_basic_test.go": {
		"TestPutObject", "TestGetObject", "TestCopyObject", "TestDeleteObject", "TestDeleteMultipleObjects", "TestHeadObject", "TestGetObjectMeta",
	},
	"client_integration_object_multipart_test.go": {
		"TestInitiateMultipartUpload", "TestUploadPart", "TestUploadPartCopy", "TestCompleteMultipartUpload", "TestAbortMultipartUpload",
		"TestListMultipartUploads", "TestListParts",
	},
	"client_integration_object_tagging_test.go":          {"TestPutObjectTagging", "TestGetObjectTagging", "TestDeleteObjectTagging"},
	"client_integration_object_symlink_test.go":          {"TestPutSymlink", "TestGetSymlink"},
	"client_integration_bucket_versioning_test.go":       {"TestPutBucketVersioning", "TestGetBucketVersioning", "TestListObjectVersions"},
	"client_integration_misc_test.go":                    {"TestInvokeOperation", "TestPaginator", "TestServiceError", "TestDefaultRequestHeaders"},
	"client_integration_presign_test.go":                 {"TestPresign", "TestPresignExtra", "TestPresignWithStsToken"},
	"client_integration_bucket_basic_test.go":            {"TestPutBucket", "TestDeleteBucket", "TestListObjects", "TestListObjectsV2"},
	"client_integration_bucket_lifecycle_test.go":        {"TestBucketLifecycle"},
	"client_integration_bucket_overwrite_config_test.go": {"TestBucketOverwriteConfig"},
	"client_integration_bucket_cors_test.go":             {"TestBucketCors"},
	"client_integration_public_access_block_test.go":     {"TestBucketPublicAccessBlock"},
}

// sdkTestsTimeout bounds building the tests, and then running them.
const sdkTestsTimeout = 3 * time.Minute

// TestSDKTests builds the SDK's own tests from its source, patched so that they stay
// on this machine, and runs each in a process and with buckets of its own: they sleep
// where the service is slow, and delete all buckets of their prefix when they end.
func TestSDKTests(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the official SDK's tests; leave out -short")
	}
	f := newFixture(t)
	binary := buildSDKTests(t, f.peers())
	var names []string
	for _, list := range sdkTests {
		names = append(names, list...)
	}
	slices.Sort(names)
	ctx, cancel := context.WithTimeout(t.Context(), sdkTestsTimeout)
	defer cancel()
	output := make([][]byte, len(names))
	var wg sync.WaitGroup
	free := make(chan struct{}, 8)
	for i, name := range names {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			command := exec.CommandContext(ctx, binary, "-test.v", "-test.run", "^"+name+"$")
			command.Dir = filepath.Dir(binary)
			command.Env = f.sdkEnvironment(fmt.Sprintf("t%d-", i))
			// The verdict is in the output, which has to be whole.
			output[i], _ = command.CombinedOutput()
		})
	}
	wg.Wait()
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			if !bytes.Contains(output[i], []byte("--- PASS: "+name+" (")) || !bytes.HasSuffix(output[i], []byte("\nPASS\n")) {
				t.Errorf("the SDK's test does not pass:\n%s", output[i])
			}
		})
	}
	if left := f.s.store.listBuckets(""); len(left) != 1 {
		t.Errorf("%d buckets are left, want the one that was there", len(left))
	}
}

// sdkEnvironment is what the tests are configured by. Whatever asks for a proxy gets
// one that refuses.
func (f *fixture) sdkEnvironment(prefix string) []string {
	const refused = "http://127.0.0.1:9"
	return []string{
		"HTTP_PROXY=" + refused, "HTTPS_PROXY=" + refused,
		"OSS_TEST_REGION=" + testRegion, "OSS_TEST_ENDPOINT=" + f.web.URL, "OSS_TEST_BUCKET_PREFIX=" + prefix,
		"OSS_TEST_ACCESS_KEY_ID=" + permanent.AccessKeyID, "OSS_TEST_ACCESS_KEY_SECRET=" + permanent.AccessKeySecret,
	}
}

// peers serves what the tests talk to besides OSS: a web site that answers callbacks
// with a redirect, and an STS that issues the temporary account.
func (f *fixture) peers() string {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /site", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusMovedPermanently) })
	mux.HandleFunc("GET /sts", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"Credentials": map[string]string{
			"AccessKeyId": temporary.AccessKeyID, "AccessKeySecret": temporary.AccessKeySecret, "SecurityToken": temporary.SecurityToken,
			"Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		}})
	})
	server := httptest.NewServer(mux)
	f.t.Cleanup(server.Close)
	return server.URL
}

// replacement is a patch of a file of the SDK: every old text becomes the new one.
type replacement struct{ old, new string }

// sdkPatches are what keeps the tests on this machine.
func sdkPatches(peers string) map[string][]replacement {
	site := replacement{`"callbackUrl":"http://www.aliyun.com"`, `"callbackUrl":"` + peers + `/site"`}
	return map[string][]replacement{
		"transport/dialer.go": {
			{"import (\n", "import (\n\t\"errors\"\n"},
			{"\tc, err := d.Dialer.DialContext(ctx, network, address)\n", "\tif host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {\n" +
				"\t\treturn nil, errors.New(\"refusing to leave this machine for \" + address)\n\t}\n" +
				"\tc, err := d.Dialer.DialContext(ctx, network, address)\n"},
		},
		"client_integration_test.go": {
			{`StsHost := "https://sts.aliyuncs.com/"`, `StsHost := "` + peers + `/sts"`},
			{`fmt.Sprintf("oss-%s.aliyuncs.com", region)`, `endpoint_`},
		},
		"client_integration_object_basic_test.go":     {site},
		"client_integration_object_multipart_test.go": {site},
		// The stand-in does not speak version 1 of the signature.
		"client_integration_presign_test.go": {{between("\tcfgV1 := LoadDefaultConfig().", "\tcfgV4 := LoadDefaultConfig()."),
			"\tvar getObjRequest *GetObjectRequest\n\tvar expiration time.Time\n\tvar data []byte\n"}},
		"client_integration_misc_test.go": {{`fmt.Sprintf("oss-%s.aliyuncs.com/%s/%s?", region, bucketName, objectName)`, `fmt.Sprint(region, bucketName, objectName)`}},
		// An origin, which nobody calls.
		"client_integration_bucket_cors_test.go": {{`"http://www.example.com"`, `"http://localhost"`}},
		// That key is a stranger's to the service alone.
		"client_integration_public_access_block_test.go": {{`("ak", "sk")`, `("stranger", "sk")`}},
		// These are tests of the service's addresses, and are not run.
		"client_integration_bucket_basic_test.go": {{`".aliyuncs.com"`, `""`}, {`"internal.aliyuncs.com"`, `""`}},
	}
}

// between is the old text of a replacement that has a beginning and ends before an end.
func between(begin, end string) string { return begin + "\x00" + end }

// apply patches a text, which has to have what is replaced.
func (r replacement) apply(text string) (string, error) {
	old := r.old
	if begin, end, ok := strings.Cut(r.old, "\x00"); ok {
		from := strings.Index(text, begin)
		if from < 0 {
			return "", fmt.Errorf("there is no %q", begin)
		}
		length := strings.Index(text[from:], end)
		if length < 0 {
			return "", fmt.Errorf("there is no %q behind %q", end, begin)
		}
		old = text[from : from+length]
	}
	if !strings.Contains(text, old) {
		return "", fmt.Errorf("there is no %q", old)
	}
	return strings.ReplaceAll(text, old, r.new), nil
}

// publicHost finds what would have to be patched. Import paths are no hosts.
var publicHost = regexp.MustCompile(`https?://[^"]*\.[a-z]+|[a-z%-]+\.aliyuncs\.com`)

// buildSDKTests returns the program that a patched copy of the SDK's tests makes.
func buildSDKTests(t *testing.T, peers string) string {
	t.Helper()
	module := strings.TrimSpace(runGo(t, ".", "list", "-m", "-f", "{{.Dir}}", "github.com/aliyun/alibabacloud-oss-go-sdk-v2"))
	dir, patches := t.TempDir(), sdkPatches(peers)
	copyFile := func(path string) error {
		text, err := os.ReadFile(filepath.Join(module, path))
		if err != nil {
			return err
		}
		patched, name := string(text), strings.TrimPrefix(path, "oss/")
		for _, r := range patches[name] {
			if patched, err = r.apply(patched); err != nil {
				return fmt.Errorf("patching %s: %w", path, err)
			}
		}
		delete(patches, name)
		if found := publicHost.FindString(strings.ReplaceAll(patched, peers, "")); found != "" && strings.HasSuffix(path, "_test.go") {
			return fmt.Errorf("%s names the public host %q", path, found)
		}
		target := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		return os.WriteFile(target, []byte(patched), 0o600)
	}
	err := fs.WalkDir(os.DirFS(module), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !wantSDKFile(path) {
			return err
		}
		return copyFile(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range patches {
		t.Fatalf("the SDK has no file %q to patch", name)
	}
	binary := filepath.Join(dir, "sdk.test")
	runGo(t, dir, "test", "-c", "-ldflags=-s -w", "-tags", "integration", "-o", binary, "./oss")
	return binary
}

// wantSDKFile reports whether the tests are built from a file: what the SDK is, and of
// its tests those that are run and what they share.
func wantSDKFile(path string) bool {
	name := filepath.Base(path)
	switch {
	case path == "go.mod" || path == "go.sum":
		return true
	case filepath.Ext(path) != ".go":
		return false
	case !strings.HasSuffix(path, "_test.go"):
		return true
	}
	return name == "client_integration_test.go" || path == "oss/utils_test.go" || sdkTests[name] != nil
}

// runGo runs the go command and returns what it prints. Modules that are not at hand
// come from the module proxy, as everywhere.
func runGo(t *testing.T, dir string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sdkTestsTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(output)
}
