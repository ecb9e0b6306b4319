package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/openapi"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

var update = flag.Bool("update", false, "write the documents of testdata anew")

// asked are the command lines whose documents are in testdata.
var asked = map[string][]string{
	"cloud-native-presign.json":  {"-only", "presign"},
	"cloud-native-complete.json": {"-only", "complete", "-server", "https://files.example.com/"},
	"classic.json": {
		"-kind", "classic", "-role", "acs:ram::1234567890123456:role/ossupload-gateway", "-functions",
		"presign=https://ossupload-presign-abcdefghij.cn-shanghai.fcapp.run/,complete=acs:fc:cn-shanghai:1234567890123456:functions/ossupload-complete/live",
	},
}

func printed(t *testing.T, args ...string) []byte {
	t.Helper()
	var stdout bytes.Buffer
	if err := run(t.Context(), args, nil, &stdout, t.Output()); err != nil {
		t.Fatal(err)
	}
	return stdout.Bytes()
}

func TestDocuments(t *testing.T) {
	for name, args := range asked {
		path, got := filepath.Join("testdata", name), printed(t, args...)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s has changed: run go test ./scripts/gateway -update, and read the difference", name)
		}
	}
}

// validate holds a document against its specification: 3.0 for OpenAPI, 2.0 for
// Swagger.
func validate(t *testing.T, text []byte) error {
	t.Helper()
	if !bytes.Contains(text, []byte(`"swagger"`)) {
		document, err := openapi3.NewLoader().LoadFromData(text)
		if err != nil {
			return err
		}
		if !document.IsOpenAPI30() {
			return errors.New("it is not of OpenAPI 3.0")
		}
		return document.Validate(t.Context())
	}
	var swagger openapi2.T
	if err := json.Unmarshal(text, &swagger); err != nil {
		return err
	}
	document, err := openapi2conv.ToV3(&swagger)
	if err != nil {
		return err
	}
	return document.Validate(t.Context())
}

