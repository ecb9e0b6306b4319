package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/shared/uploadtoken"
)

func (r *rig) confirmAs(t *testing.T, caller string, in any) reply {
	t.Helper()
	return r.call(t, http.MethodPost, "/confirm", caller, in)
}

func (r *rig) confirmToken(t *testing.T, token string) reply {
	t.Helper()
	return r.confirmAs(t, r.Ready.CallerToken, map[string]string{"uploadToken": token})
}

func (r *rig) confirmKey(t *testing.T, key string) reply {
	t.Helper()
	return r.confirmAs(t, r.Ready.CallerToken, map[string]string{"key": key})
}

const metaGrant = "x-oss-meta-ossupload-grant"

func TestConfirm(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(9)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		t.Run("a PUT, by token and by key", func(t *testing.T) {
			t.Parallel()
			u := r.grantPut(t, nil)
			r.confirmToken(t, u.token).refused(t, "by token before it is there", http.StatusNotFound, "not_found")
			r.confirmKey(t, u.key).refused(t, "by key before it is there", http.StatusNotFound, "not_found")
			r.wantNoEvent(t, u.key)
			r.store(t, u.key, u.header, u.content) // its callback was lost
			answers := []reply{r.confirmKey(t, u.key), r.confirmToken(t, u.token), r.confirmKey(t, u.key)}
			sameAnswers(t, "confirmed three times", answers)
			receipt := answers[0].receipt(t, "confirmed", u.key, u.content)
			r.wantEvents(t, receipt, 1)
			late := r.message(t, u.notice(etagOf(u.content)))
			sameAnswers(t, "the callback, late", []reply{answers[0], r.deliver(t, late)})
			r.wantEvents(t, receipt, 2) // by another function, under the same id
		})
		t.Run("a PUT whose callback came", func(t *testing.T) {
			t.Parallel()
			u := r.grantPut(t, map[string]any{"metadata": map[string]string{"camera": "Übersee ☀"}})
			put := u.put(t)
			sameAnswers(t, "callback and confirmation", []reply{put, r.confirmToken(t, u.token), r.confirmKey(t, u.key)})
			receipt := put.receipt(t, "PUT", u.key, u.content)
			if receipt.Metadata["camera"] != "Übersee ☀" || len(receipt.Metadata) != 1 {
				t.Errorf("metadata = %q, want the camera alone", receipt.Metadata)
			}
			r.wantEvents(t, receipt, 2)
		})
		t.Run("a URL upload, by token alone", func(t *testing.T) {
			t.Parallel()
			u := r.grantPut(t, map[string]any{"as": "url"})
			receipt := u.put(t).receipt(t, "PUT", u.key, u.content)
			r.confirmKey(t, u.key).refused(t, "by key", http.StatusUnprocessableEntity, "object_mismatch")
			confirmed := r.confirmToken(t, u.token).receipt(t, "by token", u.key, u.content)
			if confirmed.Filename != "holiday.png" || confirmed.EventID != receipt.EventID {
				t.Errorf("receipt = %+v, want that of the PUT, %+v", confirmed, receipt)
			}
			r.wantEvents(t, receipt, 2)
		})
		t.Run("a multipart upload, by token and by key", func(t *testing.T) {
			t.Parallel()
			m := r.begin(t, map[string]any{"vars": map[string]string{"room": "7"}})
			sent := m.send(t, 1, contents...)
			r.confirmToken(t, m.UploadID).refused(t, "by token before completion", http.StatusNotFound, "not_found")
			r.confirmKey(t, m.Key).refused(t, "by key before completion", http.StatusNotFound, "not_found")
			done := m.complete(t, sent)
			receipt := done.receipt(t, "complete", m.Key, whole)
			sameAnswers(t, "completion and confirmation", []reply{done, r.confirmToken(t, m.UploadID), r.confirmKey(t, m.Key)})
			r.wantEvents(t, receipt, 1) // by one instance, which remembers
		})
		t.Run("a grant outlives its token", func(t *testing.T) {
			t.Parallel()
			u := r.grantPut(t, nil)
			old := u.claims
			old.ExpiresAt = time.Now().Unix() - 3600
			expired := r.seal(t, uploadtoken.Upload, old)
			u.header[metaGrant] = r.seal(t, uploadtoken.Grant, old)
			r.logged.secret(expired, u.header[metaGrant])
			r.store(t, u.key, u.header, u.content)
			r.confirmToken(t, expired).refused(t, "by expired token", http.StatusForbidden, "invalid_token")
			r.wantEvents(t, r.confirmKey(t, u.key).receipt(t, "by key", u.key, u.content), 1)
		})
		t.Run("twenty times at once", func(t *testing.T) {
			t.Parallel()
			u := r.grantPut(t, nil)
			r.store(t, u.key, u.header, u.content)
			body, _ := json.Marshal(map[string]string{"key": u.key})
			answers := r.atOnce(t, 20, http.MethodPost, r.Ready.Gateway+"/confirm", bearer(r.Ready.CallerToken), body)
			sameAnswers(t, "confirmed at once", answers)
			r.wantEvents(t, answers[0].receipt(t, "confirmed", u.key, u.content), 1)
		})
	})
}

