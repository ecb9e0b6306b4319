package callerauth_test

import (
	"net/http"
	"testing"
	"time"

	"ossupload/shared/trace"
)

// The request that fetches the keys says how long that took, and no other.
func TestFetchIsTimed(t *testing.T) {
	server := &issuer{document: setOf(published(t, testKeys()["ES256"], "e"))}
	auth, _ := newClocked(t, server)
	for n, want := range []bool{true, false} {
		tr := trace.New(time.Now, http.NoBody, nil)
		r := request(t, bearerHeader(endless(t, "e")))
		if _, err := auth.Authenticate(r.WithContext(trace.NewContext(r.Context(), tr))); err != nil {
			t.Fatal(err)
		}
		if _, waited := tr.Waited(trace.Keys); waited != want {
			t.Errorf("request %d waited for keys: %v, want %v", n+1, waited, want)
		}
	}
}
