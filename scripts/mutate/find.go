package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// A mutation replaces the bytes [start, end) of a file.
type mutation struct {
	file       *source
	start, end int
	kind       string
	with       string
}

// source is a file as it stands in the tree.
type source struct {
	path string
	text []byte
}

// mutated returns the file with the mutation in it.
func (m mutation) mutated() []byte {
	return slices.Concat(m.file.text[:m.start], []byte(m.with), m.file.text[m.end:])
}

// String is how a survivor is printed, without the path.
func (m mutation) String() string {
	before, after := m.file.text[m.start:m.end], m.with
	if after == "" {
		after = "(nothing)"
	}
	above := m.file.text[:m.start]
	line, column := 1+bytes.Count(above, []byte("\n")), m.start-bytes.LastIndexByte(above, '\n')
	return fmt.Sprintf("%d:%d %s: %s → %s", line, column, m.kind, brief(string(before)), brief(after))
}

// brief is a piece of code on one line, without its middle where it grows long.
func brief(code string) string {
	const most, end = 70, 30
	line := []rune(strings.Join(strings.Fields(code), " "))
	if len(line) <= most {
		return string(line)
	}
	return string(line[:most-end]) + "…" + string(line[len(line)-end:])
}

// find lists the mutations of a file in the order of their places. A generated
// file has none.
func find(src *source) ([]mutation, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, src.path, src.text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(tree) {
		return nil, nil
	}
	f := &finder{src: src, file: fset.File(tree.FileStart), words: map[ast.Node]bool{}}
	ast.Inspect(tree, func(n ast.Node) bool {
		f.spare(n)
		f.conditions(n)
		f.statements(n)
		f.constants(n)
		return true
	})
	slices.SortStableFunc(f.found, func(a, b mutation) int { return a.start - b.start })
	return f.found, nil
}

type finder struct {
	src   *source
	file  *token.File
	words map[ast.Node]bool // literals to leave alone
	found []mutation
}

func (f *finder) add(kind string, pos, end token.Pos, with string) {
	f.found = append(f.found, mutation{f.src, f.file.Offset(pos), f.file.Offset(end), kind, with})
}

// code is the text of a node.
func (f *finder) code(n ast.Node) string {
	return string(f.src.text[f.file.Offset(n.Pos()):f.file.Offset(n.End())])
}

// flips are what becomes of a comparison: the boundary moved, and its opposite.
var flips = map[token.Token][]string{
	token.EQL: {"!="},
	token.NEQ: {"=="},
	token.LSS: {"<=", ">="},
	token.LEQ: {"<", ">"},
	token.GTR: {">=", "<="},
	token.GEQ: {">", "<"},
}

func (f *finder) conditions(n ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		f.operator(n)
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.ForStmt:
		f.negate(n.Cond)
	case *ast.SwitchStmt:
		if n.Tag != nil {
			return
		}
		for _, clause := range n.Body.List {
			for _, condition := range clause.(*ast.CaseClause).List {
				f.negate(condition)
			}
		}
	}
}

func (f *finder) operator(n *ast.BinaryExpr) {
	end := n.OpPos + token.Pos(len(n.Op.String()))
	for _, with := range flips[n.Op] {
		f.add("comparison", n.OpPos, end, with)
	}
	switch n.Op {
	case token.LAND:
		f.add("logic", n.OpPos, end, "||")
	case token.LOR:
		f.add("logic", n.OpPos, end, "&&")
	}
}

// negate adds the opposite of a condition, unless operator does: a comparison's
// opposite is one of its flips.
func (f *finder) negate(condition ast.Expr) {
	if condition == nil { // for {
		return
	}
	with := "!(" + f.code(condition) + ")"
	switch condition := condition.(type) {
	case *ast.BinaryExpr:
		if flips[condition.Op] != nil {
			return
		}
	case *ast.UnaryExpr: // !x
		with = f.code(condition.X)
	}
	f.add("condition", condition.Pos(), condition.End(), with)
}

// statements drops what stands in a block. What stands in the head of an if or a
// for is left: without its step a loop mostly just never ends.
func (f *finder) statements(n ast.Node) {
	var list []ast.Stmt
	switch n := n.(type) {
	case *ast.BlockStmt:
		list = n.List
	case *ast.CaseClause:
		list = n.Body
	case *ast.CommClause:
		list = n.Body
	}
	for _, statement := range list {
		if droppable(statement) {
			f.add("drop", statement.Pos(), statement.End(), "")
		}
	}
}

func droppable(statement ast.Stmt) bool {
	switch s := statement.(type) {
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
		return true
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE
	}
	return false
}
