package ram_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/ram"
)

func mustParse(t *testing.T, text string) ram.Policy {
	t.Helper()
	p, err := ram.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatalf("ParsePolicy(%s) = %v", text, err)
	}
	return p
}

// one makes a policy of one Allow statement.
func one(action, resource string) string {
	return fmt.Sprintf(`{"Version":"1","Statement":[{"Effect":"Allow","Action":%q,"Resource":%q}]}`, action, resource)
}

func TestPolicyAllows(t *testing.T) {
	const put, key = "oss:PutObject", "acs:oss:*:*:bucket/u/a.jpg"
	tests := []struct {
		name             string
		policy           string
		action, resource string
		want             bool
	}{
		{"the same words", one(put, "acs:oss:*:*:bucket/u/a.jpg"), put, key, true},
		{"an action in other case", one("OSS:putobject", "acs:oss:*:*:bucket/u/*"), put, key, true},
		{"another action", one("oss:GetObject", "acs:oss:*:*:bucket/u/*"), put, key, false},
		{"a wildcard in the action", one("oss:Put*", "acs:oss:*:*:bucket/u/*"), put, key, true},
		{"a wildcard for another service", one("sts:*", "acs:oss:*:*:bucket/u/*"), put, key, false},
		{"every action", one("*", "acs:oss:*:*:bucket/u/*"), put, key, true},
		{"every resource", one("oss:*", "*"), put, key, true},
		{"the prefix", one(put, "acs:oss:*:*:bucket/u/*"), put, key, true},
		{"a star crosses slashes", one(put, "acs:oss:*:*:bucket/u/*"), put, "acs:oss:*:*:bucket/u/a/b/c", true},
		{"another prefix", one(put, "acs:oss:*:*:bucket/v/*"), put, key, false},
		{"a longer folder name", one(put, "acs:oss:*:*:bucket/u/*"), put, "acs:oss:*:*:bucket/uu/a", false},
		{"the bucket alone", one(put, "acs:oss:*:*:bucket"), put, key, false},
		{"another bucket", one(put, "acs:oss:*:*:bucket/u/*"), put, "acs:oss:*:*:bucket2/u/a.jpg", false},
		{"a question mark", one(put, "acs:oss:*:*:bucket/u/?.jpg"), put, key, true},
		{"a question mark for a letter of two bytes", one(put, "acs:oss:*:*:bucket/u/?.jpg"), put, "acs:oss:*:*:bucket/u/é.jpg", true},
		{"a question mark for nothing", one(put, "acs:oss:*:*:bucket/u/a?.jpg"), put, key, false},
		{"keys compare with case", one(put, "acs:oss:*:*:bucket/U/*"), put, key, false},
		{"an account in the policy, none in the request", one(put, "acs:oss:*:1234567890123456:bucket/u/*"), put, key, true},
		{"the account of the request", one(put, "acs:oss:*:1234567890123456:bucket/u/*"), put, "acs:oss:*:1234567890123456:bucket/u/a", true},
		{"another account", one(put, "acs:oss:*:1234567890123456:bucket/u/*"), put, "acs:oss:*:99:bucket/u/a", false},
		{"another region", one(put, "acs:oss:oss-cn-hangzhou:*:bucket/u/*"), put, "acs:oss:oss-cn-beijing:*:bucket/u/a", false},
		{"a star does not cross segments", one(put, "acs:oss:*:7:bucket/u/*"), put, "acs:oss:x:8:7:bucket/u/a", false},
		{"a key with colons", one(put, "acs:oss:*:*:bucket/u/a:b:*"), put, "acs:oss:*:*:bucket/u/a:b:c", true},
		{"a key with a star is no wildcard", one(put, "acs:oss:*:*:bucket/u/a"), put, "acs:oss:*:*:bucket/u/*", false},
		{"many stars", one(put, "acs:oss:*:*:bucket/*a*b*c*"), put, "acs:oss:*:*:bucket/xxaxxbxxc", true},
		{"many stars that do not match", one(put, "acs:oss:*:*:bucket/*a*b*c"), put, "acs:oss:*:*:bucket/xxaxxbxxcd", false},
		{"a role with an empty region", one("sts:AssumeRole", "acs:ram::1:role/upload"), "sts:AssumeRole", "acs:ram::1:role/upload", true},
		{"any role of the account", one("sts:AssumeRole", "acs:ram:*:1:role/*"), "sts:AssumeRole", "acs:ram::1:role/upload", true},
		{"a role of another account", one("sts:AssumeRole", "acs:ram:*:1:role/*"), "sts:AssumeRole", "acs:ram::2:role/upload", false},
		{"a request that is no resource name", one("*", "*"), put, "bucket/u/a.jpg", false},
		{"an empty request", one("*", "*"), put, "", false},
		{
			"lists",
			`{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:GetObject","oss:PutObject"],"Resource":["acs:oss:*:*:b/*","acs:oss:*:*:bucket/*"]}]}`,
			put, key, true,
		},
		{
			"deny after allow",
			`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"oss:PutObject","Resource":"acs:oss:*:*:bucket/u/*"}]}`,
			put, key, false,
		},
		{
			"deny before allow",
			`{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:PutObject","Resource":"acs:oss:*:*:bucket/u/*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
			put, key, false,
		},
		{
			"deny of something else",
			`{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:DeleteObject","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
			put, key, true,
		},
		{
			"deny alone",
			`{"Version":"1","Statement":[{"Effect":"Deny","Action":"oss:DeleteObject","Resource":"*"}]}`,
			put, key, false,
		},
		{
			"allow on a condition never allows",
			`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"acs:SecureTransport":"true"}}}]}`,
			put, key, false,
		},
		{
			"deny on a condition always denies",
			`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}}]}`,
			put, key, false,
		},
		{
			"an empty condition is none",
			`{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}]}`,
			put, key, true,
		},
		{
			"white space between all parts",
			" {\n \"Version\" : \"1\" , \"Statement\" : [ { \"Effect\" : \"Allow\" , \"Action\" : \"*\" , \"Resource\" : [ \"*\" ] } ] } ",
			put, key, true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustParse(t, tt.policy).Allows(tt.action, tt.resource); got != tt.want {
				t.Errorf("Allows(%q, %q) = %v, want %v", tt.action, tt.resource, got, tt.want)
			}
		})
	}
}

