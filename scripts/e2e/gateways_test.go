package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

// platforms are the values of what is unknown about FC, gateways and STS that the
// stack does not take by itself, with the triggers that they are about.
var platforms = []struct {
	settings []string
	triggers []fc.Trigger
}{
	{[]string{"fc.query-values=encoded"}, triggers},
	{[]string{"fc.header-names=canonical"}, triggers[1:]},
	{[]string{"fc.text-bodies=base64"}, triggers[1:]},
	{[]string{"fc.cors-headers=replaced"}, triggers},
	{[]string{"fc.cors-headers=doubled"}, triggers},
	{[]string{"fc.failure-status=200"}, triggers[1:]},
	{[]string{"fc.answer-limit=6 MB"}, triggers},
	{[]string{"gateway.header-names=lower"}, triggers[:1]},
	{[]string{"gateway.base64-flag=text"}, triggers[:1]},
	{[]string{"gateway.path=encoded"}, triggers[:1]},
	{[]string{"gateway.repeated-values=last"}, triggers[:1]},
	{[]string{"gateway.authorization=dropped"}, triggers},
	{[]string{"gateway.preflight=gateway"}, triggers},
	{[]string{"credentials.fc-renewal=at their end", "sts.chained-hour=an hour", "sts.role-names=without"}, triggers[1:]},
	{[]string{
		"fc.query-values=encoded", "fc.header-names=canonical", "fc.text-bodies=base64", "fc.cors-headers=doubled",
		"fc.failure-status=200", "fc.answer-limit=6 MB", "gateway.header-names=lower", "gateway.base64-flag=text",
		"gateway.path=encoded", "gateway.repeated-values=last", "gateway.authorization=dropped", "gateway.preflight=gateway",
		"credentials.fc-renewal=at their end", "sts.chained-hour=an hour", "sts.role-names=with case", "trigger.cloudevent=CloudEvent",
	}, triggers},
}

// onPlatforms runs a test on a stack for each of platforms.
func onPlatforms(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	stacktest.EndToEnd(t)
	for _, a := range platforms {
		for _, trigger := range a.triggers {
			name := a.settings[0]
			if more := len(a.settings) - 1; more > 0 {
				name = fmt.Sprintf("%s and %d more", name, more)
			}
			t.Run(name+" behind the trigger "+string(trigger), func(t *testing.T) {
				t.Parallel()
				test(t, newRigOf(t, stack.Options{Trigger: trigger, Assume: stacktest.Assume(t, a.settings...), NoTrigger: true}))
			})
		}
	}
}

// Every way to upload, and what a page needs of it, whatever FC and gateways do.
func TestEveryPlatform(t *testing.T) {
	t.Parallel()
	onPlatforms(t, func(t *testing.T, r *rig) {
		for name, way := range map[string]func(*testing.T, *rig){
			"presign, PUT, callback": putWay, "multipart": multipartWay, "session and form": sessionWay, "confirm": confirmWay, "a page": pageWay,
		} {
			t.Run(name, func(t *testing.T) { way(t, r) })
		}
	})
}

func putWay(t *testing.T, r *rig) {
	u := r.grantPut(t, map[string]any{"filename": "übel 100%25 +.txt"})
	got := u.put(t).receipt(t, "PUT", u.key, u.content)
	if want := "übel 100%25 +.txt"; got.Filename != want {
		t.Errorf("filename = %q, want %q", got.Filename, want)
	}
	r.wantEvents(t, got, 1)
}

