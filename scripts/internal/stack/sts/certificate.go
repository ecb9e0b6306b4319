package sts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"
)

// certificateLife is longer than any run of a local stack.
const certificateLife = 365 * 24 * time.Hour

// Certificate makes a throw-away certificate authority and a server
// certificate by it for 127.0.0.1, ::1 and localhost: credentials-go speaks
// HTTPS only. caPEM is what a client has to trust. The authority's key is not
// kept, and its certificate is constrained to those names, so trusting it
// puts nothing else at risk.
func Certificate(now time.Time, rand io.Reader) (cert tls.Certificate, caPEM []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making the authority's key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making the server's key: %w", err)
	}
	serials := make([]byte, 32)
	if _, err := io.ReadFull(rand, serials); err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making serial numbers: %w", err)
	}
	// A serial number is positive and has at most 20 bytes.
	serials[0], serials[16] = serials[0]&0x7f|0x40, serials[16]&0x7f|0x40

	hosts := []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}
	ca := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serials[:16]),
		Subject:      pkix.Name{CommonName: "ossupload local stack, throw-away authority"},
		// An hour back: a container's clock may lag behind.
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(certificateLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{
			{IP: hosts[0], Mask: net.CIDRMask(32, 32)},
			{IP: hosts[1], Mask: net.CIDRMask(128, 128)},
		},
	}
	caDER, err := x509.CreateCertificate(rand, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making the authority's certificate: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serials[16:]),
		Subject:      pkix.Name{CommonName: "ossupload local STS"},
		NotBefore:    ca.NotBefore,
		NotAfter:     ca.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  hosts,
	}
	der, err := x509.CreateCertificate(rand, leaf, ca, key.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making the server's certificate: %w", err)
	}
	caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	return tls.Certificate{Certificate: [][]byte{der, caDER}, PrivateKey: key}, caPEM, nil
}
