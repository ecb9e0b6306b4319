package e2e

import (
	"bytes"
	"net/http"
	"testing"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
)

// waysToUpload are all ways in which bytes come to be stored and announced, and back
// again. Each is gone once, from the first request to the event.
var waysToUpload = []struct {
	name string
	use  func(t *testing.T, r *rig)
}{
	{"put", func(t *testing.T, r *rig) {
		u := r.grantPut(t, map[string]any{"metadata": map[string]string{"camera": "Übersee +1 ☀"}, "vars": map[string]string{"note": `a b+c "d" \ ü`}})
		r.arrived(t, u.put(t), u.key, u.content)
	}},
	{"url", func(t *testing.T, r *rig) {
		u := r.grantURL(t)
		r.arrived(t, u.put(t), u.key, u.content)
	}},
	{"form", func(t *testing.T, r *rig) {
		content := []byte("the bytes of a form")
		f := r.form(t, r.Ready.CallerToken, map[string]any{"filename": "a b+c.png", "size": len(content), "vars": map[string]string{"note": `a b+c "d" \ ü`}})
		r.arrived(t, r.post(t, f.URL, f.with(content)), f.Key, content)
	}},
	{"multipart", func(t *testing.T, r *rig) {
		contents, whole := threeParts(61)
		m := r.begin(t, map[string]any{"size": len(whole), "partSize": minPart})
		r.arrived(t, m.complete(t, m.send(t, 1, contents...)), m.Key, whole)
	}},
	{"multipart, a batch of URLs", func(t *testing.T, r *rig) {
		contents, whole := threeParts(62)
		m := r.begin(t, map[string]any{"size": len(whole), "partSize": minPart})
		b := m.batch(t, "partNumbers=1-3&as=template")
		for i, content := range contents {
			r.logged.secret(b.url(i + 1))
			if a := r.request(t, http.MethodPut, b.url(i+1), nil, content); a.Status != http.StatusOK {
				t.Fatalf("PUT of part %d = %v, want 200", i+1, a)
			}
		}
		r.arrived(t, m.complete(t, nil), m.Key, whole)
	}},
	{"form of a session", func(t *testing.T, r *rig) {
		content := []byte("the bytes of a session")
		f := r.params(t, r.session(t, r.Ready.CallerToken, nil).Endpoint, "", "filename=%E5%81%87%E6%97%A5+1.png&type=image%2Fpng")
		r.arrived(t, r.post(t, f.URL, f.with(content)), f.Key, content)
	}},
	{"multipart of a session", func(t *testing.T, r *rig) {
		contents, whole := threeParts(63)
		s := r.session(t, r.Ready.CallerToken, nil)
		m := &transfer{r: r, caller: r.Ready.CallerToken}
		r.below(t, http.MethodPost, s.Endpoint, "/s3/multipart", map[string]any{"filename": "film.mp4"}).into(t, "POST below the session", m)
		r.logged.secret(m.UploadID)
		sent := m.send(t, 1, contents...)
		r.arrived(t, r.below(t, http.MethodPost, s.Endpoint, m.path("/complete"), map[string]any{"parts": sent}), m.Key, whole)
	}},
	{"temporary credentials", func(t *testing.T, r *rig) {
		g, content := r.sts(t, r.Ready.CallerToken, nil), []byte("the bytes of credentials")
		key := g.Prefix + "假日 +1.png"
		if err := g.put(t, r, key, content); err != nil {
			t.Fatal(err)
		}
		r.wantStored(t, key, content)
	}},
	{"callback lost, then /confirm", func(t *testing.T, r *rig) {
		u := r.loseCallback(t)
		r.arrived(t, r.confirmToken(t, u.token), u.key, u.content)
	}},
	{"callback lost, then the trigger", func(t *testing.T, r *rig) {
		u := r.loseCallback(t)
		if err := r.Triggered.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.runOutbox(t)
		if events := r.events(t, u.key); len(events) == 0 {
			t.Fatal("the trigger announced nothing")
		}
		r.arrived(t, r.confirmKey(t, u.key), u.key, u.content)
	}},
	{"the same name again", func(t *testing.T, r *rig) {
		caller := r.caller(t, stack.CallerSubject, map[string]any{"key": "films/" + randomName() + ".mp4"})
		contents, whole := threeParts(64)
		m, late := r.beginAs(t, caller, nil), r.beginAs(t, caller, nil)
		lateParts := late.send(t, 1, []byte("other bytes"))
		r.arrived(t, m.complete(t, m.send(t, 1, contents...)), m.Key, whole)
		if a := late.complete(t, lateParts); a.Status == http.StatusOK {
			t.Errorf("the second upload under %s = %v, want a refusal", late.Key, a)
		}
		r.wantStored(t, m.Key, whole)
	}},
	{"an upload that is given up", func(t *testing.T, r *rig) {
		m := r.begin(t, nil)
		sent := m.send(t, 1, []byte("x"))
		for range 2 {
			if a := m.ask(t, http.MethodDelete, "", nil); a.Status != http.StatusOK {
				t.Errorf("abort = %v, want 200", a)
			}
		}
		m.complete(t, sent).refused(t, "complete after the abort", http.StatusGone, "upload_gone")
		r.confirmKey(t, m.Key).refused(t, "confirm after the abort", http.StatusNotFound, "not_found")
	}},
}

// TestEveryWay goes every way once, behind the trigger of OSS as in a deployment.
func TestEveryWay(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, stack.Options{Trigger: fc.TriggerHTTP})
	for _, way := range waysToUpload { // one after the other: faults are the whole stack's
		t.Run(way.name, func(t *testing.T) { way.use(t, r) })
	}
}

// arrived checks that an answer is the receipt of content, that it was announced, and
// that it can be read.
func (r *rig) arrived(t *testing.T, a reply, key string, content []byte) client.Receipt {
	t.Helper()
	receipt := a.receipt(t, "the upload", key, content)
	r.told(t, receipt)
	r.wantStored(t, key, content)
	if got := r.get(t, r.download(t, map[string]any{"key": key}).URL); got.Status != http.StatusOK || !bytes.Equal(got.Body, content) {
		t.Errorf("GET of what was uploaded = %v, want it", got)
	}
	return receipt
}

// loseCallback uploads by PUT while the callback cannot be reached.
func (r *rig) loseCallback(t *testing.T) grantedPut {
	t.Helper()
	u := r.grantPut(t, map[string]any{"filename": "a b+c.png"})
	r.fail(t, fault.Fault{Target: "callback", Operation: "*", Mode: fault.ConnectionReset, Count: 1})
	u.put(t).wantStorageError(t, "PUT", http.StatusNonAuthoritativeInfo, "CallbackFailed")
	return u
}
