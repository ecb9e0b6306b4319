package netcause_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ossupload/shared/netcause"
)

// secret stands in the query of every URL that is asked.
const secret = "SIGNATURE"

func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func tlsServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// nobody is an address at which nobody listens: a port that was free a moment
// ago may be another test's by now, and this one is given to nobody.
const nobody = "127.0.0.1:1"

func dialing(dial func(context.Context) error) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, dial(ctx) }}
}

func TestOf(t *testing.T) {
	secure := tlsServer(t)
	plain := server(t, silent)
	known := func() *http.Transport {
		roots := x509.NewCertPool()
		roots.AddCert(secure.Certificate())
		transport := secure.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.RootCAs = roots
		transport.TLSClientConfig.ServerName = "oss.example.net"
		return transport
	}
	tests := []struct {
		name, url string
		transport *http.Transport
		want      string
	}{
		{"nobody listens", "http://" + nobody, &http.Transport{}, "dial tcp " + nobody + ": connect: connection refused"},
		{"no such name", "http://bucket.oss.invalid", dialing(func(context.Context) error {
			return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "bucket.oss.invalid", IsNotFound: true}}
		}), "lookup bucket.oss.invalid: no such host"},
		{"a network without a way", "http://oss-internal.example.com", dialing(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }),
			"no connection to oss-internal.example.com in time; is it reachable from this network?"},
		{"silence", plain, &http.Transport{}, "no answer in time"},
		{"a certificate that nobody signed", secure.URL, &http.Transport{}, "x509: certificate signed by unknown authority"},
		{"a certificate for another name", secure.URL, known(), "the certificate is not for oss.example.net"},
		{"no TLS", strings.Replace(server(t, http.NotFound), "http:", "https:", 1), &http.Transport{}, "the server does not speak TLS: http where https was asked"},
		{"no answer", server(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), &http.Transport{}, "the connection was closed before the whole answer came"},
		{"an error of nobody's", "http://example.com", dialing(func(context.Context) error { return errors.New("GET http://example.com/?" + secret) }),
			"an error of type *errors.errorString"},
		{"a name without end", "http://example.com", dialing(func(context.Context) error {
			return &net.DNSError{Err: "no such\nhost", Name: strings.Repeat("a", 1000)}
		}), "lookup " + strings.Repeat("a", 193) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			within := 10 * time.Second
			switch {
			case tt.url == plain:
				within = 2 * time.Second // there is a connection by then on a busy machine too
			case strings.Contains(tt.want, "in time"):
				within = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, tt.url+"/key?x-oss-signature="+secret, nil)
			if err != nil {
				t.Fatal(err)
			}
			client := &http.Client{Transport: netcause.Transport{Next: tt.transport}}
			res, err := client.Do(r)
			if err == nil {
				res.Body.Close()
				t.Fatalf("there is an answer: %d", res.StatusCode)
			}
			if got := netcause.Of(err); got != tt.want || strings.Contains(got, secret) {
				t.Errorf("Of(%v) = %q, want %q", err, got, tt.want)
			}
			if late := strings.Contains(tt.want, "in time"); errors.Is(err, context.DeadlineExceeded) != late {
				t.Errorf("the error %v is a deadline that was exceeded: %v, want %v", err, !late, late)
			}
		})
	}
	if got := netcause.Of(nil); got != "" {
		t.Errorf("Of(nil) = %q", got)
	}
}