func TestZeroPolicyAllowsNothing(t *testing.T) {
	if (ram.Policy{}).Allows("oss:PutObject", "acs:oss:*:*:bucket/key") {
		t.Error("Policy{}.Allows = true, want false")
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	tests := []struct{ name, policy string }{
		{"nothing", ``},
		{"no object", `[]`},
		{"half an object", `{"Version":"1"`},
		{"text behind the object", one("*", "*") + "x"},
		{"no version", `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		{"a number as version", `{"Version":1,"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		{"a list as version", `{"Version":["1"],"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		{"the version of another cloud", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		{"no statement", `{"Version":"1"}`},
		{"null as statement", `{"Version":"1","Statement":null}`},
		{"an empty list of statements", `{"Version":"1","Statement":[]}`},
		{"one statement without a list", `{"Version":"1","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`},
		{"a repeated statement", `{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}],"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		{"another case", `{"version":"1","statement":[{"effect":"Allow","action":"*","resource":"*"}]}`},
		{"an unknown element", `{"Version":"1","Id":"x","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		{"no effect", `{"Version":"1","Statement":[{"Action":"*","Resource":"*"}]}`},
		{"another effect", `{"Version":"1","Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}`},
		{"no action", `{"Version":"1","Statement":[{"Effect":"Allow","Resource":"*"}]}`},
		{"an empty list of actions", `{"Version":"1","Statement":[{"Effect":"Allow","Action":[],"Resource":"*"}]}`},
		{"an action without a service", one("PutObject", "*")},
		{"a number as action", `{"Version":"1","Statement":[{"Effect":"Allow","Action":[1],"Resource":"*"}]}`},
		{"null as action", `{"Version":"1","Statement":[{"Effect":"Allow","Action":[null],"Resource":"*"}]}`},
		{"all but an action", `{"Version":"1","Statement":[{"Effect":"Allow","NotAction":"oss:DeleteObject","Resource":"*"}]}`},
		{"no resource", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*"}]}`},
		{"a resource without segments", one("*", "bucket/u/*")},
		{"a resource with too few segments", one("*", "acs:oss:*:*")},
		{"a resource of another cloud", one("*", "arn:aws:s3:::bucket/*")},
		{"a condition that is no object", `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":"x"}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ram.ParsePolicy([]byte(tt.policy)); err == nil {
				t.Errorf("ParsePolicy(%s) succeeded, want an error", tt.policy)
			}
		})
	}
}

func TestCredentialAllows(t *testing.T) {
	const put, key = "oss:PutObject", "acs:oss:*:*:bucket/u/a"
	role := mustParse(t, one("oss:*", "acs:oss:*:*:bucket/*"))
	session := mustParse(t, one("oss:PutObject", "acs:oss:*:*:bucket/u/*"))
	tests := []struct {
		name             string
		policies         []ram.Policy
		action, resource string
		want             bool
	}{
		{"no policy allows everything", nil, put, key, true},
		{"both allow", []ram.Policy{role, session}, put, key, true},
		{"the session does not", []ram.Policy{role, session}, "oss:GetObject", key, false},
		{"the role does not", []ram.Policy{role, session}, put, "acs:oss:*:*:other/u/a", false},
		{"a zero policy allows nothing", []ram.Policy{{}}, put, key, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := ram.Credential{Policies: tt.policies}
			if got := c.Allows(tt.action, tt.resource); got != tt.want {
				t.Errorf("Allows(%q, %q) = %v, want %v", tt.action, tt.resource, got, tt.want)
			}
		})
	}
}

func TestStore(t *testing.T) {
	s := ram.NewStore()
	if _, ok := s.Lookup("none"); ok {
		t.Error(`Lookup("none") found a credential in an empty store`)
	}
	policies := []ram.Policy{mustParse(t, one("*", "*"))}
	s.Add(ram.Credential{AccessKeyID: "id", AccessKeySecret: "old", Policies: policies})
	s.Add(ram.Credential{AccessKeyID: "id", AccessKeySecret: "new", Policies: policies, Expires: time.Unix(1, 0)})
	policies[0] = ram.Policy{}
	c, ok := s.Lookup("id")
	if !ok || c.AccessKeySecret != "new" || c.Expires != time.Unix(1, 0) {
		t.Errorf(`Lookup("id") = %q, %v, %v, want the credential added last`, c.AccessKeySecret, c.Expires, ok)
	}
	if !c.Allows("oss:PutObject", "acs:oss:*:*:bucket/key") {
		t.Error("changing the slice handed to Add changed the stored credential")
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id := fmt.Sprint(i)
			s.Add(ram.Credential{AccessKeyID: id})
			if _, ok := s.Lookup(id); !ok {
				t.Errorf("Lookup(%q) found nothing", id)
			}
		})
	}
	wg.Wait()
}

// FuzzParsePolicy checks that a resource without wildcards, once in a policy,
// allows itself and nothing longer.
func FuzzParsePolicy(f *testing.F) {
	f.Add("bucket/u/a.jpg")
	f.Add("bucket/a:b//é")
	f.Fuzz(func(t *testing.T, id string) {
		if id == "" || strings.ContainsAny(id, "*?") {
			t.Skip()
		}
		// JSON replaces what is not UTF-8, so compare with what it made of it.
		var clean string
		quoted, _ := json.Marshal(id)
		if err := json.Unmarshal(quoted, &clean); err != nil {
			t.Fatal(err)
		}
		p, err := ram.ParsePolicy(fmt.Appendf(nil,
			`{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:PutObject","Resource":["acs:oss:*:*:%s"]}]}`, quoted[1:len(quoted)-1]))
		if err != nil {
			t.Fatalf("ParsePolicy with %q = %v", id, err)
		}
		if !p.Allows("oss:PutObject", "acs:oss:*:*:"+clean) {
			t.Errorf("a policy for %q does not allow it", clean)
		}
		if p.Allows("oss:PutObject", "acs:oss:*:*:"+clean+"x") {
			t.Errorf("a policy for %q allows a longer id", clean)
		}
	})
}
