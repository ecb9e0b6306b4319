package poison

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"ossupload/shared/api"
)

// MaxRefusal bounds an answer that refuses something, in bytes.
const MaxRefusal = 16 << 10

// Answer is what a function returns for a request.
type Answer struct {
	Status int               `json:"statusCode"`
	Header map[string]string `json:"headers"`
	Body   string            `json:"body"`
	Code   api.Code          `json:"-"` // of a refusal
}

// Judge reads an answer and tells what is wrong with it. A refusal has one of the
// codes, with its status, at most api.MaxFaults faults, and is short. No string of
// any answer holds a control character: not in a header, not in JSON, not in a URL
// that is signed, not in what a URL or a form carries as base64. Members named in
// words are left out: they repeat what the client said, and that is what they are
// for.
func Judge(out []byte, words ...string) (a Answer, wrong []string) {
	if err := json.Unmarshal(out, &a); err != nil {
		return a, []string{fmt.Sprintf("the answer cannot be read: %v", err)}
	}
	j := judge{words: words}
	if slices.ContainsFunc(out, func(c byte) bool { return c < ' ' }) {
		j.say("the answer holds a raw control character")
	}
	for name, value := range a.Header {
		j.look(name, value)
	}
	var body any
	if a.Body != "" {
		if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
			j.say("the body is not JSON: %v", err)
		}
	}
	j.look("", body)
	if a.Status >= 300 {
		a.Code = j.refusal(a, len(out))
	}
	return a, j.wrong
}

// Controls tells which strings of a JSON text hold control characters, as Judge does.
func Controls(text []byte, words ...string) (wrong []string) {
	j := judge{words: words}
	if slices.ContainsFunc(text, func(c byte) bool { return c < ' ' }) {
		j.say("the text holds a raw control character")
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		j.say("the text is not JSON: %v", err)
	}
	j.look("", v)
	return j.wrong
}

type judge struct {
	words []string
	wrong []string
}

func (j *judge) say(format string, args ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

// refusal holds an answer that is no success against the contract.
func (j *judge) refusal(a Answer, size int) api.Code {
	var body struct {
		Code    api.Code        `json:"code"`
		Message string          `json:"message"`
		Details json.RawMessage `json:"details"`
	}
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil || !body.Code.Known() || body.Code.Status() != a.Status || body.Message == "" {
		j.say("status %d with the code %q is not in the table", a.Status, body.Code)
	}
	if a.Status >= 500 {
		j.say("status %d: nothing was broken but the request", a.Status)
	}
	var faults []any
	if json.Unmarshal(body.Details, &faults) == nil && len(faults) > api.MaxFaults {
		j.say("%d faults are told", len(faults))
	}
	if size > MaxRefusal {
		j.say("the refusal has %d bytes", size)
	}
	return body.Code
}

// look goes through a value of an answer.
func (j *judge) look(at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if !slices.Contains(j.words, name) {
				j.string(at, name)
				j.look(at+"."+name, value)
			}
		}
	case []any:
		for _, value := range v {
			j.look(at+"[]", value)
		}
	case string:
		j.string(at, v)
	}
}

func (j *judge) string(at, s string) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		j.say("%s holds a control character: %q", at, s)
	}
	if plain, err := base64.StdEncoding.DecodeString(s); err == nil {
		var inside any
		if json.Unmarshal(plain, &inside) == nil {
			j.look(at+" (base64)", inside)
		}
	}
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		j.string(at+" (path)", u.Path)
		for name, values := range u.Query() {
			for _, value := range values {
				j.string(at+" ("+name+")", value)
			}
		}
	}
}
