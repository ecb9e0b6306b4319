package stack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"ossupload/scripts/internal/stack/fc"
)

// functionRoutes are the path prefixes of each function, as a custom domain
// would be configured with them.
var functionRoutes = []struct{ prefix, function string }{
	{"/presign", "presign"},
	{"/download", "presign"},
	{"/sts", "presign"},
	{"/session", "presign"},
	{"/s3", "complete"},
	{"/c", "complete"},
	{"/confirm", "complete"},
	{"/callback", "callback"},
}

// routes serves the gateway's address: below /_local/ the stack's own
// endpoints, and everything else as the gateway would. It is dispatched by hand
// because [http.ServeMux] redirects paths that a gateway leaves alone.
func (s *Stack) routes(o Options) http.Handler {
	var functions []fc.Route
	for _, r := range functionRoutes {
		functions = append(functions, fc.Route{
			Prefix: r.prefix, Function: s.groups[r.function], Direct: r.function == "callback",
			NoOptions: o.Assume.Is("fc.cors-headers", "doubled"), // see suited
			Fault:     func() string { return s.Faults.Take("functions", r.prefix) },
		})
	}
	gateway := fc.NewGateway(o.Trigger, functions, o.Assume, s.log)
	// Web pages may not set faults in a developer's stack behind their back.
	own := http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveOwn))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/", strings.HasPrefix(r.URL.Path, "/_local/"):
			own.ServeHTTP(w, r)
		default:
			gateway.ServeHTTP(w, r)
		}
	})
}

func (s *Stack) serveOwn(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/", strings.HasPrefix(path, pagePath):
		s.servePage(w, r)
	case path == sessionPath:
		s.serveSession(w, r)
	case path == "/_local/" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, s.pointer())
	case path == webhookPath:
		s.Hook.Receive().ServeHTTP(w, r)
	case path == "/_local/events", strings.HasPrefix(path, "/_local/events/"):
		s.Hook.Events().ServeHTTP(w, r)
	case path == "/_local/faults":
		s.Faults.ServeHTTP(w, r)
	case path == "/_local/timer":
		s.serveTimer(w, r)
	case path == "/_local/functions":
		s.serveFunctions(w, r)
	default:
		http.NotFound(w, r)
	}
}

// process is a function that runs, for programs that measure or kill it.
type process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"` // 0 between two processes
}

// serveFunctions answers GET /_local/functions.
func (s *Stack) serveFunctions(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	var list []process
	for _, d := range deployed {
		for _, instance := range s.instances[d.name] {
			list = append(list, process{d.name, instance.Pid()})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// The only possible error is that the client has left.
	_ = json.NewEncoder(w).Encode(list)
}

// pointer lists what there is, at /_local/.
func (s *Stack) pointer() string {
	return fmt.Sprintf(`ossupload local stack

GET  %[1]s/                  a page that uploads
POST %[1]s/presign           ask for an upload, as the caller of the ready line's callerToken
GET  %[1]s/_local/events     the newest events that the functions delivered; ?after=<number> those that followed
GET  %[1]s/_local/functions  their processes: [{name, pid}]
POST %[1]s/_local/faults     make the next calls fail: {target, operation, mode, count}
POST %[1]s/_local/timer      call repair as its timer does, with the body as payload: {"do":"deliver","aheadSeconds"} or {"do":"sweep","dryRun","delete","minAgeSeconds",…}
OSS  %[2]s                   bucket %[3]s
STS  %[4]s
`, s.Ready.Gateway, s.Ready.OSS, s.Ready.Bucket, s.Ready.STS)
}
