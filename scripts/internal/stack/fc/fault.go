package fc

import (
	"net/http"
	"time"

	"ossupload/scripts/internal/stack/fault"
)

// hangFor is longer than any client of the functions waits.
const hangFor = 2 * time.Minute

func (r Route) fault() string {
	if r.Fault == nil {
		return ""
	}
	return r.Fault()
}

// failed makes a call fail before it reaches the function, and reports whether
// it did.
func (g *gateway) failed(w http.ResponseWriter, r *http.Request, a Arrival, mode string) bool {
	switch mode {
	case fault.InternalError:
		g.refuse(w, a, refusal{g.failureStatus(http.StatusInternalServerError), "FunctionError", "made to fail", "UnhandledInvocationError"})
	case fault.Unavailable:
		g.refuse(w, a, refusal{http.StatusServiceUnavailable, "ResourceThrottled", "made to fail", ""})
	case fault.Timeout:
		fault.Hang(r, hangFor)
		fault.Reset(w)
	case fault.ConnectionReset:
		fault.Reset(w)
	default:
		return false
	}
	return true
}
