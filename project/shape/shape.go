package shape

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/schema"
)

// Shape is what a value may be: one node of the Compose specification's JSON schema,
// references resolved, in the few words that this schema uses.
type Shape struct {
	Kinds Kind
	// Keys are the known keys of a mapping; Free is what a key of the user's choice
	// holds (services, networks, labels…), nil when there are none.
	Keys map[string]*Shape
	Free *Shape
	// Named says that a free key is made of letters, digits and . _ - only.
	Named    bool
	Required []string
	// RequiredAny are keys of which one has to be there, at least.
	RequiredAny []string
	Items       *Shape
	// Choices are alternatives; the kind of a value tells which is meant.
	Choices []*Shape
	Enum    []string
	// Check looks at the text of a scalar. It is set by attribute, not by the schema.
	Check func(text string) error
}

// Document is the shape of a Compose file.
var Document = sync.OnceValue(compileDocument)

func compileDocument() *Shape {
	var root definition
	if err := json.Unmarshal([]byte(schema.Schema), &root); err != nil {
		panic(fmt.Sprintf("the schema of compose-go: %v", err)) // it is embedded
	}
	c := compiler{definitions: root.Definitions, done: map[string]*Shape{}}
	out := c.compile(&root)
	// compose-go panics on a mode that is null, which the schema allows.
	out.at([]string{"services", "*", "pid"}, func(s *Shape) { s.Kinds &^= Null })
	for path, check := range checks() {
		out.at(strings.Split(path, "."), func(s *Shape) { s.Check = check })
	}
	return out
}

// definition is a node of the JSON schema as it is written.
type definition struct {
	Ref         string                 `json:"$ref"`
	Definitions map[string]*definition `json:"$defs"`
	Type        words                  `json:"type"`
	Properties  map[string]*definition `json:"properties"`
	Patterns    map[string]*definition `json:"patternProperties"`
	Additional  json.RawMessage        `json:"additionalProperties"`
	Required    []string               `json:"required"`
	Items       *definition            `json:"items"`
	OneOf       []*definition          `json:"oneOf"`
	AnyOf       []*definition          `json:"anyOf"`
	AllOf       []*definition          `json:"allOf"`
	Enum        []string               `json:"enum"`
}

// onlyRequires says that it is no shape of its own: anyOf has such ones, for a part of what is described around it.
func (d *definition) onlyRequires() bool {
	return d.Required != nil && d.Ref == "" && d.Type == nil && d.Properties == nil
}

// words is a word or a list of them.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(w))
	}
	*w = []string{""}
	return json.Unmarshal(b, &(*w)[0])
}

// compiler turns definitions into shapes, each named one once.
type compiler struct {
	definitions map[string]*definition
	done        map[string]*Shape
}

func (c *compiler) compile(d *definition) *Shape {
	if d.Ref == "" {
		out := new(Shape)
		c.fill(out, d)
		return out
	}
	name := strings.TrimPrefix(d.Ref, "#/$defs/")
	if s, ok := c.done[name]; ok {
		return s
	}
	out := new(Shape)
	c.done[name] = out // before its contents, which may refer to it
	c.fill(out, c.definitions[name])
	return out
}

func (c *compiler) fill(out *Shape, d *definition) {
	out.Kinds |= kinds(d.Type)
	out.Enum = d.Enum
	out.Required = append(out.Required, d.Required...)
	for key, sub := range d.Properties {
		out.set(key, c.property(key, sub))
	}
	for pattern, sub := range d.Patterns {
		if pattern == "^x-" {
			continue // extensions are allowed wherever they may stand: see mapping
		}
		out.Free = c.compile(sub)
		out.Named = pattern == "^[a-zA-Z0-9._-]+$"
	}
	var additional definition
	if len(d.Additional) > 0 && d.Additional[0] == '{' && json.Unmarshal(d.Additional, &additional) == nil {
		out.Free = c.compile(&additional)
	}
	if d.Items != nil {
		out.Items = c.compile(d.Items)
	}
	for _, sub := range slices.Concat(d.OneOf, d.AnyOf) {
		if sub.onlyRequires() {
			out.RequiredAny = append(out.RequiredAny, sub.Required...)
			continue
		}
		s := c.compile(sub)
		out.Choices = append(out.Choices, s)
		out.Kinds |= s.Kinds
	}
	for _, sub := range d.AllOf {
		if sub.Ref != "" {
			sub = c.definitions[strings.TrimPrefix(sub.Ref, "#/$defs/")]
		}
		c.fill(out, sub)
	}
	if out.Kinds == 0 {
		out.Kinds = Any
	}
}

// property compiles one attribute. The schema has one definition for ssh and environment
// and others; the check of ssh is its own, and so its shape.
func (c *compiler) property(key string, d *definition) *Shape {
	if key != "ssh" || d.Ref == "" {
		return c.compile(d)
	}
	out := new(Shape)
	c.fill(out, c.definitions[strings.TrimPrefix(d.Ref, "#/$defs/")])
	return out
}

func (s *Shape) set(key string, sub *Shape) {
	if s.Keys == nil {
		s.Keys = map[string]*Shape{}
	}
	s.Keys[key] = sub
}

func kinds(types words) Kind {
	var out Kind
	for _, t := range types {
		switch t {
		case "null":
			out |= Null
		case "boolean":
			out |= Bool
		case "integer":
			out |= Int
		case "number":
			out |= Int | Float
		case "string":
			out |= Text
		case "array":
			out |= List
		case "object":
			out |= Map
		}
	}
	return out
}

// at calls f with the shapes that path leads to; * is a free key, [] an item.
func (s *Shape) at(path []string, f func(*Shape)) {
	if len(path) == 0 {
		f(s)
		return
	}
	next := s.Keys[path[0]]
	switch path[0] {
	case "*":
		next = s.Free
	case "[]":
		next = s.Items
	}
	if next != nil {
		next.at(path[1:], f)
	}
	for _, c := range s.Choices {
		c.at(path, f)
	}
}

// Known are the keys that the shape gives names to.
func (s *Shape) Known() []string {
	var out []string
	for k := range s.Keys {
		out = append(out, k)
	}
	for _, c := range s.Choices {
		out = append(out, c.Known()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
