package project

import (
	"encoding/csv"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"

	"tiffin/engine"
	"tiffin/project/fault"
	"tiffin/project/paths"
)

// What BuildKit can be asked for that it does not do by itself.
const (
	networkHost      = "network.host"
	securityInsecure = "security.insecure"
)

// building translates how the image of a service is made.
func (p *Project) building(s *types.ServiceConfig, out *engine.Service) error {
	b := s.Build
	if b == nil {
		return nil
	}
	out.Build = &engine.Build{
		Context: b.Context, Dockerfile: b.Dockerfile, DockerfileInline: b.DockerfileInline, Target: b.Target,
		Labels:  b.Labels,
		NoCache: b.NoCache, NoCacheFilter: b.NoCacheFilter, Pull: b.Pull,
		Platforms: buildPlatforms(s), ShmSize: engine.Bytes(b.ShmSize),
		Network: b.Network, Entitlements: entitlements(b), SSH: p.buildSSH(b.SSH),
		Provenance: attestation(b.Provenance), SBOM: attestation(b.SBOM),
	}
	for name, value := range b.Args {
		if value != nil {
			out.Build.Args = append(out.Build.Args, name+"="+*value)
		}
	}
	slices.Sort(out.Build.Args)
	for _, ref := range b.Secrets {
		out.Build.Secrets = append(out.Build.Secrets, p.buildSecret(ref))
	}
	for _, translate := range []func(*types.ServiceConfig, *engine.Build) error{
		buildTags, p.buildContexts, p.buildCaches, buildHosts, buildLimits,
	} {
		if err := translate(s, out.Build); err != nil {
			return err
		}
	}
	return nil
}

// imageName is the name of a service's image: its own, or the one that a build makes up.
func (p *Project) imageName(s *types.ServiceConfig) (string, error) {
	if s.Image != "" || s.Build == nil {
		return s.Image, nil
	}
	name := engine.ImageName(p.model.Name, s.Name)
	if _, err := reference.ParseNormalizedNamed(name); err != nil {
		return "", fault.At(fault.In(s, "build"), "service %q: its image would be called %q, which is no name for one", s.Name, name).
			Hint("Give it a name in lower case: \"image: NAME\".")
	}
	return name, nil
}

// buildPlatforms are the service's own when the build names none: what is built shall run.
func buildPlatforms(s *types.ServiceConfig) []string {
	if len(s.Build.Platforms) == 0 && s.Platform != "" {
		return []string{s.Platform}
	}
	return s.Build.Platforms
}

// attestation undoes what compose-go makes of a YAML truth value that should be text.
func attestation(text string) string {
	switch text {
	case "1":
		return "true"
	case "0":
		return "false"
	default:
		return text
	}
}

