package project

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/schema"
)

// kind is what a YAML value is; a shape accepts a set of them.
type kind uint8

const (
	kindNull kind = 1 << iota
	kindBool
	kindInt
	kindFloat
	kindText
	kindList
	kindMap
	kindDate

	// kindVariable is text that is not known.
	kindVariable kind = 0

	kindAny = kindNull | kindBool | kindInt | kindFloat | kindText | kindList | kindMap
)

// shape is what a value may be: one node of the Compose specification's JSON schema,
// references resolved, in the few words that this schema uses.
type shape struct {
	kinds kind
	// keys are the known keys of a mapping; free is what a key of the user's choice
	// holds (services, networks, labels…), nil when there are none.
	keys map[string]*shape
	free *shape
	// named says that a free key is made of letters, digits and . _ - only.
	named    bool
	required []string
	items    *shape
	// choices are alternatives; the kind of a value tells which is meant.
	choices []*shape
	enum    []string
	// check looks at the text of a scalar. It is set by attribute, not by the schema.
	check func(text string) error
}

// document is the shape of a Compose file.
var document = sync.OnceValue(compileDocument)

func compileDocument() *shape {
	var root definition
	if err := json.Unmarshal([]byte(schema.Schema), &root); err != nil {
		panic(fmt.Sprintf("the schema of compose-go: %v", err)) // it is embedded
	}
	c := compiler{definitions: root.Definitions, done: map[string]*shape{}}
	out := c.compile(&root)
	// compose-go panics on a mode that is null, which the schema allows.
	out.at([]string{"services", "*", "pid"}, func(s *shape) { s.kinds &^= kindNull })
	for path, check := range checks() {
		out.at(strings.Split(path, "."), func(s *shape) { s.check = check })
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
	done        map[string]*shape
}

func (c *compiler) compile(d *definition) *shape {
	if d.Ref == "" {
		out := new(shape)
		c.fill(out, d)
		return out
	}
	name := strings.TrimPrefix(d.Ref, "#/$defs/")
	if s, ok := c.done[name]; ok {
		return s
	}
	out := new(shape)
	c.done[name] = out // before its contents, which may refer to it
	c.fill(out, c.definitions[name])
	return out
}

func (c *compiler) fill(out *shape, d *definition) {
	out.kinds |= kinds(d.Type)
	out.enum = d.Enum
	out.required = append(out.required, d.Required...)
	for key, sub := range d.Properties {
		out.set(key, c.compile(sub))
	}
	for pattern, sub := range d.Patterns {
		if pattern == "^x-" {
			continue // extensions are allowed wherever they may stand: see mapping
		}
		out.free = c.compile(sub)
		out.named = pattern == "^[a-zA-Z0-9._-]+$"
	}
	var additional definition
	if len(d.Additional) > 0 && d.Additional[0] == '{' && json.Unmarshal(d.Additional, &additional) == nil {
		out.free = c.compile(&additional)
	}
	if d.Items != nil {
		out.items = c.compile(d.Items)
	}
	for _, sub := range slices.Concat(d.OneOf, d.AnyOf) {
		s := c.compile(sub)
		out.choices = append(out.choices, s)
		out.kinds |= s.kinds
	}
	for _, sub := range d.AllOf {
		if sub.Ref != "" {
			sub = c.definitions[strings.TrimPrefix(sub.Ref, "#/$defs/")]
		}
		c.fill(out, sub)
	}
	if out.kinds == 0 {
		out.kinds = kindAny
	}
}

func (s *shape) set(key string, sub *shape) {
	if s.keys == nil {
		s.keys = map[string]*shape{}
	}
	s.keys[key] = sub
}

func kinds(types words) kind {
	var out kind
	for _, t := range types {
		switch t {
		case "null":
			out |= kindNull
		case "boolean":
			out |= kindBool
		case "integer":
			out |= kindInt
		case "number":
			out |= kindInt | kindFloat
		case "string":
			out |= kindText
		case "array":
			out |= kindList
		case "object":
			out |= kindMap
		}
	}
	return out
}

// at calls f with the shapes that path leads to; * is a free key, [] an item.
func (s *shape) at(path []string, f func(*shape)) {
	if len(path) == 0 {
		f(s)
		return
	}
	next := s.keys[path[0]]
	switch path[0] {
	case "*":
		next = s.free
	case "[]":
		next = s.items
	}
	if next != nil {
		next.at(path[1:], f)
	}
	for _, c := range s.choices {
		c.at(path, f)
	}
}

// known are the keys that the shape gives names to.
func (s *shape) known() []string {
	var out []string
	for k := range s.keys {
		out = append(out, k)
	}
	for _, c := range s.choices {
		out = append(out, c.known()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
