// Package fchttp stands between Function Compute and net/http. It turns the
// events of a trigger into requests for an ordinary http.Handler, turns what the
// handler wrote into the answer that trigger expects, and is the only place
// that writes replies, errors and the line that is logged for each request.
//
// Two events carry an HTTP request, and both are accepted at any time:
//
//	API gateway:   {"httpMethod", "path", "headers", "queryParameters", "body", "isBase64Encoded"}
//	HTTP trigger:  {"version": "v1", "rawPath", "headers", "queryParameters", "body", "isBase64Encoded",
//	                "requestContext": {"domainName", "http": {"method", "path", "sourceIp"}}}
//
// A third, {"triggerTime", "triggerName", "payload"}, is a timer's. They are
// described in "API Gateway triggers", "HTTP trigger invocation" and "Time
// triggers" of the Function Compute documentation. Any other event is an error
// of the invocation; an event of a known shape whose fields cannot be read is
// answered with 400.
//
// What it promises: every request is answered, also when the handler panics;
// every answer forbids caching and sniffing and carries the request id; a body
// is never larger than Adapter.MaxBody; exactly one line is logged. With
// Adapter.Record a second one holds the shape of the event.
//
// The line is JSON. It holds no path, query, header or body, and no subject as
// such:
//
//	msg          request, refused (4xx), failed (5xx or an error), timer, trigger
//	requestId    the platform's
//	function     Adapter.Name
//	traceId      of W3C Trace Context, see package trace
//	subject      Adapter.Pseudonym of whoever asks, as far as that was found out
//	route        the pattern, or unmatched
//	method       or other
//	trigger      of what is no request: timer, oss, unknown
//	status       of the answer
//	code, reason, message, fields, err, stack   why it was refused or failed
//	bytesIn      of the request's body, bytesOut of the answer's
//	durationMs   of it all
//	coldStart    whether it was the instance's first
//	version      then: Adapter.Version
//	ossMs, stsMs, keysMs, webhookMs   of durationMs, the time with calls to these
//	             under way; absent without a call
//	eventId      of the event that was raised last
//	announced    how far that came: taken, queued, refused
//	objectBytes  of the object that it is about
//
// What it cannot give, because the events do not carry it:
//
//   - The raw query. Both events hold a map, so the order of parameters and
//     the way they were encoded are lost: Request.URL.RawQuery is rebuilt,
//     sorted by name. Parameters that were sent twice may arrive joined by a
//     comma, and are left so.
//   - Whether query values arrive decoded is not documented. If every name and
//     value could stand in a raw query and at least one holds an escape (%20),
//     all are decoded, once; otherwise all are taken as they are. A decoded
//     query of plain characters that is meant to hold the text "%20" is
//     therefore read wrongly. unconfirmed (fc.query-values)
//   - Streaming. A request is complete before the handler starts, and an answer
//     is sent when it returns.
//   - Set-Cookie twice: answers hold each header once, values joined by a comma.
//   - Request.RemoteAddr is the address that the gateway reports, without a
//     port. It is informative and no ground for a decision.
//
// It imports rawjson, to take events apart without decoding bodies twice, trace
// for what is learned on the way, and redact, for events that are recorded.
package fchttp
