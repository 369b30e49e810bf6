package project

import (
	"go.yaml.in/yaml/v4"
)

// Limits in front of compose-go, which works through hostile documents for minutes and
// with gigabytes: lists nested 9,000 deep took it 20 s and 45 GB.
const (
	maxNesting  = 64
	maxValues   = 200_000
	maxServices = 2_000
	maxSources  = 500
)

// extent is how deep a document is and how many values it has, aliases followed.
type extent struct{ depth, values int }

// measure refuses a document that is too deep or too large, or that holds itself.
func measure(c *checker, doc *yaml.Node) error {
	seen := map[*yaml.Node]*extent{}
	var of func(node *yaml.Node) (extent, error)
	of = func(node *yaml.Node) (extent, error) {
		if node.Kind == yaml.AliasNode {
			target, ok := seen[node.Alias]
			if !ok {
				// An alias comes after its anchor: the anchor is not done, so this is within it.
				return extent{}, c.wrong(node, "the alias *%s stands within what it refers to", node.Value)
			}
			return *target, nil
		}
		out := extent{depth: 1, values: 1}
		for _, sub := range node.Content {
			e, err := of(sub)
			if err != nil {
				return out, err
			}
			out.depth = max(out.depth, e.depth+1)
			out.values = min(out.values+e.values, maxValues+1)
		}
		if out.depth > maxNesting {
			return out, c.wrong(node, "values are nested deeper than %d", maxNesting)
		}
		if out.values > maxValues {
			return out, c.wrong(node, "the file has more than %d values, aliases followed", maxValues)
		}
		if node.Anchor != "" {
			seen[node] = &out
		}
		return out, nil
	}
	_, err := of(doc)
	return err
}
