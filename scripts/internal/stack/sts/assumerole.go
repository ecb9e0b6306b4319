package sts

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ossupload/scripts/internal/stack/ram"
)

const (
	minDuration     = 900 * time.Second
	defaultDuration = 3600 * time.Second
	maxPolicyLength = 2048 // characters
)

var (
	roleARNForm     = regexp.MustCompile(`^acs:ram::[0-9]+:role/[A-Za-z0-9.@_-]{1,64}$`)
	sessionNameForm = regexp.MustCompile(`^[A-Za-z0-9.@_-]{2,64}$`)
)

// assumeRoleAnswer is the JSON of a successful AssumeRole.
type assumeRoleAnswer struct {
	RequestID       string `json:"RequestId"`
	AssumedRoleUser struct {
		Arn           string
		AssumedRoleID string `json:"AssumedRoleId"`
	}
	Credentials struct {
		AccessKeyID     string `json:"AccessKeyId"`
		AccessKeySecret string
		SecurityToken   string
		Expiration      string
	}
}

// session is what a caller asks AssumeRole for.
type session struct {
	roleARN, name string
	duration      time.Duration
	policy        *ram.Policy // nil: the role's alone
}

// assumeRole authenticates and authorizes the caller, and registers a
// credential for the session it asks for.
func (s *Server) assumeRole(params map[string]string) (*assumeRoleAnswer, *apiError) {
	caller, refused := s.authenticate(params)
	if refused != nil {
		return nil, refused
	}
	want, refused := readSession(params)
	if refused != nil {
		return nil, refused
	}
	// The right is judged before it is told whether the role exists, so that a
	// caller without it cannot find out which do.
	role, ok := s.roles[s.roleName(want.roleARN)]
	if !caller.Allows("sts:AssumeRole", cmp.Or(role.ARN, want.roleARN)) {
		return nil, errNoPermission
	}
	if !ok {
		return nil, errNoRole
	}
	if role.TrustedBy == nil || !role.TrustedBy(caller) {
		return nil, errNoPermission
	}
	longest := role.MaxSessionDuration
	if longest == 0 {
		longest = defaultDuration
	}
	// unconfirmed (sts.chained-hour): whether a role may ask another for as much.
	if caller.Role != "" && s.cfg.Assume.Is("sts.chained-hour", "an hour") {
		longest = min(longest, time.Hour)
	}
	if want.duration > longest {
		return nil, errDuration
	}

	policies := []ram.Policy{role.Policy}
	if want.policy != nil {
		policies = append(policies, *want.policy)
	}
	credential := ram.Credential{
		AccessKeyID:     "STS." + letters(s.random(24)),
		AccessKeySecret: letters(s.random(44)),
		// Real tokens are long and hold +, / and =; code that forgets to encode
		// one, or to leave room for one in a URL, should fail here already.
		SecurityToken: "CAIS" + base64.StdEncoding.EncodeToString(s.random(460)),
		Expires:       s.cfg.Now().UTC().Add(want.duration).Truncate(time.Second),
		Policies:      policies,
		Role:          role.ARN,
	}
	s.cfg.Store.Add(credential)
	s.cfg.Log.Info("assuming a role", "caller", caller.AccessKeyID, "role", role.ARN,
		"session", want.name, "accessKeyId", credential.AccessKeyID,
		"expires", credential.Expires, "sessionPolicy", want.policy != nil)

	answer := &assumeRoleAnswer{RequestID: s.requestID()}
	answer.AssumedRoleUser.Arn = role.ARN + "/" + want.name
	answer.AssumedRoleUser.AssumedRoleID = roleID(role.ARN) + ":" + want.name
	answer.Credentials.AccessKeyID = credential.AccessKeyID
	answer.Credentials.AccessKeySecret = credential.AccessKeySecret
	answer.Credentials.SecurityToken = credential.SecurityToken
	answer.Credentials.Expiration = credential.Expires.Format(timestampLayout)
	return answer, nil
}

// roleName is what roles are told apart by.
func (s *Server) roleName(arn string) string {
	// unconfirmed (sts.role-names): whether upper case counts.
	if s.cfg.Assume.Is("sts.role-names", "without") {
		return strings.ToLower(arn)
	}
	return arn
}

func readSession(params map[string]string) (session, *apiError) {
	want := session{roleARN: params["RoleArn"], name: params["RoleSessionName"], duration: defaultDuration}
	if !roleARNForm.MatchString(want.roleARN) {
		return session{}, errRoleARN
	}
	if !sessionNameForm.MatchString(want.name) {
		return session{}, errSessionName
	}
	if text, ok := params["DurationSeconds"]; ok {
		// 32 bits hold any duration that a role may have, and a
		// time.Duration holds any such number of seconds.
		seconds, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return session{}, errDuration
		}
		want.duration = time.Duration(seconds) * time.Second
	}
	if want.duration < minDuration {
		return session{}, errDuration
	}
	if text, ok := params["Policy"]; ok {
		if n := utf8.RuneCountInString(text); n < 1 || n > maxPolicyLength {
			return session{}, errPolicySize
		}
		policy, err := ram.ParsePolicy([]byte(text))
		if err != nil {
			return session{}, errPolicyGrammar
		}
		want.policy = &policy
	}
	return want, nil
}

// letters turns random bytes into as many letters and digits. The first eight of
// 62 are slightly likelier, which 24 and more characters can afford.
func letters(random []byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for i, b := range random {
		random[i] = alphabet[int(b)%len(alphabet)]
	}
	return string(random)
}

// roleID is the 18 digit number that RAM gives a role, always the same for
// one ARN.
func roleID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return fmt.Sprintf("3%017d", binary.BigEndian.Uint64(sum[:])%1e17)
}
