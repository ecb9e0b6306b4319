package probe

import (
	"context"
	"net/http"

	"ossupload/shared/signing"
)

var signProbes = []Probe{
	{Fact: "sign.unsigned-payload", Calls: 3, Try: unsignedPayload},
}

func unsignedPayload(ctx context.Context, r *run) Finding {
	p := r.presign(signing.Request{Method: "PUT", Key: r.key("a")})
	first, second := r.use(ctx, p, "one", nil), r.use(ctx, p, "another", nil)
	// The signature is of a PUT.
	p.Method = "GET"
	other := r.use(ctx, p, "", nil)
	return found(first.ok() && second.ok() && other.status == http.StatusForbidden,
		"two PUTs of different bytes by one URL: %v and %v; a GET by it: %v", first, second, other)
}
