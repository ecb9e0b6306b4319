package terraform_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// field is an argument, an attribute or a block of a resource, as its provider
// tells it.
type field struct {
	Type       string            `json:"type"` // of Terraform, or block
	Required   bool              `json:"required"`
	Computed   bool              `json:"computed"`   // cannot be set
	Deprecated bool              `json:"deprecated"` // should not be
	Fields     map[string]*field `json:"fields"`     // of a block
}

// kinds are the types that the resources have.
var kinds = map[string]cty.Type{
	"string": cty.String, "number": cty.Number, "bool": cty.Bool, "map(string)": cty.Map(cty.String),
	"map(number)": cty.Map(cty.Number), "list(string)": cty.List(cty.String), "set(string)": cty.Set(cty.String),
}

// spec is how a body of such fields is read. It refuses what they do not have.
func spec(fields map[string]*field) hcldec.ObjectSpec {
	all := hcldec.ObjectSpec{}
	for name, f := range fields {
		switch {
		case f.Computed, f.Deprecated:
		case f.Type == "block":
			least := 0
			if f.Required {
				least = 1
			}
			all[name] = &hcldec.BlockListSpec{TypeName: name, Nested: spec(f.Fields), MinItems: least}
		default:
			all[name] = &hcldec.AttrSpec{Name: name, Type: kinds[f.Type], Required: f.Required}
		}
	}
	return all
}

// resource is one of the module, with its instances as far as they are known.
type resource struct {
	kind, name string
	data       bool
	body       hcl.Body // without what is Terraform's own
	meta       *hcl.BodyContent
	instances  map[string]cty.Value // "" without for_each
}

// module is a module of Terraform, evaluated for some values of its variables: far
// enough to know every argument that does not come from the cloud.
type module struct {
	dir       string
	schema    map[string]map[string]*field
	resources []*resource
	locals    map[string]hcl.Expression
	context   *hcl.EvalContext
}

// parts are the blocks that a module may have.
var parts = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "terraform"}, {Type: "locals"},
	{Type: "provider", LabelNames: []string{"name"}},
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "output", LabelNames: []string{"name"}},
	{Type: "resource", LabelNames: []string{"type", "name"}},
	{Type: "data", LabelNames: []string{"type", "name"}},
}}

// own are the arguments that Terraform itself gives every resource.
var own = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "for_each"}, {Name: "depends_on"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "lifecycle"}},
}

// lifecycles are the members of a lifecycle.
var lifecycles = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "create_before_destroy"}, {Name: "prevent_destroy"}, {Name: "ignore_changes"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "precondition"}},
}

// open reads the module of a folder and evaluates it.
func open(dir string, variables map[string]cty.Value) (*module, error) {
	text, err := os.ReadFile("testdata/schema.json")
	if err != nil {
		return nil, err
	}
	m := &module{dir: dir, locals: map[string]hcl.Expression{}}
	if err := json.Unmarshal(text, &m.schema); err != nil {
		return nil, err
	}
	m.context = &hcl.EvalContext{Functions: functions(dir), Variables: map[string]cty.Value{
		"path": cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(dir)}),
	}}
	paths, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil {
		return nil, err
	}
	values := map[string]cty.Value{}
	for _, path := range paths {
		if err := m.read(path, variables, values); err != nil {
			return nil, err
		}
	}
	for name := range variables {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("the module has no variable %q", name)
		}
	}
	m.context.Variables["var"] = cty.ObjectVal(values)
	if err := m.evaluate(); err != nil {
		return nil, err
	}
	if chain := m.cycle(); chain != nil {
		return nil, fmt.Errorf("it refers to itself: %s", strings.Join(chain, " → "))
	}
	return m, nil
}

func (m *module) read(path string, given, values map[string]cty.Value) error {
	file, faults := hclparse.NewParser().ParseHCLFile(path)
	if faults.HasErrors() {
		return faults
	}
	content, faults := file.Body.Content(parts)
	if faults.HasErrors() {
		return faults
	}
	for _, block := range content.Blocks {
		switch block.Type {
		case "locals":
			attributes, faults := block.Body.JustAttributes()
			if faults.HasErrors() {
				return faults
			}
			for name, a := range attributes {
				m.locals[name] = a.Expr
			}
		case "variable":
			value, err := variable(block, given)
			if err != nil {
				return err
			}
			values[block.Labels[0]] = value
		case "resource", "data":
			meta, body, faults := block.Body.PartialContent(own)
			if faults.HasErrors() {
				return faults
			}
			if m.schema[block.Labels[0]] == nil {
				return fmt.Errorf("%s is no type that is known", block.Labels[0])
			}
			m.resources = append(m.resources, &resource{kind: block.Labels[0], name: block.Labels[1], data: block.Type == "data", body: body, meta: meta})
		}
	}
	return nil
}