func TestConfirmRefuses(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		other := r.caller(t, "somebody", nil)
		t.Run("what is not one of token and key", func(t *testing.T) {
			t.Parallel()
			u := r.grantPut(t, nil)
			r.store(t, u.key, u.header, u.content)
			for name, in := range map[string]any{
				"neither":         map[string]string{},
				"both":            map[string]string{"uploadToken": u.token, "key": u.key},
				"empty ones":      map[string]string{"uploadToken": "", "key": ""},
				"null":            map[string]any{"uploadToken": nil},
				"an unknown one":  map[string]string{"key": u.key, "force": "true"},
				"another case":    map[string]string{"Key": u.key},
				"a list of keys":  map[string]any{"key": []string{u.key}},
				"a number":        map[string]any{"uploadToken": 1},
				"an object as id": map[string]any{"uploadToken": map[string]string{}},
			} {
				if got := r.confirmAs(t, r.Ready.CallerToken, in).refused(t, name, http.StatusBadRequest, "invalid_request").fields(t); len(got) == 0 {
					t.Errorf("%s: no field is named", name)
				}
			}
			for name, body := range map[string]string{"no body": "", "half a body": `{"key":`, "a list": `[]`} {
				r.confirmAs(t, r.Ready.CallerToken, body).refused(t, name, http.StatusBadRequest, "invalid_json")
			}
			r.confirmAs(t, "", map[string]string{"key": u.key}).refused(t, "nobody", http.StatusUnauthorized, "unauthenticated")
			r.wantNoEvent(t, u.key)
			r.wantEvents(t, r.confirmKey(t, u.key).receipt(t, "by key", u.key, u.content), 1)
		})
		t.Run("what is another's", func(t *testing.T) {
			t.Parallel()
			u := r.grantPut(t, nil)
			r.store(t, u.key, u.header, u.content)
			r.confirmAs(t, other, map[string]string{"uploadToken": u.token}).refused(t, "another's token", http.StatusForbidden, "invalid_token")
			r.confirmAs(t, other, map[string]string{"key": u.key}).refused(t, "another's key", http.StatusNotFound, "not_found")
			for _, in := range []string{"v1.k1.", u.token[1:], r.seal(t, uploadtoken.Grant, u.claims)} {
				r.confirmToken(t, in).refused(t, "no upload token", http.StatusForbidden, "invalid_token")
			}
			r.wantNoEvent(t, u.key)

			// Under one's own prefix, with the grant of somebody else.
			u = r.grantPut(t, nil)
			u.claims.Subject = "somebody"
			u.header[metaGrant] = r.seal(t, uploadtoken.Grant, u.claims)
			r.logged.secret(u.header[metaGrant])
			r.store(t, u.key, u.header, u.content)
			r.confirmKey(t, u.key).refused(t, "another's grant", http.StatusNotFound, "not_found")
			r.wantNoEvent(t, u.key)
		})
		t.Run("what was not granted", func(t *testing.T) {
			t.Parallel()
			tests := []struct {
				name   string
				status int
				code   string
				byKey  bool // the token confirms what the key does not
				change func(t *testing.T, u *grantedPut)
			}{
				{"a grant copied from another object, with its bytes", 422, "object_mismatch", true, func(t *testing.T, u *grantedPut) {
					from := r.grantPut(t, nil)
					u.header[metaGrant], u.content = from.header[metaGrant], from.content
					r.store(t, from.key, from.header, from.content)
				}},
				{"a grant copied from another object, with other bytes", 422, "object_mismatch", true, func(t *testing.T, u *grantedPut) {
					from := r.grantPut(t, nil)
					u.header[metaGrant], u.content = from.header[metaGrant], bytes.ToUpper(from.content)
				}},
				{"no grant", 422, "object_mismatch", true, func(_ *testing.T, u *grantedPut) { delete(u.header, metaGrant) }},
				{"a grant that was changed", 422, "object_mismatch", true, func(_ *testing.T, u *grantedPut) { u.header[metaGrant] += "A" }},
				{"an upload token in its place", 422, "object_mismatch", true, func(_ *testing.T, u *grantedPut) { u.header[metaGrant] = u.token }},
				{"a grant of a secret of one's own", 422, "object_mismatch", true, func(t *testing.T, u *grantedPut) {
					u.header[metaGrant], _ = newKeyring(t, "k1", randomBytes(32)).Seal(uploadtoken.Grant, u.claims)
				}},
				{"more bytes", 422, "object_mismatch", false, func(_ *testing.T, u *grantedPut) { u.content = append(u.content, '!') }},
				{"no bytes", 422, "object_mismatch", false, func(_ *testing.T, u *grantedPut) { u.content = []byte{} }},
				{"another type", 422, "object_mismatch", false, func(_ *testing.T, u *grantedPut) { u.header["Content-Type"] = "text/html" }},
				{"a Content-Encoding", 422, "object_mismatch", false, func(_ *testing.T, u *grantedPut) { u.header["Content-Encoding"] = "gzip" }},
				{"a Content-Disposition", 422, "object_mismatch", false, func(_ *testing.T, u *grantedPut) { u.header["Content-Disposition"] = "inline" }},
			}
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					u := r.grantPut(t, nil)
					tt.change(t, &u)
					r.logged.secret(u.header[metaGrant])
					r.store(t, u.key, u.header, u.content)
					c := r.confirmKey(t, u.key).refused(t, "by key", tt.status, tt.code)
					if got := r.logged.line(t, c.RequestID).Reason; got != "object" {
						t.Errorf("reason = %q, want object", got)
					}
					if tt.byKey {
						r.wantNoEvent(t, u.key)
						r.confirmToken(t, u.token).receipt(t, "by token", u.key, u.content)
						return
					}
					r.confirmToken(t, u.token).refused(t, "by token", tt.status, tt.code)
					r.wantNoEvent(t, u.key)
				})
			}
		})
		t.Run("bytes that were not declared", func(t *testing.T) {
			t.Parallel()
			u := r.grantPut(t, nil)
			declared := crcOf(u.content)
			u = r.grantPut(t, map[string]any{"size": len(u.content), "checksum": map[string]string{"crc64": declared}})
			r.store(t, u.key, u.header, u.content)
			for _, a := range []reply{r.confirmKey(t, u.key), r.confirmToken(t, u.token)} {
				a.checksum(t, declared, crcOf(u.content))
			}
			r.wantNoEvent(t, u.key)
		})
		t.Run("a key in another spelling", func(t *testing.T) {
			t.Parallel()
			u := r.grantPut(t, nil)
			r.store(t, u.key, u.header, u.content)
			for _, key := range []string{
				"/" + u.key, strings.ToUpper(u.key), strings.TrimPrefix(u.key, "uploads/"), url.QueryEscape(u.key),
				"uploads/demo/../somebody/x", "uploads/demo", "uploads/demo2/x", "uploads/", "..",
			} {
				a := r.confirmKey(t, key)
				a.refused(t, "confirming "+key, http.StatusNotFound, "not_found")
			}
			r.wantNoEvent(t, u.key)
		})
	})
}

