package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

func TestParseFlags(t *testing.T) {
	env := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(env, []byte("A=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parseFlags(nil)
	if err != nil || o.once || o.verbose || o.Addr != "127.0.0.1:8580" || o.OSSAddr != "127.0.0.1:8581" || o.STSAddr != "127.0.0.1:8582" || o.Trigger != fc.TriggerAPIGateway ||
		o.Instances != 1 || o.DeliverEvery != time.Minute || o.NoTrigger || o.RefusePrivateCallbacks {
		t.Errorf("parseFlags() = %+v, %v, want the documented defaults", o, err)
	}
	o, err = parseFlags([]string{"-once", "-v", "-oss-addr", "127.0.0.1:9000", "-trigger", "http", "-env", env, "-data", "d", "-webhook", "http://x/", "-instances", "2", "-refuse-private-callbacks"})
	if err != nil || !o.once || !o.verbose || o.Addr != "127.0.0.1:0" || o.OSSAddr != "127.0.0.1:9000" || o.STSAddr != "127.0.0.1:0" ||
		o.Trigger != fc.TriggerHTTP || o.Settings["A"] != "1" || o.DataDir != "d" || o.Webhook != "http://x/" || o.Instances != 2 || !o.RefusePrivateCallbacks {
		t.Errorf("parseFlags(-once …) = %+v, %v, want chosen ports but for the one given", o, err)
	}
}

func TestAssume(t *testing.T) {
	for _, args := range [][]string{{"-assume", "sign.too-early=400", "-assume", "meta.names=taken"}, {"-assume", "worst"}} {
		o, err := parseFlags(args)
		if err != nil || !o.Assume.Is("sign.too-early", "400") || !o.Assume.Is("meta.names", "taken") {
			t.Errorf("parseFlags(%q) = %v, %v, want both facts otherwise", args, o.Assume, err)
		}
	}
}

func TestParseFlagsRefuses(t *testing.T) {
	tests := []struct {
		name string
		args []string
		say  string
	}{
		{"an unknown flag", []string{"-port", "80"}, "-port"},
		{"an argument", []string{"up"}, `"up"`},
		{"no instances", []string{"-instances", "0"}, "-instances"},
		{"more instances than any machine has room for", []string{"-instances", "1000"}, "-instances"},
		{"a fact that is not unknown", []string{"-assume", "sign.week=8"}, "sign.week"},
		{"all at once and one more", []string{"-assume", "worst", "-assume", "sign.too-early=400"}, "worst"},
		{"a folder without the functions", []string{"-functions", t.TempDir()}, "there is no"},
		{"an unknown trigger", []string{"-trigger", "timer"}, "timer"},
		{"a file of settings that is not there", []string{"-env", filepath.Join(t.TempDir(), "none")}, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parseFlags(tt.args); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("parseFlags(%q) = %v, want %v with %q", tt.args, err, errUsage, tt.say)
			}
		})
	}
	if _, err := parseFlags([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("parseFlags(-h) = %v, want %v", err, flag.ErrHelp)
	}
}

func TestRunPrintsOneReadyLineWithRealAddresses(t *testing.T) {
	stacktest.EndToEnd(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout, printed := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan error, 1)
	go func() {
		// Without binaries: this one builds them, as for a developer.
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-oss-addr", "localhost:0", "-sts-addr", "127.0.0.1:0"}, printed, &stderr)
		printed.Close()
		done <- err
	}()
	lines := json.NewDecoder(stdout)
	var line json.RawMessage
	if err := lines.Decode(&line); err != nil {
		t.Fatalf("the ready line = %v, run() = %v", err, <-done)
	}

	var names []string
	for dec := json.NewDecoder(bytes.NewReader(line)); ; {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		if name, ok := tok.(string); ok {
			names = append(names, name)
			if value, err := dec.Token(); err != nil || value == "" {
				t.Errorf("%s of the ready line = %v, want a value", name, value)
			}
		}
	}
	want := []string{"gateway", "oss", "sts", "bucket", "region", "accessKeyId", "accessKeySecret", "callerToken", "stsCAFile"}
	if !slices.Equal(names, want) {
		t.Errorf("the ready line has %q, want %q", names, want)
	}
	var r stack.Ready
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, r.Gateway+"/_local/"); status != http.StatusOK || !bytes.Contains(body, []byte(r.OSS)) {
		t.Errorf("GET %s/ = %d %q, want 200 and the address of OSS", r.Gateway, status, body)
	}
	if status, body := get(t, r.OSS+stack.CallbackKeyPath); status != http.StatusOK || !bytes.HasPrefix(body, []byte("-----BEGIN PUBLIC KEY-----")) {
		t.Errorf("GET %s%s = %d %q, want 200 and a public key", r.OSS, stack.CallbackKeyPath, status, body)
	}
	checkCertificate(t, r)

	cancel()
	if err := <-done; err != nil {
		t.Errorf("run() = %v, want nil after a signal", err)
	}
	if err := lines.Decode(&line); !errors.Is(err, io.EOF) {
		t.Errorf("after the ready line stdout has %s, %v; want its end", line, err)
	}
	for line := range strings.Lines(stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("stderr has %q, want JSON lines only", line)
		}
	}
	if !strings.Contains(stderr.String(), `"msg":"open `+r.Gateway+`"`) {
		t.Errorf("stderr does not say where to look: %s", &stderr)
	}
}

func TestSayWhereToLook(t *testing.T) {
	var person, pipe strings.Builder
	sayWhereToLook(&person, "http://127.0.0.1:8580", true)
	sayWhereToLook(&pipe, "http://127.0.0.1:8580", false)
	if !strings.Contains(person.String(), "\nopen http://127.0.0.1:8580 ") {
		t.Errorf("on a terminal it says %q", person.String())
	}
	var line struct{ URL string }
	if err := json.Unmarshal([]byte(pipe.String()), &line); err != nil || line.URL != "http://127.0.0.1:8580" {
		t.Errorf("elsewhere it says %q, want a line of JSON", pipe.String())
	}
}

// checkCertificate connects to STS as a client that trusts only stsCAFile.
func checkCertificate(t *testing.T, r stack.Ready) {
	t.Helper()
	pem, err := os.ReadFile(r.STSCAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	address, ok := strings.CutPrefix(r.STS, "https://")
	if !ok {
		t.Errorf("sts = %q, want an https URL", r.STS)
	}
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatalf("connecting to STS: %v", err)
	}
	conn.Close()
}

func get(t *testing.T, target string) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}
