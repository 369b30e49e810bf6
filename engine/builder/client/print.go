package client

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"tiffin/engine"
)

// file is what the targets would be in a bake file; the keys are buildx's.
type file struct {
	Group  map[string]group      `json:"group"`
	Target map[string]bakeTarget `json:"target"`
}

type group struct {
	Targets []string `json:"targets"`
}

type bakeTarget struct {
	Context          string            `json:"context,omitempty"`
	Contexts         map[string]string `json:"contexts,omitempty"`
	Dockerfile       string            `json:"dockerfile,omitempty"`
	DockerfileInline string            `json:"dockerfile-inline,omitempty"`
	Args             map[string]string `json:"args,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"`
	Tags             []string          `json:"tags,omitempty"`
	CacheFrom        []string          `json:"cache-from,omitempty"`
	CacheTo          []string          `json:"cache-to,omitempty"`
	Target           string            `json:"target,omitempty"`
	Secrets          []string          `json:"secret,omitempty"`
	SSH              []string          `json:"ssh,omitempty"`
	Platforms        []string          `json:"platforms,omitempty"`
	Pull             bool              `json:"pull,omitempty"`
	NoCache          bool              `json:"no-cache,omitempty"`
	NoCacheFilter    []string          `json:"no-cache-filter,omitempty"`
	Network          string            `json:"network,omitempty"`
	ShmSize          string            `json:"shm-size,omitempty"`
	Ulimits          []string          `json:"ulimits,omitempty"`
	ExtraHosts       map[string]string `json:"extra-hosts,omitempty"`
	Entitlements     []string          `json:"entitlements,omitempty"`
	Attest           []string          `json:"attest,omitempty"`
	Output           []string          `json:"output,omitempty"`
}

// Print writes what would be built as a bake file, in JSON. It needs no engine.
func Print(w io.Writer, o Options) error {
	if _, err := jobsOf(&o); err != nil {
		return err
	}
	out := file{Group: map[string]group{"default": {Targets: []string{}}}, Target: map[string]bakeTarget{}}
	var names []string
	for i := range o.Targets {
		t := &o.Targets[i]
		names = append(names, t.Name)
		out.Target[t.Name] = o.bakeTargetOf(t)
	}
	if names != nil {
		out.Group["default"] = group{Targets: names}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return fmt.Errorf("print builds: %w", err)
	}
	return nil
}

func (o *Options) bakeTargetOf(t *Target) bakeTarget {
	b := &t.Build
	out := bakeTarget{
		Context: b.Context, Contexts: o.bakeContexts(b), Dockerfile: cmp.Or(b.Dockerfile, defaultDockerfile),
		DockerfileInline: b.DockerfileInline, Args: pairsOf(append(b.Args[:len(b.Args):len(b.Args)], o.Args...), "="), Labels: b.Labels,
		CacheFrom: b.CacheFrom, CacheTo: b.CacheTo, Target: b.Target, Secrets: bakeSecrets(b.Secrets),
		Platforms: b.Platforms, Pull: b.Pull || o.Pull, NoCache: b.NoCache || o.NoCache, NoCacheFilter: b.NoCacheFilter,
		Network: b.Network, Ulimits: ulimits(b.Ulimits), ExtraHosts: pairsOf(b.ExtraHosts, ":"), Entitlements: b.Entitlements,
		Output: o.Outputs,
	}
	if b.DockerfileInline != "" {
		out.Dockerfile = ""
	}
	if t.Image != "" {
		out.Tags = append(out.Tags, t.Image)
	}
	out.Tags = append(out.Tags, b.Tags...)
	if b.ShmSize > 0 {
		out.ShmSize = fmt.Sprint(int64(b.ShmSize))
	}
	for _, s := range append(b.SSH[:len(b.SSH):len(b.SSH)], o.SSH...) {
		text := s.ID
		if len(s.Paths) > 0 {
			text += "=" + strings.Join(s.Paths, ",")
		}
		out.SSH = append(out.SSH, text)
	}
	for kind, attrs := range attestations(cmp.Or(o.Provenance, b.Provenance), cmp.Or(o.SBOM, b.SBOM)) {
		text := "type=" + strings.TrimPrefix(kind, "attest:")
		if attrs != "" {
			text += "," + attrs
		}
		out.Attest = append(out.Attest, text)
	}
	if len(out.Output) == 0 {
		out.Output = []string{"type=docker"}
		if o.Push {
			out.Output = []string{"type=registry"}
		}
	}
	return out
}

// bakeContexts names other builds as bake does, target:NAME.
func (o *Options) bakeContexts(b *engine.Build) map[string]string {
	if len(b.AdditionalContexts) == 0 {
		return nil
	}
	out := map[string]string{}
	for name, value := range b.AdditionalContexts {
		if service, ok := strings.CutPrefix(value, engine.ServiceContext); ok {
			value = "target:" + service
			if image := o.Images[service]; image != "" {
				value = "docker-image://" + image
			}
		}
		out[name] = value
	}
	return out
}

// bakeSecrets say where secrets come from; what is known only here stays here.
func bakeSecrets(list []engine.BuildSecret) []string {
	var out []string
	for _, s := range list {
		text := "id=" + s.ID
		switch {
		case s.Env != "":
			text += ",type=env,env=" + s.Env
		case s.File != "":
			text += ",type=file,src=" + s.File
		}
		out = append(out, text)
	}
	return out
}

// pairsOf splits KEY<sep>value.
func pairsOf(list []string, sep string) map[string]string {
	var out map[string]string
	for _, entry := range list {
		if key, value, ok := strings.Cut(entry, sep); ok {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = value
		}
	}
	return out
}
