// Package browser holds the browser client as files, so that the local stack
// can serve to its page what applications ship: modules without dependencies
// and without a build step. package.json makes an npm package of them.
package browser

import "embed"

// Modules are ossupload.js and what it imports.
//
//go:embed crc64.js errors.js kept.js ossupload.js parts.js requests.js upload.js
var Modules embed.FS
