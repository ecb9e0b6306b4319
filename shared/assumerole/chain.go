package assumerole

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"

	"ossupload/shared/rolecreds"
)

// DefaultChain gives what credentials-go finds where Alibaba Cloud's tools look:
// environment variables, an OIDC token, the profiles of the command line, the
// instance's metadata, a credentials URI. It is for a function that is started by
// hand, and looks when it is first asked. Credentials with a token are used for
// rolecreds.ContextLife, since the module does not say when they expire. Each
// renewal uses a new chain, so that none comes from the module's own cache shortly
// before it expires. If nothing is found the error matches rolecreds.ErrNone.
//
// now is the clock; nil: time.Now.
func DefaultChain(now func() time.Time) rolecreds.Source {
	if now == nil {
		now = time.Now
	}
	fetch := func(context.Context) (rolecreds.Credentials, error) {
		before := now().Round(0)
		answer, err := ask(func() (*providers.Credentials, error) {
			return providers.NewDefaultCredentialsProvider().GetCredentials()
		})
		if err != nil {
			return rolecreds.Credentials{}, fmt.Errorf("%w in the default chain", rolecreds.ErrNone)
		}
		c := rolecreds.Credentials{
			AccessKeyID:     answer.AccessKeyId,
			AccessKeySecret: answer.AccessKeySecret,
			SecurityToken:   answer.SecurityToken,
		}
		if c.SecurityToken != "" {
			c.Expires = before.Add(rolecreds.ContextLife)
		}
		return c, nil
	}
	return newRenewal(fetch, now, slog.New(slog.DiscardHandler), time.Second)
}