func multipartWay(t *testing.T, r *rig) {
	content := make([]byte, 100<<10+7)
	m, err := r.client.CreateMultipart(t.Context(), client.CreateRequest{Filename: "film.mp4", Type: "video/mp4", Size: new(int64(len(content))), PartSize: 100 << 10})
	if err != nil {
		t.Fatal(err)
	}
	r.logged.secret(m.UploadID)
	urls, err := r.client.PartURLs(t.Context(), m.UploadID, []int{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	var parts []client.Part
	for i, chunk := range slices.Collect(slices.Chunk(content, 100<<10)) {
		a := r.request(t, http.MethodPut, urls.URLs[i+1], nil, chunk)
		parts = append(parts, client.Part{PartNumber: i + 1, ETag: a.Header.Get("ETag")})
	}
	path := "/s3/multipart/" + m.UploadID
	var listed []client.Part
	r.call(t, http.MethodGet, path+"?key="+url.QueryEscape(m.Key), r.Ready.CallerToken, nil).into(t, "GET of the parts", &listed)
	if len(listed) != 2 {
		t.Errorf("listed = %v, want two parts", listed)
	}
	r.call(t, http.MethodGet, path+"?key="+url.QueryEscape(m.Key+"x"), r.Ready.CallerToken, nil).refused(t, "GET with another key", 400, "invalid_request")
	got, err := r.client.Complete(t.Context(), m.UploadID, client.CompleteRequest{Parts: parts})
	if err != nil {
		t.Fatal(err)
	}
	r.wantEvents(t, got, 1)
}

func sessionWay(t *testing.T, r *rig) {
	s := r.session(t, r.Ready.CallerToken, nil)
	query := url.Values{"filename": {"假日 1+1.png"}, "type": {"image/png"}, "metadata[note]": {"a&b=c ☀"}}
	f := r.params(t, s.Endpoint, "", query.Encode())
	content := []byte("bytes of a form")
	got := r.post(t, f.URL, f.with(content)).receipt(t, "POST of the form", f.Key, content)
	if got.Filename != "假日 1+1.png" || got.Metadata["note"] != "a&b=c ☀" {
		t.Errorf("filename = %q, metadata = %q, want them as they were asked for", got.Filename, got.Metadata)
	}
}

func confirmWay(t *testing.T, r *rig) {
	u := r.grantPut(t, nil)
	r.fail(t, fault.Fault{Target: "callback", Operation: "*", Mode: fault.ConnectionReset, Count: 1})
	if a := u.put(t); a.Status != http.StatusNonAuthoritativeInfo {
		t.Fatalf("PUT without its callback = %v, want 203", a)
	}
	r.confirmToken(t, u.token).receipt(t, "POST /confirm", u.key, u.content)
}

// A page asks as a browser does, and reads what it may.
func pageWay(t *testing.T, r *rig) {
	const origin = "https://app.example"
	tokenHeader := r.Ready.TokenHeader
	if tokenHeader == "" {
		tokenHeader = "authorization"
	}
	preflight := http.Header{
		"Origin": {origin}, "Access-Control-Request-Method": {"POST"},
		"Access-Control-Request-Headers": {strings.ToLower(tokenHeader) + ",content-type"},
	}
	a := r.request(t, http.MethodOptions, r.Ready.Gateway+"/presign", preflight, nil)
	allowed := strings.ToLower(a.Header.Get("Access-Control-Allow-Headers"))
	if a.Status/100 != 2 || !strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "POST") ||
		!strings.Contains(allowed, strings.ToLower(tokenHeader)) || !strings.Contains(allowed, "content-type") {
		t.Errorf("the preflight = %v with %v, want the request allowed", a, a.Header)
	}
	mayRead(t, a, origin)
	header := bearer(r.Ready.CallerToken)
	header.Set("Origin", origin)
	a = r.request(t, http.MethodPost, r.Ready.Gateway+"/presign", header, []byte(`{"filename":"a.txt","size":1}`))
	if a.Status != http.StatusOK {
		t.Errorf("POST /presign = %v, want 200", a)
	}
	mayRead(t, a, origin)
}

// mayRead holds an answer against the CORS check of the Fetch standard, of a
// request without cookies.
func mayRead(t *testing.T, a reply, origin string) {
	t.Helper()
	got := a.Header.Values("Access-Control-Allow-Origin")
	if len(got) != 1 || got[0] != "*" && got[0] != origin {
		t.Errorf("Access-Control-Allow-Origin = %q, want one that lets %s read", got, origin)
	}
}

// A query that was encoded twice means nothing that it could not say in one
// encoding, whether events hold it decoded or not.
func TestTwiceEncodedQueriesOpenNothing(t *testing.T) {
	t.Parallel()
	stacktest.EndToEnd(t)
	for _, values := range []string{"decoded", "encoded"} {
		for _, trigger := range triggers {
			t.Run(values+" behind the trigger "+string(trigger), func(t *testing.T) {
				t.Parallel()
				r := newRigOf(t, stack.Options{Trigger: trigger, Assume: stacktest.Assume(t, "fc.query-values="+values), NoTrigger: true})
				for _, query := range []string{
					"filename=a%250d%250ax-oss-object-acl:public-read.png",
					"filename=a.png%2500",
					"filename=%252e%252e%252fother%252fa.png",
					"filename=a.png%2526type%253Dtext%252Fhtml",
					"filename=a.html&type=text%252Fhtml",
					"filename=a.png&type=image%252Fpng%250d%250ax-a:b",
					"filename=a.png&metadata%255Bossupload-grant%255D=forged",
					"filename=a.png&metadata%5Bossupload-grant%5D=forged",
					"filename=a.png&metadata%255Ba%255D=%250d%250a",
				} {
					a := r.request(t, http.MethodGet, r.Ready.Gateway+"/s3/params?"+query, uppyHeader(r.Ready.CallerToken), nil)
					if a.Status == http.StatusBadRequest {
						continue
					}
					var f issuedForm
					a.into(t, "GET /s3/params?"+query, &f)
					if f.Fields["x-oss-meta-ossupload-grant"] == "forged" || strings.Contains(f.Fields["x-oss-content-type"], "html") || !strings.HasPrefix(f.Fields["key"], "uploads/demo/") {
						t.Errorf("GET /s3/params?%s grants %s of %s", query, f.Fields["key"], f.Fields["x-oss-content-type"])
					}
					for name, value := range f.Fields {
						if name != "policy" && strings.ContainsFunc(name+value, unicode.IsControl) {
							t.Errorf("GET /s3/params?%s grants %s = %q", query, name, value)
						}
					}
				}
				m := r.begin(t, map[string]any{"size": 10})
				for _, key := range []string{url.QueryEscape(url.QueryEscape(m.Key + "/../x")), "%252e%252e"} {
					a := r.call(t, http.MethodGet, "/s3/multipart/"+m.UploadID+"?key="+key, r.Ready.CallerToken, nil)
					a.refused(t, "GET with another key, encoded twice", 400, "invalid_request")
				}
			})
		}
	}
}

// Where FC answers 200 for a function that could not, nobody takes that for an
// upload that was announced.
func TestFailuresThatLookLikeAnswers(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, stack.Options{Trigger: fc.TriggerHTTP, Assume: stacktest.Assume(t, "fc.failure-status=200"), NoTrigger: true})
	if err := r.Functions["callback"].Stop(); err != nil {
		t.Fatal(err)
	}
	u := r.grantPut(t, nil)
	if a := u.put(t); a.Status != http.StatusOK || !strings.Contains(string(a.Body), "errorMessage") {
		t.Fatalf("PUT without a callback function = %v, want 200 and what FC says of it", a)
	}
	got, err := r.client.Put(t.Context(), client.PresignRequest{Filename: "a.txt"}, client.Bytes(u.content))
	if err != nil {
		t.Fatalf("Put = %v, want it confirmed", err)
	}
	r.wantEvents(t, got, 1)
	g, err := r.client.Presign(t.Context(), client.PresignRequest{Filename: "a.txt", Size: new(int64(len(u.content)))})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.client.SendPut(t.Context(), g, client.Bytes(u.content)); err == nil {
		t.Errorf("SendPut = %s, want an error", got.Line)
	}
	if err := r.Functions["presign"].Stop(); err != nil {
		t.Fatal(err)
	}
	if g, err := r.client.Presign(t.Context(), client.PresignRequest{Filename: "a.txt", Size: new(int64(1))}); err == nil {
		t.Errorf("Presign of a function that is gone = %+v, want an error", g.Key)
	}
}
