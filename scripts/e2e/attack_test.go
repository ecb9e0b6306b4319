package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

// attack is one thing that somebody tries who may not, and beside it the
// honest request from which it differs.
type attack struct {
	name    string
	try     func(t *testing.T) (breach string)  // what gave way, or ""
	control func(t *testing.T) (failure string) // what an honest client was refused, or ""
}

// theme is a group of attacks on one stack. Its rows are made when it is run,
// because they need the stack. A matrix is large, and has nothing to do with
// the shape of events: it is run behind one trigger. Areas are those of the unknown
// facts that the theme meets.
type theme struct {
	name   string
	rows   func(t *testing.T, c *campaign) []attack
	matrix bool
	areas  string
}

var themes = []theme{
	{"callbacks signed by OSS", callbackForgeries, false, "callback fc gateway trigger"},
	{"URLs of public keys", keyURLAttacks, false, "callback"},
	{"answers of key servers", keyServerAttacks, false, "callback"},
	{"tokens on every route", tokenMatrix, true, ""},
	{"credentials of callers", callerMatrix, true, "gateway"},
	{"keys of other subjects", subjectMatrix, true, ""},
	{"spellings of keys", keySpellings, false, "access sign"},
	{"identity headers", headerAttacks, false, "fc gateway"},
	{"uploads by PUT", putAttacks, false, "access meta sign"},
	{"uploads by form", formRaids, false, "callback form meta"},
	{"uploads in parts", partAttacks, false, "multipart sign"},
	{"swaps after the check", swapAttacks, false, "access multipart version"},
	{"versions", versionAttacks, false, "copy delete version"},
	{"downloads", downloadAttacks, false, "access sign"},
	{"temporary credentials", stsAttacks, false, "access copy credentials delete meta multipart sign sts"},
	{"floods of junk", floodAttacks, false, ""},
	{"claims of one's own token", claimAttacks, false, ""},
	{"places of others", placeAttacks, false, "access trigger"},
	{"objects held to grants", heldAttacks, false, "access form meta"},
	{"requests of no client", clientAttacks, false, "fc form gateway"},
}

// tally is what became of a theme, behind both triggers.
type tally struct{ tried, accepted, controls, passed int }

func (sum *tally) add(t *tally) {
	sum.tried, sum.accepted = sum.tried+t.tried, sum.accepted+t.accepted
	sum.controls, sum.passed = sum.controls+t.controls, sum.passed+t.passed
}

// campaign runs the themes against one stack.
type campaign struct {
	*rig
	trigger fc.Trigger
	tallies map[string]*tally // by theme
	mu      sync.Mutex
	notes   []string
	silent  map[string]string // keys that must never be announced, and the attacks on them
}

// TestAttacks is the table of all attacks. What other tests show in detail is
// here once more as a row, so that one number can be read off: how many were
// tried, and that none was accepted.
func TestAttacks(t *testing.T) {
	stacktest.EndToEnd(t)
	t.Parallel()
	tallies := map[string]*tally{}
	for _, th := range themes {
		tallies[th.name] = &tally{}
	}
	behind := triggers
	if *brief {
		behind = triggers[:1]
		if slices.Contains(areasOf(assumed), "fc") {
			behind = triggers[1:] // most of what is not known of FC is about its own trigger
		}
	}
	var notes []string
	for _, trigger := range behind {
		t.Run("behind the trigger "+string(trigger), func(t *testing.T) {
			c := &campaign{rig: newRig(t, trigger, nil), trigger: trigger, tallies: tallies, silent: map[string]string{}}
			t.Run("themes", func(t *testing.T) {
				for _, th := range themes {
					if th.matrix && trigger != triggers[0] || *brief && !th.meets(assumed) {
						continue
					}
					t.Run(th.name, func(t *testing.T) {
						t.Parallel()
						c.run(t, th)
					})
				}
			})
			c.checkSilence(t)
			notes = append(notes, c.notes...)
		})
	}
	report(t, tallies, notes)
}

// meets reports whether a theme meets one of the facts that are assumed. With none
// assumed, all but the matrices do.
func (th theme) meets(a facts.Assumptions) bool {
	if len(a.Settings()) == 0 {
		return !th.matrix
	}
	return slices.ContainsFunc(strings.Fields(th.areas), func(area string) bool { return slices.Contains(areasOf(a), area) })
}

