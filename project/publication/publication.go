package publication

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"tiffin/engine"
	"tiffin/project/paths"
)

// Kind says what a file of a publication is.
type Kind int

// The kinds of files.
const (
	Main     Kind = iota // one that the project was told of
	Extended             // one whose services are extended
	Env                  // an env file of services
)

// File is one file: of the project as it was read, or as it is published.
type File struct {
	Kind Kind
	// Path is where it was read; "-" for standard input.
	Path string
	// Name is what it is called when it is published.
	Name    string
	Content []byte
}

// Site is where a project is.
type Site struct {
	// Dir is where relative paths in main files begin.
	Dir string
	// Expand replaces the variables of a value.
	Expand func(text string) (string, error)
	// Read reads a file that others lead to; engine.ErrNotFound says that there is none.
	Read func(path string) ([]byte, error)
	// Show is the name of a file as the caller would write it.
	Show func(path string) string
}

// Publication is what a registry gets, and what was found in it.
type Publication struct {
	Files    []File
	Findings Findings
}

// EnvFiles says what becomes of env files.
type EnvFiles bool

// They stay behind, and their paths as they are; or they go along.
const (
	Leave   EnvFiles = false
	Include EnvFiles = true
)

// Of makes the publication of the main files of a project.
//
// Errors: engine.ErrInvalid for YAML that cannot be read; those of Read.
func Of(main []File, where Site, env EnvFiles) (*Publication, error) {
	m := &maker{where: where, env: env, names: map[string]string{}}
	m.out.Findings.Services = map[string]*Service{}
	for _, f := range main {
		f.Kind, f.Name = Main, filepath.Base(f.Path)
		if f.Path == "-" {
			f.Name = "compose.yaml"
		}
		m.todo = append(m.todo, f)
	}
	for len(m.todo) > 0 {
		f := m.todo[0]
		m.todo = m.todo[1:]
		if err := m.add(f); err != nil {
			return nil, err
		}
	}
	m.out.Files = append(m.out.Files, m.envFiles...)
	return &m.out, nil
}

// maker is a publication in the making.
type maker struct {
	where Site
	env   EnvFiles
	// todo are Compose files that were not looked at yet; names are what files that others lead to are called, by path.
	todo     []File
	names    map[string]string
	envFiles []File
	out      Publication
}

// source is the Compose file at hand.
type source struct {
	File

	dir     string // where its relative paths begin
	changed bool
}

func (m *maker) add(f File) error {
	src := &source{File: f, dir: m.where.Dir}
	if f.Kind == Extended {
		src.dir = filepath.Dir(f.Path)
	}
	var docs []*yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader(f.Content)); ; {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("%s: %w", m.where.Show(f.Path), err))
		}
		docs = append(docs, &doc)
	}
	for _, doc := range docs {
		m.scan(src, doc, "")
		if len(doc.Content) > 0 {
			if err := m.document(src, doc.Content[0]); err != nil {
				return err
			}
		}
	}
	// A file in which nothing leads elsewhere stays as it is, to the byte.
	if src.changed {
		text, err := encode(docs)
		if err != nil {
			return fmt.Errorf("write %s: %w", m.where.Show(f.Path), err)
		}
		f.Content = text
	}
	m.out.Files = append(m.out.Files, f)
	return nil
}

func encode(docs []*yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	for _, doc := range docs {
		plainMerges(doc)
		if err := encoder.Encode(doc); err != nil {
			return nil, err
		}
	}
	err := encoder.Close()
	return out.Bytes(), err
}

// plainMerges lets << be written as it was, without its tag.
func plainMerges(node *yaml.Node) {
	if node.Value == mergeKey {
		node.Tag = ""
	}
	for _, n := range node.Content {
		plainMerges(n)
	}
}

// document looks at one document of a file and changes the paths in it.
func (m *maker) document(src *source, doc *yaml.Node) error {
	m.includes(src, doc)
	m.configs(src, doc)
	for name, service := range entries(child(doc, "services")) {
		m.environment(name, service)
		if err := m.extends(src, service); err != nil {
			return err
		}
		if err := m.serviceEnvFiles(src, name, service); err != nil {
			return err
		}
		for _, file := range each(child(service, "label_file")) {
			m.stays(src, file)
		}
	}
	return nil
}

// extends takes along the file that a service extends.
func (m *maker) extends(src *source, service *yaml.Node) error {
	file := child(child(service, "extends"), "file")
	if file == nil {
		return nil
	}
	path, err := m.path(src, file)
	if err != nil || paths.IsRemote(path) {
		return err
	}
	known := m.names[path] != ""
	name := m.name(path, ".yaml")
	src.set(file, name)
	if known {
		return nil
	}
	text, err := m.where.Read(path)
	if err != nil {
		return fmt.Errorf("%s: %w", m.place(src, file), err)
	}
	m.todo = append(m.todo, File{Kind: Extended, Path: path, Name: name, Content: text})
	return nil
}

// serviceEnvFiles takes along the env files of a service, if they are to go.
func (m *maker) serviceEnvFiles(src *source, name string, service *yaml.Node) error {
	for _, entry := range each(child(service, "env_file")) {
		file := entry
		if entry.Kind == yaml.MappingNode {
			file = child(entry, "path")
		}
		if file == nil || file.Value == "" || file.Kind != yaml.ScalarNode {
			continue
		}
		m.out.Findings.service(name).EnvFile = true
		if m.env == Leave {
			m.stays(src, file)
			continue
		}
		if err := m.envFile(src, file); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) envFile(src *source, at *yaml.Node) error {
	path, err := m.path(src, at)
	if err != nil {
		return err
	}
	if m.names[path] == "" {
		text, err := m.where.Read(path)
		if errors.Is(err, engine.ErrNotFound) {
			return nil // it need not be there: the project was loaded without
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.place(src, at), err)
		}
		f := File{Kind: Env, Path: path, Name: m.name(path, ".env"), Content: text}
		m.envFiles = append(m.envFiles, f)
		m.scanEnvFile(f)
	}
	src.set(at, m.names[path])
	return nil
}

// path is the file that a value means.
func (m *maker) path(src *source, at *yaml.Node) (string, error) {
	text, err := m.where.Expand(at.Value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.place(src, at), err)
	}
	if paths.IsRemote(text) || filepath.IsAbs(text) {
		return text, nil
	}
	return filepath.Join(src.dir, text), nil
}

// name is what a file is called that lies beside the others. It is made of the path from the project, so that the
// same project is the same artifact wherever it was published, and says nothing of the host.
func (m *maker) name(path, ending string) string {
	if m.names[path] == "" {
		seen := path
		if rel, err := filepath.Rel(m.where.Dir, path); err == nil {
			seen = rel
		}
		m.names[path] = fmt.Sprintf("%x%s", sha256.Sum256([]byte(seen)), ending)
	}
	return m.names[path]
}

// set writes a value. Text that has no dollar and no special character stays plain.
func (s *source) set(at *yaml.Node, value string) {
	at.Value, at.Style, at.Tag = value, 0, "!!str"
	s.changed = true
}

func (m *maker) place(src *source, at *yaml.Node) string {
	return fmt.Sprintf("%s:%d:%d", strings.TrimPrefix(m.where.Show(src.Path), "./"), at.Line, at.Column)
}