// variable is the value of a variable: the one given, or else its default.
func variable(block *hcl.Block, given map[string]cty.Value) (cty.Value, error) {
	content, faults := block.Body.Content(&hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "description", Required: true}, {Name: "type", Required: true}, {Name: "default"}, {Name: "sensitive"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "validation"}},
	})
	if faults.HasErrors() {
		return cty.NilVal, faults
	}
	if value, ok := given[block.Labels[0]]; ok {
		if _, secret := content.Attributes["sensitive"]; secret {
			value = value.Mark("secret")
		}
		return value, nil
	}
	a, ok := content.Attributes["default"]
	if !ok {
		return cty.NilVal, fmt.Errorf("the variable %q is required", block.Labels[0])
	}
	value, faults := a.Expr.Value(nil)
	if faults.HasErrors() {
		return cty.NilVal, faults
	}
	return value, nil
}

// evaluate goes through the module until everything knows of everything: no chain
// of references is longer than the rounds. What refers to what is not known yet is
// a fault of its round alone.
func (m *module) evaluate() error {
	var faults error
	for range 8 {
		faults = errors.Join(m.evaluateLocals(), m.evaluateResources())
	}
	return faults
}

func (m *module) evaluateLocals() error {
	var faults error
	known := map[string]cty.Value{}
	for name, expr := range m.locals {
		value, diags := expr.Value(m.context)
		if diags.HasErrors() {
			faults = errors.Join(faults, diags)
			value = cty.DynamicVal
		}
		known[name] = value
	}
	m.context.Variables["local"] = cty.ObjectVal(known)
	return faults
}

func (m *module) evaluateResources() error {
	var faults error
	types, data := map[string]map[string]cty.Value{}, map[string]map[string]cty.Value{}
	for _, r := range m.resources {
		if err := m.instantiate(r); err != nil {
			faults = errors.Join(faults, fmt.Errorf("%s.%s: %w", r.kind, r.name, err))
		}
		known := types
		if r.data {
			known = data
		}
		if known[r.kind] == nil {
			known[r.kind] = map[string]cty.Value{}
		}
		known[r.kind][r.name] = m.seen(r)
	}
	for kind, names := range types {
		m.context.Variables[kind] = cty.ObjectVal(names)
	}
	all := map[string]cty.Value{}
	for kind, names := range data {
		all[kind] = cty.ObjectVal(names)
	}
	m.context.Variables["data"] = cty.ObjectVal(all)
	return faults
}

// instantiate evaluates each instance of a resource.
func (m *module) instantiate(r *resource) error {
	if err := checkLifecycle(r.meta.Blocks); err != nil {
		return err
	}
	r.instances = map[string]cty.Value{}
	each, ok := r.meta.Attributes["for_each"]
	if !ok {
		value, faults := hcldec.Decode(r.body, spec(m.schema[r.kind]), m.context)
		r.instances[""] = value
		return noNil(faults)
	}
	over, faults := each.Expr.Value(m.context)
	if faults.HasErrors() {
		return faults
	}
	if !over.IsKnown() || over.IsMarked() {
		return errors.New("for_each is not known, or a secret")
	}
	for it := over.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if over.Type().IsSetType() {
			key = value
		}
		context := m.context.NewChild()
		context.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})}
		decoded, diags := hcldec.Decode(r.body, spec(m.schema[r.kind]), context)
		faults = append(faults, diags...)
		r.instances[key.AsString()] = decoded
	}
	return noNil(faults)
}

func checkLifecycle(blocks hcl.Blocks) error {
	for _, block := range blocks {
		if _, faults := block.Body.Content(lifecycles); faults.HasErrors() {
			return faults
		}
	}
	return nil
}

// noNil spares callers an error that is not nil and holds nothing.
func noNil(faults hcl.Diagnostics) error {
	if faults.HasErrors() {
		return faults
	}
	return nil
}

// account is whose the module is.
const account = "1234567890123456"

