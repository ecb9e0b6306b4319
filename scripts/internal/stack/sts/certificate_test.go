package sts_test

import (
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/sts"
)

func TestCertificate(t *testing.T) {
	cert, caPEM, err := sts.Certificate(start, rand.Reader)
	if err != nil {
		t.Fatalf("Certificate = %v", err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(caPEM) {
		t.Fatal("the authority's certificate does not parse")
	}
	tests := []struct {
		name string
		at   time.Time
		want bool
	}{
		{"127.0.0.1", start, true},
		{"[::1]", start, true},
		{"localhost", start, true},
		{"127.0.0.2", start, false},
		{"sts.aliyuncs.com", start, false},
		{"localhost", start.Add(364 * 24 * time.Hour), true},
		{"localhost", start.Add(366 * 24 * time.Hour), false},
		{"localhost", start.Add(-2 * time.Hour), false},
	}
	for _, tt := range tests {
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: tt.name, Roots: roots, CurrentTime: tt.at})
		if got := err == nil; got != tt.want {
			t.Errorf("the certificate verifies for %s at %v: %v (%v), want %v", tt.name, tt.at, got, err, tt.want)
		}
	}
	if _, _, err := sts.Certificate(start, strings.NewReader("")); err == nil {
		t.Error("Certificate without randomness succeeded, want an error")
	}
}
