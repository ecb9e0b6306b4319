package clients_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ossupload/scripts/internal/browsertest"
)

// The browser client as others get it: as an npm package.
func TestBrowserPackage(t *testing.T) {
	dir := browsertest.Client(t, "../..")
	t.Run("types", func(t *testing.T) { browsertest.Tests(t, dir, nil, "testdata/types.mjs") })
	tarball := pack(t, dir)
	installed := t.TempDir()
	for name, text := range map[string]string{
		"package.json": `{"name": "app", "private": true, "type": "module"}`,
		"app.mjs": `import { upload, uploadAll } from 'ossupload'
import { crc64 } from 'ossupload'
console.log(typeof upload, typeof uploadAll, String(crc64(new TextEncoder().encode('123456789'))))
`,
	} {
		if err := os.WriteFile(filepath.Join(installed, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	browsertest.Run(t, installed, nil, "npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", "--omit=optional", tarball)
	if got, want := browsertest.Run(t, installed, nil, "node", "app.mjs"), "function function 11051210869376104954\n"; got != want {
		t.Errorf("the installed package says %q, want %q", got, want)
	}
	t.Run("sizes", func(t *testing.T) { testSizes(t, dir, installed) })
	t.Run("Chromium", func(t *testing.T) { testChromium(t, dir, installed) })
}

// published is all that the package is made of.
var published = []string{
	"LICENSE", "README.md", "crc64.js", "element.d.ts", "element.js", "errors.js", "kept.js", "ossupload.d.ts",
	"ossupload.js", "package.json", "parts.js", "react.d.ts", "react.js", "requests.js", "upload.js",
}

// pack packs dir, and returns the path of what npm would publish.
func pack(t *testing.T, dir string) string {
	t.Helper()
	var packed []struct {
		Filename string
		Size     int // bytes
		Files    []struct{ Path string }
	}
	// What prepack and postpack write comes before it.
	out := browsertest.Run(t, dir, nil, "npm", "pack", "--json", "--foreground-scripts=false", "--loglevel=error")
	if err := json.Unmarshal([]byte(out), &packed); err != nil || len(packed) != 1 {
		t.Fatalf("npm pack says %s: %v", out, err)
	}
	var files []string
	for _, f := range packed[0].Files {
		files = append(files, f.Path)
	}
	if slices.Sort(files); !slices.Equal(files, published) {
		t.Errorf("npm pack packs %q, want %q", files, published)
	}
	if _, err := os.Stat(filepath.Join(dir, "LICENSE")); err == nil {
		t.Error("packing leaves the licence behind")
	}
	t.Logf("%s has %d bytes", packed[0].Filename, packed[0].Size)
	return filepath.Join(dir, packed[0].Filename)
}

// Sizes that README.md may be off by, because esbuild and zlib change.
const tolerance = 0.03

func testSizes(t *testing.T, dir, installed string) {
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	const script = `import { build } from 'esbuild'
import { gzipSync } from 'node:zlib'
for (const [entry, external] of [['ossupload', []], ['ossupload/element', ['./ossupload.js']], ['ossupload/react', ['react', './ossupload.js']]]) {
  const { outputFiles } = await build({ stdin: { contents: 'export * from ' + JSON.stringify(entry), resolveDir: process.argv[2] }, bundle: true, minify: true, format: 'esm', target: 'es2022', write: false, external, logLevel: 'error' })
  console.log(entry, outputFiles[0].contents.length, gzipSync(outputFiles[0].contents, { level: 9 }).length)
}
`
	if err := os.WriteFile(filepath.Join(dir, "sizes.mjs"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(browsertest.Run(t, dir, nil, "node", "sizes.mjs", installed)), "\n")
	rows := regexp.MustCompile("(?m)^\\| .*`(ossupload(?:/element|/react)?)`.* \\| ([\\d,]+) bytes \\| ([\\d,]+) bytes \\|$").FindAllStringSubmatch(string(readme), -1)
	if len(rows) != len(lines) || len(rows) != 3 {
		t.Fatalf("README.md has %d rows of sizes, want %d", len(rows), len(lines))
	}
	for i, line := range lines {
		var entry string
		var got [2]int
		if _, err := fmt.Sscan(line, &entry, &got[0], &got[1]); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("browser client: %s is %d bytes minified, %d gzipped\n", entry, got[0], got[1])
		for j, size := range got {
			want, err := strconv.Atoi(strings.ReplaceAll(rows[i][2+j], ",", ""))
			if err != nil || rows[i][1] != entry {
				t.Fatalf("README.md tells of %q, want %s: %v", rows[i][0], entry, err)
			}
			if math.Abs(float64(size-want)) > tolerance*float64(size) {
				t.Errorf("%s has %d bytes, README.md says %s", entry, size, rows[i][2+j])
			}
		}
	}
}
