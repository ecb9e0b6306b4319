package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/golang-jwt/jwt/v5"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stacktest"
)

// versionAttacks use what OSS lets them where versioning is enabled or suspended:
// to write again by a URL that is still valid. No event may ever stand for other
// bytes than those it tells of.
func versionAttacks(t *testing.T, c *campaign) []attack {
	var rows []attack
	for _, state := range states {
		v := &versioned{
			campaign: &campaign{rig: newRigOf(t, stack.Options{Trigger: c.trigger, Versioning: state, NoTrigger: true}), trigger: c.trigger, tallies: c.tallies, silent: map[string]string{}},
			kept:     state == oss.VersioningEnabled,
		}
		for _, row := range slices.Concat(v.rewrites(), v.mismatches(), v.names(), v.deletions()) {
			row.name += ", versioning " + string(state)
			rows = append(rows, row)
		}
		// Last, when all of these have told what they had to.
		rows = append(rows, attack{"silence, versioning " + string(state), func(t *testing.T) string {
			return strings.Join(v.broken(t), "; ")
		}, v.honestCallback})
	}
	return rows
}

// versioned is a bucket that keeps what is overwritten, or only says so.
type versioned struct {
	*campaign
	kept bool
}

// written is one upload by a name, and what was told of it.
type written struct {
	client.Receipt
	content []byte
}

// write is "" for a failure only if what was written is announced.
func (v *versioned) write(t *testing.T, n *name, content []byte) (written, string) {
	a := n.write(t, content)
	w := written{content: content}
	if a.Status != http.StatusOK || jsonOf(a, &w.Receipt) != nil || w.EventID == "" {
		return w, fmt.Sprintf("the upload was answered %v", a)
	}
	return w, ""
}

// truthful is "" if all that was written under a key was told, and every event about
// it tells of one of these, and names the version by which it can be read.
func (v *versioned) truthful(t *testing.T, key string, all ...written) string {
	told := map[string]bool{}
	for _, e := range v.events(t, key) {
		i := slices.IndexFunc(all, func(w written) bool { return w.EventID == e.ID && w.VersionID == e.Body.Data.VersionID })
		if i < 0 {
			return fmt.Sprintf("an event %s tells of version %q", e.ID, e.Body.Data.VersionID)
		}
		if breach := v.untrue(t, e, all[i].content); breach != "" {
			return breach
		}
		told[e.ID] = true
	}
	for i, w := range all {
		if !told[w.EventID] {
			return fmt.Sprintf("upload %d was not told", i+1)
		}
	}
	return ""
}

// twice writes two contents under one name, and is "" if they are told apart and
// if what is confirmed is the current one.
func (v *versioned) twice(t *testing.T, n *name, byKey bool) string {
	first, failure := v.write(t, n, randomContent())
	if failure != "" {
		return failure
	}
	second, failure := v.write(t, n, randomContent())
	switch {
	case failure != "":
		return failure
	case second.EventID == first.EventID || v.kept && second.VersionID == first.VersionID:
		return "the event of the first bytes stands for the second"
	}
	confirmed := map[string]reply{"token": v.confirmToken(t, n.token)}
	if byKey {
		confirmed["key"] = v.confirmKey(t, n.key)
	}
	for what, a := range confirmed {
		var got client.Receipt
		if jsonOf(a, &got) != nil || got.EventID != second.EventID || got.VersionID != second.VersionID || got.CRC64 != crcOf(second.content) {
			return fmt.Sprintf("confirmed by %s as %v, want the current version", what, a)
		}
	}
	return v.truthful(t, n.key, first, second)
}

// once is the control of whatever writes twice.
func (v *versioned) once(take func(*testing.T, *rig) *name) func(*testing.T) string {
	return func(t *testing.T) string {
		n := take(t, v.rig)
		w, failure := v.write(t, n, randomContent())
		if failure != "" {
			return failure
		}
		if a := v.signedGet(t, map[string]any{"key": n.key}).sendTo(t, v.client); !bytes.Equal(a.Body, w.content) {
			return fmt.Sprintf("a download is %v", a)
		}
		return v.truthful(t, n.key, w)
	}
}

