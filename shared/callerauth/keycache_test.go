package callerauth_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/callerauth"
)

// clock stands still unless it is told to go on.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// endless signs a token that outlives these tests.
func endless(t testing.TB, kid string) string {
	return sealed(t, testKeys()["ES256"], headerOf("ES256", kid),
		fmt.Sprintf(`{"exp":%d,"iss":"`+issuerName+`","aud":"uploads","sub":"alice"}`, noon.AddDate(1, 0, 0).Unix()))
}

func newClocked(t testing.TB, server *issuer) (callerauth.Authenticator, *clock) {
	c := &clock{now: noon}
	return newJWKS(t, server, func(config *callerauth.JWKSConfig) { config.Now = c.read }), c
}

// checkKeysMissing wants ErrKeys, which is no refusal of the caller.
func checkKeysMissing(t *testing.T, auth callerauth.Authenticator, token string) {
	t.Helper()
	got, err := auth.Authenticate(request(t, bearerHeader(token)))
	if !errors.Is(err, callerauth.ErrKeys) || got.Subject != "" {
		t.Fatalf("Authenticate() = %+v, %v, want ErrKeys", got, err)
	}
	if errors.Is(err, callerauth.ErrUnauthenticated) {
		t.Errorf("error %v matches ErrUnauthenticated", err)
	}
	for word := range strings.SplitSeq(token, ".") {
		if len(word) > 4 && strings.Contains(err.Error(), word) {
			t.Errorf("error %q holds a part of the token", err)
		}
	}
}

func TestKeysAreFetchedAtFirstUse(t *testing.T) {
	server := &issuer{document: setOf(published(t, testKeys()["ES256"], "e"))}
	auth, _ := newClocked(t, server)
	server.checkCalls(t, 0)
	for _, header := range []http.Header{nil, bearerHeader("a.b.c"), bearerHeader(token(`"sub":"alice"`))} {
		if _, err := auth.Authenticate(request(t, header)); !errors.Is(err, callerauth.ErrUnauthenticated) {
			t.Errorf("Authenticate() = %v, want ErrUnauthenticated", err)
		}
	}
	server.checkCalls(t, 0)
	for range 3 {
		checkToken(t, auth, endless(t, "e"), nil)
	}
	server.checkCalls(t, 1)
}

func TestKeysAreFreshFor(t *testing.T) {
	for _, c := range []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"ten minutes if nothing is said", nil, 10 * time.Minute},
		{"as long as max-age says", http.Header{"Cache-Control": {"public, max-age=1800"}}, 30 * time.Minute},
		{"the same in capitals", http.Header{"Cache-Control": {"Max-Age=1800,must-revalidate"}}, 30 * time.Minute},
		{"the same in a second line", http.Header{"Cache-Control": {"public", "max-age=1800"}}, 30 * time.Minute},
		{"a minute at least", http.Header{"Cache-Control": {"no-cache, max-age=0"}}, time.Minute},
		{"an hour at most", http.Header{"Cache-Control": {"max-age=86400"}}, time.Hour},
		{"an hour for a number beyond all", http.Header{"Cache-Control": {"max-age=99999999999999999999999"}}, time.Hour},
		{"ten minutes for a negative number", http.Header{"Cache-Control": {"max-age=-1"}}, 10 * time.Minute},
		{"ten minutes for what is no number", http.Header{"Cache-Control": {"max-age=x, max-age"}}, 10 * time.Minute},
		{"ten minutes if others may cache longer", http.Header{"Cache-Control": {"s-maxage=3000"}}, 10 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := &issuer{document: setOf(published(t, testKeys()["ES256"], "e")), header: c.header}
			auth, clock := newClocked(t, server)
			checkToken(t, auth, endless(t, "e"), nil)
			clock.advance(c.want - time.Second)
			checkToken(t, auth, endless(t, "e"), nil)
			server.checkCalls(t, 1)
			clock.advance(time.Second)
			checkToken(t, auth, endless(t, "e"), nil)
			server.checkCalls(t, 2)
		})
	}
}

