package browser_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/stacktest"
)

const (
	title = "Uploads from a browser:"

	largeParts = 12 // of the large file on the page, which sends 1 MiB at once
)

// The local stack as a person and a browser see it: its page by every method,
// both versions of Uppy, and OSS's own SDK.
func TestBrowser(t *testing.T) {
	stacktest.EndToEnd(t)
	d := start(t)
	table := stacktest.NewTable(t, title)
	gateway := newStack(t, d, "apigateway", "uppy6")
	trigger := newStack(t, d, "http", "uppy5")

	testPage(t, table, d, gateway, "API gateway, Uppy 6", true)
	testPage(t, table, d, trigger, "HTTP trigger, Uppy 5", false)
	testTryingAgain(t, table, d, gateway)
	testLeaving(t, table, d, gateway)
	for _, version := range []int{5, 6} {
		testUppy(t, table, d, gateway, version)
	}
	testSTS(t, table, d, gateway)
	testBadDays(t, table, d)
	for _, s := range []*stack{gateway, trigger} {
		for _, e := range s.events(t) {
			if !s.uploaded[e.Body.Data.Key] {
				t.Errorf("event %s is of %q, which nobody uploaded", e.ID, e.Body.Data.Key)
			}
		}
	}

	table.Run(t, "page: pictures", func(t *testing.T, _ func(string)) {
		named := func(f file) map[string]string { return map[string]string{"path": f.path, "name": f.name} }
		d.call(t, "pagePictures", map[string]any{
			"url": gateway.Ready.Gateway, "left": named(d.oddLarge), "done": named(d.odd), "large": named(d.large), "film": named(d.film), "refused": named(d.refused),
		}, nil)
	})
}

// pageResult is what the page shows of an upload that is done, and the parts
// that it sent.
type pageResult struct {
	Object  string
	EventID string
	Event   struct {
		Type string
		Data struct{ Key, EventID string }
	}
	Parts []int
}

func testPage(t *testing.T, table *stacktest.Table, d *driver, s *stack, name string, retriesForm bool) {
	d.call(t, "openPage", map[string]any{"url": s.Ready.Gateway, "fresh": true}, nil)
	for _, tt := range []struct {
		method, operation string
		file              file
	}{
		{"put", "PutObject", d.small},
		{"put", "PutObject", d.large},
		{"form", "PostObject", d.small},
		{"form", "PostObject", d.large},
		{"multipart", "UploadPart", d.small},
		{"multipart", "UploadPart", d.large},
		{"uppy", "PostObject", d.small},
		{"uppy", "UploadPart", d.large},
	} {
		table.Run(t, fmt.Sprintf("page, %s: %s, %s", name, tt.method, tt.file.name), func(t *testing.T, skip func(string)) {
			faulty := tt.operation != "PostObject" || tt.method == "form" || retriesForm
			if faulty {
				s.fail(t, tt.operation, 1)
			}
			var got pageResult
			d.call(t, "pageUpload", map[string]any{"method": tt.method, "file": tt.file.path, "name": tt.file.name}, &got)
			checkPage(t, s, got, tt.file)
			if !s.failed(t) {
				t.Errorf("%s did not fail once", tt.operation)
			}
		})
	}
}

// checkPage holds what the page shows against what is there.
func checkPage(t *testing.T, s *stack, got pageResult, want file) {
	t.Helper()
	key, ok := strings.CutPrefix(got.Object, s.Ready.Bucket+"/")
	if !ok {
		t.Fatalf("the page shows the object %q, want %s/…", got.Object, s.Ready.Bucket)
	}
	id := s.check(t, key, want)
	if got.EventID != id || got.Event.Data.EventID != id || got.Event.Data.Key != key || got.Event.Type != "upload.completed" {
		t.Errorf("the page shows %+v, want event %s of %q", got, id, key)
	}
}

func testTryingAgain(t *testing.T, table *stacktest.Table, d *driver, s *stack) {
	table.Run(t, "page: Uppy fails, and is tried again", func(t *testing.T, _ func(string)) {
		d.call(t, "openPage", map[string]any{"url": s.Ready.Gateway, "fresh": true}, nil)
		args := map[string]any{"method": "uppy", "file": d.large.path, "name": d.large.name}
		s.fail(t, "UploadPart", 20)
		var fault string
		d.call(t, "pageFail", args, &fault)
		if s.failed(t) || fault == "" {
			t.Errorf("the page says %q, want why it failed", fault)
		}
		var got pageResult
		d.call(t, "pageTryAgain", args, &got)
		checkPage(t, s, got, d.large)
	})
}

func testLeaving(t *testing.T, table *stacktest.Table, d *driver, s *stack) {
	args := map[string]any{"file": d.large.path, "name": d.large.name, "speed": 4_000_000}
	table.Run(t, "page: left half-way, opened again", func(t *testing.T, _ func(string)) {
		d.call(t, "openPage", map[string]any{"url": s.Ready.Gateway, "fresh": true}, nil)
		var before []int
		d.call(t, "pageLeave", args, &before)
		var after pageResult
		d.call(t, "pageReturn", args, &after)
		checkPage(t, s, after, d.large)
		if len(before) < 3 || len(after.Parts) == 0 {
			t.Errorf("stored parts %v before and %v after, want some of each", before, after.Parts)
		}
		for _, n := range after.Parts {
			if slices.Contains(before, n) {
				t.Errorf("part %d was stored and is sent again", n)
			}
		}
		// A part whose answer the page did not live to see is in neither list.
		if sent := len(before) + len(after.Parts); sent > largeParts {
			t.Errorf("%d parts were stored, want %d at most", sent, largeParts)
		}
	})
	table.Run(t, "page: left half-way, discarded", func(t *testing.T, _ func(string)) {
		d.call(t, "openPage", map[string]any{"url": s.Ready.Gateway, "fresh": true}, nil)
		d.call(t, "pageLeave", args, nil)
		before := s.openUploads(t, "")
		var status int
		d.call(t, "pageDiscard", args, &status)
		if after := s.openUploads(t, ""); status != 200 || after != before-1 {
			t.Errorf("discarding answered %d, uploads at OSS = %d, before %d, want one less", status, after, before)
		}
	})
}