func TestDocumentsAreValid(t *testing.T) {
	for name, args := range asked {
		text := printed(t, args...)
		if err := validate(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// The words of 3.1, whether or not the validator knows them.
		for _, word := range []string{`"const":`, `"webhooks":`, `"propertyNames":`, `"identifier":`, `"type": [`} {
			if bytes.Contains(text, []byte(word)) {
				t.Errorf("%s has %s", name, word)
			}
		}
	}
}

// The contract itself is not of 3.0, and what is not valid is found.
func TestValidatorFindsFaults(t *testing.T) {
	text := string(printed(t))
	for fault, broken := range map[string]string{
		"a contract that says it is of 3.0": strings.Replace(string(openapi.Document), "openapi: 3.1.0", "openapi: 3.0.3", 1),
		"a list of types":                   strings.Replace(text, `"type": "integer"`, `"type": ["integer", "null"]`, 1),
		"a path without its parameter":      strings.Replace(text, `"name": "capability"`, `"name": "other"`, 1),
		"a reference to nothing":            strings.Replace(text, `#/components/schemas/PresignRequest"`, `#/components/schemas/Nothing"`, 1),
		"an operation without answers":      strings.Replace(string(printed(t, asked["classic.json"]...)), `"responses"`, `"answers"`, 1),
		"two operations of one id":          strings.Replace(text, `"operationId": "presign"`, `"operationId": "download"`, 1),
	} {
		if broken == text {
			t.Fatalf("%s: nothing is broken", fault)
		}
		if err := validate(t, []byte(broken)); err == nil {
			t.Errorf("%s is valid", fault)
		}
	}
}

// called are the operations of a printed document, as "POST /presign".
func called(t *testing.T, text []byte) map[string]map[string]any {
	t.Helper()
	var document struct {
		Paths map[string]map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for path, item := range document.Paths {
		for method, operation := range item {
			all[strings.ToUpper(method)+" "+path] = operation
		}
	}
	return all
}

// contracted are the routes of the contract but the callback, those of sessions
// twice, and OPTIONS on every path.
func contracted(t *testing.T) []string {
	t.Helper()
	contract, err := openapi3.NewLoader().LoadFromData(openapi.Document)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for path, item := range contract.Paths.Map() {
		at := []string{path}
		if len(item.Servers) > 1 {
			at = append(at, session+path)
		}
		if path == "/callback" {
			at = nil
		}
		for _, path := range at {
			for method := range item.Operations() {
				want[method+" "+path], want["OPTIONS "+path] = true, true
			}
		}
	}
	return slices.Sorted(maps.Keys(want))
}

func TestDocumentsHaveEveryRoute(t *testing.T) {
	want := contracted(t)
	whole := called(t, printed(t))
	for name, got := range map[string]map[string]map[string]any{"cloud-native": whole, "classic": called(t, printed(t, asked["classic.json"]...))} {
		if got := slices.Sorted(maps.Keys(got)); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
	parts := called(t, printed(t, "-only", "presign"))
	for route := range called(t, printed(t, "-only", "complete")) {
		if parts[route] != nil {
			t.Errorf("%s is of both functions", route)
		}
		parts[route] = whole[route]
	}
	if len(parts) != len(whole) {
		t.Errorf("the functions have %d routes, want %d", len(parts), len(whole))
	}
}

// The gateway's own rules for what it imports, which no validator knows.
func TestClassicExtensions(t *testing.T) {
	name := regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]{3,49}$`)
	ids := map[string]bool{}
	for route, operation := range called(t, printed(t, asked["classic.json"]...)) {
		id := operation["operationId"].(string)
		if !name.MatchString(id) || ids[id] {
			t.Errorf("%s has the name %q, which is none or another's", route, id)
		}
		ids[id] = true
		backend := operation["x-aliyun-apigateway-backend"].(map[string]any)
		method, path, _ := strings.Cut(route, " ")
		presign := regexp.MustCompile(`^/(presign|download|sts|session)$`).MatchString(path)
		want := map[string]any{"path": path, "method": strings.ToLower(method), "timeout": 30000.0}
		if presign {
			want["type"], want["address"] = "HTTP", "https://ossupload-presign-abcdefghij.cn-shanghai.fcapp.run"
		} else {
			maps.Copy(want, map[string]any{
				"type": "FC", "fcType": "FCEvent", "fcVersion": "3.0", "fcRegion": "cn-shanghai", "functionName": "ossupload-complete",
				"qualifier": "live", "arn": "acs:ram::1234567890123456:role/ossupload-gateway",
			})
		}
		if !maps.Equal(backend, want) {
			t.Errorf("%s goes to %v, want %v", route, backend, want)
		}
		if operation["x-aliyun-apigateway-auth-type"] != "ANONYMOUS" {
			t.Errorf("%s asks callers for an application of the gateway", route)
		}
		for _, spelling := range []string{"parameter", "paramater"} {
			if operation["x-aliyun-apigateway-"+spelling+"-handling"] != "PASSTHROUGH" {
				t.Errorf("%s maps its parameters", route)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	for fault, args := range map[string][]string{
		"neither cloud-native":  {"-kind", "apisix"},
		"neither presign":       {"-only", "callback"},
		"OSS calls":             {"-kind", "classic", "-functions", "callback=https://a.example"},
		"needs a -role":         {"-kind", "classic", "-functions", "presign=acs:fc:cn-shanghai:1234567890123456:functions/p"},
		"neither the ARN":       {"-kind", "classic", "-functions", "presign=http://a.example"},
		"has no complete":       {"-kind", "classic", "-functions", "presign=https://a.example"},
		"when it imports":       {"-functions", "presign=https://a.example"},
		"has to be https":       {"-server", "http://a.example"},
		"unexpected argument":   {"classic"},
		"not defined: -nothing": {"-nothing"},
		`repair" is neither pr`: {"-kind", "classic", "-functions", "repair=https://a.example"},
	} {
		var stdout bytes.Buffer
		if err := run(t.Context(), args, nil, &stdout, t.Output()); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), fault) || stdout.Len() > 0 {
			t.Errorf("%q: %v, want %q and nothing printed", args, err, fault)
		}
	}
	printed(t, "-kind", "classic", "-only", "presign", "-functions", "presign=https://a.example")
}

