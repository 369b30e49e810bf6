package project

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"tiffin/engine"
	"tiffin/project/fault"
	"tiffin/project/shape"
	"tiffin/project/suggest"
	"tiffin/project/variables"
)

// checker looks at one file before compose-go does, while the places are known. It
// finds what the schema forbids, values that cannot be parsed and variables that are
// missing. What a file lacks is not its business: another may have it.
type checker struct {
	texts  *sources
	src    *source
	expand variables.Expansion
	// literal takes text with variables for anything, since it stays as it is.
	literal bool
}

// check looks at all documents of the file.
func (c *checker) check() error {
	for _, doc := range c.src.docs {
		if err := measure(c, doc); err != nil {
			return err
		}
		if err := c.value(doc, shape.Document(), nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) value(node *yaml.Node, s *shape.Shape, path []string) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Tag == "!reset" {
		return nil
	}
	k, text, err := c.resolve(node, path)
	if err != nil {
		return err
	}
	if k == shape.Variable {
		return nil
	}
	if !s.Kinds.Accepts(k, text) {
		return c.mismatch(node, s, k, path)
	}
	switch k {
	case shape.Map:
		return c.mapping(node, s, path)
	case shape.List:
		return c.list(node, s, path)
	default:
		return c.scalar(node, s, text, path)
	}
}

// resolve is the kind of a node and, for a scalar, its text with variables replaced.
func (c *checker) resolve(node *yaml.Node, path []string) (shape.Kind, string, error) {
	switch node.Kind {
	case yaml.MappingNode:
		return shape.Map, "", nil
	case yaml.SequenceNode:
		return shape.List, "", nil
	default:
	}
	switch tag(node) {
	case "!!null":
		return shape.Null, "", nil
	case "!!bool":
		return shape.Bool, node.Value, nil
	case "!!int":
		return shape.Int, decimal(node), nil
	case "!!float":
		return shape.Float, node.Value, nil
	case "!!timestamp":
		return shape.Date, node.Value, nil
	}
	if c.literal && strings.Contains(node.Value, "$") {
		return shape.Variable, "", nil
	}
	text, err := c.expand.Expand(node.Value)
	if err != nil {
		return shape.Text, "", c.badVariable(node, path, err)
	}
	return shape.Text, text, nil
}

// tag is the short tag of a scalar; !override and tags of others say nothing about its kind.
func tag(node *yaml.Node) string {
	if strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") {
		plain := *node
		plain.Tag = ""
		node = &plain
	}
	return node.ShortTag()
}

// decimal is an integer as compose-go sees it: 0x10 is 16.
func decimal(node *yaml.Node) string {
	var n int64
	if node.Decode(&n) != nil {
		return node.Value
	}
	return strconv.FormatInt(n, 10)
}

func (c *checker) badVariable(node *yaml.Node, path []string, err error) error {
	var template *variables.SyntaxError
	if errors.As(err, &template) {
		return engine.Hint(
			c.wrong(node, "invalid interpolation format for %s: %q", fault.Dotted(path), template.Template),
			"Write $$ for a dollar sign that is meant to stay.")
	}
	var required *variables.MissingError
	if errors.As(err, &required) {
		return engine.Hint(c.wrong(node, "%s: %s", fault.Dotted(path), err), "Export "+required.Name+", or write it into .env.")
	}
	return c.wrong(node, "%s: %s", fault.Dotted(path), err)
}

