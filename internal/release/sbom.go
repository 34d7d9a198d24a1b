package release

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// The parts of a CycloneDX document (version 1.6) that we write.
type (
	sbom struct {
		Schema       string          `json:"$schema"`
		Format       string          `json:"bomFormat"`
		SpecVersion  string          `json:"specVersion"`
		Version      int             `json:"version"`
		Metadata     sbomMetadata    `json:"metadata"`
		Components   []sbomComponent `json:"components"`
		Dependencies []sbomDepends   `json:"dependencies"`
	}
	sbomMetadata struct {
		Timestamp  string         `json:"timestamp"`
		Component  sbomComponent  `json:"component"`
		Properties []sbomProperty `json:"properties"`
	}
	sbomComponent struct {
		Ref        string          `json:"bom-ref"`
		Type       string          `json:"type"`
		Name       string          `json:"name"`
		Version    string          `json:"version"`
		PURL       string          `json:"purl,omitempty"`
		Properties []sbomProperty  `json:"properties,omitempty"`
		Components []sbomComponent `json:"components,omitempty"`
	}
	sbomProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	sbomDepends struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// writeSBOM lists what the programs of one target are made of: the modules that
// the toolchain says are in them, and the toolchain's own library.
func writeSBOM(all []program, from origin, t Target) ([]byte, error) {
	whole := sbomComponent{
		Ref: product, Type: "application", Name: product, Version: from.Version,
		Properties: []sbomProperty{{"vcs:revision", from.Revision}},
	}
	modules := make(map[string]sbomComponent)
	uses := make(map[string][]string) // of each program, by its reference
	for _, p := range all {
		own := sbomComponent{Ref: "program/" + p.name, Type: "application", Name: p.name, Version: from.Version}
		whole.Components = append(whole.Components, own)
		std := &debug.Module{Path: "std", Version: strings.TrimPrefix(p.info.GoVersion, "go")}
		for _, m := range append([]*debug.Module{std}, p.info.Deps...) {
			if m.Replace != nil {
				m = m.Replace
			}
			c := moduleComponent(m)
			modules[c.Ref] = c
			uses[own.Ref] = append(uses[own.Ref], c.Ref)
		}
	}
	doc := sbom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: sbomMetadata{
			Timestamp: from.Time.UTC().Format(time.RFC3339), Component: whole,
			Properties: []sbomProperty{{"go:os", t.OS}, {"go:arch", t.Arch}},
		},
		Components: slices.SortedFunc(maps.Values(modules), func(a, b sbomComponent) int { return cmp.Compare(a.Ref, b.Ref) }),
	}
	top := sbomDepends{Ref: whole.Ref}
	for _, p := range whole.Components {
		top.DependsOn = append(top.DependsOn, p.Ref)
		doc.Dependencies = append(doc.Dependencies, sbomDepends{Ref: p.Ref, DependsOn: slices.Sorted(slices.Values(uses[p.Ref]))})
	}
	doc.Dependencies = append(doc.Dependencies, top)

	b := new(bytes.Buffer)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(doc)
	return b.Bytes(), err
}

// moduleComponent describes a module by its package URL, which is what databases
// of weaknesses are asked by.
func moduleComponent(m *debug.Module) sbomComponent {
	purl := "pkg:golang/" + strings.ReplaceAll(url.PathEscape(m.Path), "%2F", "/") + "@" + url.PathEscape(m.Version)
	c := sbomComponent{Ref: purl, Type: "library", Name: m.Path, Version: m.Version, PURL: purl}
	if m.Sum != "" {
		c.Properties = []sbomProperty{{"go:sum", m.Sum}}
	}
	return c
}
