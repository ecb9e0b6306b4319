package main

import (
	"go/ast"
	"go/token"
	"strconv"
)

// units are what becomes of a unit of time.
var units = map[string]string{
	"Nanosecond":  "Microsecond",
	"Microsecond": "Millisecond",
	"Millisecond": "Second",
	"Second":      "Minute",
	"Minute":      "Hour",
	"Hour":        "Minute",
}

var opposites = map[string]string{"true": "false", "false": "true"}

func (f *finder) constants(n ast.Node) {
	switch n := n.(type) {
	case *ast.BasicLit:
		if !f.words[n] {
			f.literal(n)
		}
	case *ast.Ident:
		if with := opposites[n.Name]; with != "" {
			f.add("constant", n.Pos(), n.End(), with)
		}
	case *ast.SelectorExpr:
		if with := units[n.Sel.Name]; with != "" && named(n.X, "time") {
			f.add("constant", n.Sel.Pos(), n.Sel.End(), with)
		}
	}
}

func (f *finder) literal(n *ast.BasicLit) {
	if n.Kind != token.STRING { // numbers and characters
		f.add("constant", n.Pos(), n.End(), "("+n.Value+"+1)")
		f.add("constant", n.Pos(), n.End(), "("+n.Value+"-1)")
		return
	}
	if value, err := strconv.Unquote(n.Value); err == nil && value != "" {
		f.add("constant", n.Pos(), n.End(), strconv.Quote(value+"x"))
	}
}

// spare marks the strings below a node that only people read, and those that
// are no values. It sees a node before its children are visited.
func (f *finder) spare(n ast.Node) {
	switch n := n.(type) {
	case *ast.ImportSpec:
		f.words[n.Path] = true
	case *ast.Field:
		if n.Tag != nil {
			f.words[n.Tag] = true
		}
	case *ast.KeyValueExpr:
		if named(n.Key, "Message") {
			f.spareStrings(n.Value)
		}
	case *ast.CallExpr:
		if speaks(n.Fun) {
			for _, arg := range n.Args {
				f.spareStrings(arg)
			}
		}
	}
}

func (f *finder) spareStrings(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			f.words[literal] = true
		}
		return true
	})
}

// logging are the methods of a logger whose arguments are words.
var logging = map[string]bool{
	"Debug": true, "Info": true, "Warn": true, "Error": true, "Log": true, "LogAttrs": true, "With": true,
	"DebugContext": true, "InfoContext": true, "WarnContext": true, "ErrorContext": true,
}

// speaks reports whether the strings a function is called with are an error's
// text or a line of a log.
func speaks(function ast.Expr) bool {
	selector, ok := function.(*ast.SelectorExpr)
	if !ok {
		return named(function, "panic")
	}
	name := selector.Sel.Name
	switch {
	case named(selector.X, "errors"):
		return name == "New"
	case named(selector.X, "fmt"):
		return name == "Errorf"
	}
	return named(selector.X, "slog") || logging[name]
}

func named(n ast.Expr, name string) bool {
	ident, ok := n.(*ast.Ident)
	return ok && ident.Name == name
}
