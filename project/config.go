package project

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"go.yaml.in/yaml/v4"

	"tiffin/engine"
	"tiffin/project/hash"
)

// ConfigOptions say how `tiffin config` prints a project.
type ConfigOptions struct {
	// Format is yaml (also "") or json.
	Format string
	// Services are printed with their dependencies; none means all.
	Services []string
	// AllResources prints networks, volumes and the like that no service uses.
	AllResources bool

	NoInterpolate    bool // leave variables as they are
	NoNormalize      bool // add no defaults
	NoPathResolution bool // leave paths relative
	NoConsistency    bool // do not look at references
	NoEnvResolution  bool // leave env_file and label_file

	// Digest, when set, pins each image to the digest that it answers with.
	Digest func(image string) (string, error)
}

// Config is the project in canonical form: the short forms written out, mappings
// sorted, the name first, dollars doubled so that it can be loaded again.
//
// Errors: those of Load; engine.ErrInvalid for an unknown format.
func Config(ctx context.Context, o Options, c ConfigOptions) ([]byte, error) {
	p, err := resolved(ctx, o, c)
	if err != nil {
		return nil, err
	}
	if c.NoInterpolate {
		return encode(p.attributes, c.Format)
	}
	out, err := encode(p.canonical(), c.Format)
	return bytes.ReplaceAll(out, []byte("$"), []byte("$$")), err
}

// resolved is the project as far as c wants it.
func resolved(ctx context.Context, o Options, c ConfigOptions) (*Project, error) {
	if c.Format != "" && c.Format != "yaml" && c.Format != "json" {
		return nil, invalid("unsupported format %q", c.Format)
	}
	o.Services = slices.Concat(o.Services, c.Services)
	p, err := load(ctx, o, way{
		noInterpolate: c.NoInterpolate, noNormalize: c.NoNormalize, noPaths: c.NoPathResolution,
		noConsistency: c.NoConsistency, noFiles: c.NoEnvResolution, modelOnly: c.NoInterpolate,
	})
	if err != nil || c.NoInterpolate {
		return p, err
	}
	return p, p.narrow(c)
}

// Canonical is the project in canonical form, with values as they are: no Compose file, but what a program reads.
// The project is narrowed to what is printed.
func (p *Project) Canonical(c ConfigOptions) ([]byte, error) {
	if err := p.narrow(c); err != nil {
		return nil, err
	}
	return encode(p.canonical(), c.Format)
}

// narrow leaves what is to be printed.
func (p *Project) narrow(c ConfigOptions) error {
	var err error
	if len(c.Services) > 0 {
		if p.model, err = p.model.WithSelectedServices(c.Services); err != nil {
			return invalid("%s", err)
		}
	}
	if !c.AllResources {
		p.model = p.used()
	}
	if c.Digest == nil {
		return nil
	}
	p.model, err = p.model.WithImagesResolved(func(named reference.Named) (digest.Digest, error) {
		d, err := c.Digest(named.String())
		return digest.Digest(d), err
	})
	return err
}

