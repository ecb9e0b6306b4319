package browser_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stacktest"
)

var update = flag.Bool("update", false, "write the table of "+uppyPage+" instead of comparing with it")

// uppyPage has the code that the pages of this test run, and the table of what
// they did.
const uppyPage = "UPPY.md"

// badDays are what goes wrong while a person uploads a small and a large file
// with Dashboard. Each goes on until all is well again.
var badDays = []struct {
	name string
	live func(t *testing.T, p *person)
	// small and large are how many objects there may be of a file, at most; 0
	// says that the day is none of its.
	small, large int
}{
	{name: "nothing", small: 1, large: 1, live: func(t *testing.T, p *person) { p.upload(t, p.small, p.large) }},
	{name: "the receiver is down", small: 1, large: 1, live: func(t *testing.T, p *person) {
		p.fail(t, "webhook", "*", fault.Unavailable)
		p.upload(t, p.small, p.large)
		p.settled(t)
	}},
	{name: "the callback fails", small: 1, live: func(t *testing.T, p *person) {
		p.fail(t, "callback", "*", fault.ConnectionReset)
		p.upload(t, p.small, p.large)
		p.settled(t)
	}},
	{name: "OSS answers 500", small: 1, large: 1, live: ossFails(fault.InternalError)},
	{name: "OSS answers 503", small: 1, large: 1, live: ossFails(fault.Unavailable)},
	{name: "OSS resets connections", small: 1, large: 1, live: ossFails(fault.ConnectionReset)},
	{name: "the last answer is lost on its way to the page", small: 2, large: 1, live: func(t *testing.T, p *person) {
		p.intercept(t, answer{"POST", p.s.Ready.Bucket + "/$", false}, answer{"POST", "/complete", false})
		p.upload(t, p.small, p.large)
		p.settled(t)
	}},
	{name: "the last answer is lost on its way to the functions", large: 1, live: func(t *testing.T, p *person) {
		p.fail(t, "oss", "CompleteMultipartUpload", fault.StoredThenReset)
		p.upload(t, p.small, p.large)
		p.settled(t)
	}},
	{name: "the receipt does not come", small: 1, large: 1, live: func(t *testing.T, p *person) {
		p.intercept(t, slices.Repeat([]answer{{"POST", "/confirm$", false}}, 8)...) // four tries for each file
		p.upload(t, p.small, p.large)
		p.settled(t)
	}},
	{name: "the session ends", small: 1, large: 1, live: sessionEnds},
	{name: "the page is reloaded half-way", small: 1, large: 1, live: func(t *testing.T, p *person) {
		p.fail(t, "oss", "PostObject", fault.Timeout)
		p.halfWay(t, p.small, p.large)
		stacktest.Eventually(t, "the small file is sent", func() bool { return len(p.untouched()) == 0 })
		p.crawl(t)
		p.reload(t)
	}},
	{name: "the page is reloaded before the last answer", small: 2, large: 1, live: func(t *testing.T, p *person) {
		p.intercept(t, answer{"POST", p.s.Ready.Bucket + "/$", true}, answer{"POST", "/complete", true})
		p.upload(t, p.small, p.large)
		p.intercepted(t)
		if stored := p.objects(t); len(stored) != 2 {
			t.Errorf("stored are %q, want both files", stored)
		}
		p.reload(t)
	}},
}

func ossFails(mode string) func(*testing.T, *person) {
	return func(t *testing.T, p *person) {
		p.fail(t, "oss", "PostObject", mode)
		p.halfWay(t, p.small, p.large)
		p.fail(t, "oss", "*", mode)
		p.release(t)
		p.settled(t)
	}
}

// sessionEnds has the session of the page end while the large file is sent: what
// it asks for the URL of every part but the first comes after that. So does the
// small file. The first part has to begin before, on a busy machine too.
func sessionEnds(t *testing.T, p *person) {
	p.hold(t, "GET", "/s3/multipart/[^/]+/[^1]")
	p.choose(t, p.large)
	p.login(t, p.s.token(t, 18*time.Second))
	p.press(t)
	p.until(t, "PUT", "", true)
	var session string
	p.d.call(t, "dashboardBase", map[string]any{"path": "/s3/multipart"}, &session)
	stacktest.Eventually(t, "the session ends", func() bool {
		return p.s.status(t, session+"/s3/params?filename=a.png") == http.StatusForbidden
	})
	if parts := p.parts(t); !slices.Equal(parts, []int{1}) {
		t.Errorf("parts %v were stored before the session ended, want the first", parts)
	}
	p.login(t, p.s.Ready.CallerToken)
	p.d.call(t, "dashboardHalfHour", nil, nil)
	p.release(t)
	p.upload(t, p.small) // the button comes when the large one is done
}