func TestKeysRotate(t *testing.T) {
	key := published(t, testKeys()["ES256"], "new")
	old := published(t, testKeys()["ES256"], "old")
	server := &issuer{document: setOf(old)}
	auth, clock := newClocked(t, server)
	checkToken(t, auth, endless(t, "old"), nil)

	server.publish(setOf(old, key))
	checkToken(t, auth, endless(t, "new"), nil) // Unknown, so the issuer is asked.
	checkToken(t, auth, endless(t, "old"), nil)
	server.checkCalls(t, 2)

	server.publish(setOf(key))
	checkToken(t, auth, endless(t, "old"), nil) // Nobody knows yet that it is withdrawn.
	clock.advance(10 * time.Minute)
	checkToken(t, auth, endless(t, "old"), callerauth.ErrNoKey)
	checkToken(t, auth, endless(t, "new"), nil)
	server.checkCalls(t, 3)

	server.publish(setOf())
	clock.advance(10 * time.Minute)
	checkToken(t, auth, endless(t, "new"), callerauth.ErrNoKey) // The issuer's word.
	server.checkCalls(t, 4)
}

func TestUnknownKidsCauseOneFetchAMinute(t *testing.T) {
	server := &issuer{
		document: setOf(published(t, testKeys()["ES256"], "e")),
		header:   http.Header{"Cache-Control": {"max-age=3600"}},
	}
	auth, clock := newClocked(t, server)
	checkToken(t, auth, endless(t, "x"), callerauth.ErrNoKey)
	server.checkCalls(t, 1) // The set was fetched for this very token.
	for minute := range 5 {
		for second := range 60 {
			for i := range 3 {
				checkToken(t, auth, endless(t, fmt.Sprint(minute, second, i)), callerauth.ErrNoKey)
			}
			checkToken(t, auth, endless(t, "e"), nil)
			server.checkCalls(t, 2+minute)
			clock.advance(time.Second)
		}
	}
}

func TestOldKeysServeWhileTheIssuerFails(t *testing.T) {
	server := &issuer{document: setOf(published(t, testKeys()["ES256"], "e"))}
	var logged bytes.Buffer
	clock := &clock{now: noon}
	auth := newJWKS(t, server, func(config *callerauth.JWKSConfig) {
		config.URL += "?key=hush"
		config.Now, config.Log = clock.read, slog.New(slog.NewJSONHandler(&logged, nil))
	})
	checkToken(t, auth, endless(t, "e"), nil)

	server.fail(errors.New("out of order"))
	clock.advance(10 * time.Minute)
	for range 3 {
		checkToken(t, auth, endless(t, "e"), nil)
		checkToken(t, auth, endless(t, "x"), callerauth.ErrNoKey)
	}
	server.checkCalls(t, 2)
	clock.advance(9 * time.Second)
	checkToken(t, auth, endless(t, "e"), nil)
	server.checkCalls(t, 2)
	clock.advance(time.Second)
	checkToken(t, auth, endless(t, "e"), nil)
	server.checkCalls(t, 3) // A failure is remembered for ten seconds.

	clock.advance(24*time.Hour - 10*time.Minute - 10*time.Second - time.Second)
	checkToken(t, auth, endless(t, "e"), nil)
	server.checkCalls(t, 4)
	clock.advance(time.Second)
	checkKeysMissing(t, auth, endless(t, "e"))
	clock.advance(10 * time.Second)
	checkKeysMissing(t, auth, endless(t, "e"))
	server.checkCalls(t, 5)

	server.fail(nil)
	checkKeysMissing(t, auth, endless(t, "e"))
	clock.advance(10 * time.Second)
	checkToken(t, auth, endless(t, "e"), nil)
	server.checkCalls(t, 6)

	if text := logged.String(); !strings.Contains(text, `"err":"sending request: out of order"`) || !strings.Contains(text, `"usingOld":true`) ||
		strings.Contains(text, "hush") || strings.Count(text, "\n") != 6 {
		t.Errorf("log is %s, want a line for each fetch, without the query", text)
	}
}

func TestNoKeysAtAll(t *testing.T) {
	server := &issuer{document: setOf(published(t, testKeys()["ES256"], "e")), down: errors.New("out of order")}
	auth, clock := newClocked(t, server)
	for range 3 {
		checkKeysMissing(t, auth, endless(t, "e"))
	}
	server.checkCalls(t, 1)
	server.fail(nil)
	clock.advance(10*time.Second - 1)
	checkKeysMissing(t, auth, endless(t, "e"))
	server.checkCalls(t, 1)
	clock.advance(1)
	checkToken(t, auth, endless(t, "e"), nil)
	server.checkCalls(t, 2)
}

func TestRefetchForAnUnknownKidFails(t *testing.T) {
	server := &issuer{document: setOf(published(t, testKeys()["ES256"], "e"))}
	auth, _ := newClocked(t, server)
	checkToken(t, auth, endless(t, "e"), nil)
	server.fail(errors.New("out of order"))
	checkToken(t, auth, endless(t, "x"), callerauth.ErrNoKey)
	checkToken(t, auth, endless(t, "e"), nil)
	server.checkCalls(t, 2)
}

