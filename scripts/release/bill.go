package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// bill is what the programs of a release are made of, as Go has noted it in each
// of them: the modules, and the standard library.
type bill struct {
	programs []program
}

type program struct {
	name    string
	sum     string // SHA-256
	modules []module
}

type module struct{ path, version string }

// add notes a program by what is in it.
func (b *bill) add(name, path string) error {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading what %s is made of: %w", name, err)
	}
	sum, err := sumOf(path)
	if err != nil {
		return err
	}
	p := program{name: name, sum: sum, modules: []module{{"std", strings.TrimPrefix(info.GoVersion, "go")}}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		p.modules = append(p.modules, module{d.Path, d.Version})
	}
	b.programs = append(b.programs, p)
	return nil
}

// purl is a module's package URL.
func (m module) purl() string {
	segments := strings.Split(strings.ToLower(m.path), "/")
	for i, s := range segments {
		segments[i] = url.QueryEscape(s)
	}
	return "pkg:golang/" + strings.Join(segments, "/") + "@" + url.QueryEscape(m.version)
}

// A document of CycloneDX 1.6 ("CycloneDX v1.6 JSON Reference"), as much of it as
// is known here. It has neither serial number nor time, which would make each
// build another.
type document struct {
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type     string        `json:"type"`
	Ref      string        `json:"bom-ref"`
	Name     string        `json:"name"`
	Version  string        `json:"version"`
	Scope    string        `json:"scope,omitempty"`
	Hashes   []hash        `json:"hashes,omitempty"`
	Licenses []licenseItem `json:"licenses,omitempty"`
	PURL     string        `json:"purl,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type licenseItem struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// document is the bill of a version.
func (b bill) document(version string) document {
	own := licenseItem{}
	own.License.ID = "Apache-2.0"
	d := document{Format: "CycloneDX", SpecVersion: "1.6", Version: 1}
	d.Metadata.Component = component{Type: "application", Ref: "ossupload", Name: "ossupload", Version: version, Licenses: []licenseItem{own}}

	slices.SortFunc(b.programs, func(x, y program) int { return cmp.Compare(x.name, y.name) })
	whole := dependency{Ref: "ossupload"}
	libraries := make(map[string]module)
	for _, p := range b.programs {
		ref := "program:" + p.name
		d.Components = append(d.Components, component{Type: "application", Ref: ref, Name: p.name, Version: version,
			Hashes: []hash{{"SHA-256", p.sum}}, Licenses: []licenseItem{own}})
		needs := dependency{Ref: ref}
		for _, m := range p.modules {
			libraries[m.purl()] = m
			needs.DependsOn = append(needs.DependsOn, m.purl())
		}
		slices.Sort(needs.DependsOn)
		d.Dependencies = append(d.Dependencies, needs)
		whole.DependsOn = append(whole.DependsOn, ref)
	}
	d.Dependencies = append([]dependency{whole}, d.Dependencies...)
	for _, purl := range slices.Sorted(maps.Keys(libraries)) {
		m := libraries[purl]
		d.Components = append(d.Components, component{Type: "library", Ref: purl, Name: m.path, Version: m.version, Scope: "required", PURL: purl})
		d.Dependencies = append(d.Dependencies, dependency{Ref: purl})
	}
	return d
}

// writeBill writes the bill of all programs.
func (r *release) writeBill(context.Context) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r.bill.document(r.version)); err != nil {
		return fmt.Errorf("encoding the bill of materials: %w", err)
	}
	name := fmt.Sprintf("ossupload_%s.cdx.json", r.version)
	if err := os.WriteFile(filepath.Join(r.out, name), text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the bill of materials: %w", err)
	}
	fmt.Fprintln(r.log, name)
	return nil
}