func (c *checker) mapping(node *yaml.Node, s *shape.Shape, path []string) error {
	if s.Choices != nil {
		return c.choose(node, s, shape.Map, path)
	}
	if s.Keys == nil && s.Free == nil {
		return nil // anything goes
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if line, ok := lines[key.Value]; ok {
			return c.wrong(key, "%s is already set in line %d", fault.Dotted(append(path, key.Value)), line)
		}
		lines[key.Value] = key.Line
		if err := c.entry(key, value, s, path); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) entry(key, value *yaml.Node, s *shape.Shape, path []string) error {
	name := key.Value
	path = append(slices.Clip(path), name)
	switch {
	case key.Tag == "!!merge":
		return c.mergeKey(value, s, path[:len(path)-1])
	case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str":
		return engine.Hint(c.wrong(key, "%s: the key is not text", fault.Dotted(path)), "Put quotes around it.")
	}
	if sub, ok := s.Keys[name]; ok {
		return c.value(value, sub, path)
	}
	if strings.HasPrefix(name, "x-") && (s.Free == nil || !s.Named) {
		return nil
	}
	if s.Free == nil {
		return c.unknown(key, s, path)
	}
	if s.Named && !isName(name) {
		return engine.Hint(
			c.wrong(key, "%s: %q is no name", fault.Dotted(path[:len(path)-1]), name),
			"A name has letters, digits, dots, underscores and hyphens.")
	}
	return c.value(value, s.Free, path)
}

// mergeKey checks what << brings in, one mapping or a list of them.
func (c *checker) mergeKey(value *yaml.Node, s *shape.Shape, path []string) error {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	switch value.Kind {
	case yaml.MappingNode:
		return c.mapping(value, s, path)
	case yaml.SequenceNode:
		for _, one := range value.Content {
			if err := c.mergeKey(one, s, path); err != nil {
				return err
			}
		}
		return nil
	default:
		return c.wrong(value, "%s: << takes a mapping or a list of mappings", fault.Dotted(path))
	}
}

func isName(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

func (c *checker) unknown(key *yaml.Node, s *shape.Shape, path []string) error {
	name := key.Value
	if len(path) == 1 {
		err := c.wrong(key, "there is no attribute %q at the top of a Compose file", name)
		service := shape.Document().Keys["services"].Free
		if _, ok := service.Keys[name]; ok {
			return engine.Hint(err, "It belongs to a service: indent it below the service's name.")
		}
		if near := suggest.Nearest(name, s.Known()); near != "" {
			return engine.Hint(err, "Did you mean "+strconv.Quote(near)+"?")
		}
		return engine.Hint(err, "Services go below \"services:\"; what is meant for other programs begins with x-.")
	}
	err := c.wrong(key, "%s: there is no attribute %q", fault.Dotted(path[:len(path)-1]), name)
	if hint := suggest.Meant(name, s.Known()); hint != "" {
		return engine.Hint(err, hint)
	}
	return err
}

func (c *checker) list(node *yaml.Node, s *shape.Shape, path []string) error {
	if s.Choices != nil {
		return c.choose(node, s, shape.List, path)
	}
	if s.Items == nil {
		return nil
	}
	for i, item := range node.Content {
		if err := c.value(item, s.Items, append(slices.Clip(path), strconv.Itoa(i))); err != nil {
			return err
		}
	}
	return nil
}

// choose checks a value against the alternatives for its kind. One is enough.
func (c *checker) choose(node *yaml.Node, s *shape.Shape, k shape.Kind, path []string) error {
	var firstErr error
	for _, alternative := range s.Choices {
		if alternative.Kinds&k == 0 {
			continue
		}
		err := c.value(node, alternative, path)
		if err == nil {
			return nil
		}
		if firstErr == nil {
			firstErr = err
		}
	}
	return firstErr
}

func (c *checker) scalar(node *yaml.Node, s *shape.Shape, text string, path []string) error {
	words := slices.Clip(s.Enum)
	for _, alternative := range s.Choices {
		words = append(words, alternative.Enum...)
	}
	switch {
	case len(words) > 0 && !slices.Contains(words, text):
		return engine.Hint(c.wrong(node, "%s: there is no %q", fault.Dotted(path), text), suggest.Meant(text, words))
	case s.Kinds == shape.Bool|shape.Text && s.Check == nil && !shape.IsBool(text):
		return c.wrong(node, "%s must be true or false, not %q", fault.Dotted(path), text)
	case s.Check == nil || tag(node) == "!!null":
		return nil
	}
	err := s.Check(text)
	if err == nil {
		return nil
	}
	out := c.wrong(node, "%s: %s", fault.Dotted(path), err)
	var m *shape.ValueError
	if errors.As(err, &m) && m.Tip != "" {
		return engine.Hint(out, m.Tip)
	}
	return out
}

// mismatch says what a value should be and is not.
func (c *checker) mismatch(node *yaml.Node, s *shape.Shape, k shape.Kind, path []string) error {
	name := fault.Dotted(path)
	if name == "" {
		name = "a Compose file"
	}
	err := c.wrong(node, "%s must be %s, not %s", name, s.Kinds, k)
	var hint string
	switch {
	case k == shape.Null:
		hint = "Remove the key, or give it a value."
	case k&(shape.Text|shape.Int|shape.Float) != 0 && s.Kinds&shape.List != 0:
		hint = fmt.Sprintf("Write it as a list: [%q].", node.Value)
	case k == shape.Map && s.Kinds&shape.List != 0:
		hint = "Begin each entry with \"- \"."
	case k == shape.List && s.Kinds&shape.Map != 0:
		hint = "Write the entries as \"key: value\", without \"- \"."
	case k&(shape.Int|shape.Float|shape.Bool|shape.Date) != 0 && s.Kinds&shape.Text != 0:
		hint = fmt.Sprintf("Put quotes around it: %q.", node.Value)
	default:
		return err
	}
	return engine.Hint(err, hint)
}

// wrong is an error with the place of a node.
func (c *checker) wrong(node *yaml.Node, format string, args ...any) error {
	return invalid("%s: %s", c.texts.position(c.src, node), fmt.Sprintf(format, args...))
}
