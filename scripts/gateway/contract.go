package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// object is one of JSON.
type object = map[string]any

// read parses the contract.
func read(text []byte) (object, error) {
	parsed, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("reading the contract: %w", err)
	}
	text, err = json.Marshal(parsed)
	if err != nil {
		return nil, fmt.Errorf("reading the contract: %w", err)
	}
	var contract object
	if err := json.Unmarshal(text, &contract); err != nil {
		return nil, fmt.Errorf("reading the contract: %w", err)
	}
	return contract, nil
}

// route is an operation, or the preflights of a path.
type route struct {
	path, method string
	function     string
	operation    object // of OpenAPI, with the parameters of its path
}

// session is what comes before the paths of a session's endpoint.
const session = "/c/{capability}"

// routes are those of a function or, if it is "", of both, by path and method.
// What the contract tells as another server of a path, a gateway knows as another
// path.
func routes(contract object, function string) []route {
	var all []route
	paths := contract["paths"].(object)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		of := operations(path, paths[path].(object))
		if f := of[0].function; f == "callback" || function != "" && function != f {
			continue
		}
		all = append(all, of...)
		all = append(all, preflight(of[0]))
		if !inSessions(paths[path].(object)) {
			continue
		}
		for _, r := range of {
			all = append(all, inSession(r))
		}
		all = append(all, preflight(inSession(of[0])))
	}
	slices.SortStableFunc(all, func(a, b route) int { return strings.Compare(a.path, b.path) })
	return all
}

// methods are those that the contract may have.
var methods = []string{"delete", "get", "head", "patch", "post", "put"}

// operations are those of a path, without a way to call them by nobody.
func operations(path string, item object) []route {
	var of []route
	for _, method := range methods {
		operation, ok := item[method].(object)
		if !ok {
			continue
		}
		operation = maps.Clone(operation)
		shared, _ := item["parameters"].([]any)
		own, _ := operation["parameters"].([]any)
		if all := slices.Concat(shared, own); len(all) > 0 {
			operation["parameters"] = all
		}
		if security, ok := operation["security"].([]any); ok {
			operation["security"] = slices.DeleteFunc(slices.Clone(security), func(s any) bool { return len(s.(object)) == 0 })
		}
		of = append(of, route{path, method, operation["tags"].([]any)[0].(string), operation})
	}
	return of
}

// inSessions reports whether a path is served below a session's endpoint, too.
func inSessions(item object) bool {
	servers, _ := item["servers"].([]any)
	return slices.ContainsFunc(servers, func(s any) bool {
		return strings.HasSuffix(s.(object)["url"].(string), session)
	})
}

// inSession is a route of a session's endpoint, whose path stands for the caller.
func inSession(r route) route {
	operation := maps.Clone(r.operation)
	capability := object{
		"name": "capability", "in": "path", "required": true, "schema": object{"type": "string"},
		"description": "as POST /session answered it",
	}
	given, _ := operation["parameters"].([]any)
	operation["parameters"] = append([]any{capability}, given...)
	operation["operationId"] = operation["operationId"].(string) + "InSession"
	operation["security"] = []any{}
	return route{session + r.path, r.method, r.function, operation}
}

// preflight is OPTIONS on the path of a route.
func preflight(r route) route {
	operation := object{
		"operationId": "options_" + r.operation["operationId"].(string),
		"summary":     "CORS, which the function answers",
		"tags":        r.operation["tags"],
		"security":    []any{},
		"responses":   object{"204": object{"description": "what a page may send"}},
	}
	var inPath []any
	given, _ := r.operation["parameters"].([]any)
	for _, p := range given {
		if named := parameterName(p.(object)); strings.Contains(r.path, "{"+named+"}") {
			inPath = append(inPath, p)
		}
	}
	if inPath != nil {
		operation["parameters"] = inPath
	}
	return route{r.path, "options", r.function, operation}
}

// parameterName is the name of a parameter. Where the contract refers to one, its
// key is its name.
func parameterName(p object) string {
	if ref, ok := p["$ref"].(string); ok {
		return strings.TrimPrefix(ref, "#/components/parameters/")
	}
	return p["name"].(string)
}
