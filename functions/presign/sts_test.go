package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestUploadPolicy(t *testing.T) {
	got, err := uploadPolicy("examplebucket", "u/_sts/alice/")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Version":"1","Statement":[{"Effect":"Allow",` +
		`"Action":["oss:PutObject","oss:AbortMultipartUpload","oss:ListParts"],"Resource":["acs:oss:*:*:examplebucket/u/_sts/alice/*"]}]}`
	if got != want || !json.Valid([]byte(got)) {
		t.Errorf("uploadPolicy = %s, want %s", got, want)
	}
}

func TestSessionName(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,64}$`)
	seen := map[string]string{}
	for _, subject := range []string{"alice", "*", "../x", "夏", strings.Repeat("a", 54), strings.Repeat("a", 55), strings.Repeat("a", 128), strings.Repeat("é", 64)} {
		name := sessionName(subject)
		if !form.MatchString(name) {
			t.Errorf("sessionName(%q) = %q, want %s", subject, name, form)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("subjects %q and %q share the session name %q", subject, other, name)
		}
		seen[name] = subject
	}
}
