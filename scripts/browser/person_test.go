package browser_test

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	local "ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
)

// person is one in front of a page with Uppy and Dashboard.
type person struct {
	d       *driver
	s       *stack
	version int
	small   file
	large   file
	before  []string       // keys of objects that were there
	presses map[string]int // of Retry, by file
	saw     map[string][]string
}

// come opens the page.
func come(t *testing.T, d *driver, s *stack, version int) *person {
	t.Helper()
	t.Cleanup(s.Faults.Clear)
	d.call(t, "dashboardOpen", map[string]any{"url": d.plain, "uppy": version, "functions": s.Ready.Gateway, "token": s.Ready.CallerToken}, nil)
	return &person{
		d: d, s: s, version: version, small: d.photo, large: d.film,
		before: s.keys(t), presses: map[string]int{}, saw: map[string][]string{},
	}
}

func (p *person) login(t *testing.T, token string) {
	t.Helper()
	p.d.call(t, "dashboardToken", map[string]any{"token": token}, nil)
}

func (p *person) upload(t *testing.T, files ...file) {
	t.Helper()
	p.choose(t, files...)
	p.press(t)
}

func (p *person) choose(t *testing.T, files ...file) {
	t.Helper()
	paths := []string{}
	for _, f := range files {
		paths = append(paths, f.path)
	}
	p.d.call(t, "dashboardChoose", map[string]any{"files": paths}, nil)
}

// press presses Upload.
func (p *person) press(t *testing.T) {
	t.Helper()
	p.d.call(t, "dashboardPress", nil, nil)
}

// halfWay uploads files, of which one is the large one, until its first part is
// stored. The others are held before they are sent.
func (p *person) halfWay(t *testing.T, files ...file) {
	t.Helper()
	p.hold(t, "PUT", `[?&]partNumber=[^1]`)
	p.upload(t, files...)
	p.until(t, "PUT", "", true)
}

// crawl sends what is held, so slowly that none of it comes to its end.
func (p *person) crawl(t *testing.T) {
	t.Helper()
	p.d.call(t, "crawl", nil, nil)
	p.release(t)
}

// hold holds requests of the page before they are sent, until release or recover.
func (p *person) hold(t *testing.T, method, url string) {
	t.Helper()
	p.d.call(t, "hold", map[string]any{"method": method, "url": url}, nil)
}

func (p *person) release(t *testing.T) {
	t.Helper()
	p.d.call(t, "release", nil, nil)
}

// reload opens the page anew. Of the large file Uppy has kept no more than its
// name: it is chosen again.
func (p *person) reload(t *testing.T) {
	t.Helper()
	p.d.call(t, "dashboardReload", nil, nil)
	p.recover(t)
	p.upload(t, p.large)
}

func (p *person) remove(t *testing.T, f file) {
	t.Helper()
	p.d.call(t, "dashboardRemove", map[string]any{"name": f.name}, nil)
}

// until waits for an answer to the page.
func (p *person) until(t *testing.T, method, path string, part bool) {
	t.Helper()
	p.d.call(t, "dashboardUntil", map[string]any{"method": method, "path": path, "part": part}, nil)
}

// answer is one that the page does not get.
type answer struct {
	Method string `json:"method"`
	URL    string `json:"url"`   // pattern
	Stays  bool   `json:"stays"` // it never comes; else the connection is reset
}

func (p *person) intercept(t *testing.T, answers ...answer) {
	t.Helper()
	p.d.call(t, "dashboardIntercept", map[string]any{"answers": answers}, nil)
}

// intercepted waits until all of these answers were there.
func (p *person) intercepted(t *testing.T) {
	t.Helper()
	p.d.call(t, "intercepted", nil, nil)
}

// always is more often than anything is tried.
const always = 1_000

// fail makes an operation of the stack fail until all is well again.
func (p *person) fail(t *testing.T, target, operation, mode string) {
	t.Helper()
	if err := p.s.Faults.Set(fault.Fault{Target: target, Operation: operation, Mode: mode, Count: always}); err != nil {
		t.Fatal(err)
	}
}

// untouched are the faults that have not happened yet.
func (p *person) untouched() (faults []fault.Fault) {
	for _, f := range p.s.Faults.List() {
		if f.Count == always {
			faults = append(faults, f)
		}
	}
	return faults
}

