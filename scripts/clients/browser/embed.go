// Package browser holds the browser client as files, so that the local stack
// can serve to its page what applications ship: modules without dependencies
// and without a build step. package.json makes an npm package of them.
package browser

import "embed"

// Modules are ossupload.js, what it imports, and the element that uses it.
//
//go:embed crc64.js element.js errors.js kept.js ossupload.js parts.js requests.js upload.js
var Modules embed.FS