func TestClockSetBack(t *testing.T) {
	server := &issuer{document: setOf(published(t, testKeys()["ES256"], "e"))}
	auth, clock := newClocked(t, server)
	checkToken(t, auth, endless(t, "e"), nil)
	clock.advance(-time.Hour)
	checkToken(t, auth, endless(t, "e"), nil)
	server.checkCalls(t, 2) // Nothing is fresh until a time that has passed already.
}

// TestKeyServers goes over real connections.
func TestKeyServers(t *testing.T) {
	document := setOf(published(t, testKeys()["ES256"], "e"))
	padded := func(n int) string { return document + strings.Repeat(" ", n-len(document)) }
	serve := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		ok      bool
	}{
		{"a key set", serve(document), true},
		{"exactly 256 KiB", serve(padded(256 << 10)), true},
		{"256 KiB and one byte", serve(padded(256<<10 + 1)), false},
		{"a body without end", func(w http.ResponseWriter, _ *http.Request) {
			for block := make([]byte, 64<<10); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, false},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/keys" {
				t.Error("the redirect was followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, false},
		{"a redirect with a key set in it", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
			io.WriteString(w, document)
		}, false},
		{"status 404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); io.WriteString(w, document) }, false},
		{"status 203", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(203); io.WriteString(w, document) }, false},
		{"a page", serve("<!DOCTYPE html><html><title>Sign in</title></html>"), false},
		{"half a key set", serve(document[:len(document)/2]), false},
		{"a connection that breaks", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			io.WriteString(w, document)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				c.handler(w, r)
			}))
			t.Cleanup(srv.Close)
			// One is ours; the other would follow the redirect.
			for _, client := range []*http.Client{nil, {}} {
				calls.Store(0)
				auth := newJWKS(t, nil, func(config *callerauth.JWKSConfig) { config.URL, config.Client = srv.URL+"/keys", client })
				if c.ok {
					checkToken(t, auth, endless(t, "e"), nil)
				} else {
					checkKeysMissing(t, auth, endless(t, "e"))
				}
				if got := calls.Load(); got != 1 {
					t.Errorf("key server was asked %d times, want once", got)
				}
			}
		})
	}
}

func TestKeyServerHeaderIsLimited(t *testing.T) {
	for size, ok := range map[int]bool{32 << 10: true, 128 << 10: false} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", size))
			io.WriteString(w, setOf(published(t, testKeys()["ES256"], "e")))
		}))
		t.Cleanup(srv.Close)
		auth := newJWKS(t, nil, func(config *callerauth.JWKSConfig) { config.URL, config.Client = srv.URL, nil })
		if ok {
			checkToken(t, auth, endless(t, "e"), nil)
		} else {
			checkKeysMissing(t, auth, endless(t, "e"))
		}
	}
}

func TestKeyServerNeedsATrustedCertificate(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, setOf(published(t, testKeys()["ES256"], "e")))
	}))
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	for _, c := range []struct {
		client *http.Client
		ok     bool
	}{{nil, false}, {srv.Client(), true}} {
		auth := newJWKS(t, nil, func(config *callerauth.JWKSConfig) { config.URL, config.Client = srv.URL, c.client })
		if c.ok {
			checkToken(t, auth, endless(t, "e"), nil)
		} else {
			checkKeysMissing(t, auth, endless(t, "e"))
		}
	}
}

