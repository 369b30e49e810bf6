package publication

import (
	"iter"

	"go.yaml.in/yaml/v4"
)

// mergeKey brings in the entries of other mappings.
const mergeKey = "<<"

// child is the entry of that name of a mapping, or of one that it brings in; nil if there is none.
func child(node *yaml.Node, name string) *yaml.Node {
	for key, value := range entries(node) {
		if key == name {
			return value
		}
	}
	return nil
}

// entries are those of a mapping, its own first, then those that it brings in and does not have.
func entries(node *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) { visit(node, map[string]bool{}, yield) }
}

// visit goes over a mapping, or a list of mappings to bring in.
func visit(node *yaml.Node, seen map[string]bool, yield func(string, *yaml.Node) bool) bool {
	if node = real(node); node == nil {
		return true
	}
	if node.Kind == yaml.SequenceNode {
		for _, one := range node.Content {
			if !visit(one, seen, yield) {
				return false
			}
		}
		return true
	}
	if node.Kind != yaml.MappingNode {
		return true
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i].Value
		if key == mergeKey || seen[key] {
			continue
		}
		seen[key] = true
		if !yield(key, real(node.Content[i+1])) {
			return false
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == mergeKey && !visit(node.Content[i+1], seen, yield) {
			return false
		}
	}
	return true
}

// real is what an alias stands for.
func real(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// each are the items of a list, or the value itself.
func each(node *yaml.Node) []*yaml.Node {
	node = real(node)
	switch {
	case node == nil:
		return nil
	case node.Kind != yaml.SequenceNode:
		return []*yaml.Node{node}
	}
	var out []*yaml.Node
	for _, item := range node.Content {
		out = append(out, real(item))
	}
	return out
}
