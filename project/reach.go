package project

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"tiffin/engine"
	"tiffin/project/envfile"
	"tiffin/project/paths"
	"tiffin/project/variables"
)

// scope is how a file is read: where its relative paths begin, and its variables.
type scope struct {
	dir string
	env map[string]string
	// chain are the files that led here by include, the first one first.
	chain []string
	// envFiles are the files behind env, those first whose variables win.
	envFiles []string
}

// reader follows include and extends from the files of a project, before compose-go
// opens the same files again: each is checked once.
type reader struct {
	where *site
	stdin io.Reader
	warn  func(string)
	// literal leaves variables as they are (config --no-interpolate).
	literal bool

	texts   *sources
	seen    map[string]bool
	derived []ref
	// services are the names of all services so far.
	services map[string]bool
}

// ref is a service in a file.
type ref struct{ file, service string }

// base is what a service extends, and where it says so.
type base struct {
	ref   ref
	place string
}

// read reads and checks the files of a project, and those that they lead to.
func (r *reader) read(ctx context.Context) (*sources, error) {
	texts, err := readMain(ctx, r.where, r.stdin)
	if err != nil {
		return nil, err
	}
	r.texts, r.seen, r.services = texts, map[string]bool{}, map[string]bool{}
	texts.bases = map[ref]base{}
	for _, src := range texts.all[:texts.main] {
		src.warnVersion(r.warn)
		in := scope{dir: r.where.dir, env: r.where.env, chain: []string{src.path}, envFiles: r.where.envFiles}
		r.seen[src.path] = true
		if err := r.follow(ctx, src, in); err != nil {
			return nil, err
		}
	}
	if texts.empty() {
		return nil, engine.Hint(
			invalid("%s:1:1: the file is empty", texts.show(r.where.files[0])), "Write \"services:\" into it.")
	}
	return texts, r.circularExtends()
}

// warnVersion says in docker compose's words that nobody looks at version.
func (s *source) warnVersion(warn func(string)) {
	for _, doc := range s.docs {
		if _, value := child(doc, "version"); value != nil {
			warn(s.path + ": the attribute `version` is obsolete, it will be ignored, " +
				"please remove it to avoid potential confusion")
		}
	}
}

// circularExtends finds a service that extends itself, by others.
func (r *reader) circularExtends() error {
	done := map[ref]bool{}
	for _, start := range r.derived {
		var chain []ref
		for at, more := start, true; more && !done[at]; {
			if i := slices.Index(chain, at); i >= 0 {
				var names []string
				for _, one := range append(chain[i:], at) {
					names = append(names, one.service)
				}
				return engine.Hint(
					invalid("%s: services extend each other: %s", r.texts.bases[at].place, strings.Join(names, " → ")),
					"Remove one of the extends.")
			}
			chain = append(chain, at)
			var next base
			next, more = r.texts.bases[at]
			at = next.ref
		}
		for _, at := range chain {
			done[at] = true
		}
	}
	return nil
}

// follow checks a file and what it leads to.
func (r *reader) follow(ctx context.Context, src *source, in scope) error {
	src.scope = in
	c := &checker{texts: r.texts, src: src, expand: in.expansion(), literal: r.literal}
	if err := c.check(); err != nil {
		return err
	}
	for _, doc := range src.docs {
		if err := r.count(c, doc); err != nil {
			return err
		}
		if err := r.includes(ctx, c, doc, in); err != nil {
			return err
		}
		if err := r.extended(ctx, c, doc, in); err != nil {
			return err
		}
	}
	return nil
}

// count refuses a project with more services than anybody runs on one host.
func (r *reader) count(c *checker, doc *yaml.Node) error {
	key, services := child(doc, "services")
	if services == nil || services.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(services.Content); i += 2 {
		r.services[services.Content[i].Value] = true
	}
	if n := len(r.services); n > maxServices {
		return c.wrong(key, "the project has %d services, more than %d", n, maxServices)
	}
	return nil
}

func (s scope) expansion() variables.Expansion {
	return variables.Expansion{Lookup: s.lookup}
}

func (s scope) lookup(name string) (string, bool) {
	v, ok := s.env[name]
	return v, ok
}

func (s scope) abs(path string) string {
	if filepath.IsAbs(path) || paths.IsRemote(path) {
		return path
	}
	return filepath.Join(s.dir, path)
}

