package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack/fc"
)

// subjects that would share prefixes, wildcards or reserved names if they were
// taken as they are.
var subjects = []string{
	"a", "ab", "a/", "a/b", "/a", "A", "a*", "*", "?", ".", "..", "../a", "a\\b",
	"_", "__", "_61", "__x", "_sts", "_sts/a", "_announced", "a%2f", "a b", "á",
	"a\u0301", "а", "${user}", strings.Repeat("_", 43), strings.Repeat("_", 128),
}

// reach asks for an object in both ways that take a key, and says what a caller
// got of somebody else's.
func (c *campaign) reach(t *testing.T, caller, key string, theirs []byte) string {
	if a := c.confirmAs(t, caller, map[string]string{"key": key}); a.Status < 400 {
		return fmt.Sprintf("/confirm answered %v", a)
	}
	return c.download(t, caller, key, theirs)
}

// download is "" unless a download of key gives the bytes of somebody else's.
func (c *campaign) download(t *testing.T, caller, key string, theirs []byte) string {
	a := c.call(t, http.MethodPost, "/download", caller, map[string]string{"key": key})
	var signed struct{ URL string }
	if a.Status != http.StatusOK || jsonOf(a, &signed) != nil {
		return ""
	}
	c.logged.secret(signed.URL)
	got := c.request(t, http.MethodGet, signed.URL, nil, nil)
	if got.Status == http.StatusOK && bytes.Equal(got.Body, theirs) {
		return "/download gave another's bytes"
	}
	return ""
}

// subjectMatrix is every subject's caller against every subject's object: each
// reaches its own alone.
func subjectMatrix(t *testing.T, c *campaign) []attack {
	type holding struct {
		caller, key string
		content     []byte
	}
	held := map[string]holding{}
	for i, subject := range subjects {
		caller := c.caller(t, subject, nil)
		content := []byte(fmt.Sprintf("of subject %d", i))
		var out struct {
			Key     string
			Headers map[string]string
		}
		c.call(t, http.MethodPost, "/presign", caller, map[string]any{"filename": "x.png", "size": len(content)}).into(t, "POST /presign", &out)
		c.store(t, out.Key, out.Headers, content)
		held[subject] = holding{caller, out.Key, content}
	}
	var rows []attack
	for _, mine := range subjects {
		for _, theirs := range subjects {
			from, to := held[mine], held[theirs]
			name := fmt.Sprintf("%.20q for %.20q", mine, theirs)
			if mine == theirs {
				rows = append(rows, attack{name: name, control: func(t *testing.T) string {
					if failure := passed(c.confirmAs(t, from.caller, map[string]string{"key": to.key})); failure != "" {
						return failure
					}
					if c.download(t, from.caller, to.key, to.content) == "" {
						return "one's own bytes were not to be had"
					}
					return ""
				}})
				continue
			}
			rows = append(rows, attack{name: name, try: func(t *testing.T) string {
				body := map[string]string{"key": to.key}
				for _, path := range []string{"/confirm", "/download"} {
					if breach := denied(c.call(t, http.MethodPost, path, from.caller, body), "not_found"); breach != "" {
						return path + " " + breach
					}
				}
				return ""
			}})
		}
	}
	for name, subject := range map[string]string{
		"empty": "", "129 bytes": strings.Repeat("a", 129), "a zero byte": "a\x00", "a line feed": "a\n", "an escape": "a\x1b[m", "no UTF-8": "a\xff", "U+FFFD": "a\ufffd",
	} {
		rows = append(rows, attack{name: "a subject of " + name, try: func(t *testing.T) string {
			return denied(c.call(t, http.MethodPost, "/session", c.caller(t, subject, nil), nil), "unauthenticated")
		}})
	}
	c.note("subject matrix: %d subjects, %d pairs", len(subjects), len(subjects)*len(subjects))
	return rows
}

