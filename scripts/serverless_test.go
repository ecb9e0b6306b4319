package scripts_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// serverless is Serverless Devs as a user has it: in a copy of the tree, with a
// home of its own in which a stand-in has the place of its components. It reaches
// nothing: what it tries to call is a proxy that fails the test.
type serverless struct {
	tool, tree, home string
	record           string
	proxy            net.Listener
}

// call is one that a component got.
type call struct {
	Command   string          `json:"command"`
	Resource  string          `json:"resource"`
	Component string          `json:"component"`
	Props     json.RawMessage `json:"props"`
	Args      []string        `json:"args"`
	Template  string          `json:"template"`
}

func (c call) props(t *testing.T) props {
	t.Helper()
	strict := json.NewDecoder(bytes.NewReader(c.Props))
	strict.DisallowUnknownFields()
	var p props
	if err := strict.Decode(&p); err != nil {
		t.Fatalf("reading the props of %s: %v", c.Resource, err)
	}
	return p
}

func newServerless(t *testing.T) *serverless {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the functions several times")
	}
	tool, err := exec.LookPath("s")
	if err != nil {
		t.Skip("Serverless Devs is not installed (npm install -g @serverless-devs/s): nothing is deployed to its stand-in")
	}
	s := &serverless{tool: tool, tree: t.TempDir(), home: t.TempDir()}
	s.record = filepath.Join(s.home, "recorded")
	for _, dir := range []string{"functions", "shared", "scripts/deploy", "scripts/doctor", "scripts/secrets", "scripts/ram", "scripts/internal"} {
		if err := os.CopyFS(filepath.Join(s.tree, dir), os.DirFS(filepath.Join("..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum", "s.yaml", ".env.example", "scripts/build.sh"} {
		s.write(t, filepath.Join(s.tree, file), read(t, filepath.Join("..", file)), 0o700)
	}
	// It looks for news of itself and of its components unless it just has.
	const never = `{"version":"0.0.0","lastUpdateCheck":9000000000000000}`
	s.write(t, filepath.Join(s.home, ".s/set-config.yml"), "analysis: disable\n", 0o600)
	s.write(t, filepath.Join(s.home, ".s/config/update-notifier.json"), never, 0o600)
	for _, component := range []string{"fc3", "fc3-domain"} {
		dir := filepath.Join(s.home, ".s/components/devsapp.cn/v3", component)
		s.write(t, filepath.Join(dir, "index.js"), read(t, "testdata/component/index.js"), 0o600)
		s.write(t, filepath.Join(dir, ".s.lock"), never, 0o600)
		s.write(t, filepath.Join(dir, "publish.yaml"), fmt.Sprintf(
			"Edition: 3.0.0\nType: Component\nName: %s\nVersion: 0.0.0\nCommands:\n  deploy: deploys\n  version: publishes a version\n  alias: moves traffic\n", component), 0o600)
	}
	if s.proxy, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := s.proxy.Accept()
			if err != nil {
				return
			}
			t.Error("Serverless Devs, or what it runs, calls somebody")
			c.Close()
		}
	}()
	t.Cleanup(func() { s.proxy.Close(); <-done })
	return s
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s *serverless) write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// dotenv writes the user's variables where a user has them.
func (s *serverless) dotenv(t *testing.T, env map[string]string) {
	t.Helper()
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(&text, "%s=%s\n", name, env[name])
	}
	s.write(t, filepath.Join(s.tree, ".env"), text.String(), 0o600)
}

// run is a command line in the tree, with these variables beside the usual ones.
// It returns what was printed.
func (s *serverless) run(t *testing.T, variables []string, command ...string) (string, error) {
	t.Helper()
	caches, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	build, modules, _ := strings.Cut(strings.TrimSpace(string(caches)), "\n")
	proxy := "http://" + s.proxy.Addr().String()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = s.tree
	cmd.Env = append([]string{
		"PATH=" + filepath.Dir(s.tool) + string(filepath.ListSeparator) + os.Getenv("PATH"), "HOME=" + s.home, "OSSUPLOAD_RECORD=" + s.record,
		"GOCACHE=" + build, "GOMODCACHE=" + modules, "GOPROXY=off",
		"http_proxy=" + proxy, "https_proxy=" + proxy, "HTTP_PROXY=" + proxy, "HTTPS_PROXY=" + proxy,
	}, variables...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

// calls are those that the components got so far.
func (s *serverless) calls(t *testing.T) []call {
	t.Helper()
	var calls []call
	for line := range strings.Lines(read(t, s.record)) {
		var c call
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	return calls
}
