package explain

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"tiffin/project/variables"
)

// hit is where a value was found: the line that counts, and the text that has it.
type hit struct {
	at, value *yaml.Node
	// inherits says that the variable is named without a value, which is the environment's then.
	inherits bool
}

// search looks for a value in one document.
type search struct {
	file *File
	// cut says that a tag takes away what lighter files say: !override, !reset.
	cut bool
}

// replaced are lists that a heavier file replaces as a whole; others are put together of what all files have.
var replaced = []string{"command", "entrypoint", "test"}

// find goes down path in node, with the canonical values on the way in nodes. attribute is the last name that the
// specification knows on the way.
func (s *search) find(node *yaml.Node, path []string, nodes []*yaml.Node, attribute string) *hit {
	return s.from(node, node, path, nodes, attribute)
}

// from is find, with the key that node is the value of.
func (s *search) from(key, node *yaml.Node, path []string, nodes []*yaml.Node, attribute string) *hit {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Tag {
	case "!reset":
		s.cut = true
		return nil
	case "!override":
		s.cut = true
	}
	if len(path) == 0 {
		return &hit{at: key, value: node, inherits: attribute == "environment" && node.Tag == "!!null"}
	}
	switch node.Kind {
	case yaml.MappingNode:
		return s.inMapping(node, path, nodes, attribute)
	case yaml.SequenceNode:
		return s.inList(key, node, path, nodes, attribute)
	case yaml.ScalarNode:
		if node.Tag != "!!null" && !implied(attribute, path, s.text(node)) {
			return &hit{at: key, value: node}
		}
	default:
	}
	return nil
}

func (s *search) inMapping(node *yaml.Node, path []string, nodes []*yaml.Node, attribute string) *hit {
	step := path[0]
	if _, err := strconv.Atoi(step); err == nil && nodes[0].Kind == yaml.ScalarNode {
		step, _, _ = strings.Cut(nodes[0].Value, "=") // extra_hosts: a list in canonical form
	}
	if key, value := Child(node, step); value != nil {
		if isAttribute(step) {
			attribute = step
		}
		found := s.from(key, value, path[1:], nodes[1:], attribute)
		if found == nil && step == "depends_on" && len(path) > 1 {
			if _, named := Child(value, path[1]); named == nil {
				return s.dependency(node, path[1])
			}
		}
		return found
	}
	// scale is another word for it.
	if step == "deploy" && len(path) == 2 && path[1] == "replicas" {
		if key, value := Child(node, "scale"); value != nil {
			return &hit{at: key, value: value}
		}
	}
	if step == "depends_on" && len(path) > 1 {
		return s.dependency(node, path[1])
	}
	return nil
}

// isAttribute says that a step is none of the names that the user is free to choose, where it matters here.
func isAttribute(step string) bool {
	return slices.Contains([]string{
		"environment", "labels", "args", "ports", "volumes", "build", "depends_on", "networks", "secrets", "configs", "command", "entrypoint",
		"test", "annotations", "sysctls", "extra_hosts", "devices", "ulimits", "watch", "healthcheck", "deploy",
	}, step)
}

// dependency finds the links, volumes and namespaces that make a service depend on another one.
func (s *search) dependency(service *yaml.Node, on string) *hit {
	for _, attribute := range []string{"links", "volumes_from"} {
		_, list := Child(service, attribute)
		if list == nil {
			continue
		}
		for _, item := range list.Content {
			if name, _, _ := strings.Cut(s.text(item), ":"); name == on {
				return &hit{at: item, value: item}
			}
		}
	}
	for _, attribute := range []string{"network_mode", "ipc", "pid"} {
		if key, value := Child(service, attribute); value != nil && s.text(value) == "service:"+on {
			return &hit{at: key, value: value}
		}
	}
	return nil
}

// inList finds an item by what it is, since items have other places when files are merged.
func (s *search) inList(key, node *yaml.Node, path []string, nodes []*yaml.Node, attribute string) *hit {
	place, err := strconv.Atoi(path[0])
	if err != nil {
		return s.inNames(node, path, attribute)
	}
	for _, item := range node.Content {
		if !s.same(item, nodes[0], attribute) {
			continue
		}
		if item.Kind != yaml.ScalarNode {
			return s.from(item, item, path[1:], nodes[1:], attribute)
		}
		if implied(attribute, path[1:], s.text(item)) {
			return nil
		}
		return &hit{at: item, value: item}
	}
	if slices.Contains(replaced, attribute) {
		return &hit{at: key, value: node}
	}
	// What has no name of its own is known by its place.
	if place < len(node.Content) && node.Content[place].Kind != yaml.ScalarNode && !s.named(node.Content[place]) {
		return s.from(node.Content[place], node.Content[place], path[1:], nodes[1:], attribute)
	}
	return nil
}

