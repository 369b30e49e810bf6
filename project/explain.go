package project

import (
	"context"
	"os"
	"slices"

	"go.yaml.in/yaml/v4"

	"tiffin/engine"
	"tiffin/project/envfile"
	"tiffin/project/explain"
)

// Explain is Config with the place that each value comes from: in YAML behind it, in JSON beside it.
//
// Errors: those of Config; engine.ErrInvalid when variables are to stay as they are.
func Explain(ctx context.Context, o Options, c ConfigOptions) ([]byte, error) {
	if c.NoInterpolate {
		return nil, engine.Hint(invalid("values cannot be explained that are not there yet"), "Leave --no-interpolate out.")
	}
	p, err := resolved(ctx, o, c)
	if err != nil {
		return nil, err
	}
	text, err := encode(p.canonical(), "yaml")
	if err != nil {
		return nil, err
	}
	var config yaml.Node
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, invalid("%s", err)
	}
	e := p.explanation(config.Content[0], o)
	if c.Format == "json" {
		return e.JSON()
	}
	return e.YAML()
}

// explanation has what there is to look for values in.
func (p *Project) explanation(config *yaml.Node, o Options) *explain.Project {
	files := map[*source]*explain.File{}
	byPath := map[string]*explain.File{}
	of := map[*explain.File]*source{}
	for _, src := range p.texts.all {
		f := &explain.File{Name: p.texts.show(src.path), Docs: src.docs, Lookup: src.scope.lookup}
		files[src], byPath[src.path], of[f] = f, f, src
	}
	out := &explain.Project{Config: config, Bases: map[explain.Service]explain.Service{}, Given: p.origins(o)}
	for _, src := range slices.Backward(p.texts.all[:p.texts.main]) {
		out.Files = append(out.Files, files[src])
	}
	for _, src := range p.texts.all[p.texts.main:] {
		if src.included {
			out.Files = append(out.Files, files[src])
		}
	}
	for from, to := range p.texts.bases {
		if byPath[from.file] != nil && byPath[to.ref.file] != nil {
			out.Bases[explain.Service{File: byPath[from.file], Name: from.service}] = explain.Service{File: byPath[to.ref.file], Name: to.ref.service}
		}
	}
	out.Variable = func(f *explain.File, name string) explain.Place { return p.setAt(name, o, of[f].scope.envFiles) }
	return out
}

// setAt says where a variable is set: env files have it in the order of their weight.
func (p *Project) setAt(name string, o Options, envFiles []string) explain.Place {
	if _, ok := environ(o.Environ)[name]; ok {
		return explain.Place{From: "environment"}
	}
	for _, file := range envFiles {
		if line := lineIn(file, name); line > 0 {
			return explain.Place{File: p.texts.show(file), Line: line}
		}
	}
	return explain.Place{From: explain.Unset} // or made up by us, as PWD is
}

func lineIn(file, name string) int {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	return envfile.Lines(content)[name]
}

// origins are the values that do not come from a Compose file: the name, and what the files of env_file and label_file hold.
func (p *Project) origins(o Options) map[string]explain.Origin {
	out := map[string]explain.Origin{}
	if at := p.nameFrom(o); at != nil {
		out["name"] = *at
	}
	for name, entry := range p.attributeMap("services") {
		service, _ := entry.(map[string]any)
		list, _ := service["env_file"].([]any)
		for _, item := range list {
			f, _ := item.(map[string]any)
			path, _ := f["path"].(string)
			p.giveLines(out, path, []string{"services", name, "environment"})
		}
		labels, _ := service["label_file"].([]any)
		for _, item := range labels {
			path, _ := item.(string)
			p.giveLines(out, path, []string{"services", name, "labels"})
		}
	}
	return out
}

func (p *Project) attributeMap(section string) map[string]any {
	all, _ := p.attributes[section].(map[string]any)
	return all
}

func (p *Project) giveLines(out map[string]explain.Origin, file string, path []string) {
	content, err := os.ReadFile(file)
	if err != nil {
		return // one that need not be there
	}
	for name, line := range envfile.Lines(content) {
		out[explain.Key(append(slices.Clip(path), name))] = explain.Origin{Place: explain.Place{File: p.texts.show(file), Line: line}}
	}
}

// nameFrom says what gave the project its name; nil is a Compose file.
func (p *Project) nameFrom(o Options) *explain.Origin {
	from := func(at explain.Place) *explain.Origin { return &explain.Origin{Place: at} }
	at := p.setAt(envProjectName, o, p.site.envFiles)
	switch {
	case o.Name != "":
		return from(explain.Place{From: "flag -p"})
	case at.From != explain.Unset && p.site.env[envProjectName] != "":
		return &explain.Origin{Place: at, Variables: []explain.Variable{{Name: envProjectName, Place: at}}}
	default:
		if name, err := p.texts.projectName(p.site.env); err == nil && name != "" {
			return nil
		}
		return from(explain.Place{From: "name of the directory"})
	}
}