// Of another's key nothing is asked: a fault that waits for the question is
// still waiting afterwards.
func TestConfirmAsksNothingAboutAnothersKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	u := r.grantPut(t, nil)
	r.store(t, u.key, u.header, u.content)
	other := r.caller(t, "somebody", nil)
	r.fail(t, fault.Fault{Target: "oss", Operation: "*", Mode: "500", Count: many})
	r.confirmAs(t, other, map[string]string{"uploadToken": u.token}).refused(t, "another's token", http.StatusForbidden, "invalid_token")
	// Absent, foreign or another's: the answers are alike.
	absent := strings.Replace(u.key, "/demo/", "/nobody/", 1)
	var messages []string
	for _, key := range []string{u.key, absent, "elsewhere"} {
		messages = append(messages, r.confirmAs(t, other, map[string]string{"key": key}).refused(t, "confirming "+key, http.StatusNotFound, "not_found").Message)
	}
	if len(slices.Compact(messages)) != 1 {
		t.Errorf("messages = %q, want one for all", messages)
	}
	if left := r.Faults.List(); len(left) != 1 || left[0].Count != many {
		t.Errorf("faults left = %v, want all %d: OSS was asked", left, many)
	}
	r.confirmKey(t, u.key).refused(t, "one's own key", http.StatusBadGateway, "storage_error")
	r.Faults.Clear()
	r.wantEvents(t, r.confirmKey(t, u.key).receipt(t, "one's own key", u.key, u.content), 1)
}

