package main

import (
	"maps"
	"slices"
	"strings"
)

// cloudNative is the contract as OpenAPI 3.0, which ImportHttpApi of the
// Cloud-native API Gateway takes; not 3.1 ("ImportHttpApi", API Gateway
// documentation, 2026-02).
func cloudNative(contract object, routes []route, server string) object {
	info := maps.Clone(contract["info"].(object))
	delete(info, "summary")
	license := maps.Clone(info["license"].(object))
	delete(license, "identifier")
	info["license"] = license

	paths := object{}
	for _, r := range routes {
		item, ok := paths[r.path].(object)
		if !ok {
			item = object{}
			paths[r.path] = item
		}
		item[r.method] = r.operation
	}
	document := object{
		"openapi":    "3.0.3",
		"info":       info,
		"servers":    []any{object{"url": strings.TrimRight(server, "/")}},
		"security":   contract["security"],
		"paths":      paths,
		"components": contract["components"],
	}
	document = older(document).(object)
	document["components"] = used(document)
	return document
}

// older says what 3.1 says in the words of 3.0, and leaves out what has none:
//
//	type: [string, 'null']   type: string, nullable: true
//	enum: [a, null]          type: string, nullable: true, enum: [a, null]
//	const: a                 enum: [a]
//	propertyNames            nothing
func older(node any) any {
	switch node := node.(type) {
	case []any:
		all := make([]any, len(node))
		for i, v := range node {
			all[i] = older(v)
		}
		return all
	case object:
		all := object{}
		for name, v := range node {
			all[name] = older(v)
		}
		olderSchema(all)
		return all
	}
	return node
}

// olderSchema changes a schema, and nothing else: no object of the contract has
// such a member but schemas and the properties of one, which are objects.
func olderSchema(schema object) {
	if types, ok := schema["type"].([]any); ok {
		rest := slices.DeleteFunc(slices.Clone(types), func(t any) bool { return t == "null" })
		schema["type"] = rest[0]
		if len(rest) < len(types) {
			schema["nullable"] = true
		}
	}
	if values, ok := schema["enum"].([]any); ok && slices.Contains(values, nil) {
		// In 3.0 only a type can be nullable.
		schema["type"], schema["nullable"] = "string", true
	}
	if value, ok := schema["const"]; ok && !isObject(value) {
		schema["enum"] = []any{value}
		delete(schema, "const")
	}
	delete(schema, "propertyNames")
}

func isObject(v any) bool { _, ok := v.(object); return ok }

// used are the components that the paths of a document refer to, themselves or by
// others.
func used(document object) object {
	all := document["components"].(object)
	kept := object{}
	var keep func(node any)
	refer := func(ref string) {
		kind, name, _ := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
		of, ok := kept[kind].(object)
		if !ok {
			of = object{}
			kept[kind] = of
		}
		if _, seen := of[name]; !seen {
			of[name] = all[kind].(object)[name]
			keep(of[name])
		}
	}
	keep = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, v := range node {
				keep(v)
			}
		case object:
			for name, v := range node {
				if ref, ok := v.(string); ok && name == "$ref" {
					refer(ref)
					continue
				}
				keep(v)
			}
		}
	}
	keep(document["paths"])
	for _, scheme := range []string{"caller", "identity"} {
		refer("#/components/securitySchemes/" + scheme)
	}
	return kept
}