// buildSSH splits keys: compose-go takes "one.pem,two.pem" for one path.
func (p *Project) buildSSH(keys types.SSHConfig) []engine.BuildSSH {
	var out []engine.BuildSSH
	for _, key := range keys {
		one := engine.BuildSSH{ID: key.ID}
		for _, path := range split(key.Path) {
			one.Paths = append(one.Paths, p.absolute(path))
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b engine.BuildSSH) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// absolute makes a host path absolute.
func (p *Project) absolute(path string) string {
	return paths.Origin{Dir: p.site.dir, Home: p.site.env["HOME"]}.Absolute(path)
}

// buildSecret takes the value of a variable along, which may come from .env and so be
// unknown to the process that builds; one that is not set is left to CheckBuild.
func (p *Project) buildSecret(ref types.ServiceSecretConfig) engine.BuildSecret {
	from := p.model.Secrets[ref.Source]
	out := engine.BuildSecret{ID: orElse(ref.Target, ref.Source)}
	if from.Environment == "" {
		out.File = from.File
		return out
	}
	content, err := p.content(engine.FileSecret, ref.Source, types.FileObjectConfig(from))
	if err != nil {
		out.Env = from.Environment
		return out
	}
	text := string(content)
	out.Content = &text
	return out
}

func buildTags(s *types.ServiceConfig, out *engine.Build) error {
	for i, tag := range s.Build.Tags {
		name, err := reference.ParseNormalizedNamed(tag)
		if _, pinned := name.(reference.Digested); err != nil || pinned {
			path := fault.In(s, "build", "tags", strconv.Itoa(i))
			return fault.At(path, "%s: %q is no name for an image", fault.Dotted(path), tag).Hint("Write it as name:tag, in lower case.")
		}
	}
	out.Tags = s.Build.Tags
	return nil
}

func (p *Project) buildContexts(s *types.ServiceConfig, out *engine.Build) error {
	out.AdditionalContexts = maps.Clone(s.Build.AdditionalContexts)
	for name, context := range out.AdditionalContexts {
		const layout = "oci-layout://"
		if path, ok := strings.CutPrefix(context, layout); ok {
			out.AdditionalContexts[name] = layout + p.absolute(path)
		}
		if context == "" {
			path := fault.In(s, "build", "additional_contexts", name)
			return fault.At(path, "%s: the context has no source", fault.Dotted(path)).Hint("Write name=folder, or name=docker-image://alpine.")
		}
	}
	return nil
}

// A cache is an entry of cache_from or cache_to. local is the key of its folder.
type cache struct {
	local string
	types []string
}

func (p *Project) buildCaches(s *types.ServiceConfig, out *engine.Build) error {
	from, to := cache{"src", []string{"local", "registry"}}, cache{"dest", []string{"inline", "local", "registry"}}
	var err error
	if out.CacheFrom, err = p.caches(fault.In(s, "build", "cache_from"), s.Build.CacheFrom, from); err != nil {
		return err
	}
	out.CacheTo, err = p.caches(fault.In(s, "build", "cache_to"), s.Build.CacheTo, to)
	return err
}

func (p *Project) caches(path, list []string, kind cache) ([]string, error) {
	var out []string
	for i, text := range list {
		one, err := p.cache(append(slices.Clip(path), strconv.Itoa(i)), text, kind)
		if err != nil {
			return nil, err
		}
		if one != "" {
			out = append(out, one)
		}
	}
	return out, nil
}

// foreignCaches are those of services on the Internet. A build does without: CheckBuild
// says so.
var foreignCaches = []string{"azblob", "gha", "s3"}

// cache checks an entry, and makes the path of its folder absolute. It is "" for one
// that is left out.
func (p *Project) cache(path []string, text string, kind cache) (string, error) {
	if !strings.Contains(text, "=") {
		return text, nil // the name of an image
	}
	wrong := func(format string, args ...any) *fault.Error {
		return fault.At(path, fault.Dotted(path)+": "+format, args...).Hint("Write type=registry,ref=NAME or type=local,%s=FOLDER.", kind.local)
	}
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return "", wrong("%q is no list of key=value", text)
	}
	given := map[string]string{}
	for i, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return "", wrong("%q has no =", field)
		}
		if key == kind.local {
			value = p.absolute(value)
			fields[i] = key + "=" + value
		}
		given[key] = value
	}
	needs := map[string]string{"registry": "ref", "local": kind.local, "inline": "type"}[given["type"]]
	switch {
	case given["type"] == "":
		return "", wrong("%q has no type", text)
	case slices.Contains(foreignCaches, given["type"]):
		return "", nil
	case !slices.Contains(kind.types, given["type"]):
		return "", wrong("there are no caches of type %q", given["type"]).
			Hint("There are: %s.", strings.Join(kind.types, ", ")).Unsupported()
	case given[needs] == "":
		return "", wrong("%q has no %s", text, needs)
	}
	var line strings.Builder
	w := csv.NewWriter(&line)
	_ = w.Write(fields) // a strings.Builder takes everything
	w.Flush()
	return strings.TrimSuffix(line.String(), "\n"), nil
}

// buildHosts translates what RUN finds in /etc/hosts.
func buildHosts(s *types.ServiceConfig, out *engine.Build) error {
	out.ExtraHosts = s.Build.ExtraHosts.AsList(":")
	slices.Sort(out.ExtraHosts)
	for _, entry := range out.ExtraHosts {
		host, text, _ := strings.Cut(entry, ":")
		if _, err := netip.ParseAddr(text); err != nil && text != engine.HostGateway {
			path := fault.In(s, "build", "extra_hosts")
			return fault.At(path, "%s: %q is not an IP address for %s", fault.Dotted(path), text, host).
				Hint("Write name=address, or name=host-gateway for the host.")
		}
	}
	return nil
}

func buildLimits(s *types.ServiceConfig, out *engine.Build) error {
	var err error
	out.Ulimits, err = limits(fault.In(s, "build", "ulimits"), s.Build.Ulimits)
	return err
}

// entitlements are those that the build asks for, also by other attributes.
func entitlements(b *types.BuildConfig) []string {
	out := slices.Clone(b.Entitlements)
	if b.Privileged {
		out = append(out, securityInsecure)
	}
	if b.Network == "host" {
		out = append(out, networkHost)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