// seen is a resource as others refer to it: with what it was given, and what the
// cloud will say. Of that the account alone is known when Terraform plans.
func (m *module) seen(r *resource) cty.Value {
	all := map[string]cty.Value{}
	for key, decoded := range r.instances {
		values := map[string]cty.Value{}
		if decoded.IsKnown() && !decoded.IsNull() {
			maps.Copy(values, decoded.AsValueMap())
		}
		for name, f := range m.schema[r.kind] {
			if v, ok := values[name]; f.Type != "block" && (!ok || v.IsNull()) {
				values[name] = cty.UnknownVal(kinds[f.Type])
			}
			if r.kind == "alicloud_account" && name == "id" {
				values[name] = cty.StringVal(account)
			}
		}
		all[key] = cty.ObjectVal(values)
	}
	if _, ok := r.meta.Attributes["for_each"]; ok {
		return cty.ObjectVal(all)
	}
	return all[""]
}

// instance is a resource of the module.
func (m *module) instance(kind, name, key string) (cty.Value, bool) {
	for _, r := range m.resources {
		if kind == r.kind && !r.data && r.name == name || kind == "data."+r.kind && r.data && r.name == name {
			v, ok := r.instances[key]
			return v, ok
		}
	}
	return cty.NilVal, false
}

// functions are those of Terraform that the module calls.
func functions(dir string) map[string]function.Function {
	text := function.Parameter{Name: "text", Type: cty.String}
	of := func(do func(string) (string, error)) function.Function {
		return function.New(&function.Spec{
			Params: []function.Parameter{text}, Type: function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				out, err := do(args[0].AsString())
				return cty.StringVal(out), err
			},
		})
	}
	nonsensitive := function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowMarked: true}},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsMarked() {
				return cty.NilVal, errors.New("it is no secret")
			}
			value, _ := args[0].Unmark()
			return value, nil
		},
	})
	all := map[string]function.Function{
		"nonsensitive": nonsensitive,
		"toset":        stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"can":          tryfunc.CanFunc,
		"file": of(func(path string) (string, error) {
			raw, err := os.ReadFile(path)
			return string(raw), err
		}),
		"sha256": of(func(s string) (string, error) {
			sum := sha256.Sum256([]byte(s))
			return hex.EncodeToString(sum[:]), nil
		}),
	}
	maps.Copy(all, map[string]function.Function{
		"concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "flatten": stdlib.FlattenFunc, "join": stdlib.JoinFunc,
		"jsonencode": stdlib.JSONEncodeFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "regex": stdlib.RegexFunc, "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,
		"substr": stdlib.SubstrFunc, "values": stdlib.ValuesFunc,
	})
	return all
}

// written copies the module, each file changed by change.
func written(dir string, change func(text string) string) error {
	paths, err := filepath.Glob("*.tf")
	if err != nil {
		return err
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(raw), "\r", "")
		if err := os.WriteFile(filepath.Join(dir, path), []byte(change(text)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// cycle is a chain of references that comes back to where it began, which
// Terraform refuses; nil if there is none.
func (m *module) cycle() []string {
	refers := map[string][]string{}
	for name, expr := range m.locals {
		refers["local."+name] = m.targets(expr.Variables())
	}
	for _, r := range m.resources {
		found := hcldec.Variables(r.body, spec(m.schema[r.kind]))
		for name, a := range r.meta.Attributes {
			if name == "for_each" || name == "depends_on" {
				found = append(found, a.Expr.Variables()...)
			}
		}
		for _, block := range r.meta.Blocks {
			content, _ := block.Body.Content(lifecycles) // checked before
			for _, condition := range content.Blocks {
				attributes, _ := condition.Body.JustAttributes()
				for _, a := range attributes {
					found = append(found, a.Expr.Variables()...)
				}
			}
		}
		refers[r.kind+"."+r.name] = m.targets(found)
	}
	for start := range refers {
		if chain := walk(refers, []string{start}, map[string]bool{}); chain != nil {
			return chain
		}
	}
	return nil
}

// walk follows references from the end of a chain, until they come back to its
// beginning.
func walk(refers map[string][]string, chain []string, seen map[string]bool) []string {
	for _, next := range refers[chain[len(chain)-1]] {
		if next == chain[0] {
			return append(chain, next)
		}
		if seen[next] {
			continue
		}
		seen[next] = true
		if found := walk(refers, append(chain, next), seen); found != nil {
			return found
		}
	}
	return nil
}

// targets are the locals and resources that are referred to.
func (m *module) targets(references []hcl.Traversal) []string {
	var all []string
	for _, reference := range references {
		var names []string
		for _, step := range reference {
			switch step := step.(type) {
			case hcl.TraverseRoot:
				names = append(names, step.Name)
			case hcl.TraverseAttr:
				names = append(names, step.Name)
			}
		}
		if names[0] == "data" {
			names = names[1:]
		}
		if len(names) > 1 && (names[0] == "local" || m.schema[names[0]] != nil) {
			all = append(all, names[0]+"."+names[1])
		}
	}
	return all
}