// inNames finds what is a mapping in canonical form in a list: NAME, NAME=value.
func (s *search) inNames(list *yaml.Node, path []string, attribute string) *hit {
	for _, item := range slices.Backward(list.Content) {
		name, _, hasValue := strings.Cut(s.text(item), "=")
		if item.Kind != yaml.ScalarNode || name != path[0] && s.text(item) != path[0] {
			continue
		}
		if len(path) > 1 && implied(attribute, path[1:], "") {
			return nil
		}
		return &hit{at: item, value: item, inherits: attribute == "environment" && !hasValue}
	}
	return nil
}

// identity are the attributes by which items of lists are told from each other.
var identity = []string{"target", "published", "protocol", "path", "action", "subnet", "source"}

func (s *search) named(item *yaml.Node) bool {
	return slices.ContainsFunc(identity, func(name string) bool {
		_, v := Child(item, name)
		return v != nil
	})
}

// same says that an item of a file is an item of the canonical form.
func (s *search) same(item, canonical *yaml.Node, attribute string) bool {
	if item.Kind == yaml.AliasNode {
		item = item.Alias
	}
	if item.Kind == yaml.ScalarNode && canonical.Kind == yaml.ScalarNode {
		return s.text(item) == canonical.Value || attribute == "extra_hosts" && strings.Replace(s.text(item), ":", "=", 1) == canonical.Value
	}
	is := func(name, value string) bool {
		_, v := Child(canonical, name)
		return v == nil && value == "" || v != nil && (v.Value == value || filepath.Clean(v.Value) == filepath.Clean(value) && value != "")
	}
	if item.Kind == yaml.ScalarNode {
		return s.short(s.text(item), attribute, is)
	}
	known := false
	for _, name := range identity {
		_, v := Child(item, name)
		if v == nil || v.Kind != yaml.ScalarNode {
			continue
		}
		known = true
		// Host paths were made absolute since.
		value := s.text(v)
		if !is(name, value) && (filepath.IsAbs(value) || name != "source" && name != "path") {
			return false
		}
	}
	return known
}

// short says that a short form is the item whose attributes is knows.
func (s *search) short(text, attribute string, is func(name, value string) bool) bool {
	switch attribute {
	case "ports":
		list, err := types.ParsePortConfig(text)
		return err == nil && slices.ContainsFunc(list, func(p types.ServicePortConfig) bool {
			return is("target", strconv.FormatUint(uint64(p.Target), 10)) && is("published", p.Published) && is("host_ip", p.HostIP) && is("protocol", p.Protocol)
		})
	case "volumes":
		v, err := format.ParseVolume(text)
		return err == nil && is("target", v.Target)
	case "devices":
		source, _, _ := strings.Cut(text, ":")
		return is("source", source)
	default: // configs, secrets
		return is("source", text)
	}
}

// text is a scalar with its variables replaced.
func (s *search) text(node *yaml.Node) string {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	out, err := variables.Expansion{Lookup: s.file.Lookup}.Expand(node.Value)
	if err != nil {
		return node.Value
	}
	return out
}

// implied says that a short form leaves the rest of a path to the default.
func implied(attribute string, rest []string, text string) bool {
	if len(rest) == 0 {
		return false
	}
	switch last := rest[len(rest)-1]; attribute {
	case "ports":
		return last == "mode" || last == "protocol" && !strings.Contains(text, "/")
	case "build":
		return last == "dockerfile"
	case "depends_on":
		return last == "condition" || last == "required"
	case "secrets", "configs":
		return last != "source"
	default:
		return false
	}
}

// Child is the entry of that name in a mapping, or in what << brings into it.
func Child(node *yaml.Node, name string) (key, value *yaml.Node) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name && node.Content[i].Tag != "!!merge" {
			return node.Content[i], node.Content[i+1]
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Tag != "!!merge" {
			continue
		}
		from := node.Content[i+1]
		if from.Kind == yaml.AliasNode {
			from = from.Alias
		}
		list := from.Content
		if from.Kind == yaml.MappingNode {
			list = []*yaml.Node{from}
		}
		for _, one := range list {
			if key, value = Child(one, name); value != nil {
				return key, value
			}
		}
	}
	return nil, nil
}