func testBadDays(t *testing.T, table *stacktest.Table, d *driver) {
	s := newStack(t, d, "apigateway", "uppy6")
	testGivingUp(t, table, d, s)
	var rows strings.Builder
	ran := 0
	for _, day := range badDays {
		for _, version := range []int{5, 6} {
			table.Run(t, fmt.Sprintf("Dashboard, Uppy %d: %s", version, day.name), func(t *testing.T, _ func(string)) {
				ran++
				p := come(t, d, s, version)
				defer p.explain(t)
				day.live(t, p)
				p.recover(t)
				p.finish(t)
				if day.small > 0 {
					rows.WriteString(p.row(t, "small", day.name, p.small, day.small))
				}
				if day.large > 0 {
					rows.WriteString(p.row(t, "large", day.name, p.large, day.large))
				}
				// One whose answer a reload has cut off is not among them.
				if parts := p.parts(t); len(parts) == 0 || len(slices.Compact(slices.Clone(parts))) < len(parts) {
					t.Errorf("parts %v were stored, want some, and each once", parts)
				}
			})
		}
	}
	if !t.Failed() && ran == 2*len(badDays) {
		compareTable(t, rows.String())
	}
}

// testGivingUp has a person remove the tile of a large file: half-way, and because
// Retry leads nowhere.
func testGivingUp(t *testing.T, table *stacktest.Table, d *driver, s *stack) {
	for _, version := range []int{5, 6} {
		table.Run(t, fmt.Sprintf("Dashboard, Uppy %d: the tile is removed half-way", version), func(t *testing.T, _ func(string)) {
			p := come(t, d, s, version)
			defer p.explain(t)
			p.halfWay(t, p.large)
			p.crawl(t)
			p.remove(t, p.large)
			p.until(t, "DELETE", "/s3/multipart/", false)
			if n := s.openUploads(t, ""); n != 0 {
				t.Errorf("%d uploads are left at OSS, want none", n)
			}
		})
		table.Run(t, fmt.Sprintf("Dashboard, Uppy %d: the upload is gone when Retry is pressed", version), func(t *testing.T, _ func(string)) {
			p := come(t, d, s, version)
			defer p.explain(t)
			p.fail(t, "oss", "CompleteMultipartUpload", fault.InternalError)
			p.upload(t, p.large)
			p.settled(t)
			p.recover(t)
			s.abortUploads(t)
			p.d.call(t, "dashboardRetry", map[string]any{"names": []string{p.large.name}}, nil)
			if said := p.settled(t); said[p.large.name] != "failed" {
				t.Errorf("the tile says %q of an upload that is gone, want that it failed", said[p.large.name])
			}
			p.remove(t, p.large)
			p.upload(t, p.large)
			p.settled(t)
			p.row(t, "large", "an upload that is gone", p.large, 1)
		})
	}
}

// compareTable holds the rows against those of the page, or with -update writes
// them there.
func compareTable(t *testing.T, rows string) {
	t.Helper()
	const begin, end = "|---|---|---|---|---|---|---|\n", "\n<!-- the end of the table -->"
	text, err := os.ReadFile(uppyPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := bytes.Cut(text, []byte(begin))
	old, after, ended := bytes.Cut(rest, []byte(end))
	switch {
	case !found || !ended:
		t.Fatalf("%s has no table between %q and %q", uppyPage, begin, end)
	case *update:
		text = slices.Concat(before, []byte(begin), []byte(rows), []byte(end), after)
		if err := os.WriteFile(uppyPage, text, 0o644); err != nil {
			t.Fatal(err)
		}
	case string(old) != rows:
		t.Errorf("%s has the rows\n%s\nwant\n%s\n\"-run TestBrowser/Dashboard -update\" writes them anew", uppyPage, without(string(old), rows), without(rows, string(old)))
	}
}

// without are the lines of text that other does not have.
func without(text, other string) string {
	known := strings.Split(other, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return slices.Contains(known, line) }), "\n")
}
