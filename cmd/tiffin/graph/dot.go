package graph

import (
	"fmt"
	"io"
	"strings"
)

// Dot writes the language of graphviz; indent is what stands before each line.
func Dot(w io.Writer, p *Picture, indent string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n%srankdir=LR;\n%snode [fontname=\"sans-serif\"];\n", dotText(p.Title), indent, indent)
	for i := range p.Nodes {
		n := &p.Nodes[i]
		text := strings.Join(append([]string{n.Name}, n.Lines...), "\n")
		fmt.Fprintf(&b, "%s%s [label=%s, shape=%s];\n", indent, dotText(n.id()), dotText(text), dotShape(n.Kind))
	}
	for _, e := range p.Edges {
		var attributes []string
		if e.Label != "" {
			attributes = append(attributes, "label="+dotText(e.Label))
		}
		if !e.Strong {
			attributes = append(attributes, "style=dashed")
			if p.Nodes[e.From].Kind != Port {
				attributes = append(attributes, "dir=none")
			}
		}
		end := ";"
		if len(attributes) > 0 {
			end = " [" + strings.Join(attributes, ", ") + "];"
		}
		fmt.Fprintf(&b, "%s%s -> %s%s\n", indent, dotText(p.Nodes[e.From].id()), dotText(p.Nodes[e.To].id()), end)
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func dotShape(k Kind) string {
	switch k {
	case Network:
		return "hexagon"
	case Volume:
		return "cylinder"
	case Port:
		return "oval"
	default:
		return "box"
	}
}

// dotText quotes a text as graphviz does.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