// Without the permission for a HEAD, nobody knows whether there is an object,
// and nobody may act as if there were none.
func TestRefusedHeadIsNotAnAbsentObject(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(10)
	// Without a role for uploads, the function's own signs, and so its id is in
	// the URLs.
	r := newRig(t, fc.TriggerHTTP, map[string]string{"UPLOAD_ROLE_ARN": ""})
	r.grantPut(t, nil).put(t) // from now on the function has credentials
	u := r.grantPut(t, nil)
	completed, running := r.begin(t, nil), r.begin(t, nil)
	receipt := completed.complete(t, completed.send(t, 1, contents...)).receipt(t, "complete", completed.Key, whole)
	sent := running.send(t, 1, contents...)

	var roles []ram.Credential
	for _, function := range []string{"callback", "complete"} {
		own := r.Accounts.OfRole(strings.TrimSuffix(stack.UploadRole, "upload") + function)
		if len(own) != 1 {
			t.Fatalf("%s has %d credentials, want 1", function, len(own))
		}
		roles = append(roles, own...)
	}
	permit := func(actions ...string) {
		t.Helper()
		text, err := json.Marshal(map[string]any{"Version": "1", "Statement": []map[string]any{
			{"Effect": "Allow", "Action": actions, "Resource": "acs:oss:*:*:" + r.Ready.Bucket + "/uploads/*"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		less, err := ram.ParsePolicy(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range roles {
			role.Policies = []ram.Policy{less}
			r.Accounts.Add(role)
		}
	}

	permit("oss:PutObject", "oss:PutObjectTagging", "oss:ListParts", "oss:AbortMultipartUpload")
	denied := func(what string, a reply) {
		t.Helper()
		a.refused(t, what, http.StatusBadGateway, "storage_denied")
	}
	since := r.logged.length()
	if a := u.put(t); a.Status != http.StatusNonAuthoritativeInfo {
		t.Errorf("PUT = %v, want 203", a)
	}
	r.logged.want(t, since, `"route":"/{path...}"`, `"code":"storage_denied"`)
	denied("confirming by token", r.confirmToken(t, u.token))
	denied("confirming by key", r.confirmKey(t, u.key))
	denied("confirming an object that is not there", r.confirmKey(t, "uploads/demo/nothing"))
	denied("completing", running.complete(t, sent))
	denied("completing again", completed.complete(t, nil))
	denied("aborting after completion", completed.ask(t, http.MethodDelete, "", nil))
	denied("listing after completion", completed.ask(t, http.MethodGet, "", nil))
	r.wantNoEvent(t, u.key)
	r.wantNoEvent(t, running.Key)

	permit("oss:PutObject", "oss:PutObjectTagging", "oss:GetObject")
	third := r.begin(t, nil)
	denied("listing without ListParts", third.ask(t, http.MethodGet, "", nil))
	denied("completing without ListParts", third.complete(t, nil))
	denied("aborting without AbortMultipartUpload", third.ask(t, http.MethodDelete, "", nil))
	permit("oss:GetObject", "oss:ListParts")
	r.call(t, http.MethodPost, "/s3/multipart", r.Ready.CallerToken, map[string]any{"filename": "a"}).
		refused(t, "beginning without PutObject", http.StatusBadGateway, "storage_denied")

	for _, role := range roles {
		r.Accounts.Add(role)
	}
	r.wantEvents(t, r.confirmKey(t, u.key).receipt(t, "confirmed", u.key, u.content), 1)
	r.wantEvents(t, running.complete(t, sent).receipt(t, "completed", running.Key, whole), 1)
	completed.ask(t, http.MethodDelete, "", nil).refused(t, "abort after completion", http.StatusConflict, "already_completed")
	r.wantEvents(t, receipt, 1)
}
