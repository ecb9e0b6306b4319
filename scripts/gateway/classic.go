package main

import "strings"

// timeoutMillis is how long the classic gateway waits, and the most that it can.
// A completion that takes longer goes on, and is asked for again.
const timeoutMillis = 30_000

// classic is the contract as Swagger 2.0 with the extensions of the classic API
// gateway ("Import Swagger files to create APIs with API Gateway extensions", API
// Gateway documentation). Requests are passed through: the functions check them,
// and Swagger could not say all of it. Names and values are case-sensitive.
//
// The members of an HTTP backend are in public documents. Those of a function are
// named as in FunctionComputeConfig and the documentation's older samples
// (unconfirmed).
func classic(contract object, routes []route, backends map[string]backend) object {
	info := contract["info"].(object)
	paths := object{}
	for _, r := range routes {
		item, ok := paths[r.path].(object)
		if !ok {
			item = object{}
			paths[r.path] = item
		}
		item[r.method] = imported(r, backends[r.function])
	}
	return object{
		"swagger":  "2.0",
		"info":     object{"title": info["title"], "version": info["version"]},
		"schemes":  []any{"https"},
		"consumes": []any{"application/json"},
		"produces": []any{"application/json"},
		"paths":    paths,
	}
}

// imported is an operation as the gateway imports it. Its id becomes the name of
// an API, of 4 to 50 letters, digits and underscores.
func imported(r route, b backend) object {
	operation := object{
		"operationId": "upload_" + r.operation["operationId"].(string),
		"summary":     r.operation["summary"],
		"responses":   object{"default": object{"description": "as the function answers"}},

		// The functions authenticate callers.
		"x-aliyun-apigateway-auth-type": "ANONYMOUS",
		// The documentation has the first spelling today, public files the second.
		"x-aliyun-apigateway-parameter-handling": "PASSTHROUGH",
		"x-aliyun-apigateway-paramater-handling": "PASSTHROUGH",
		"x-aliyun-apigateway-backend":            b.extension(r),
	}
	var inPath []any
	for rest := r.path; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			break
		}
		name, after, _ := strings.Cut(after, "}")
		inPath = append(inPath, object{"name": name, "in": "path", "required": true, "type": "string"})
		rest = after
	}
	if inPath != nil {
		operation["parameters"] = inPath
	}
	return operation
}

func (b backend) extension(r route) object {
	if b.address != "" {
		return object{"type": "HTTP", "address": b.address, "path": r.path, "method": r.method, "timeout": timeoutMillis}
	}
	function := object{
		"type": "FC", "fcType": "FCEvent", "fcVersion": "3.0", "fcRegion": b.region, "functionName": b.function,
		"arn": b.role, "path": r.path, "method": r.method, "timeout": timeoutMillis,
	}
	if b.qualifier != "" {
		function["qualifier"] = b.qualifier
	}
	return function
}