// keySpellings are keys by which a could hope to reach the object of ab.
func keySpellings(t *testing.T, c *campaign) []attack {
	mine, theirs := c.caller(t, "a", nil), c.caller(t, "ab", nil)
	var out struct {
		Key     string
		Headers map[string]string
	}
	content := []byte("of ab, and of nobody else")
	c.call(t, http.MethodPost, "/presign", theirs, map[string]any{"filename": "x.png", "size": len(content)}).into(t, "POST /presign", &out)
	c.store(t, out.Key, out.Headers, content)
	rest := strings.TrimPrefix(out.Key, "uploads/ab/")
	var rows []attack
	for _, key := range []string{
		out.Key, "/" + out.Key, "//" + out.Key, "./" + out.Key, "uploads/a/../ab/" + rest, "uploads/a/./../ab/" + rest,
		"uploads/a/x/../../ab/" + rest, "uploads/a/..%2fab/" + rest, "uploads/a/%2e%2e/ab/" + rest, "uploads/a%2f../ab/" + rest,
		"uploads/a/..\\ab\\" + rest, "uploads/a//../ab/" + rest, "uploads//ab/" + rest, "uploads/a*/" + rest, "uploads/a?/" + rest,
		"uploads/a", "uploads/ab", "uploads/", "uploads", "", "*", "uploads/*", "uploads/a\x00/../ab/" + rest, "uploads/a/\n" + out.Key,
		"uploads/A/" + rest, "UPLOADS/ab/" + rest, "uploads/a/" + rest, "uploads/a/" + out.Key, "uploads/%61b/" + rest, "uploads/_61b/" + rest,
		"uploads/_sts/ab/" + rest, "uploads/_sts/a/" + rest, "uploads/_sts/a/x", "_ossupload/uploads/_announced/a/" + rest, "_ossupload/uploads/_announced/ab/" + rest, "_ossupload/uploads/_sweep/cursor", "uploads/a/_announced/" + rest,
		"ossupload-local/" + out.Key, "http://127.0.0.1/" + out.Key, "uploads/a/?versionId=null&x=/" + out.Key, "uploads/a/#/" + out.Key,
		"uploads/a/" + strings.Repeat("x/", 600), strings.Repeat("../", 50) + out.Key, "uploads/a/\u202e" + rest,
	} {
		rows = append(rows, attack{fmt.Sprintf("%.60q", key), func(t *testing.T) string { return c.reach(t, mine, key, content) }, func(t *testing.T) string {
			return passed(c.confirmAs(t, theirs, map[string]string{"key": out.Key}))
		}})
	}
	return rows
}

