// Package fault makes calls of the local stack fail on demand.
//
// A test or a developer sets a fault over HTTP, or with Registry.Set; the stand-in
// that serves the next matching call takes it and fails in that mode. Each
// fault counts down and is gone when it is used up, so a retry can be seen
// to succeed.
//
// It refuses a target or mode it does not know. An operation name is not
// checked against the API of the target: a misspelt one stays in the list.
package fault