// recover makes all well again. What was to go wrong must have done so.
func (p *person) recover(t *testing.T) {
	t.Helper()
	for _, f := range p.untouched() {
		t.Errorf("%s of %s was never asked for %s", f.Mode, f.Target, f.Operation)
	}
	p.s.Faults.Clear()
	var left int
	p.d.call(t, "dashboardCalm", nil, &left)
	if left > 0 {
		t.Errorf("%d answers that were to be lost never came", left)
	}
}

// parts are the numbers of those that the page stored.
func (p *person) parts(t *testing.T) (parts []int) {
	t.Helper()
	p.d.call(t, "dashboardParts", nil, &parts)
	return parts
}

// settled waits for all tiles and writes down what they say.
func (p *person) settled(t *testing.T) (said map[string]string) {
	t.Helper()
	p.d.call(t, "dashboardSettled", nil, &said)
	for name, state := range said {
		if saw := p.saw[name]; len(saw) == 0 || saw[len(saw)-1] != state {
			p.saw[name] = append(saw, state)
		}
	}
	return said
}

// objects are the keys of those that were stored since the person came.
func (p *person) objects(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(p.s.keys(t), func(key string) bool { return slices.Contains(p.before, key) })
}

// finish presses Retry where a tile has failed, and has everything delivered that
// waits for it.
func (p *person) finish(t *testing.T) {
	t.Helper()
	failed := []string{}
	for name, state := range p.settled(t) {
		if state == "failed" {
			failed = append(failed, name)
			p.presses[name]++
		}
	}
	if len(failed) > 0 {
		p.d.call(t, "dashboardRetry", map[string]any{"names": failed}, nil)
	}
	p.settled(t)
	if err := p.s.Triggered.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.s.ask(t, "POST", "/_local/timer", map[string]any{"do": "deliver", "aheadSeconds": 3600}, nil)
}

// row checks what became of a file, and tells it in a row of the table.
func (p *person) row(t *testing.T, size, day string, f file, most int) string {
	t.Helper()
	objects, ids := 0, map[string]bool{}
	for _, key := range p.objects(t) {
		if path.Ext(key) == path.Ext(f.name) {
			ids[p.s.check(t, key, f)] = true
			objects++
		}
	}
	p.told(t, f, ids)
	saw, presses := p.saw[f.name], p.presses[f.name]
	if objects < 1 || objects > most || len(ids) != objects || presses > 1 || len(saw) == 0 || saw[len(saw)-1] != "complete" {
		t.Errorf("%d objects of %s with %d event ids, %d presses of Retry, the tile says %q; want %d objects at most, each with one id, and a complete tile",
			objects, f.name, len(ids), presses, saw, most)
	}
	return fmt.Sprintf("| %d | %s | %s | %d | %d | %s | %d |\n", p.version, size, day, objects, len(ids), strings.Join(saw, ", then "), presses)
}

// told checks what Uppy told the application of a file: one receipt, of an event
// that there was.
func (p *person) told(t *testing.T, f file, ids map[string]bool) {
	t.Helper()
	var all []struct{ Name, UploadURL, Location, Key, EventID string }
	p.d.call(t, "dashboardUploads", nil, &all)
	n := 0
	for _, u := range all {
		if u.Name != f.name {
			continue
		}
		n++
		if want := p.s.Ready.OSS + "/" + p.s.Ready.Bucket + "/" + u.Key; u.UploadURL != want || u.Location != want || !ids[u.EventID] {
			t.Errorf("the application was told %+v, want the URL %s and an event of %v", u, want, ids)
		}
	}
	if n != 1 {
		t.Errorf("the application was told %d times of %s, want once", n, f.name)
	}
}

// explain tells of a test that failed what the page and the stack have of it.
func (p *person) explain(t *testing.T) {
	t.Helper()
	if !t.Failed() {
		return
	}
	var page struct {
		Tiles    map[string]string
		Requests []string
	}
	p.d.call(t, "dashboardState", nil, &page)
	t.Logf("the tiles say %q, after %q; stored are %q; faults that are left: %+v; the page asked for\n%s",
		page.Tiles, p.saw, p.objects(t), p.s.Faults.List(), strings.Join(page.Requests, "\n"))
}

// token is one of the caller's that ends.
func (s *stack) token(t *testing.T, life time.Duration) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": local.CallerSubject, "aud": "ossupload", "exp": time.Now().Add(life).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(s.Identity.CallerSecret)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// status is that of the answer to a GET by nobody.
func (s *stack) status(t *testing.T, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Ready.Gateway+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}
