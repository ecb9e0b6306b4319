package sts_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stack/sts"
)

// Each value of what is unknown about STS. The caller is a role, as a function is.
func TestAssumed(t *testing.T) {
	const small, large = "acs:ram::1234567890123456:role/upload", "acs:ram::1234567890123456:role/Upload"
	for _, tt := range []struct {
		setting, role, seconds, want string // the answer's code; empty: credentials
	}{
		{"sts.chained-hour=the role's maximum", small, "7200", ""},
		{"sts.chained-hour=an hour", small, "7200", "InvalidParameter.DurationSeconds"},
		{"sts.chained-hour=an hour", small, "3600", ""},
		{"sts.role-names=with case", large, "3600", "EntityNotExist.Role"},
		{"sts.role-names=without", large, "3600", ""},
		{"sts.role-names=without", small, "3600", ""},
		{"sts.role-names=without", small + "s", "3600", "EntityNotExist.Role"},
	} {
		t.Run(tt.setting+", "+tt.seconds+" s of "+tt.role, func(t *testing.T) {
			a, err := facts.Assume(tt.setting)
			if err != nil {
				t.Fatal(err)
			}
			f := newFixture(t)
			f.store.Add(ram.Credential{AccessKeyID: "STS.function", AccessKeySecret: callerSecret, SecurityToken: "token",
				Expires: start.Add(time.Hour), Role: "acs:ram::1234567890123456:role/presign"})
			f.Server = sts.New(sts.Config{Store: f.store, Assume: a, Now: func() time.Time { return f.now }, Roles: []ram.Role{
				{ARN: small, MaxSessionDuration: 12 * time.Hour, TrustedBy: func(ram.Credential) bool { return true }},
			}})
			c := f.newCall()
			c.query["AccessKeyId"], c.query["SecurityToken"] = "STS.function", "token"
			c.form["RoleArn"], c.form["DurationSeconds"] = tt.role, tt.seconds
			rec := f.do(c.request())
			var got struct{ Code string }
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || got.Code != tt.want {
				t.Errorf("AssumeRole answered %d %s, want code %q", rec.Code, rec.Body, tt.want)
			}
			if tt.want == "" && !strings.Contains(rec.Body.String(), small+"/") {
				t.Errorf("AssumeRole answered %s, want the ARN of the role", rec.Body)
			}
		})
	}
}
