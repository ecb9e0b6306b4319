package clients_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/browsertest"
	"ossupload/scripts/internal/stacktest"
)

// testChromium runs what is installed from the package on a page of an origin of
// its own, as applications do, against stacks with and without mistakes.
func testChromium(t *testing.T, dir, installed string) {
	program := browsertest.Chromium(t)
	app := t.TempDir()
	if err := os.CopyFS(filepath.Join(app, "ossupload"), os.DirFS(filepath.Join(installed, "node_modules", "ossupload"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(app, "index.html"), []byte("<!doctype html><title>App</title><link rel=icon href=data:,>"), 0o600); err != nil {
		t.Fatal(err)
	}
	browsertest.Run(t, dir, nil, "npx", "--no-install", "esbuild", "testdata/react.jsx", "--bundle", "--format=esm", "--jsx=automatic",
		"--log-level=error", "--outfile="+filepath.Join(app, "react.js"))
	server := httptest.NewServer(http.FileServer(http.Dir(app)))
	t.Cleanup(server.Close)

	good := stacktest.Start(t, stacktest.Options{Settings: map[string]string{"CORS_ORIGINS": server.URL}})
	stranger := stacktest.Start(t, stacktest.Options{Settings: map[string]string{"CORS_ORIGINS": "https://other.example.com"}})
	bare := stacktest.Start(t, stacktest.Options{Settings: map[string]string{"CORS_ORIGINS": server.URL}})
	if _, err := bare.Ready.Developer(http.DefaultClient).DeleteBucketCors(t.Context(), &oss.DeleteBucketCorsRequest{Bucket: &bare.Ready.Bucket}); err != nil {
		t.Fatal(err)
	}
	env := []string{"CHROMIUM=" + program, "APP=" + server.URL}
	for name, s := range map[string]*stacktest.Stack{"GOOD": good, "STRANGER": stranger, "BARE": bare} {
		env = append(env, name+"="+s.Ready.Gateway, name+"_TOKEN="+s.Ready.CallerToken)
	}
	t.Log(browsertest.Tests(t, dir, env, "testdata/chromium.mjs"))
	if len(good.Events(t)) == 0 {
		t.Error("no event of what was uploaded")
	}
}