// TestSlowKeyServer has a deadline of two seconds, whatever the server is slow
// in. The connection is a pipe, so that time is the test's own.
func TestSlowKeyServer(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
	}{
		{"it answers nothing", func(net.Conn) {}},
		{"it answers a byte a second", func(conn net.Conn) {
			for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n") {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}},
		{"its body comes a byte a second", func(conn net.Conn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
			for {
				if _, err := conn.Write([]byte{' '}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var servers sync.WaitGroup
				defer servers.Wait()
				transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
					client, server := net.Pipe()
					servers.Go(func() {
						defer server.Close()
						asked := bufio.NewReader(server)
						if _, err := http.ReadRequest(asked); err != nil {
							t.Error(err)
						}
						servers.Go(func() { c.serve(server) })
						io.Copy(io.Discard, asked) // until the client hangs up
					})
					return client, nil
				}}
				auth := newJWKS(t, transport, func(config *callerauth.JWKSConfig) { config.URL = "http://127.0.0.1/keys" })
				start := time.Now()
				checkKeysMissing(t, auth, endless(t, "e"))
				if took := time.Since(start); took != 2*time.Second {
					t.Errorf("took %v, want 2s", took)
				}
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestOneFetchForManyRequests holds the fetch until everybody waits for it. The
// one who started it gives up; the others get its keys all the same.
func TestOneFetchForManyRequests(t *testing.T) {
	document := setOf(published(t, testKeys()["ES256"], "e"))
	token := endless(t, "e")
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		open := make(chan struct{})
		auth := newJWKS(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			calls.Add(1)
			select {
			case <-open:
				return answer(200, nil, document), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}), nil)

		ctx, cancel := context.WithCancelCause(t.Context())
		first := make(chan error)
		go func() {
			_, err := auth.Authenticate(request(t, bearerHeader(token)).WithContext(ctx))
			first <- err
		}()
		synctest.Wait()
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() { checkToken(t, auth, token, nil) })
		}
		synctest.Wait()

		gone := errors.New("client is gone")
		cancel(gone)
		if err := <-first; !errors.Is(err, callerauth.ErrKeys) || !errors.Is(err, gone) || errors.Is(err, callerauth.ErrUnauthenticated) {
			t.Errorf("Authenticate() of a request that ended = %v, want ErrKeys", err)
		}
		synctest.Wait()
		close(open)
		group.Wait()
		if got := calls.Load(); got != 1 {
			t.Errorf("keys were fetched %d times, want once", got)
		}
	})
}

// TestManyUnknownKidsAtOnce does the same for a set that lacks a kid.
func TestManyUnknownKidsAtOnce(t *testing.T) {
	server := &issuer{document: setOf(published(t, testKeys()["ES256"], "old"))}
	auth, _ := newClocked(t, server)
	checkToken(t, auth, endless(t, "old"), nil)
	server.publish(setOf(published(t, testKeys()["ES256"], "new")))
	known, unknown := endless(t, "new"), endless(t, "x")
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { checkToken(t, auth, known, nil) })
		group.Go(func() { checkToken(t, auth, unknown, callerauth.ErrNoKey) })
	}
	group.Wait()
	server.checkCalls(t, 2)
}

// TestUnknownKidsWaitForOneFetch holds the fetch that an unknown kid caused. Others
// with an unknown kid wait for it, rather than be refused by the pause that began
// with it; those with a known one do not wait.
func TestUnknownKidsWaitForOneFetch(t *testing.T) {
	old := published(t, testKeys()["ES256"], "old")
	before, after := setOf(old), setOf(old, published(t, testKeys()["ES256"], "new"))
	known, unknown := endless(t, "old"), endless(t, "new")
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		open := make(chan struct{})
		auth := newJWKS(t, roundTripper(func(*http.Request) (*http.Response, error) {
			if calls.Add(1) == 1 {
				return answer(200, nil, before), nil
			}
			<-open
			return answer(200, nil, after), nil
		}), nil)
		checkToken(t, auth, known, nil)
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() { checkToken(t, auth, unknown, nil) })
			synctest.Wait()
		}
		checkToken(t, auth, known, nil)
		close(open)
		group.Wait()
		if got := calls.Load(); got != 2 {
			t.Errorf("keys were fetched %d times, want 2", got)
		}
	})
}

// TestFrozenFetchIsNotWaitedFor has an instance that is frozen during a fetch,
// whose connection is dead when it goes on.
func TestFrozenFetchIsNotWaitedFor(t *testing.T) {
	document := setOf(published(t, testKeys()["ES256"], "e"))
	token := endless(t, "e")
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		thaw, clock := make(chan struct{}), &clock{now: noon}
		auth := newJWKS(t, roundTripper(func(*http.Request) (*http.Response, error) {
			if calls.Add(1) == 1 {
				<-thaw
				return nil, io.ErrUnexpectedEOF
			}
			return answer(200, nil, document), nil
		}), func(config *callerauth.JWKSConfig) { config.Now = clock.read })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := auth.Authenticate(request(t, bearerHeader(token)).WithContext(ctx))
		if !errors.Is(err, callerauth.ErrKeys) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Authenticate() = %v, want ErrKeys and context.DeadlineExceeded", err)
		}
		clock.advance(time.Minute)
		checkToken(t, auth, token, nil)
		close(thaw)
		synctest.Wait()
		checkToken(t, auth, token, nil)
		if got := calls.Load(); got != 2 {
			t.Errorf("keys were fetched %d times, want 2", got)
		}
	})
}