var (
	commands = regexp.MustCompile(`(?m)^go run \./scripts/gateway ((?:.*\\\n)*.*) > [a-z]+\.json$`)
	named    = regexp.MustCompile("`((?:gateway|fc)\\.[a-z-]+)`")
)

// Every command of the pages runs as it is printed, and they name no fact that is
// none.
func TestPages(t *testing.T) {
	for page, count := range map[string]int{"CLOUD-NATIVE.md": 2, "CLASSIC.md": 2} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := commands.FindAllSubmatch(text, -1)
		if len(found) != count {
			t.Errorf("%s has %d commands, want %d", page, len(found), count)
		}
		for _, m := range found {
			args := strings.Fields(strings.ReplaceAll(string(m[1]), "\\\n", " "))
			if err := validate(t, printed(t, args...)); err != nil {
				t.Errorf("%s: %q: %v", page, args, err)
			}
		}
		for _, m := range named.FindAllSubmatch(text, -1) {
			known := slices.ContainsFunc(facts.All(), func(f facts.Fact) bool { return f.ID == string(m[1]) })
			if !known {
				t.Errorf("%s names the fact %s, which is none", page, m[1])
			}
		}
	}
}

// The routes of the page are those that it imports.
func TestPageHasEveryRoute(t *testing.T) {
	text, err := os.ReadFile("CLOUD-NATIVE.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| (`/.*?) \\| (exact|prefix) \\| ([A-Z, ]+) \\| `ossupload-([a-z]+)` \\|")
	rows := row.FindAllStringSubmatch(string(text), -1)
	for route, operation := range called(t, printed(t)) {
		method, path, _ := strings.Cut(route, " ")
		fits := func(row []string) bool {
			for item := range strings.SplitSeq(row[1], ", ") {
				listed := strings.Trim(item, "`")
				if path == listed || row[2] == "prefix" && strings.HasPrefix(path, listed) {
					return slices.Contains(strings.Split(row[3], ", "), method) && operation["tags"].([]any)[0] == row[4]
				}
			}
			return false
		}
		if !slices.ContainsFunc(rows, fits) {
			t.Errorf("the page has no route for %s", route)
		}
	}
}

// Behind a gateway's events the functions answer on every path that is imported,
// and on no other.
func TestStackAnswersWhatIsImported(t *testing.T) {
	s := stacktest.Start(t, stacktest.Options{Trigger: fc.TriggerAPIGateway, Settings: map[string]string{"CORS_ORIGINS": "https://app.example.com"}})
	values := strings.NewReplacer("{capability}", "v1.k1.x", "{uploadId}", "u", "{partNumber}", "1")
	routes := slices.Sorted(maps.Keys(called(t, printed(t))))
	if len(routes) < 30 {
		t.Fatalf("there are %d routes", len(routes))
	}
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		want := http.StatusUnauthorized
		switch {
		case method == http.MethodOptions:
			want = http.StatusNoContent
		case strings.HasPrefix(path, session):
			want = http.StatusForbidden // the path is a session's that is none
		}
		if got := ask(t, method, s.Ready.Gateway+values.Replace(path)); got != want {
			t.Errorf("%s is answered %d, want %d", route, got, want)
		}
	}
	if got := ask(t, http.MethodPost, s.Ready.Gateway+"/s3/other"); got != http.StatusNotFound {
		t.Errorf("what is not imported is answered %d, want 404", got)
	}
}

// ask calls as a page would that has no token.
func ask(t *testing.T, method, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "https://app.example.com")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("Access-Control-Allow-Origin"); got != "https://app.example.com" {
		t.Errorf("%s %s allows the origin %q", method, url, got)
	}
	return answer.StatusCode
}
