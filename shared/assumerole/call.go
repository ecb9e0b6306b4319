package assumerole

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"

	"ossupload/shared/netcause"
	"ossupload/shared/rolecreds"
	"ossupload/shared/trace"
)

// call is everything that an AssumeRole needs.
type call struct {
	base        rolecreds.Source
	roleARN     string
	sessionName string
	duration    time.Duration
	endpoint    string
	policy      string
	now         func() time.Time
	limits      limits
}

// atOnce is how quickly a call must have failed to be repeated, so that both take
// little longer than one.
const atOnce = time.Second

// assume calls STS, and once more if that failed quickly and STS did not refuse: a
// repetition does no harm.
func (c *call) assume(ctx context.Context) (rolecreds.Credentials, error) {
	base, err := c.base.Credentials(ctx)
	if err != nil {
		return rolecreds.Credentials{}, fmt.Errorf("reading base credentials: %w", err)
	}
	defer trace.From(ctx).Begin(trace.STS)()
	before := c.now().Round(0)
	got, err := c.once(base)
	if errors.Is(err, ErrUnavailable) && c.now().Round(0).Sub(before) < atOnce {
		return c.once(base)
	}
	return got, err
}

// once calls STS once. A new provider is made each time: it has no mutex, and
// would answer from its own cache.
func (c *call) once(base rolecreds.Credentials) (rolecreds.Credentials, error) {
	provider, err := providers.NewRAMRoleARNCredentialsProviderBuilder().
		WithCredentialsProvider(given(base)).
		WithRoleArn(c.roleARN).
		WithRoleSessionName(c.sessionName).
		WithDurationSeconds(int(c.duration / time.Second)).
		WithPolicy(c.policy).
		WithStsEndpoint(c.endpoint).
		WithHttpOptions(&providers.HttpOptions{
			ConnectTimeout: int(c.limits.connect.Milliseconds()),
			ReadTimeout:    int(c.limits.read.Milliseconds()),
		}).
		Build()
	if err != nil {
		return rolecreds.Credentials{}, fmt.Errorf("%w: call cannot be built", ErrUnavailable)
	}
	before := c.now().Round(0)
	answer, err := ask(provider.GetCredentials)
	if err != nil {
		return rolecreds.Credentials{}, reason(err)
	}
	if answer.SecurityToken == "" {
		return rolecreds.Credentials{}, errAnswer
	}
	return rolecreds.Credentials{
		AccessKeyID:     answer.AccessKeyId,
		AccessKeySecret: answer.AccessKeySecret,
		SecurityToken:   answer.SecurityToken,
		Expires:         before.Add(c.duration - margin),
	}, nil
}

var errAnswer = fmt.Errorf("%w: answer has no credentials", ErrUnavailable)

// ask returns a whole key or an error, and never panics.
func ask(get func() (*providers.Credentials, error)) (answer *providers.Credentials, err error) {
	defer func() {
		if recover() != nil {
			answer, err = nil, errAnswer
		}
	}()
	answer, err = get()
	if err == nil && (answer == nil || answer.AccessKeyId == "" || answer.AccessKeySecret == "") {
		return nil, errAnswer
	}
	return answer, err
}

// given hands our credentials to credentials-go. Its own static providers would
// fill empty fields from the environment.
type given rolecreds.Credentials

func (g given) GetCredentials() (*providers.Credentials, error) {
	return &providers.Credentials{
		AccessKeyId:     g.AccessKeyID,
		AccessKeySecret: g.AccessKeySecret,
		SecurityToken:   g.SecurityToken,
	}, nil
}

func (given) GetProviderName() string { return "" }

// refusals are the first parts of the codes with which STS refuses ("AssumeRole",
// error codes, and "Common errors"), as in EntityNotExist.Role.
var refusals = map[string]error{
	"NoPermission":          ErrDenied,
	"Forbidden":             ErrDenied,
	"EntityNotExist":        ErrDenied,
	"AuthenticationFail":    ErrDenied,
	"InvalidParameter":      ErrDenied,
	"MissingParameter":      ErrDenied,
	"InvalidAccessKeyId":    ErrDenied,
	"MissingAccessKeyId":    ErrDenied,
	"InvalidSecurityToken":  ErrDenied,
	"MissingSecurityToken":  ErrDenied,
	"SignatureDoesNotMatch": ErrDenied,
	"IncompleteSignature":   ErrDenied,
	"InvalidTimeStamp":      ErrDenied,
	"Throttling":            ErrThrottled,
}

// reason turns an error of credentials-go into one of ours. The module drops the
// status of an answer and prints the body:
//
//	refresh session token failed: {"RequestId":"…","Code":"NoPermission",…}
//
// Of that, only a code that is known here goes into our error's text.
func reason(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	if _, body, ok := strings.Cut(err.Error(), "refresh session token failed: "); ok {
		var answer struct{ Code string }
		if json.Unmarshal([]byte(body), &answer) == nil {
			code, _, _ := strings.Cut(answer.Code, ".")
			if known, ok := refusals[code]; ok {
				return fmt.Errorf("%w: %s", known, code)
			}
		}
		return fmt.Errorf("%w: error answer", ErrUnavailable)
	}
	if _, ok := errors.AsType[net.Error](err); ok { // it never answered
		return fmt.Errorf("%w: %s", ErrUnavailable, netcause.Of(err))
	}
	return fmt.Errorf("%w: answer cannot be read", ErrUnavailable)
}
