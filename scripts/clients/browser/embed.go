// Package browser holds the browser client as files, so that the local stack
// can serve to its page what applications ship: ossupload.js, without
// dependencies and without a build step.
package browser

import _ "embed"

// Client is ossupload.js.
//
//go:embed ossupload.js
var Client []byte
