// Package explain says what went wrong with an upload, and what to do about it: of
// the XML of an OSS refusal, the JSON of a function's, the transcript of "curl -v",
// or the message of a browser's console. With the answer of POST /presign it names
// what was sent otherwise than it was signed.
//
// It works offline. All its words are in rules.json, which the page of the local
// stack reads too: explain.js there is the same logic, and one table of cases holds
// the two equal. What is said has nothing of the input but names of headers, of
// parameters and of form fields, content types, lengths, methods, hosts and times:
// never a signature, a token or another value.
package explain

import (
	_ "embed" // rules.json
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Rules is rules.json.
//
//go:embed rules.json
var Rules []byte

// Rule is one symptom with its cause and its mend. In its texts {name} stands for a
// fact, and what is between brackets is left out if one of its facts is not known.
type Rule struct {
	ID      string `json:"id"`
	Who     string `json:"who"`     // refused: storage or function
	Origin  string `json:"origin"`  // of a page's message: who was asked
	Code    string `json:"code"`    // pattern of the whole code
	EC      string `json:"ec"`      // pattern of the whole EC, which decides alone
	Message string `json:"message"` // pattern in the message
	Exit    string `json:"exit"`    // pattern of the whole status of curl
	Symptom string `json:"symptom"`
	Cause   string `json:"cause"`
	Mend    string `json:"mend"`

	Facts []string `json:"facts"` // names of the groups of Message
}

// Book is all rules, each list in the order in which they are tried.
type Book struct {
	Differences []Rule `json:"differences"`
	Refusals    []Rule `json:"refusals"`
	Pages       []Rule `json:"pages"`
	Curl        []Rule `json:"curl"`
	Nothing     Rule   `json:"nothing"`

	// Told are the ways in which SDKs and the command line repeat a refusal: patterns
	// with groups for code, message and EC.
	Told []struct {
		Who     string `json:"who"`
		Pattern string `json:"pattern"`
	} `json:"told"`
}

// book is read once: rules.json is part of the program.
var book = func() (b Book) {
	if err := json.Unmarshal(Rules, &b); err != nil {
		panic("explain: rules.json cannot be read: " + err.Error())
	}
	return b
}()

// The patterns of the rules, compiled: of whole codes, ECs and statuses, and within
// messages.
var wholes, within = func() (wholes, within map[string]*regexp.Regexp) {
	wholes, within = map[string]*regexp.Regexp{}, map[string]*regexp.Regexp{}
	for _, r := range slices.Concat(book.Refusals, book.Pages, book.Curl) {
		for _, pattern := range []string{r.Code, r.EC, r.Exit} {
			wholes[pattern] = regexp.MustCompile("^(?:" + pattern + ")$")
		}
		within[r.Message] = regexp.MustCompile("(?i)" + r.Message)
	}
	for _, told := range book.Told {
		within[told.Pattern] = regexp.MustCompile(told.Pattern)
	}
	return wholes, within
}()

// Every returns every rule, for a page that lists them.
func Every() Book { return book }

// Finding is one thing that is wrong.
type Finding struct {
	ID      string `json:"id"`
	Symptom string `json:"symptom"`
	Cause   string `json:"cause"`
	Mend    string `json:"mend"`
}

func (f Finding) String() string {
	return f.Symptom + "\n  why:  " + f.Cause + "\n  mend: " + f.Mend
}

// facts are what rules may name.
type facts map[string]string

var (
	bracketed = regexp.MustCompile(`\[([^\[\]]*)\]`)
	named     = regexp.MustCompile(`\{([a-z]+)\}`)
)

// fill puts facts into a text.
func (f facts) fill(text string) string {
	text = bracketed.ReplaceAllStringFunc(text, func(part string) string {
		for _, name := range named.FindAllStringSubmatch(part, -1) {
			if f[name[1]] == "" {
				return ""
			}
		}
		return part[1 : len(part)-1]
	})
	return named.ReplaceAllStringFunc(text, func(name string) string {
		if value := f[name[1:len(name)-1]]; value != "" {
			return value
		}
		return "(unknown)"
	})
}

func (r Rule) finding(f facts) Finding {
	return Finding{ID: r.ID, Symptom: f.fill(r.Symptom), Cause: f.fill(r.Cause), Mend: f.fill(r.Mend)}
}

func ruleOf(rules []Rule, id string) Rule {
	for _, r := range rules {
		if r.ID == id {
			return r
		}
	}
	panic(fmt.Sprintf("explain: no rule %q", id))
}

// ErrPresign means that the answer of POST /presign is none.
var ErrPresign = errors.New(`this is not the answer of POST /presign: it has no "method" and "url"`)

// Explain says what is wrong with text. presign is the answer of POST /presign, or
// empty. There is always a finding.
func Explain(text, presign string) ([]Finding, error) {
	g, err := parseGrant(presign)
	if err != nil {
		return nil, err
	}
	e := parseExchange(text)
	found := answered(e, g)
	if e.preflight() && len(found) == 0 && e.status != "" && !e.admits {
		found = []Finding{pageRule("", asker(e.request.address, g)).finding(facts{"origin": redact(e.request.headers["origin"])})}
	}
	if len(found) == 0 {
		found = elsewhere(text, e, g)
	}
	if len(found) == 0 {
		found = []Finding{book.Nothing.finding(facts{})}
	}
	return found, nil
}

// answered explains a refusal, and names what was sent otherwise than it was granted.
func answered(e exchange, g *grant) []Finding {
	var found []Finding
	if e.refusal.who != byFunction && !e.preflight() {
		found = differences(g, e)
	}
	if e.refusal.who != "" && !(len(found) > 0 && e.refusal.explained()) {
		found = append(found, refused(e, g))
	}
	return found
}

// explained reports whether what differs explains a refusal, so that beside it there is
// nothing to say.
func (r refusal) explained() bool {
	return slices.Contains([]string{"SignatureDoesNotMatch", "InvalidArgument", "MethodNotAllowed", "InvalidAccessKeyId"}, r.code) || strings.Contains(r.message, "Anonymous access")
}

// Refused is what to do about a refusal of who, storage or function, of which no more
// is known than its code and message. Its zero value: nothing in particular.
func Refused(who, code, message string) Finding {
	r := refusal{who: who, code: code, message: message}
	rule, f := r.rule()
	if rule.ID == byStorage || rule.ID == byFunction {
		return Finding{}
	}
	return rule.finding(f)
}

// whole reports whether a pattern of a rule, which is not empty, is all of a value.
func whole(pattern, value string) bool { return pattern != "" && wholes[pattern].MatchString(value) }

// rule is the first that is about a refusal.
func (r refusal) rule() (Rule, facts) {
	for _, rule := range book.Refusals {
		if rule.Who != r.who {
			continue
		}
		f := facts{"said": redact(r.message)}
		if rule.EC != "" && whole(rule.EC, r.ec) {
			return rule, f
		}
		if rule.Code != "" && !whole(rule.Code, r.code) {
			continue
		}
		if rule.Message == "" {
			if rule.EC == "" {
				return rule, f
			}
			continue
		}
		groups := within[rule.Message].FindStringSubmatch(r.message)
		if groups == nil {
			continue
		}
		for i, name := range rule.Facts {
			f[name] = redact(groups[i+1])
		}
		return rule, f
	}
	return Rule{}, nil
}

// refused explains a refusal with what else is known about it.
func refused(e exchange, g *grant) Finding {
	rule, f := e.refusal.rule()
	for name, value := range map[string]string{
		"status": e.status, "code": e.refusal.code, "ec": e.refusal.ec, "bucket": e.refusal.element["BucketName"],
		"argument": e.refusal.element["ArgumentName"], "action": e.refusal.element["AuthAction"],
		"request": e.refusal.requestID, "header": "Authorization",
	} {
		if f[name] == "" {
			f[name] = redact(value)
		}
	}
	f["endpoint"] = hostOf(e.refusal.element["Endpoint"])
	if s := seen(e); s != nil && e.refusal.element["CanonicalRequest"] != "" {
		f["method"], f["headers"] = redact(s.method), strings.Join(s.names(), ", ")
	}
	times(f, e, g)
	return rule.finding(f)
}

var (
	curlFailed = regexp.MustCompile(`curl: \((\d+)\)`)
	aboutCORS  = regexp.MustCompile(`(?i)CORS|Access-Control-Allow-Origin`)
	noAnswer   = regexp.MustCompile(`(?i)Failed to fetch|NetworkError|Load failed|net::ERR_FAILED`)
	fromOrigin = regexp.MustCompile(`(?i)from origin '([^']{1,100})'`)
	someURL    = regexp.MustCompile(`https?://[^\s'"’)<>]+`)
	controls   = regexp.MustCompile(`[\x00-\x1f\x7f]+`)
	signedURL  = regexp.MustCompile(`https?://\S*\?\S*`)
	mediaType  = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(; ?charset=[A-Za-z0-9-]{1,20})?$`)
	hostName   = regexp.MustCompile(`^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*(:\d{1,5})?$`)
	opaque     = regexp.MustCompile(`[A-Za-z0-9+/=_.%~-]{40,}`)
)

// callRoutes are the functions'.
var callRoutes = regexp.MustCompile(`/(presign|download|sts|session|confirm|s3|c)(/|\?|$)`)

// elsewhere explains what is no answer: a browser's message, or curl's.
func elsewhere(text string, e exchange, g *grant) []Finding {
	if exit := curlFailed.FindStringSubmatch(text); exit != nil {
		for _, rule := range book.Curl {
			if whole(rule.Exit, exit[1]) {
				return []Finding{rule.finding(facts{})}
			}
		}
	}
	if e.request != nil {
		return nil
	}
	if !aboutCORS.MatchString(text) {
		if noAnswer.MatchString(text) {
			return []Finding{pageRule("", "network").finding(facts{})}
		}
		return nil
	}
	f := facts{}
	if origin := fromOrigin.FindStringSubmatch(text); origin != nil {
		f["origin"] = redact(origin[1])
	}
	return []Finding{pageRule(text, asked(text, f["origin"], g)).finding(f)}
}

// asked tells whose address a browser's message is about: the first that is not the
// page's own.
func asked(text, origin string, g *grant) string {
	for _, u := range someURL.FindAllString(text, -1) {
		if strings.TrimRight(u, "/") != origin {
			return asker(splitURL(u), g)
		}
	}
	return ""
}

// pageRule is the first whose pattern the message has, or else the one about who was
// asked. The last is about anybody.
func pageRule(text, who string) Rule {
	for _, rule := range book.Pages {
		if rule.Message != "" && within[rule.Message].MatchString(text) {
			return rule
		}
	}
	for _, rule := range book.Pages {
		if rule.Message == "" && rule.Origin == who {
			return rule
		}
	}
	return ruleOf(book.Pages, "cors")
}

// asker tells whose address a page asked: storage's, a function's, or "".
func asker(u address, g *grant) string {
	switch {
	case g != nil && u.host == g.url.host, strings.Contains(u.host, ".aliyuncs.com"), u.has("x-oss-signature"), u.has("x-oss-credential"):
		return byStorage
	case callRoutes.MatchString(u.path + "?"):
		return byFunction
	}
	return ""
}

const (
	byStorage  = "storage"
	byFunction = "function"
)

// redact makes somebody else's words fit to be shown: one line, short, and without
// anything that looks like a signature, a token or a signed URL.
func redact(text string) string {
	text = controls.ReplaceAllString(text, " ")
	text = signedURL.ReplaceAllString(text, "…")
	text = opaque.ReplaceAllString(text, "…")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return text
}

// mediaTypeOf and hostOf are redact for what may be long and is no secret, if it is
// what it should be.
func mediaTypeOf(text string) string {
	if mediaType.MatchString(text) {
		return text
	}
	return redact(text)
}

func hostOf(text string) string {
	if hostName.MatchString(text) {
		return text
	}
	return redact(text)
}

// decode undoes percent-encoding once. What is not encoded stays as it is.
func decode(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// minutes is a difference of times in words.
func minutes(seconds int64) string {
	if seconds < 120 {
		return strconv.FormatInt(seconds, 10) + " s"
	}
	if seconds < 2*3600 {
		return strconv.FormatInt(seconds/60, 10) + " minutes"
	}
	return strconv.FormatInt(seconds/3600, 10) + " hours"
}
