package project

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"tiffin/engine"
	"tiffin/project/fault"
	"tiffin/project/job"
)

// maxFileSize bounds one file. The largest Compose files in the wild have some 200 KB.
const maxFileSize = 4 << 20

// source is one Compose file: its text, and its nodes, which know the places.
type source struct {
	path    string // absolute; "-" for standard input
	content []byte
	docs    []*yaml.Node // the root of each document that is not empty
	scope   scope
	// included says that its resources belong to the project, as those of a file that was named do.
	included bool
}

// sources are the files of a project: those it was told of, then those they lead to.
type sources struct {
	jobs types.Jobs // what is said of services may be of them
	cwd  string
	all  []*source
	// main is the number of files that the project was told of.
	main int
	// bases says which service extends which.
	bases map[ref]base
}

// readMain reads the files that the project was told of.
func readMain(ctx context.Context, where *site, stdin io.Reader) (*sources, error) {
	if len(where.files) == 0 {
		return nil, engine.Hint(
			notFound("no configuration file provided: not found"),
			"There is no compose.yaml in "+where.dir+" or above it. Say which with -f FILE.")
	}
	texts := &sources{cwd: where.cwd}
	for _, path := range where.files {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		src, err := texts.open(path, stdin)
		if err != nil {
			return nil, err
		}
		texts.all = append(texts.all, src)
	}
	texts.main = len(texts.all)
	return texts, nil
}

// open reads and parses one file.
func (s *sources) open(path string, stdin io.Reader) (*source, error) {
	content, err := s.slurp(path, stdin)
	if err != nil {
		return nil, err
	}
	src := &source{path: path, content: content}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		doc := new(yaml.Node)
		err := decoder.Decode(doc)
		if errors.Is(err, io.EOF) {
			return src, nil
		}
		if err != nil {
			return nil, s.syntaxError(path, err)
		}
		if len(doc.Content) > 0 {
			src.docs = append(src.docs, doc.Content[0])
		}
	}
}

// syntaxError moves the place that the YAML parser found to the front. It may name two:
// where something began, and where that went wrong; for an end that is missing the
// first is the better one.
func (s *sources) syntaxError(path string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line, column := 1, 1
	for rest := text; ; {
		_, after, ok := strings.Cut(rest, "line ")
		if !ok {
			break
		}
		column = 1
		_, _ = fmt.Sscanf(after, "%d, column %d", &line, &column) // the column may be missing
		if rest = after; strings.HasSuffix(text, "unexpected end of stream") {
			break
		}
	}
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	err = invalid("%s:%d:%d: this is not YAML: %s", s.show(path), line, column, text)
	if hint := syntaxHint(text); hint != "" {
		return engine.Hint(err, hint)
	}
	return err
}

// syntaxHint says in other words what the YAML parser means.
func syntaxHint(text string) string {
	says := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case says("cannot start any"):
		return "Indent with spaces, not tabs, and put quotes around text that begins with @ or `."
	case says("did not find expected key"):
		return "Is the line indented like those above it?"
	case says("unexpected end of stream"):
		return "A quote or bracket does not close."
	case says("mapping values are not allowed"):
		return "Put quotes around text with a colon in it."
	case says("could not find expected ':'"):
		return "A key ends with a colon and a space."
	case says("unknown anchor"):
		return "An anchor (&name) stands before the aliases (*name) that use it."
	default:
		return ""
	}
}

func (s *sources) slurp(path string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, notFound("open %s: %w", s.show(path), plain(err))
		}
		defer func() { _ = f.Close() }()
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return nil, engine.Hint(
				invalid("%s is a directory", s.show(path)), "Name the Compose file in it, or use --project-directory.")
		}
		in = f
	}
	if in == nil {
		return nil, invalid("no standard input to read the Compose file from")
	}
	content, err := io.ReadAll(io.LimitReader(in, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.show(path), plain(err))
	}
	if len(content) > maxFileSize {
		return nil, tooLarge(s.show(path), int64(len(content)))
	}
	return content, nil
}

