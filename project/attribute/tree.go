// Package attribute says what becomes of each attribute of a Compose file.
//
// It is done, left out with a warning, or refused. A test makes docs/compose.md from the
// table.
package attribute

import (
	"maps"
	"strings"
	"sync"
)

// Fate is what becomes of an attribute that a Compose file has.
type Fate int

// The fates. A warning names what is left out; what cannot be left out without
// changing what the project does is refused.
const (
	Done Fate = iota
	Warn
	Refuse
)

func (f Fate) String() string { return [...]string{"done", "warning", "error"}[f] }

// row says what becomes of some attributes with the same parent and the same fate.
type row struct {
	// parent is a path such as services.*.healthcheck; "" is the top of the file.
	parent string
	// names are the attributes, separated by blanks. A name may have dots.
	names string
	fate  Fate
	// why stands in the warning or error, after the attribute's path. For an attribute
	// that is done it is a remark for the docs.
	why string
	// unless is a value that makes no difference.
	unless string
	// like is a path below which is all that may stand below this one, too.
	like string
}

// node is the table as a tree, by the steps of paths.
type node struct {
	row      *row
	children map[string]*node
}

var attributeTree = sync.OnceValue(func() *node {
	root := &node{}
	rows := table()
	for i := range rows {
		for name := range strings.FieldsSeq(rows[i].names) {
			root.put(strings.Split(strings.TrimPrefix(rows[i].parent+"."+name, "."), "."), &rows[i])
		}
	}
	for i := range rows {
		if r := &rows[i]; r.like != "" {
			root.at(r.parent + "." + r.names).inherit(root.at(r.like))
		}
	}
	return root
})

// at is the node of a path in the table.
func (n *node) at(path string) *node {
	for step := range strings.SplitSeq(path, ".") {
		n = n.children[step]
	}
	return n
}

// inherit lets n have the children of another node, beside its own.
func (n *node) inherit(from *node) {
	own := n.children
	n.children = maps.Clone(from.children)
	maps.Copy(n.children, own)
}

func (n *node) put(path []string, r *row) {
	if len(path) == 0 {
		n.row = r
		return
	}
	if n.children == nil {
		n.children = map[string]*node{}
	}
	if n.children[path[0]] == nil {
		n.children[path[0]] = &node{}
	}
	n.children[path[0]].put(path[1:], r)
}