// rewrites write again by what is still valid.
func (v *versioned) rewrites() []attack {
	var rows []attack
	for _, way := range ways {
		rows = append(rows, attack{"other bytes by " + way.name, func(t *testing.T) string {
			return v.twice(t, way.take(t, v.rig), way.name != "url")
		}, v.once(way.take)})
	}
	put := ways[0].take
	return append(rows,
		attack{"the first callback for the second bytes", func(t *testing.T) string {
			u, m := v.stage(t, nil, nil)
			if failure := passed(v.deliver(t, m)); failure != "" {
				return failure
			}
			other := u
			other.content = bytes.ToUpper(u.content)
			other.put(t).receipt(t, "PUT", u.key, other.content)
			return v.unbelieved(t, m, "object")
		}, v.honestCallback},
		attack{"other bytes by the same URL, twelve at once", func(t *testing.T) string { return v.race(t, v.grantPut(t, map[string]any{"size": nameSize})) }, v.once(put)},
		attack{"the second bytes by a sweep that sees the first's marker", func(t *testing.T) string {
			n := put(t, v.rig)
			first, failure := v.write(t, n, randomContent())
			if failure != "" {
				return failure
			}
			anotherSecond(t, first.Receipt)
			// As if its callback had been lost.
			second := written{content: first.content}
			v.store(t, n.key, v.headersOf(t, n.key), second.content)
			before := len(v.events(t, n.key))
			v.sweep(t, anyAge)
			if after := len(v.events(t, n.key)); after != before+1 {
				return fmt.Sprintf("%d events, and %d before the sweep, want one more", after, before)
			}
			if jsonOf(v.confirmKey(t, n.key), &second.Receipt) != nil || (second.EventID == first.EventID) == v.kept {
				return fmt.Sprintf("the second is told as %s, the first as %s", second.EventID, first.EventID)
			}
			return v.truthful(t, n.key, first, second)
		}, v.once(put)},
	)
}

