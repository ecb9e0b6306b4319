package e2e

import (
	"net/http"
	"testing"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
	"ossupload/shared/uploadtoken"
)

// What neither callback nor client announced is found by OSS's trigger, whatever
// the bytes came by. A url upload carries no grant: the trigger tells the token
// that travelled with the callback.
func TestTriggerFindsWhatNobodyAnnounced(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{"plain", "encoded"} {
		t.Run("with "+keys+" keys", func(t *testing.T) {
			t.Parallel()
			r := newRigOf(t, stack.Options{Trigger: fc.TriggerHTTP, Assume: stacktest.Assume(t, "trigger.encoded-keys="+keys)})
			contents, whole := threeParts(12)
			put, url := r.grantPut(t, nil), r.grantURL(t)
			form := r.form(t, r.Ready.CallerToken, map[string]any{"size": len(put.content)})
			m := r.begin(t, nil)
			sent := m.send(t, 1, contents...)

			r.fail(t, fault.Fault{Target: "callback", Operation: "*", Mode: fault.ConnectionReset, Count: 3})
			for what, a := range map[string]reply{"PUT": put.put(t), "PUT of a url": url.put(t), "POST": r.post(t, form.URL, form.with(put.content))} {
				a.wantStorageError(t, what, http.StatusNonAuthoritativeInfo, "CallbackFailed")
			}
			m.completeAlone(t, sent)
			if err := r.Triggered.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			wanted := map[string][]byte{put.key: put.content, url.key: url.content, form.Key: put.content, m.Key: whole}
			for key := range wanted {
				r.wantNoEvent(t, key)
			}
			r.deliverQueued(t, len(wanted))
			for key, content := range wanted {
				r.wantStored(t, key, content)
				if got := r.mark(t, key); got != "taken" {
					t.Errorf("the mark of %s says %q, want taken", key, got)
				}
			}
			r.wantEvents(t, r.confirmToken(t, url.token).receipt(t, "a url", url.key, url.content), 2)
			for _, key := range []string{put.key, form.Key, m.Key} {
				r.wantEvents(t, r.confirmKey(t, key).receipt(t, "by key", key, wanted[key]), 2)
			}
			r.deliverQueued(t, 0)
		})
	}
}

// What was announced, or is not what was granted, is not announced by the trigger.
func TestTriggerAnnouncesNothingElse(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, stack.Options{Trigger: fc.TriggerAPIGateway})
	honest := r.grantPut(t, nil)
	receipt := honest.put(t).receipt(t, "PUT", honest.key, honest.content)
	var wrong []grantedPut
	for _, change := range []func(*grantedPut){
		func(u *grantedPut) { u.content = append(u.content, '!') },
		func(u *grantedPut) { u.header["x-oss-meta-x"] = "y" },
		func(u *grantedPut) { u.header["Content-Disposition"] = "inline" },
		func(u *grantedPut) { delete(u.header, metaGrant) },
		func(u *grantedPut) { u.header[metaGrant] = honest.header[metaGrant] },
		func(u *grantedPut) {
			u.header[metaGrant] = r.sealAt(t, uploadtoken.Place{Bucket: here.Bucket, Prefix: "up/"}, uploadtoken.Grant, u.claims)
		},
	} {
		u := r.grantPut(t, nil)
		change(&u)
		r.logged.secret(u.header[metaGrant])
		r.store(t, u.key, u.header, u.content)
		wrong = append(wrong, u)
	}
	if err := r.Triggered.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The trigger may have seen the honest upload before its callback was answered.
	if due := r.runOutbox(t); due < len(wrong) || due > len(wrong)+1 {
		t.Errorf("%d entries were due, want %d, or one more", due, len(wrong))
	}
	r.deliverQueued(t, 0)
	for _, u := range wrong {
		r.wantNoEvent(t, u.key)
		r.wantStored(t, u.key, u.content)
	}
	r.wantEvents(t, receipt, 1)
}

// grantURL asks for a URL that works alone.
func (r *rig) grantURL(t *testing.T) grantedPut {
	t.Helper()
	return r.grantPut(t, map[string]any{"as": "url", "contentType": nil})
}