// includes follows the entries of include.
func (r *reader) includes(ctx context.Context, c *checker, doc *yaml.Node, in scope) error {
	_, list := child(doc, "include")
	if list == nil {
		return nil
	}
	for _, entry := range list.Content {
		files, dir, envFiles := entry, "", []*yaml.Node(nil)
		if entry.Kind == yaml.MappingNode {
			_, files = child(entry, "path")
			dir = c.textAt(entry, "project_directory")
			if _, e := child(entry, "env_file"); e != nil {
				envFiles = each(e)
			}
		}
		if files == nil {
			continue
		}
		local, err := r.local(c, each(files), in)
		if err != nil {
			return err
		}
		inner, err := in.include(c, local, dir, envFiles)
		if err != nil {
			return err
		}
		for i, p := range each(files) {
			if err := r.include(ctx, c, p, local[i], inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// local are the files to open for the paths of an include.
func (r *reader) local(c *checker, files []*yaml.Node, in scope) ([]string, error) {
	var out []string
	for _, p := range files {
		path, err := r.where.fetched.local(in.abs(c.text(p)), r.texts.position(c.src, p))
		if err != nil {
			return nil, err
		}
		out = append(out, path)
	}
	return out, nil
}

// include is the scope of an included project: its own directory and variables.
func (s scope) include(c *checker, named []string, dir string, envFiles []*yaml.Node) (scope, error) {
	out := scope{chain: s.chain}
	switch {
	case dir != "":
		out.dir = s.abs(dir)
	case len(named) > 0:
		out.dir = filepath.Dir(named[0])
	}
	var files []string
	for _, e := range envFiles {
		file := s.abs(c.text(e))
		if file == os.DevNull {
			continue
		}
		if reason := unreadable(file, maxFileSize); reason != "" {
			return out, c.wrong(e, "include: env file %s: %s", c.texts.show(file), reason)
		}
		files = append(files, file)
	}
	if file := filepath.Join(out.dir, ".env"); envFiles == nil && unreadable(file, maxFileSize) == "" {
		files = []string{file}
	}
	vars, err := envfile.Files(s.env, files)
	if err != nil {
		return out, dotenvError(err)
	}
	out.env = maps.Clone(vars)
	maps.Copy(out.env, s.env)
	slices.Reverse(files)
	out.envFiles = slices.Concat(s.envFiles, files)
	return out, nil
}

func (r *reader) include(ctx context.Context, c *checker, at *yaml.Node, path string, in scope) error {
	for i, former := range in.chain {
		if former != path {
			continue
		}
		var names []string
		for _, f := range append(in.chain[i:], path) {
			names = append(names, r.texts.show(f))
		}
		return engine.Hint(
			c.wrong(at, "files include each other: %s", strings.Join(names, " → ")), "Remove one of the includes.")
	}
	in.chain = append(in.chain[:len(in.chain):len(in.chain)], path)
	err := r.enter(ctx, c, at, path, in)
	for _, src := range r.texts.all {
		src.included = src.included || src.path == path
	}
	return err
}

// extended notes what each service extends, and follows extends.file.
func (r *reader) extended(ctx context.Context, c *checker, doc *yaml.Node, in scope) error {
	_, services := child(doc, "services")
	if services == nil || services.Kind != yaml.MappingNode {
		return nil
	}
	for i := 1; i < len(services.Content); i += 2 {
		key, extends := child(services.Content[i], "extends")
		if extends == nil {
			continue
		}
		from := ref{c.src.path, services.Content[i-1].Value}
		to := ref{file: c.src.path, service: c.text(extends)}
		if _, name := child(extends, "service"); name != nil {
			to.service = c.text(name)
		}
		_, file := child(extends, "file")
		if file != nil {
			var err error
			if to.file, err = r.where.fetched.local(in.abs(c.text(file)), r.texts.position(c.src, file)); err != nil {
				return err
			}
		}
		r.texts.bases[from] = base{to, r.texts.position(c.src, key)}
		r.derived = append(r.derived, from)
		if file == nil {
			continue
		}
		inner := scope{dir: filepath.Dir(to.file), env: in.env, chain: in.chain, envFiles: in.envFiles}
		if err := r.enter(ctx, c, file, to.file, inner); err != nil {
			return err
		}
	}
	return nil
}

// enter opens a file that at leads to, and follows it, unless that was done before.
func (r *reader) enter(ctx context.Context, c *checker, at *yaml.Node, path string, in scope) error {
	if r.seen[path] {
		return nil
	}
	r.seen[path] = true
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(r.texts.all) >= maxSources {
		return c.wrong(at, "the project has more than %d files", maxSources)
	}
	if reason := unreadable(path, maxFileSize); reason != "" {
		return c.wrong(at, "%s: %s", r.texts.show(path), reason)
	}
	src, err := r.texts.open(path, nil)
	if err != nil {
		return err
	}
	r.texts.all = append(r.texts.all, src)
	return r.follow(ctx, src, in)
}

// each are the scalars of a value that is one or a list of them.
func each(node *yaml.Node) []*yaml.Node {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.SequenceNode {
		return node.Content
	}
	return []*yaml.Node{node}
}

func (c *checker) textAt(node *yaml.Node, key string) string {
	if _, v := child(node, key); v != nil {
		return c.text(v)
	}
	return ""
}

// text is a scalar with variables replaced; check has found that it can be done.
func (c *checker) text(node *yaml.Node) string {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	out, err := c.expand.Expand(node.Value)
	if err != nil {
		return node.Value
	}
	return out
}
