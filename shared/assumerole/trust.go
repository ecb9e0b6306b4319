package assumerole

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
)

// trusted remembers the files whose content http.DefaultTransport already
// trusts, because a transport in use must not be changed again. It mirrors that
// process-wide state and nothing else.
var trusted struct {
	sync.Mutex
	files map[[sha256.Size]byte]bool
}

var closing sync.Once

// closeConnections lets no connection of credentials-go outlive its call. The
// module copies http.DefaultTransport for each call and never closes the copy,
// so that an unused connection would stay open for as long as STS lets it.
func closeConnections() {
	closing.Do(func() {
		if transport, ok := http.DefaultTransport.(*http.Transport); ok {
			transport.DisableKeepAlives = true
		}
	})
}

// trust adds the authorities of a PEM file to those of http.DefaultTransport.
func trust(file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	trusted.Lock()
	defer trusted.Unlock()
	digest := sha256.Sum256(pem)
	if trusted.files[digest] {
		return nil
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return errors.New("http.DefaultTransport is not an *http.Transport")
	}
	config := transport.TLSClientConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	var pool *x509.CertPool
	if config.RootCAs != nil {
		pool = config.RootCAs.Clone()
	} else if pool, err = x509.SystemCertPool(); err != nil {
		return fmt.Errorf("reading the system's authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("it holds no certificate")
	}
	config.RootCAs = pool
	transport.TLSClientConfig = config
	if trusted.files == nil {
		trusted.files = make(map[[sha256.Size]byte]bool)
	}
	trusted.files[digest] = true
	return nil
}