func tooLarge(name string, size int64) error {
	return invalid("%s is larger than %d MiB (%d bytes or more)", name, maxFileSize>>20, size)
}

// show is the name of a file as the user would write it.
func (s *sources) show(path string) string {
	if path == "-" {
		return "(standard input)"
	}
	if rel, err := filepath.Rel(s.cwd, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}

// empty says that there is nothing in the files that the project was told of.
func (s *sources) empty() bool {
	for _, src := range s.all[:s.main] {
		for _, doc := range src.docs {
			if len(doc.Content) > 0 && doc.Tag != "!reset" {
				return false
			}
		}
	}
	return true
}

// projectName is the last name that the files give, interpolated.
func (s *sources) projectName(env map[string]string) (string, error) {
	expand := scope{env: env}.expansion()
	name := ""
	for _, src := range s.all[:s.main] {
		for _, doc := range src.docs {
			_, value := child(doc, "name")
			if value == nil || value.Kind != yaml.ScalarNode || value.Value == "" {
				continue
			}
			expanded, err := expand.Expand(value.Value)
			if err != nil {
				c := &checker{texts: s, src: src}
				return "", c.badVariable(value, []string{"name"}, err)
			}
			name = expanded
		}
	}
	return name, nil
}

// locate gives a fault its place: the deepest part of its path that some file has.
func (s *sources) locate(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	path, text := job.Home(s.jobs, f.Path, f.Text)
	place := s.place(path)
	if place != "" {
		place += ": "
	}
	out := engine.Problem(f.Kind, errors.New(place+text))
	if f.Tip != "" {
		out = engine.Hint(out, f.Tip)
	}
	return out
}

// place is where path leads to, as file:line:column, or "".
func (s *sources) place(path []string) string {
	best, where := 0, ""
	byWeight := slices.Clone(s.all)
	slices.Reverse(byWeight[:s.main]) // the last of them has the last word, over what they lead to as well
	for _, src := range byWeight {
		for _, doc := range src.docs {
			if node, depth := find(doc, path); depth > best {
				best, where = depth, s.position(src, node)
			}
		}
	}
	return where
}

func (s *sources) position(src *source, node *yaml.Node) string {
	return fmt.Sprintf("%s:%d:%d", s.show(src.path), node.Line, node.Column)
}

// find follows path down from node as far as it goes. It returns the value where it
// ends, or for the last step into a mapping the key, and how many steps were made.
func find(node *yaml.Node, path []string) (end *yaml.Node, depth int) {
	end = node
	for _, step := range path {
		key, value := child(node, step)
		if value == nil {
			return end, depth
		}
		depth++
		end, node = key, value
	}
	return end, depth
}

// child is the entry of that name of a mapping, or of that index of a sequence.
func child(node *yaml.Node, step string) (key, value *yaml.Node) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.SequenceNode:
		if i := item(node, step); i >= 0 {
			return node.Content[i], node.Content[i]
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
		return merged(node, step)
	default:
	}
	return nil, nil
}

// item finds the item of a list with that index or, as for depends_on and networks in
// their short form, that text.
func item(list *yaml.Node, step string) int {
	if i, err := strconv.Atoi(step); err == nil {
		if i < 0 || i >= len(list.Content) {
			return -1
		}
		return i
	}
	return slices.IndexFunc(list.Content, func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Value == step })
}

// merged looks a key up in what << brings in.
func merged(node *yaml.Node, step string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Tag != "!!merge" {
			continue
		}
		from := node.Content[i+1]
		if from.Kind == yaml.AliasNode {
			from = from.Alias
		}
		if from.Kind == yaml.MappingNode {
			return child(from, step)
		}
		for _, one := range from.Content {
			if key, value = child(one, step); value != nil {
				return key, value
			}
		}
	}
	return nil, nil
}