// headerAttacks want to be alice where a gateway's header says who is asking.
// They are given to the function as events, because no gateway of the stack
// keeps names apart that differ in case, and HTTP clients send no such values.
func headerAttacks(t *testing.T, c *campaign) []attack {
	const secret = "s3cret-of-the-gateway-0123456789-abcdef"
	trigger := fc.TriggerAPIGateway
	h := newRig(t, trigger, map[string]string{"AUTH_MODE": "header", "AUTH_HEADER": "X-User", "AUTH_HEADER_SECRET": secret})
	h.logged.secret(secret)
	const key = "uploads/alice/2026/01/a.png"
	h.store(t, key, map[string]string{"Content-Type": "image/png"}, []byte("of alice"))
	ask := func(t *testing.T, headers ...string) reply {
		return h.invokeWith(t, headers, "/download", map[string]string{"key": key})
	}
	control := func(t *testing.T) string { return passed(ask(t, "x-user", "alice", "X-USER-secret", secret)) }
	var rows []attack
	for name, headers := range map[string][]string{
		"no header":                        {},
		"the identity alone":               {"X-User", "alice"},
		"the secret alone":                 {"X-User-Secret", secret},
		"an empty secret":                  {"X-User", "alice", "X-User-Secret", ""},
		"half of the secret":               {"X-User", "alice", "X-User-Secret", secret[:20]},
		"the secret and more":              {"X-User", "alice", "X-User-Secret", secret + "x"},
		"the secret in capitals":           {"X-User", "alice", "X-User-Secret", strings.ToUpper(secret)},
		"the secret with space before it":  {"X-User", "alice", "X-User-Secret", " " + secret},
		"the secret with space behind it":  {"X-User", "alice", "X-User-Secret", secret + " "},
		"the secret with a tab":            {"X-User", "alice", "X-User-Secret", secret + "\t"},
		"the secret twice":                 {"X-User", "alice", "X-User-Secret", secret, "X-User-Secret", secret},
		"the secret twice, by case":        {"X-User", "alice", "X-User-Secret", secret, "x-user-secret", secret},
		"a wrong secret before it":         {"X-User", "alice", "x-user-secret", "x", "X-User-Secret", secret},
		"a wrong secret behind it":         {"X-User", "alice", "X-User-Secret", secret, "X-USER-SECRET", "x"},
		"the secret twice, by comma":       {"X-User", "alice", "X-User-Secret", secret + "," + secret},
		"the secret as the identity":       {"X-User", secret, "X-User-Secret", "alice"},
		"the secret in Authorization":      {"X-User", "alice", "Authorization", "Bearer " + secret},
		"underscores for hyphens":          {"X_User", "alice", "X_User_Secret", secret},
		"two identities":                   {"X-User", "mallory", "X-User", "alice", "X-User-Secret", secret},
		"two identities, alice first":      {"X-User", "alice", "X-User", "mallory", "X-User-Secret", secret},
		"one identity twice":               {"X-User", "alice", "X-User", "alice", "X-User-Secret", secret},
		"two identities, by case":          {"X-User", "mallory", "x-user", "alice", "X-User-Secret", secret},
		"three identities, by case":        {"X-User", "alice", "x-user", "alice", "X-USER", "alice", "X-User-Secret", secret},
		"an empty identity beside it":      {"X-User", "alice", "x-user", "", "X-User-Secret", secret},
		"an empty identity":                {"X-User", "", "X-User-Secret", secret},
		"an identity of space":             {"X-User", " ", "X-User-Secret", secret},
		"identities with a comma":          {"X-User", "alice,mallory", "X-User-Secret", secret},
		"identities with comma and space":  {"X-User", "mallory, alice", "X-User-Secret", secret},
		"a comma behind it":                {"X-User", "alice,", "X-User-Secret", secret},
		"space before it":                  {"X-User", " alice", "X-User-Secret", secret},
		"space behind it":                  {"X-User", "alice ", "X-User-Secret", secret},
		"a tab behind it":                  {"X-User", "alice\t", "X-User-Secret", secret},
		"a no-break space behind it":       {"X-User", "alice\u00a0", "X-User-Secret", secret},
		"a line feed behind it":            {"X-User", "alice\nX-Admin: 1", "X-User-Secret", secret},
		"a carriage return behind it":      {"X-User", "alice\r", "X-User-Secret", secret},
		"a zero byte behind it":            {"X-User", "alice\x00", "X-User-Secret", secret},
		"a C1 control behind it":           {"X-User", "alice\u0085", "X-User-Secret", secret},
		"capitals":                         {"X-User", "ALICE", "X-User-Secret", secret},
		"a Cyrillic letter":                {"X-User", "аlice", "X-User-Secret", secret},
		"fullwidth letters":                {"X-User", "ａｌｉｃｅ", "X-User-Secret", secret},
		"a zero-width space":               {"X-User", "alice\u200b", "X-User-Secret", secret},
		"a combining mark":                 {"X-User", "alice\u0301", "X-User-Secret", secret},
		"the replacement character":        {"X-User", "alice\ufffd", "X-User-Secret", secret},
		"an encoded letter":                {"X-User", "%61lice", "X-User-Secret", secret},
		"an escaped letter":                {"X-User", "_61lice", "X-User-Secret", secret},
		"a path":                           {"X-User", "mallory/../alice", "X-User-Secret", secret},
		"a path from above":                {"X-User", "../uploads/alice", "X-User-Secret", secret},
		"a slash behind it":                {"X-User", "alice/", "X-User-Secret", secret},
		"a prefix of it":                   {"X-User", "ali", "X-User-Secret", secret},
		"a wildcard":                       {"X-User", "*", "X-User-Secret", secret},
		"129 bytes":                        {"X-User", strings.Repeat("a", 129), "X-User-Secret", secret},
		"a caller's token, in this mode":   {"Authorization", "Bearer " + c.Ready.CallerToken},
		"the name of another header":       {"X-User-Id", "alice", "X-User-Secret", secret},
		"the name with a space":            {"X-User ", "alice", "X-User-Secret", secret},
		"the identity as a list of values": {"X-User", "[\"alice\"]", "X-User-Secret", secret},
	} {
		rows = append(rows, attack{name, func(t *testing.T) string {
			if a := ask(t, headers...); a.Status < 400 || a.Status >= 500 {
				return fmt.Sprintf("answered %v, want a refusal", a)
			}
			return ""
		}, control})
	}
	return rows
}

// invokeWith gives the presign function an event with these headers, names and
// values in turn, in their order and however often they stand there.
func (r *rig) invokeWith(t *testing.T, headers []string, path string, in any) reply {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.Ready.Gateway+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := fc.TriggerAPIGateway.EventFromRequest(req, body, fc.Arrival{RequestID: "direct", Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var event map[string]json.RawMessage
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	members := []byte(`{"Content-Type":"application/json"`)
	for i := 0; i+1 < len(headers); i += 2 {
		name, _ := json.Marshal(headers[i]) // strings never fail
		value, _ := json.Marshal(headers[i+1])
		members = append(append(append(append(members, ','), name...), ':'), value...)
	}
	event["headers"] = append(members, '}')
	if text, err = json.Marshal(event); err != nil {
		t.Fatal(err)
	}
	payload, err := r.Functions["presign"].Invoke(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := fc.TriggerAPIGateway.ResponseFromPayload(payload)
	if err != nil {
		t.Fatal(err)
	}
	return reply{client.Answer{Status: answer.Status, Header: answer.Header, Body: answer.Body}}
}
