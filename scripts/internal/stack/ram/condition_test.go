package ram_test

import "testing"

func TestConditions(t *testing.T) {
	const list, bucket = "oss:ListObjects", "acs:oss:*:*:bucket"
	policy := func(effect, condition string) string {
		allowed := ""
		if effect == "Deny" {
			allowed = `{"Effect":"Allow","Action":"*","Resource":"*"},`
		}
		return `{"Version":"1","Statement":[` + allowed + `{"Effect":"` + effect + `","Action":"*","Resource":"*","Condition":` + condition + `}]}`
	}
	const (
		secure = `{"Bool":{"acs:SecureTransport":"true"}}`
		plain  = `{"Bool":{"acs:SecureTransport":"false"}}`
		prefix = `{"StringLike":{"oss:Prefix":["uploads/*","other/*"]}}`
		exact  = `{"StringEquals":{"oss:Prefix":"uploads/"}}`
		both   = `{"Bool":{"acs:SecureTransport":"true"},"StringLike":{"oss:Prefix":"uploads/*"}}`
	)
	known := func(secure, prefix string) map[string]string {
		return map[string]string{"acs:SecureTransport": secure, "oss:Prefix": prefix}
	}
	tests := []struct {
		name, effect, condition string
		known                   map[string]string
		want                    bool
	}{
		{"secure, over TLS", "Allow", secure, known("true", ""), true},
		{"secure, over plain http", "Allow", secure, known("false", ""), false},
		{"secure, of a call of which nothing is known", "Allow", secure, nil, false},
		{"plain http is denied, over TLS", "Deny", plain, known("true", ""), true},
		{"plain http is denied, over plain http", "Deny", plain, known("false", ""), false},
		{"a prefix", "Allow", prefix, known("", "uploads/a"), true},
		{"the second of two prefixes", "Allow", prefix, known("", "other/"), true},
		{"another prefix", "Allow", prefix, known("", "up"), false},
		{"no prefix", "Allow", prefix, known("", ""), false},
		{"an exact prefix", "Allow", exact, known("", "uploads/"), true},
		{"a longer one than the exact prefix", "Allow", exact, known("", "uploads/a"), false},
		{"two conditions that hold", "Allow", both, known("true", "uploads/"), true},
		{"one of two conditions holds", "Allow", both, known("false", "uploads/"), false},
		{"an operator that is not known allows nothing", "Allow", `{"StringNotLike":{"oss:Prefix":"x"}}`, known("true", ""), false},
		{"and denies always", "Deny", `{"StringNotLike":{"oss:Prefix":"x"}}`, known("true", ""), false},
		{"a key that is not known, beside one that holds", "Allow", `{"Bool":{"acs:SecureTransport":"true"},"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}`, known("true", ""), false},
		{"a key that is not known, beside one that does not hold, denies", "Deny", `{"Bool":{"acs:SecureTransport":"false"},"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}`, known("true", ""), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustParse(t, policy(tt.effect, tt.condition)).AllowsWhen(list, bucket, tt.known); got != tt.want {
				t.Errorf("AllowsWhen(%v) = %v, want %v", tt.known, got, tt.want)
			}
		})
	}
}
