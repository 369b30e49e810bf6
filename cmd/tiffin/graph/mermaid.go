package graph

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Mermaid writes a flowchart that GitHub, GitLab and many editors draw.
func Mermaid(w io.Writer, p *Picture) error {
	var b strings.Builder
	fmt.Fprintf(&b, "---\ntitle: %q\n---\nflowchart LR\n", mermaidText(p.Title))
	for i := range p.Nodes {
		n := &p.Nodes[i]
		open, end := mermaidShape(n.Kind)
		fmt.Fprintf(&b, "  n%d%s\"%s\"%s\n", i, open, mermaidText(strings.Join(append([]string{n.Name}, n.Lines...), "\n")), end)
	}
	for _, e := range p.Edges {
		arrow := "-.-"
		switch {
		case e.Strong:
			arrow = "-->"
		case p.Nodes[e.From].Kind == Port:
			arrow = "==>"
		}
		label := ""
		if e.Label != "" {
			label = "|\"" + mermaidText(e.Label) + "\"|"
		}
		fmt.Fprintf(&b, "  n%d %s%s n%d\n", e.From, arrow, label, e.To)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func mermaidShape(k Kind) (open, end string) {
	switch k {
	case Network:
		return "{{", "}}"
	case Volume:
		return "[(", ")]"
	case Port:
		return "([", "])"
	default:
		return "[", "]"
	}
}

// mermaidText leaves nothing in a text that could end it: other characters than plain
// ones are written as entities.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("<br/>")
		case r < ' ' || strings.ContainsRune("\"#&<>`\\", r):
			b.WriteString("#" + strconv.Itoa(int(r)) + ";")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
