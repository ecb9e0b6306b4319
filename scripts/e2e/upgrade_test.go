package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stacktest"
)

// inFlight are uploads that began before an upgrade, one of each kind.
type inFlight struct {
	content    []byte
	put, url   presigned
	stored     presigned // announced already
	receipt    client.Receipt
	key, id    string // of an upload in parts, the first of which was sent
	parts      [][]byte
	capability string
}

// beginUploads starts an upload of each kind and ends none but one.
func (s *site) beginUploads(t *testing.T) inFlight {
	t.Helper()
	token := s.Ready.CallerToken
	contents, _ := threeParts(77)
	f := inFlight{content: []byte("begun under one release, ended under the next"), parts: contents}
	w := wish{"filename": "a.png", "contentType": "image/png", "size": len(f.content), "vars": map[string]string{"album": "7"}}
	f.put, f.url, f.stored = s.presign(t, token, w), s.presign(t, token, w.and(wish{"as": "url"})), s.presign(t, token, w)
	f.receipt = s.checkAnnounced(t, s.send(t, f.stored.with(f.content)), f.stored.Key, f.content)
	var created struct{ Key, UploadID string }
	s.askJSON(t, http.MethodPost, "/s3/multipart", wish{"filename": "a.mp4", "type": "video/mp4"}, &created)
	f.key, f.id = created.Key, created.UploadID
	s.keepSecret("an upload id", f.id)
	s.sendPart(t, f, 1)
	var session struct{ Endpoint string }
	s.askJSON(t, http.MethodPost, "/session", wish{}, &session)
	f.capability = session.Endpoint[strings.LastIndexByte(session.Endpoint, '/')+1:]
	s.keepSecret("a capability", f.capability)
	return f
}

// askJSON asks as the caller of the ready line for what must be granted.
func (s *site) askJSON(t *testing.T, method, path string, in, out any) []byte {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if in == nil {
		body = nil
	}
	a := s.ask(t, method, path, holderOf(s.Ready.CallerToken), body)
	if a.Status != http.StatusOK || json.Unmarshal(a.Body, out) != nil {
		t.Fatalf("%s of a route = %v, want 200", method, a)
	}
	return a.Body
}

func (s *site) sendPart(t *testing.T, f inFlight, number int) {
	t.Helper()
	var part struct{ URL string }
	s.askJSON(t, http.MethodGet, "/s3/multipart/"+f.id+"/"+string(rune('0'+number)), nil, &part)
	s.keepURL(part.URL)
	if a := s.send(t, storageRequest{method: http.MethodPut, url: part.URL, body: f.parts[number-1]}); a.Status != http.StatusOK {
		t.Fatalf("PUT of part %d = %d %s, want 200", number, a.Status, a.ossCode())
	}
}

// endParts sends the parts that are missing and completes.
func (s *site) endParts(t *testing.T, f inFlight) {
	t.Helper()
	s.sendPart(t, f, 2)
	s.sendPart(t, f, 3)
	body := s.askJSON(t, http.MethodPost, "/s3/multipart/"+f.id+"/complete", wish{}, &struct{}{})
	s.checkAnnounced(t, reply{client.Answer{Status: http.StatusOK, Body: body}}, f.key, bytes.Join(f.parts, nil))
}

// again confirms what was announced before the upgrade: it has the same id.
func (s *site) again(t *testing.T, f inFlight) {
	t.Helper()
	for _, in := range []wish{{"uploadToken": f.stored.UploadToken}, {"key": f.stored.Key}} {
		var got client.Receipt
		s.askJSON(t, http.MethodPost, "/confirm", in, &got)
		s.keepSecret("a receipt token", got.ReceiptToken)
		if got.EventID != f.receipt.EventID || !got.UploadedAt.Equal(f.receipt.UploadedAt) {
			t.Errorf("confirmed after the upgrade = %+v, want the event %s", got, f.receipt.EventID)
		}
	}
}

// An upgrade replaces the functions while uploads are under way: what one
// release issued, the next one must honour.
func TestUpgradeUnderUploads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range stack.FunctionNames {
		// A copy could not be run while another test's process begins: it would have
		// the file open for writing.
		if err := os.Symlink(stack.Binary(stacktest.Binaries(t), name), stack.Binary(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t, func(o *stack.Options) { o.Binaries = dir })
	f := s.beginUploads(t)

	for _, name := range stack.FunctionNames {
		// Without its symbols it is another binary, and takes no time to build.
		rebuilt := stack.Binary(t.TempDir(), name)
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", stack.BuildTags, "-ldflags=-s -w", "-o", rebuilt, "../../functions/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, out)
		}
		if err := os.Rename(rebuilt, stack.Binary(dir, name)); err != nil {
			t.Fatal(err)
		}
		before := s.Functions[name].Pid()
		if err := s.Functions[name].Restart(); err != nil {
			t.Fatal(err)
		}
		if after := s.Functions[name].Pid(); after == before || after == 0 {
			t.Errorf("%s runs as process %d, and before it was %d", name, after, before)
		}
	}

	s.checkAnnounced(t, s.send(t, f.put.with(f.content)), f.put.Key, f.content)
	s.checkAnnounced(t, s.send(t, f.url.with(f.content)), f.url.Key, f.content)
	s.endParts(t, f)
	s.again(t, f)
	if a := s.ask(t, http.MethodGet, "/c/"+f.capability+"/s3/params?filename=a.png", nil, nil); a.Status != http.StatusOK {
		t.Errorf("a session of before the upgrade = %v, want 200", a)
	}
}

// A deployment that comes back with the same bucket, and with one secret more
// that now seals, goes on where it was.
func TestUploadsOutliveTheStack(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	kept := func(o *stack.Options) { o.DataDir = data }
	first := openSite(t, kept)
	t.Cleanup(func() { first.Close() })
	f := first.beginUploads(t)
	first.close(t)

	next := newSite(t, func(o *stack.Options) {
		kept(o)
		encode := base64.StdEncoding.EncodeToString
		o.Settings = map[string]string{"UPLOAD_TOKEN_SECRETS": "k2:" + encode(randomBytes(32)) + ",k1:" + encode(first.Identity.TokenSecret)}
	})
	next.endParts(t, f)
	next.again(t, f)
	if p := next.presign(t, next.Ready.CallerToken, wish{"filename": "a.png", "size": 1}); !strings.HasPrefix(p.UploadToken, "v1.k2.") {
		t.Errorf("a new token begins with %.6s, want v1.k2.", p.UploadToken)
	}
}
