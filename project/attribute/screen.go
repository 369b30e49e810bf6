package attribute

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/project/fault"
)

// screening goes through a merged document.
type screening struct {
	document map[string]any
	warn     func(path []string, text string)
}

// Screen says what the table says of the enabled services and of what they use (used has
// nothing else), and of how those are built that are only built (bases). document is what
// used was made from: which attributes were given. It warns, and stops at the first
// attribute that is refused, with a fault.
func Screen(used *types.Project, document map[string]any, bases []string, warn func(path []string, text string)) error {
	s := &screening{document, warn}
	root := attributeTree()
	for _, section := range []struct {
		name string
		keys []string
	}{
		{"services", used.ServiceNames()},
		{"networks", used.NetworkNames()},
		{"volumes", used.VolumeNames()},
		{"configs", used.ConfigNames()},
		{"secrets", used.SecretNames()},
	} {
		all, _ := document[section.name].(map[string]any)
		for _, key := range section.keys {
			if err := s.value(root.children[section.name].children["*"], all[key], []string{section.name, key}); err != nil {
				return err
			}
		}
	}
	if err := s.bases(root.children["services"].children["*"], bases); err != nil {
		return err
	}
	return s.child(root, "models", document["models"], nil)
}

// bases screens how services are built that are only built.
func (s *screening) bases(service *node, names []string) error {
	all, _ := s.document["services"].(map[string]any)
	for _, name := range names {
		one, _ := all[name].(map[string]any)
		if err := s.child(service, "build", one["build"], []string{"services", name}); err != nil {
			return err
		}
	}
	return nil
}

// value says of everything from path down what the table says.
func (s *screening) value(n *node, value any, path []string) error {
	if n.row != nil && n.row.fate != Done && n.row.applies(value) {
		text := fmt.Sprintf("%s %s", fault.Dotted(path), n.row.why)
		if n.row.fate == Refuse {
			return fault.At(path, "%s", text).Unsupported()
		}
		s.warn(path, text)
		return nil
	}
	switch v := value.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := s.child(n, k, v[k], path); err != nil {
				return err
			}
		}
	case []any:
		if below := n.children["[]"]; below != nil {
			for i, item := range v {
				if err := s.value(below, item, append(slices.Clip(path), strconv.Itoa(i))); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *screening) child(n *node, key string, value any, path []string) error {
	below := n.children[key]
	if below == nil {
		below = n.children["*"]
	}
	if below == nil || s.inherited(key, value, path) {
		return nil
	}
	return s.value(below, value, append(slices.Clip(path), key))
}

// inherited says that a pre_start hook has an attribute from its service, of which all is
// said already.
func (s *screening) inherited(key string, value any, path []string) bool {
	if len(path) != 4 || path[2] != "pre_start" {
		return false
	}
	services, _ := s.document["services"].(map[string]any)
	service, _ := services[path[1]].(map[string]any)
	own, ok := service[key]
	return ok && reflect.DeepEqual(own, value)
}

func (r *row) applies(value any) bool {
	if value == nil {
		return false
	}
	return r.unless == "" || fmt.Sprint(value) != r.unless
}
