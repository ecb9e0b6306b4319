package scripts_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ossupload/shared/api"
)

// sentMessages reads from the source which messages are sent with which code: those
// of every api.Error of the functions and of what they share. "…" stands for what
// is filled in.
func sentMessages(t *testing.T) map[api.Code][]string {
	t.Helper()
	packages := append(sources(t, "../shared"), sources(t, "../functions")...)
	i := slices.IndexFunc(packages, func(s *source) bool { return s.dir == filepath.FromSlash("../shared/api") })
	if i < 0 {
		t.Fatal("there is no package api")
	}
	codes := packages[i].consts
	sent := map[api.Code][]string{}
	for _, pkg := range packages {
		for _, e := range pkg.errors {
			code := api.Code(codes[pkg.codeOf(e.literal)])
			if !code.Known() {
				t.Errorf("%s: an api.Error has no code that can be read", pkg.dir)
			}
			for _, message := range pkg.texts(field(e.literal, "Message"), e.within) {
				if message != "" && !slices.Contains(sent[code], message) {
					sent[code] = append(sent[code], message)
				}
			}
		}
	}
	return sent
}

func sources(t *testing.T, top string) (all []*source) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		pkg, err := parse(path)
		all = append(all, pkg)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// source is what a package says about its errors.
type source struct {
	dir    string
	consts map[string]string // by name, those that are strings
	errors []apiError
	vars   map[string]*ast.CompositeLit // errors by name
	funcs  map[string]*ast.FuncDecl     // without methods
	calls  map[string][]invocation      // by the name of the function
}

type apiError struct {
	literal *ast.CompositeLit
	within  *ast.FuncDecl // nil: none
}

type invocation struct {
	args   []ast.Expr
	within *ast.FuncDecl // nil: none
}

func parse(dir string) (*source, error) {
	s := &source{
		dir: dir, consts: map[string]string{}, vars: map[string]*ast.CompositeLit{},
		funcs: map[string]*ast.FuncDecl{}, calls: map[string][]invocation{},
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			s.add(decl)
		}
	}
	return s, nil
}

func (s *source) add(decl ast.Decl) {
	within, _ := decl.(*ast.FuncDecl)
	if within != nil && within.Recv == nil {
		s.funcs[within.Name.Name] = within
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, value := range n.Values {
				s.name(n.Names[i].Name, value)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok {
				s.calls[f.Name] = append(s.calls[f.Name], invocation{n.Args, within})
			}
		case *ast.CompositeLit:
			if s.isError(n) {
				s.errors = append(s.errors, apiError{n, within})
			}
		}
		return true
	})
}

func (s *source) name(name string, value ast.Expr) {
	switch value := value.(type) {
	case *ast.BasicLit:
		if value.Kind == token.STRING {
			s.consts[name], _ = strconv.Unquote(value.Value)
		}
	case *ast.UnaryExpr:
		if literal, ok := value.X.(*ast.CompositeLit); ok && s.isError(literal) {
			s.vars[name] = literal
		}
	}
}

func (s *source) isError(literal *ast.CompositeLit) bool {
	switch kind := literal.Type.(type) {
	case *ast.SelectorExpr:
		pkg, ok := kind.X.(*ast.Ident)
		return ok && pkg.Name == "api" && kind.Sel.Name == "Error"
	case *ast.Ident:
		return kind.Name == "Error" && filepath.Base(s.dir) == "api"
	}
	return false
}

// field is what a literal sets a field to, or nil.
func field(literal *ast.CompositeLit, name string) ast.Expr {
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok && pair.Key.(*ast.Ident).Name == name {
			return pair.Value
		}
	}
	return nil
}

// codeOf is the name of the constant that is the code of an error.
func (s *source) codeOf(literal *ast.CompositeLit) string {
	switch code := field(literal, "Code").(type) {
	case *ast.Ident:
		return code.Name
	case *ast.SelectorExpr:
		if of, ok := code.X.(*ast.Ident); ok && s.vars[of.Name] != nil {
			return s.codeOf(s.vars[of.Name])
		}
		return code.Sel.Name
	}
	return ""
}

var verb = regexp.MustCompile(`%[a-z]`)

// texts are what an expression in a function may say, with "…" for what only a run
// can tell.
func (s *source) texts(e ast.Expr, within *ast.FuncDecl) (all []string) {
	switch e := e.(type) {
	case nil:
		return nil
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return []string{text}
	case *ast.BinaryExpr:
		for _, left := range s.texts(e.X, within) {
			for _, right := range s.texts(e.Y, within) {
				all = append(all, left+right)
			}
		}
	case *ast.Ident:
		if text, ok := s.consts[e.Name]; ok {
			return []string{text}
		}
		all = append(s.assigned(within, e.Name), s.passed(within, e.Name)...)
	case *ast.SelectorExpr:
		all = s.message(e)
	case *ast.CallExpr:
		all = s.result(e, within)
	}
	if all == nil {
		return []string{"…"}
	}
	return all
}

// message is that of an error which has a name.
func (s *source) message(e *ast.SelectorExpr) []string {
	of, ok := e.X.(*ast.Ident)
	if !ok || e.Sel.Name != "Message" || s.vars[of.Name] == nil {
		return nil
	}
	return s.texts(field(s.vars[of.Name], "Message"), nil)
}

// result is what a call returns: of fmt.Sprintf, of strings.TrimSpace, or of a
// function that is one return, whatever its arguments are.
func (s *source) result(e *ast.CallExpr, within *ast.FuncDecl) (all []string) {
	switch f := e.Fun.(type) {
	case *ast.SelectorExpr:
		switch f.Sel.Name {
		case "Sprintf":
			for _, format := range s.texts(e.Args[0], within) {
				all = append(all, verb.ReplaceAllString(format, "…"))
			}
		case "TrimSpace":
			for _, text := range s.texts(e.Args[0], within) {
				all = append(all, strings.TrimSpace(text))
			}
		}
	case *ast.Ident:
		if f := s.funcs[f.Name]; f != nil && len(f.Body.List) == 1 {
			if r, ok := f.Body.List[0].(*ast.ReturnStmt); ok {
				return s.texts(r.Results[0], nil)
			}
		}
	}
	return all
}

// assigned is what a function sets a variable of its own to.
func (s *source) assigned(f *ast.FuncDecl, name string) (all []string) {
	if f == nil {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i := range a.Lhs {
				if id, ok := a.Lhs[i].(*ast.Ident); ok && id.Name == name {
					all = append(all, s.texts(a.Rhs[i], f)...)
				}
			}
		}
		return true
	})
	return all
}

// passed is what callers pass to a function as the parameter of that name.
func (s *source) passed(f *ast.FuncDecl, name string) (all []string) {
	if f == nil || f.Recv != nil {
		return nil
	}
	i := 0
	for _, list := range f.Type.Params.List {
		for _, id := range list.Names {
			if id.Name == name {
				for _, c := range s.calls[f.Name.Name] {
					all = append(all, s.texts(c.args[i], c.within)...)
				}
			}
			i++
		}
	}
	return all
}
