package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"tiffin/engine"
	"tiffin/project/develop"
)

// never are the paths that no rule is about: version control, and what editors write beside a file while they save it.
var never = []string{
	"**/.git",
	"**/.*.sw[a-z]", "**/*~", "**/4913", // Vim
	"**/.#*", "**/#*#", // Emacs
	"**/*___jb_tmp___", "**/*___jb_old___", // JetBrains
	"**/.goutputstream-*", "**/.*.kate-swp", "**/.*.tmp.*", // GNOME, Kate, others that rename
}

// rule is a develop.Rule that can be asked about paths.
type rule struct {
	develop.Rule

	ignores []patterns
	include *patterns // nil: all
}

// patterns are those of one list, relative to root.
type patterns struct {
	root    string
	matcher *patternmatcher.PatternMatcher
}

func newPatterns(root string, list []string) (patterns, error) {
	m, err := patternmatcher.New(list)
	if err != nil {
		return patterns{}, engine.Problem(engine.ErrInvalid, fmt.Errorf("watch %s: patterns %q: %w", root, list, err))
	}
	return patterns{root, m}, nil
}

// match says whether a path, or a folder that it is in, is meant.
func (p *patterns) match(name string) bool {
	rel, err := filepath.Rel(p.root, name)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return false
	}
	if rel == "." {
		rel = filepath.Base(name)
	}
	ok, err := p.matcher.MatchesOrParentMatches(rel)
	return ok && err == nil
}

// compile reads the .dockerignore files that rules are subject to.
func compile(rules []develop.Rule) ([]rule, error) {
	var out []rule
	for _, r := range rules {
		c := rule{Rule: r}
		docker, err := dockerIgnore(&r)
		if err != nil {
			return nil, err
		}
		for _, list := range []struct {
			root     string
			patterns []string
		}{{r.Path, never}, {r.Path, r.Ignore}, {r.Context, docker}} {
			if len(list.patterns) == 0 {
				continue
			}
			p, err := newPatterns(list.root, list.patterns)
			if err != nil {
				return nil, err
			}
			c.ignores = append(c.ignores, p)
		}
		if len(r.Include) > 0 {
			p, err := newPatterns(r.Path, r.Include)
			if err != nil {
				return nil, err
			}
			c.include = &p
		}
		out = append(out, c)
	}
	return out, nil
}

// dockerIgnore reads the patterns that the build has: those of the Dockerfile alone come before those of the context.
func dockerIgnore(r *develop.Rule) ([]string, error) {
	if r.Context == "" {
		return nil, nil
	}
	dockerfile := r.Dockerfile
	if !filepath.IsAbs(dockerfile) {
		dockerfile = filepath.Join(r.Context, dockerfile)
	}
	for _, name := range []string{dockerfile + ".dockerignore", filepath.Join(r.Context, ".dockerignore")} {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list, err := ignorefile.ReadAll(f)
		return list, errors.Join(err, f.Close())
	}
	return nil, nil
}

// ignored says whether a path below the rule's is left out.
func (r *rule) ignored(name string) bool {
	for i := range r.ignores {
		if r.ignores[i].match(name) {
			return true
		}
	}
	return false
}

// about says whether a change of a path concerns the rule.
func (r *rule) about(name string) bool {
	return develop.Below(r.Path, name) && (r.include == nil || r.include.match(name)) && !r.ignored(name)
}

// target is where a path is in the containers. A file goes into a folder that is written with a slash at its end.
func (r *rule) target(name string) string {
	rel, err := filepath.Rel(r.Path, name)
	if err != nil || rel == "." {
		if strings.HasSuffix(r.Target, "/") {
			return path.Join(r.Target, filepath.Base(name))
		}
		return path.Clean(r.Target)
	}
	return path.Join(r.Target, filepath.ToSlash(rel))
}

// skipped says whether nothing in a folder can concern any rule: it need not be watched.
func skipped(rules []rule, dir string) bool {
	for i := range rules {
		r := &rules[i]
		if develop.Below(dir, r.Path) {
			return false
		}
		if !develop.Below(r.Path, dir) {
			continue
		}
		sure := false
		for j := range r.ignores {
			// With exceptions something below may be meant all the same.
			sure = sure || r.ignores[j].match(dir) && !r.ignores[j].matcher.Exclusions()
		}
		if !sure {
			return false
		}
	}
	return true
}
