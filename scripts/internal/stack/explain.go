package stack

import (
	_ "embed" // the module

	"ossupload/scripts/internal/explain"
)

//go:embed page/explain.js
var explainModule []byte

// explainFile returns what the page's box that explains errors is made of: its
// module, and the rules as another. Nothing in it asks anybody.
func explainFile(name string) ([]byte, bool) {
	switch name {
	case "explain.js":
		return explainModule, true
	case "explain-rules.js":
		return append([]byte("export default "), explain.Rules...), true
	}
	return nil, false
}
