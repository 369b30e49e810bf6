package attribute

import (
	"fmt"
	"maps"
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

// Screen says what the table says of what the enabled services of model are made of, and
// of how those are built that are only built (bases); the rest of the files has no effect.
// document is what model was made from: which attributes were given. It warns, and stops
// at the first attribute that is refused, with a fault.
func Screen(model *types.Project, document map[string]any, bases []string, warn func(path []string, text string)) error {
	s := &screening{document, warn}
	root := attributeTree()
	used := model.WithoutUnnecessaryResources()
	for _, section := range []struct {
		name string
		keys []string
	}{
		{"services", model.ServiceNames()},
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
	for _, section := range []string{"jobs", "models"} {
		if err := s.child(root, section, document[section], nil); err != nil {
			return err
		}
	}
	return nil
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
	if below == nil {
		return nil
	}
	return s.value(below, value, append(slices.Clip(path), key))
}

func (r *row) applies(value any) bool {
	if value == nil {
		return false
	}
	return r.unless == "" || fmt.Sprint(value) != r.unless
}
