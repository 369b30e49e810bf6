package graph

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The colours of the drawing: readable on white, and by who cannot tell red from green.
var colours = map[Kind][2]string{ // fill, line
	Service: {"#e8f0fe", "#1a56b0"},
	Network: {"#fff4dd", "#8a6100"},
	Volume:  {"#eeeeee", "#555555"},
	Port:    {"#f3e8fd", "#6b2fa0"},
}

// SVG draws the picture.
func SVG(w io.Writer, p *Picture) error {
	boxes, width, height := layout(p)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	b.WriteString(`<defs><marker id="end" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#333"/></marker></defs>` + "\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="16" font-weight="bold">%s</text>`+"\n", margin, margin+14, escaped(p.Title))
	for _, e := range p.Edges {
		line(&b, p, e, boxes)
	}
	for i := range p.Nodes {
		shape(&b, &p.Nodes[i], boxes[i])
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// line draws an edge, and its label where it begins to be alone.
func line(b *strings.Builder, p *Picture, e Edge, boxes []box) {
	x1, y1 := boxes[e.From].right()
	x2, y2 := boxes[e.To].left()
	style := ` stroke="#333" marker-end="url(#end)"`
	if !e.Strong {
		style = fmt.Sprintf(` stroke="%s" stroke-dasharray="5 4"`, colours[weaker(p, e)][1])
	}
	bend := (x2 - x1) / 2
	fmt.Fprintf(b, `<path d="M%d %dC%d %d %d %d %d %d" fill="none"%s/>`+"\n", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2, style)
	if e.Label != "" {
		fmt.Fprintf(b, `<text x="%d" y="%d" font-size="11" fill="#555" text-anchor="end">%s</text>`+"\n", x2-10, y2-5, escaped(e.Label))
	}
}

// weaker is the kind at the end of an edge that is no service.
func weaker(p *Picture, e Edge) Kind {
	if k := p.Nodes[e.From].Kind; k != Service {
		return k
	}
	return p.Nodes[e.To].Kind
}

func shape(b *strings.Builder, n *Node, at box) {
	c := colours[n.Kind]
	round := 3
	if n.Kind == Port {
		round = at.h / 2
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" rx="%d" fill="%s" stroke="%s"/>`+"\n", at.x, at.y, at.w, at.h, round, c[0], c[1])
	x, y := at.x+at.w/2, at.y+padding/2+13
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x, y, escaped(n.Name))
	for _, text := range n.Lines {
		y += lineHeight
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" font-size="11" fill="#555">%s</text>`+"\n", x, y, escaped(text))
	}
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
