package project

import (
	"context"
	"path/filepath"
	"strings"

	"tiffin/engine"
	"tiffin/project/instance"
)

// Names are what a command needs that works on what is there rather than on a file.
type Names struct {
	// Project is the project name.
	Project string
	// WorkingDir is the project directory, ConfigFiles its Compose files, if any.
	WorkingDir  string
	ConfigFiles []string
}

// NamesOnly answers the name of the project that o means. It reads Compose files only
// when the name may stand in them, and needs none when the name comes from elsewhere.
//
// Errors: engine.ErrNotFound when there is neither a name nor a file.
func NamesOnly(ctx context.Context, o Options) (Names, error) {
	warn := onlyOnce(o.Warn)
	where, err := locate(o, nil, warn)
	if err != nil {
		return Names{}, err
	}
	texts := &sources{cwd: where.cwd}
	if o.Name == "" && where.env[envProjectName] == "" {
		if texts, err = readMain(ctx, where, o.Stdin); err != nil {
			return Names{}, err
		}
	}
	if err := where.nameProject(o, texts, warn); err != nil {
		return Names{}, err
	}
	return Names{Project: where.name, WorkingDir: where.dir, ConfigFiles: where.files}, nil
}

// nameProject settles the project name: what the user said (-p), COMPOSE_PROJECT_NAME,
// the last name in the files, the name of the project directory. The first two have
// to be right, the others are made so.
func (s *site) nameProject(o Options, texts *sources, warn func(string)) error {
	s.instance = orElse(o.Instance, s.env[envInstance])
	if s.instance != "" && !instance.Valid(s.instance) {
		return engine.Hint(
			invalid("invalid instance name %q: it may have lowercase letters, digits, - and _, and begins with a letter or digit", s.instance),
			"Say --instance "+orElse(normalName(s.instance), "NAME")+"; "+envInstance+" says the same.")
	}
	for _, name := range []string{o.Name, s.env[envProjectName]} {
		if name == "" {
			continue
		}
		if normalName(name) != name {
			return engine.Hint(
				invalid("invalid project name %q: must consist only of lowercase alphanumeric characters, "+
					"hyphens, and underscores as well as start with a letter or number", name),
				"Say -p "+orElse(normalName(name), "NAME")+".")
		}
		return s.setName(name)
	}
	name, err := texts.projectName(s.env)
	if err != nil {
		return err
	}
	if name = normalName(name); name == "" {
		name = normalName(filepath.Base(s.dir))
		if real, err := filepath.EvalSymlinks(s.dir); err == nil && filepath.Base(real) != filepath.Base(s.dir) {
			warn("project has been loaded without an explicit name from a symlink. Using name \"" + name + "\"")
		}
	}
	return s.setName(name)
}

func (s *site) setName(name string) error {
	if name == "" {
		return engine.Hint(
			invalid("the directory %s gives no project name", s.dir),
			"Say -p NAME, or write \"name: NAME\" at the top of the Compose file.")
	}
	if s.instance != "" {
		name = instance.Project(name, s.instance)
	}
	s.name = name
	s.env[envProjectName] = name
	return nil
}

// normalName keeps what a project name may have: [a-z0-9][a-z0-9_-]*.
func normalName(s string) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		default:
			return -1
		}
	}, strings.ToLower(s))
	return strings.TrimLeft(kept, "_-")
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