// race writes many contents by one URL together, and then looks for what was not
// announced. Callbacks meet the versions of others; whatever is told must be so.
func (v *versioned) race(t *testing.T, u grantedPut) string {
	header := http.Header{}
	for name, value := range u.header {
		header.Set(name, value)
	}
	contents := map[string][]byte{} // by CRC-64
	var wg sync.WaitGroup
	for range 12 {
		content := randomContent()
		contents[crcOf(content)] = content
		wg.Go(func() {
			if _, err := v.fetch(t.Context(), http.MethodPut, u.url, header.Clone(), content); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	v.sweep(t, anyAge)
	current := false
	now, _ := v.stored(t, u.key)
	ids := map[string]string{}
	for _, e := range v.events(t, u.key) {
		crc := e.Body.Data.CRC64
		if breach := v.untrue(t, e, contents[crc]); breach != "" {
			return breach
		}
		if ids[e.ID] != "" && ids[e.ID] != crc {
			return "one event stands for two contents"
		}
		ids[e.ID], current = crc, current || bytes.Equal(contents[crc], now)
	}
	if !current {
		return fmt.Sprintf("%d contents were told, and the current one was not", len(ids))
	}
	return ""
}

// untrue is "" if an event tells of content, and of the version that holds it.
func (v *versioned) untrue(t *testing.T, e stack.Event, content []byte) string {
	d := e.Body.Data
	if d.CRC64 != crcOf(content) || d.Size != int64(len(content)) || v.kept != (d.VersionID != "") {
		return fmt.Sprintf("an event tells of %d bytes with CRC-64 %s as version %q", d.Size, d.CRC64, d.VersionID)
	}
	if !v.kept {
		return ""
	}
	if a := v.signedGet(t, map[string]any{"key": d.Key, "versionId": d.VersionID}).sendTo(t, v.client); !bytes.Equal(a.Body, content) {
		return fmt.Sprintf("version %s holds %v", d.VersionID, a)
	}
	return ""
}

// mismatches put what nobody granted over what was announced, by the headers that
// V4 does not sign.
func (v *versioned) mismatches() []attack {
	over := func(t *testing.T) (u grantedPut, first written, failure string) {
		u = v.grantPut(t, nil)
		first = written{content: u.content}
		first.Receipt = u.put(t).receipt(t, "PUT", u.key, u.content)
		other := u
		other.content, other.header = bytes.ToUpper(u.content), maps.Clone(u.header)
		other.header["Content-Disposition"] = "inline"
		return u, first, notAnnounced(other.put(t))
	}
	control := func(t *testing.T) string {
		u := v.grantPut(t, nil)
		u.put(t).receipt(t, "PUT", u.key, u.content)
		if failure := passed(v.confirmKey(t, u.key)); failure != "" {
			return failure
		}
		return passed(v.call(t, http.MethodPost, "/download", v.Ready.CallerToken, map[string]any{"key": u.key}))
	}
	served := func(t *testing.T, key string) string {
		for what, a := range map[string]reply{
			"key": v.confirmKey(t, key), "download": v.call(t, http.MethodPost, "/download", v.Ready.CallerToken, map[string]any{"key": key}),
		} {
			if breach := denied(a, "object_mismatch"); breach != "" {
				return "by " + what + " " + breach
			}
		}
		return ""
	}
	return []attack{
		{"a version that nobody granted over one that is told", func(t *testing.T) string {
			u, first, failure := over(t)
			if failure != "" {
				return failure
			}
			if breach := served(t, u.key); breach != "" {
				return breach
			}
			return v.truthful(t, u.key, first)
		}, control},
		{"a version that nobody granted, by its id", func(t *testing.T) string {
			u, _, failure := over(t)
			if failure != "" {
				return failure
			}
			newest := v.versions(t, u.key)[0]
			return denied(v.call(t, http.MethodPost, "/download", v.Ready.CallerToken, map[string]any{"key": u.key, "versionId": newest}), "object_mismatch")
		}, control},
		{"a version that nobody granted, so that a sweep deletes what was told", func(t *testing.T) string {
			u, first, failure := over(t)
			if failure != "" {
				return failure
			}
			before := v.versions(t, u.key)
			v.sweep(t, `{"do":"sweep","minAgeSeconds":0,"delete":true}`)
			if after := v.versions(t, u.key); !slices.Equal(before, after) {
				return fmt.Sprintf("the bucket held %q, and holds %q", before, after)
			}
			return v.truthful(t, u.key, first)
		}, control},
		{"another version in a signed download", func(t *testing.T) string {
			u := v.grantPut(t, nil)
			first := u.put(t).receipt(t, "PUT", u.key, u.content)
			s := v.signedGet(t, map[string]any{"key": u.key})
			version := first.VersionID
			if version == "" {
				version = "null"
			}
			setQuery("versionId", version)(&s)
			return deniedByOSS(s.sendTo(t, v.client), mismatch)
		}, control},
		{"another's object by its version", func(t *testing.T) string {
			u := v.grantPut(t, nil)
			u.put(t).receipt(t, "PUT", u.key, u.content)
			return denied(v.call(t, http.MethodPost, "/download", v.caller(t, "somebody", nil), map[string]any{"key": u.key, "versionId": v.versions(t, u.key)[0]}), "not_found")
		}, func(t *testing.T) string {
			// Whom the application lets read it reads its versions as well.
			u := v.grantPut(t, nil)
			u.put(t).receipt(t, "PUT", u.key, u.content)
			reader := v.callerWith(t, "somebody", jwt.MapClaims{"download": map[string]any{"keys": []string{u.key}}})
			return passed(v.call(t, http.MethodPost, "/download", reader, map[string]any{"key": u.key, "versionId": v.versions(t, u.key)[0]}))
		}},
	}
}

// names have two uploads under one name that the application chose.
func (v *versioned) names() []attack {
	type upload struct {
		grantedPut
		receipt client.Receipt
	}
	named := func(t *testing.T, name, album string) upload {
		u := upload{grantedPut: v.grantPutAs(t, v.caller(t, stack.CallerSubject, map[string]any{"key": name}), map[string]any{"vars": map[string]string{"album": album}})}
		u.receipt = u.put(t).receipt(t, "PUT", u.key, u.content)
		return u
	}
	control := func(t *testing.T) string {
		u := named(t, "orders/"+randomName()+".png", "1")
		for what, a := range map[string]reply{"token": v.confirmToken(t, u.token), "key": v.confirmKey(t, u.key)} {
			if got := a.receipt(t, "confirmed by "+what, u.key, u.content); got.EventID != u.receipt.EventID {
				return fmt.Sprintf("told as %s, and confirmed by %s as %s", u.receipt.EventID, what, got.EventID)
			}
		}
		return v.truthful(t, u.key, written{u.receipt, u.content})
	}
	return []attack{
		{"the token of one upload for the bytes of the next of its name", func(t *testing.T) string {
			name := "orders/" + randomName() + ".png"
			first, second := named(t, name, "1"), named(t, name, "2")
			if breach := denied(v.confirmToken(t, first.token), "object_mismatch"); breach != "" {
				return breach
			}
			return v.truthful(t, first.key, written{first.receipt, first.content}, written{second.receipt, second.content})
		}, control},
		{"the callback of one upload for the same bytes of the next of its name", func(t *testing.T) string {
			name := "orders/" + randomName() + ".png"
			first := named(t, name, "1")
			caller := v.caller(t, stack.CallerSubject, map[string]any{"key": name})
			second := v.grantPutAs(t, caller, map[string]any{"size": len(first.content), "vars": map[string]string{"album": "2"}})
			second.content = first.content
			receipt := second.put(t).receipt(t, "PUT", second.key, second.content)
			if breach := v.unbelieved(t, v.message(t, first.notice(receipt.ETag)), "object"); breach != "" {
				return breach
			}
			return v.truthful(t, first.key, written{first.receipt, first.content}, written{receipt, second.content})
		}, control},
		{"the completion of one upload for the object of the next of its name", func(t *testing.T) string {
			caller := v.caller(t, stack.CallerSubject, map[string]any{"key": "films/" + randomName() + ".mp4"})
			first, second := v.beginAs(t, caller, map[string]any{"size": nameSize}), v.beginAs(t, caller, map[string]any{"size": nameSize})
			one, other := randomContent(), randomContent()
			all := []written{
				{first.complete(t, first.send(t, 1, one)).receipt(t, "complete", first.Key, one), one},
				{second.complete(t, second.send(t, 1, other)).receipt(t, "complete", second.Key, other), other},
			}
			if breach := denied(first.complete(t, nil), "object_mismatch"); breach != "" {
				return breach
			}
			if breach := denied(v.confirmToken(t, first.UploadID), "object_mismatch"); breach != "" {
				return breach
			}
			return v.truthful(t, first.Key, all...)
		}, v.once(ways[len(ways)-1].take)},
	}
}

// deletions have the owner delete what was told.
func (v *versioned) deletions() []attack {
	deleted := func(t *testing.T) (grantedPut, written) {
		u := v.grantPut(t, nil)
		w := written{u.put(t).receipt(t, "PUT", u.key, u.content), u.content}
		v.erase(t, u.key)
		return u, w
	}
	control := func(t *testing.T) string {
		u, w := deleted(t)
		if v.kept {
			return v.truthful(t, u.key, w)
		}
		// Nothing of it is kept, and its URL is as good as before.
		return passed(u.put(t))
	}
	var rows []attack
	for _, row := range []struct {
		name string
		ask  func(t *testing.T, u grantedPut) reply
	}{
		{"a download of what is deleted", func(t *testing.T, u grantedPut) reply {
			return v.call(t, http.MethodPost, "/download", v.Ready.CallerToken, map[string]any{"key": u.key})
		}},
		{"a download of a delete marker", func(t *testing.T, u grantedPut) reply {
			marker := v.versions(t, u.key)[0][1:]
			return v.call(t, http.MethodPost, "/download", v.Ready.CallerToken, map[string]any{"key": u.key, "versionId": marker})
		}},
		{"a confirmation of what is deleted, by key", func(t *testing.T, u grantedPut) reply { return v.confirmKey(t, u.key) }},
		{"a confirmation of what is deleted, by token", func(t *testing.T, u grantedPut) reply { return v.confirmToken(t, u.token) }},
	} {
		rows = append(rows, attack{row.name, func(t *testing.T) string {
			u, _ := deleted(t)
			return denied(row.ask(t, u), "not_found")
		}, control})
	}
	return append(rows, attack{"the first callback after a delete marker", func(t *testing.T) string {
		u, m := v.stage(t, nil, nil)
		v.erase(t, u.key)
		v.keepSilent(u.key, "a callback after a delete marker")
		return v.unbelieved(t, m, "object")
	}, v.honestCallback})
}

// A version that is deleted for good leaves no claim that it is there.
func TestVersionDeletedForGood(t *testing.T) {
	t.Parallel()
	inBothStates(t, stack.Options{Trigger: triggers[0], NoTrigger: true}, func(t *testing.T, r *rig, state oss.Versioning) {
		n := ways[0].take(t, r)
		one, other := randomContent(), randomContent()
		n.write(t, one).receipt(t, "PUT", n.key, one)
		second := n.write(t, other).receipt(t, "PUT", n.key, other)
		newest := r.versions(t, n.key)[0]
		if _, err := r.developer.DeleteObject(t.Context(), &sdk.DeleteObjectRequest{Bucket: &r.Ready.Bucket, Key: &n.key, VersionId: &newest}); err != nil {
			t.Fatal(err)
		}
		r.call(t, http.MethodPost, "/download", r.Ready.CallerToken, map[string]any{"key": n.key, "versionId": newest}).
			refused(t, "a version that is gone", http.StatusNotFound, "not_found")
		again := r.confirmToken(t, n.token)
		if state == oss.VersioningSuspended {
			again.refused(t, "confirmed", http.StatusNotFound, "not_found")
			return
		}
		if got := again.receipt(t, "confirmed", n.key, one); got.EventID == second.EventID {
			t.Errorf("what was deleted is confirmed as %s", got.EventID)
		}
		stacktest.Eventually(t, "the first is current", func() bool { b, _ := r.stored(t, n.key); return bytes.Equal(b, one) })
	})
}
