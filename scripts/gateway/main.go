// Command gateway prints the HTTP contract in the form that an API gateway of
// Alibaba Cloud imports: as OpenAPI 3.0 for the Cloud-native API Gateway, or as
// Swagger 2.0 with the extensions of the classic one.
//
//	go run ./scripts/gateway -only presign
//	go run ./scripts/gateway -kind classic -functions presign=URL,complete=URL
//	go run ./scripts/gateway -kind classic -functions presign=ARN,complete=ARN -role ARN
//
// The classic gateway learns its backends from the document: a function by its
// ARN, acs:fc:<region>:<account>:functions/<name>, or its HTTP trigger by its
// URL. To the Cloud-native one they are given when it imports; a backend belongs
// to a whole API there, and so -only prints the routes of one function.
//
// OPTIONS is on every path, and the routes of a session's endpoint are on paths
// of their own. The callback is on none: OSS calls the function itself.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/scripts/internal/openapi"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("gateway cannot begin")

// functions are those that a gateway may stand before.
var functions = []string{"presign", "complete"}

// options are the command line.
type options struct {
	kind     string
	only     string // a function; "" for both
	server   string
	role     string
	backends map[string]backend // by function
}

func run(_ context.Context, args []string, _ settings.Lookup, stdout, stderr io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	contract, err := read(openapi.Document)
	if err != nil {
		return err
	}
	routes := routes(contract, o.only)
	document := cloudNative(contract, routes, o.server)
	if o.kind == "classic" {
		document = classic(contract, routes, o.backends)
	}
	enc := json.NewEncoder(stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(document); err != nil {
		return fmt.Errorf("printing the document: %w", err)
	}
	return nil
}

func parse(args []string) (options, error) {
	o := options{backends: map[string]backend{}}
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.StringVar(&o.kind, "kind", "cloud-native", "of the gateway: cloud-native or classic")
	flags.StringVar(&o.only, "only", "", "`function` whose routes are printed, presign or complete (default both)")
	flags.StringVar(&o.server, "server", "https://api.example.com", "base `URL` that clients use")
	flags.StringVar(&o.role, "role", "", "`ARN` of the role by which the classic gateway invokes functions")
	given := flags.String("functions", "", "`list` of name=ARN or name=URL, for the classic gateway")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected argument %q", errUsage, flags.Arg(0))
	}
	for item := range strings.SplitSeq(*given, ",") {
		if item == "" {
			continue
		}
		name, where, _ := strings.Cut(item, "=")
		b, err := parseBackend(name, where, o.role)
		if err != nil {
			return o, fmt.Errorf("%w: %w", errUsage, err)
		}
		o.backends[name] = b
	}
	if err := o.check(); err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	return o, nil
}

func (o options) check() error {
	switch _, ok := base(o.server); {
	case o.kind != "cloud-native" && o.kind != "classic":
		return fmt.Errorf("kind %q is neither cloud-native nor classic", o.kind)
	case o.only != "" && !slices.Contains(functions, o.only):
		return fmt.Errorf("function %q is neither presign nor complete", o.only)
	case !ok:
		return fmt.Errorf("server %q has to be https:// and a host", o.server)
	case o.kind == "cloud-native" && len(o.backends) > 0:
		return errors.New("the Cloud-native gateway is given its backends when it imports, not by -functions")
	case o.kind == "classic":
		return o.checkBackends()
	}
	return nil
}

func (o options) checkBackends() error {
	for _, name := range functions {
		if _, given := o.backends[name]; !given && (o.only == "" || o.only == name) {
			return fmt.Errorf("-functions has no %s=ARN or %[1]s=URL", name)
		}
	}
	return nil
}

// base takes https:// and a host, and nothing behind it but a slash.
func base(text string) (base string, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", false
	}
	return "https://" + u.Host, true
}

// backend is where the classic gateway sends the calls for a function: to its
// HTTP trigger, or by an invocation.
type backend struct {
	address string // scheme and host

	region, function, qualifier, role string
}

var functionARN = regexp.MustCompile(`^acs:fc:([a-z0-9-]+):[0-9]{16}:functions/([A-Za-z_][A-Za-z0-9_-]*)(?:/([A-Za-z0-9_-]+))?$`)

func parseBackend(name, where, role string) (backend, error) {
	if name == "callback" {
		return backend{}, errors.New("callback has no place behind a gateway: OSS calls its HTTP trigger")
	}
	if !slices.Contains(functions, name) {
		return backend{}, fmt.Errorf("function %q is neither presign nor complete", name)
	}
	if m := functionARN.FindStringSubmatch(where); m != nil {
		if role == "" {
			return backend{}, fmt.Errorf("%s is given by its ARN, which needs a -role", name)
		}
		return backend{region: m[1], function: m[2], qualifier: m[3], role: role}, nil
	}
	address, ok := base(where)
	if !ok {
		return backend{}, fmt.Errorf("%s=%q is neither the ARN of a function nor https:// and a host", name, where)
	}
	return backend{address: address}, nil
}