// report prints the table, and fails if it proves nothing.
func report(t *testing.T, tallies map[string]*tally, notes []string) {
	var text strings.Builder
	var total tally
	for _, th := range themes {
		got := tallies[th.name]
		total.add(got)
		fmt.Fprintf(&text, "%-25s %5d tried, %d accepted; %4d of %4d controls passed\n", th.name, got.tried, got.accepted, got.passed, got.controls)
		if got.tried > 0 && got.controls == 0 {
			t.Errorf("%s: no control, so it would pass if everything were refused", th.name)
		}
	}
	for _, note := range notes {
		fmt.Fprintln(&text, note)
	}
	fmt.Fprintf(&text, "controls tried %d, passed %d\n", total.controls, total.passed)
	fmt.Fprintf(&text, "attacks tried %d, accepted %d\n", total.tried, total.accepted)
	fmt.Print(text.String())
	t.Log("\n" + text.String())
	least := 200
	if *brief {
		least = 1
	}
	if total.tried < least || total.accepted > 0 || total.passed != total.controls {
		t.Errorf("%d attacks were tried and %d accepted, %d of %d controls passed; want at least %d, none, and all", total.tried, total.accepted, total.passed, total.controls, least)
	}
}

// run tries every row of a theme, and after each its control.
func (c *campaign) run(t *testing.T, th theme) {
	got := c.tallies[th.name]
	rows := th.rows(t, c)
	if len(rows) == 0 {
		t.Error("the theme has no attacks")
	}
	for _, row := range rows {
		if c.arrivesOnce(row) {
			continue
		}
		if row.try != nil {
			got.tried++
			if breach := row.try(t); breach != "" {
				got.accepted++
				t.Errorf("attack %q: %s", row.name, breach)
			}
		}
		if row.control != nil {
			got.controls++
			if failure := row.control(t); failure != "" {
				t.Errorf("control of %q: %s", row.name, failure)
				continue
			}
			got.passed++
		}
	}
}

// sentTwice are attacks with a header that is good, and sent twice.
var sentTwice = []string{
	"the signature twice", "the same URL in two headers", "the owner's token twice", "the owner's token behind a stranger's",
}

// arrivesOnce reports whether a gateway makes of an attack what anybody may ask: it
// hands the last of two headers on.
func (c *campaign) arrivesOnce(row attack) bool {
	return c.trigger == fc.TriggerAPIGateway && assumed.Is("gateway.repeated-values", "last") && slices.Contains(sentTwice, row.name)
}

// note adds a line to the report.
func (c *campaign) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// keepSilent remembers that no event may ever be about key.
func (c *campaign) keepSilent(key, attack string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent[key] = attack
}

// checkSilence looks once, at the end, because a late event is one too.
func (c *campaign) checkSilence(t *testing.T) {
	for _, breach := range c.broken(t) {
		c.tallies[themes[0].name].accepted++
		t.Error(breach)
	}
}

// broken tells of the events that should not be.
func (c *campaign) broken(t *testing.T) (breaches []string) {
	all, err := stack.Events(t.Context(), c.client)
	if err != nil {
		t.Fatal(err)
	}
	if !*brief && (len(all) == 0 || len(c.silent) == 0) {
		t.Errorf("%d events, %d keys that must have none: the check says nothing", len(all), len(c.silent))
	}
	for _, e := range all {
		if name, ok := c.silent[e.Body.Data.Key]; ok || !e.Verified {
			breaches = append(breaches, fmt.Sprintf("an event of %s was delivered after the attack %q", e.Body.Data.Key, name))
		}
	}
	return breaches
}

// denied is "" for a refusal of one of codes, and else what was answered.
func denied(a reply, codes ...string) string {
	var c complaint
	if err := jsonOf(a, &c); err == nil && slices.Contains(codes, c.Code) && a.Status == statusOf[c.Code] && c.Details == nil {
		return ""
	}
	return fmt.Sprintf("answered %v, want one of %q without details", a, codes)
}

// faulty is "" for a refusal that names a field.
func faulty(a reply, field string) string {
	var c struct {
		Code    string
		Details []struct{ Field string }
	}
	if err := jsonOf(a, &c); err == nil && a.Status == http.StatusBadRequest && len(c.Details) > 0 && c.Details[0].Field == field {
		return ""
	}
	return fmt.Sprintf("answered %v, want 400 for %s", a, field)
}

// passed is "" for status 200, and else what was answered.
func passed(a reply) string {
	if a.Status == http.StatusOK {
		return ""
	}
	return fmt.Sprintf("answered %v, want 200", a)
}

// deniedByOSS is "" for a refusal of OSS with one of codes.
func deniedByOSS(a reply, codes ...string) string {
	got := a.ossCode()
	if a.Status >= 400 && a.Status < 500 && slices.Contains(codes, got) || a.Status == http.StatusNotImplemented {
		return "" // the stand-in says so before it looks at a signature
	}
	return fmt.Sprintf("OSS answered %d %s, want one of %q", a.Status, a.ossCode(), codes)
}
