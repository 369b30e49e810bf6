package graph

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Sizes of the drawing, in pixels.
const (
	charWidth  = 8
	lineHeight = 18
	padding    = 12
	columnGap  = 110
	rowGap     = 22
	margin     = 20
	titleSpace = 34
)

// box is where a node is drawn.
type box struct{ x, y, w, h int }

func (b box) left() (x, y int)  { return b.x, b.y + b.h/2 }
func (b box) right() (x, y int) { return b.x + b.w, b.y + b.h/2 }

// layout gives each node a place: a column by how far it is from what nothing leads to, a
// row by where those are that lead to it.
func layout(p *Picture) (boxes []box, width, height int) {
	columns := columnsOf(p)
	boxes = make([]box, len(p.Nodes))
	x := margin
	for _, column := range columns {
		sortByCallers(p, column, boxes)
		w := 0
		y := margin + titleSpace
		for _, i := range column {
			n := &p.Nodes[i]
			boxes[i] = box{x: x, y: y, w: textWidth(n) + 2*padding, h: (1+len(n.Lines))*lineHeight + padding}
			y += boxes[i].h + rowGap
			w = max(w, boxes[i].w)
		}
		for _, i := range column {
			boxes[i].w = w
		}
		height = max(height, y-rowGap+margin)
		x += w + columnGap
	}
	width = max(x-columnGap+margin, 2*margin+charWidth*utf8.RuneCountInString(p.Title))
	return boxes, width, max(height, 2*margin+titleSpace)
}

func textWidth(n *Node) int {
	w := utf8.RuneCountInString(n.Name)
	for _, l := range n.Lines {
		w = max(w, utf8.RuneCountInString(l))
	}
	return w * charWidth
}

// columnsOf puts each node behind all that lead to it. Dependencies have no circles.
func columnsOf(p *Picture) [][]int {
	depth := make([]int, len(p.Nodes))
	for range p.Nodes {
		changed := false
		for _, e := range p.Edges {
			if d := depth[e.From] + 1; d > depth[e.To] && d < len(p.Nodes) {
				depth[e.To], changed = d, true
			}
		}
		if !changed {
			break
		}
	}
	var columns [][]int
	for i, d := range depth {
		for len(columns) <= d {
			columns = append(columns, nil)
		}
		columns[d] = append(columns[d], i)
	}
	return columns
}

// sortByCallers orders a column by the middle of those that lead to its nodes, which have
// their places already: so fewer lines cross.
func sortByCallers(p *Picture, column []int, boxes []box) {
	middle := map[int]int{}
	for _, i := range column {
		sum, n := 0, 0
		for _, e := range p.Edges {
			if e.To == i && boxes[e.From].h > 0 {
				sum, n = sum+boxes[e.From].y, n+1
			}
		}
		if n > 0 {
			middle[i] = sum / n
		}
	}
	slices.SortStableFunc(column, func(a, b int) int {
		if d := middle[a] - middle[b]; d != 0 {
			return d
		}
		return strings.Compare(p.Nodes[a].id(), p.Nodes[b].id())
	})
}
