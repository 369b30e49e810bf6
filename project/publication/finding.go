package publication

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"tiffin/project/paths"
)

// Findings are what the caller should know before the files are published.
type Findings struct {
	// Includes are the places of includes of local files, which cannot be published.
	Includes []string
	// Services are those with env files or with literal values that look like secrets, by name.
	Services map[string]*Service
	// Configs are those with literal content, sorted.
	Configs []string
	// Secrets are texts that look like secrets, in what is published.
	Secrets []Secret
	// Staying are the places of files that are named and not published.
	Staying []string
}

// Service is what was found in a service.
type Service struct {
	// EnvFile says that it has one.
	EnvFile bool
	// Keys are the variables with literal values whose names say that they are secrets, sorted.
	Keys []string
}

func (f *Findings) service(name string) *Service {
	if f.Services[name] == nil {
		f.Services[name] = &Service{}
	}
	return f.Services[name]
}

// includes finds those of local files: there is no one file that an include could become.
func (m *maker) includes(src *source, doc *yaml.Node) {
	list := real(child(doc, "include"))
	if list == nil {
		return
	}
	for _, entry := range each(list) {
		files := entry
		if entry.Kind == yaml.MappingNode {
			files = child(entry, "path")
		}
		for _, file := range each(files) {
			// One that cannot be read has been refused when the project was loaded.
			if path, err := m.path(src, file); err != nil || !paths.IsRemote(path) {
				m.out.Findings.Includes = append(m.out.Findings.Includes, m.place(src, file)+": "+file.Value)
			}
		}
	}
}

// environment finds literal values whose names say that they are secrets.
func (m *maker) environment(name string, service *yaml.Node) {
	environment := child(service, "environment")
	if environment == nil {
		return
	}
	note := func(key, value string) {
		if !sensitiveName(key) || !literal(value) {
			return
		}
		s := m.out.Findings.service(name)
		if i, known := slices.BinarySearch(s.Keys, key); !known {
			s.Keys = slices.Insert(s.Keys, i, key)
		}
	}
	if environment.Kind == yaml.SequenceNode {
		for _, item := range each(environment) {
			key, value, _ := strings.Cut(item.Value, "=")
			note(key, value)
		}
		return
	}
	for key, value := range entries(environment) {
		if value.Kind == yaml.ScalarNode && value.Tag != "!!null" {
			note(key, value.Value)
		}
	}
}

// configs finds literal contents, and files of configs and secrets.
func (m *maker) configs(src *source, doc *yaml.Node) {
	for _, kind := range []string{"configs", "secrets"} {
		for name, c := range entries(child(doc, kind)) {
			if file := child(c, "file"); file != nil {
				m.stays(src, file)
			}
			content := child(c, "content")
			if kind != "configs" || content == nil || !literal(content.Value) {
				continue
			}
			if i, known := slices.BinarySearch(m.out.Findings.Configs, name); !known {
				m.out.Findings.Configs = slices.Insert(m.out.Findings.Configs, i, name)
			}
		}
	}
}

// stays notes a file that is named and not published.
func (m *maker) stays(src *source, file *yaml.Node) {
	at := m.place(src, file) + ": " + file.Value
	if !slices.Contains(m.out.Findings.Staying, at) { // an anchor is come by from several services
		m.out.Findings.Staying = append(m.out.Findings.Staying, at)
	}
}

// literal says that a value has text of its own: it is not just a variable, whose value is not published.
func literal(value string) bool {
	value = strings.TrimSpace(strings.ReplaceAll(value, "$$", "x")) // a dollar sign
	return value != "" && !strings.HasPrefix(value, "$")
}

// scan finds what looks like a secret, in comments too: they are published with the rest.
func (m *maker) scan(src *source, node *yaml.Node, path string) {
	for _, comment := range []string{node.HeadComment, node.LineComment, node.FootComment} {
		m.note(src, node, path, comment)
	}
	switch node.Kind {
	case yaml.ScalarNode:
		m.note(src, node, path, node.Value)
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			for _, comment := range []string{key.HeadComment, key.LineComment, key.FootComment} {
				m.note(src, key, path, comment)
			}
			m.scan(src, node.Content[i+1], under(path, key.Value))
		}
	case yaml.SequenceNode:
		for _, item := range node.Content {
			key, value, pair := strings.Cut(item.Value, "=")
			if pair && item.Kind == yaml.ScalarNode {
				m.note(src, item, under(path, key), value)
				continue
			}
			m.scan(src, item, path)
		}
	case yaml.DocumentNode:
		for _, root := range node.Content {
			m.scan(src, root, path)
		}
	default: // what an alias stands for is come by where it stands
	}
}

func under(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

func (m *maker) note(src *source, at *yaml.Node, key, value string) {
	if kind, found := secretIn(key, value); kind != "" {
		m.out.Findings.Secrets = append(m.out.Findings.Secrets, Secret{Kind: kind, Key: key, Value: found, Place: m.place(src, at)})
	}
}
