package project

import (
	"fmt"
	"maps"
	"slices"
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
	return root
})

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

// screen says of everything in the document, from path down, what the table says. It
// warns, and stops at the first attribute that is refused.
func (p *Project) screen(n *node, value any, path []string) error {
	if n.row != nil && n.row.fate != Done && n.row.applies(value) {
		text := fmt.Sprintf("%s %s", dotted(path), n.row.why)
		if n.row.fate == Refuse {
			return at(path, "%s", text).unsupported()
		}
		p.warnAt(path, text)
		return nil
	}
	switch v := value.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := p.screenChild(n, k, v[k], path); err != nil {
				return err
			}
		}
	case []any:
		if below := n.children["[]"]; below != nil {
			for i, item := range v {
				if err := p.screen(below, item, append(slices.Clip(path), itoa(i))); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *Project) screenChild(n *node, key string, value any, path []string) error {
	below := n.children[key]
	if below == nil {
		below = n.children["*"]
	}
	if below == nil {
		return nil
	}
	return p.screen(below, value, append(slices.Clip(path), key))
}

func (r *row) applies(value any) bool {
	if value == nil {
		return false
	}
	return r.unless == "" || fmt.Sprint(value) != r.unless
}

// warnAt warns with the place that path leads to.
func (p *Project) warnAt(path []string, text string) {
	if place := p.texts.place(path); place != "" {
		text = place + ": " + text
	}
	p.warn(text)
}

// screenBases screens how services are built that are only built.
func (p *Project) screenBases(service *node) error {
	all, _ := p.attributes["services"].(map[string]any)
	for _, name := range bases(p.model) {
		s, _ := all[name].(map[string]any)
		if err := p.screenChild(service, "build", s["build"], []string{"services", name}); err != nil {
			return err
		}
	}
	return nil
}

// screenUsed screens what the enabled services are made of; the rest of the files has no effect.
func (p *Project) screenUsed() error {
	root := attributeTree()
	used := p.model.WithoutUnnecessaryResources()
	for _, section := range []struct {
		name string
		keys []string
	}{
		{"services", p.model.ServiceNames()},
		{"networks", used.NetworkNames()},
		{"volumes", used.VolumeNames()},
		{"configs", used.ConfigNames()},
		{"secrets", used.SecretNames()},
	} {
		all, _ := p.attributes[section.name].(map[string]any)
		for _, key := range section.keys {
			if err := p.screen(root.children[section.name].children["*"], all[key], []string{section.name, key}); err != nil {
				return err
			}
		}
	}
	if err := p.screenBases(root.children["services"].children["*"]); err != nil {
		return err
	}
	for _, section := range []string{"jobs", "models"} {
		if err := p.screenChild(root, section, p.attributes[section], nil); err != nil {
			return err
		}
	}
	return nil
}