func encode(v any, format string) ([]byte, error) {
	if format == "json" {
		out, err := json.MarshalIndent(v, "", "  ")
		return append(out, '\n'), err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return out.Bytes(), nil
}

// canonicalProject is types.Project with the attributes of a service in docker
// compose's order.
type canonicalProject struct {
	Name       string           `json:"name"               yaml:"name,omitempty"`
	Services   map[string]any   `json:"services"           yaml:"services"`
	Jobs       types.Jobs       `json:"jobs,omitempty"     yaml:"jobs,omitempty"`
	Networks   types.Networks   `json:"networks,omitempty" yaml:"networks,omitempty"`
	Volumes    types.Volumes    `json:"volumes,omitempty"  yaml:"volumes,omitempty"`
	Secrets    types.Secrets    `json:"secrets,omitempty"  yaml:"secrets,omitempty"`
	Configs    types.Configs    `json:"configs,omitempty"  yaml:"configs,omitempty"`
	Models     types.Models     `json:"models,omitempty"   yaml:"models,omitempty"`
	Extensions types.Extensions `json:"-"                  yaml:",inline"`
}

func (p *Project) canonical() any {
	out := canonicalProject{
		Name: p.model.Name, Services: map[string]any{}, Jobs: maps.Clone(p.model.Jobs), Networks: p.model.Networks,
		Volumes: p.model.Volumes, Secrets: p.model.Secrets, Configs: p.model.Configs, Models: p.model.Models,
		Extensions: p.model.Extensions,
	}
	for name, job := range out.Jobs {
		job.Name = "" // it is the key, and no attribute
		out.Jobs[name] = job
	}
	for name, s := range p.model.Services {
		s.Build = withKeys(s.Build)
		out.Services[name] = hash.InOrder(s)
	}
	return out
}

// withKeys writes the keys of a build as id=path: what compose-go makes of them is no
// JSON, and cannot be loaded again as YAML.
func withKeys(b *types.BuildConfig) *types.BuildConfig {
	if b == nil || len(b.SSH) == 0 {
		return b
	}
	out := *b
	out.SSH = nil
	for _, key := range b.SSH {
		if key.Path != "" {
			key = types.SSHKey{ID: key.ID + "=" + key.Path}
		}
		out.SSH = append(out.SSH, key)
	}
	slices.SortFunc(out.SSH, func(a, b types.SSHKey) int { return strings.Compare(a.ID, b.ID) })
	return &out
}

// Hashes are the config hashes of the named services, or of all: "name hash", sorted.
//
// Errors: engine.ErrNotFound for a service that is not there.
func (p *Project) Hashes(names ...string) ([]string, error) {
	if len(names) == 0 {
		names = p.model.ServiceNames()
	}
	var out []string
	for _, name := range slices.Sorted(slices.Values(names)) {
		s, ok := p.model.Services[name]
		if !ok {
			return nil, noService(name, p.model.Services)
		}
		out = append(out, name+" "+hash.Service(s))
	}
	return out, nil
}

// ServiceNames are the enabled services, dependencies first.
func (p *Project) ServiceNames() []string {
	var out []string
	var add func(name string)
	add = func(name string) {
		s, ok := p.model.Services[name]
		if !ok || slices.Contains(out, name) {
			return
		}
		for _, dependency := range slices.Sorted(maps.Keys(s.DependsOn)) {
			add(dependency)
		}
		out = append(out, name)
	}
	for _, name := range p.model.ServiceNames() {
		add(name)
	}
	return out
}

// NetworkNames are the keys of the networks that enabled services use, sorted.
func (p *Project) NetworkNames() []string {
	return p.used().NetworkNames()
}

// VolumeNames are the keys of the volumes that enabled services use, sorted.
func (p *Project) VolumeNames() []string {
	return p.used().VolumeNames()
}

// Profiles are the profiles that services name, sorted.
func (p *Project) Profiles() []string {
	out := p.model.AllServices().GetProfiles()
	slices.Sort(out)
	return out
}

// Images are the images of the named services, or of all, by service name; one that is
// built without an image name is called project-service.
func (p *Project) Images(names ...string) []string {
	var out []string
	for _, name := range p.model.ServiceNames() {
		if p.model.Services[name].Provider != nil {
			continue
		}
		if len(names) == 0 || slices.Contains(names, name) {
			out = append(out, orElse(p.model.Services[name].Image, engine.ImageName(p.model.Name, name)))
		}
	}
	return out
}

// NamesImage says whether a service names its image, rather than leave that to the build.
func (p *Project) NamesImage(service string) bool { return p.model.AllServices()[service].Image != "" }

// Environment is what interpolation sees, sorted, KEY=value.
func (p *Project) Environment() []string {
	return types.Mapping(p.site.env).Values()
}

// Variable is one that the files use.
type Variable struct {
	Name      string
	Required  bool
	Default   string // after :- or -
	Alternate string // after :+ or +
}

// Variables lists the variables that the files of the project use, sorted by name.
//
// Errors: those of Load, but for variables that are not set.
func Variables(ctx context.Context, o Options) ([]Variable, error) {
	p, err := load(ctx, o, way{noInterpolate: true, noFiles: true, modelOnly: true})
	if err != nil {
		return nil, err
	}
	found := template.ExtractVariables(p.attributes, template.DefaultPattern)
	var out []Variable
	for _, name := range slices.Sorted(maps.Keys(found)) {
		v := found[name]
		out = append(out, Variable{v.Name, v.Required, v.DefaultValue, v.PresenceValue})
	}
	return out, nil
}
