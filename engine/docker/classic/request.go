package classic

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/registry"

	"tiffin/engine"
	"tiffin/engine/builder/client"
	"tiffin/engine/call"
)

// bodyContext is a build context that comes as the body.
const bodyContext = "-"

// Request is a build that a client asks for.
type Request struct {
	Build engine.Build
	// Names are what the image will be called; without one it has its ID.
	Names []string
	// Memory bounds a step.
	Memory engine.Bytes
	// ID is by what the client may cancel the build.
	ID string
	// Quiet leaves out all but the ID of the image.
	Quiet bool
	// Traces sends BuildKit's progress, not text.
	Traces bool
	// Session is that of the client with the builder, over which the context comes, with secrets and logins; "": it
	// comes without.
	Session string
	// Auths are the logins for registries, by their names in images.
	Auths map[string]call.RegistryAuth
	// Warnings name what is left out.
	Warnings []string
}

func invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}

func unsupported(format string, args ...any) error {
	return engine.Problem(engine.ErrUnsupported, fmt.Errorf(format, args...))
}

// Parse reads the query of POST /build, and the logins in its X-Registry-Config header.
//
// Errors: engine.ErrInvalid, engine.ErrUnsupported.
func Parse(q url.Values, logins string) (*Request, error) {
	p := parser{query: q}
	r := &Request{
		ID: q.Get("buildid"), Quiet: p.flag("q"), Memory: engine.Bytes(p.number("memory")),
		Build: engine.Build{
			Context: p.context(), Dockerfile: p.dockerfile(), Target: q.Get("target"), Args: p.args(), Labels: p.labels(),
			CacheFrom: p.cacheFrom(), NoCache: p.flag("nocache"), Pull: p.flag("pull"), Platforms: p.platforms(),
			Network: p.network(), ShmSize: engine.Bytes(p.number("shmsize")), Ulimits: p.ulimits(), ExtraHosts: p.hosts(),
		},
		Names: p.names(), Traces: p.traces(), Auths: p.logins(logins),
	}
	p.refuse()
	if r.Traces && r.Build.Context != bodyContext {
		r.Session = q.Get("session")
	}
	r.Warnings = p.leftOut()
	return r, p.err
}

// parser reads parameters; what the first error is about is in err.
type parser struct {
	query url.Values
	err   error
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// flag is a truth value as Docker reads it: all but a few words are true.
func (p *parser) flag(name string) bool {
	switch strings.ToLower(strings.TrimSpace(p.query.Get(name))) {
	case "", "0", "no", "false", "none":
		return false
	default:
		return true
	}
}

// number is a size; one that cannot be read is none, as for Docker.
func (p *parser) number(name string) int64 {
	n, err := strconv.ParseInt(p.query.Get(name), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// json reads a parameter that is JSON.
func (p *parser) json(name string, into any) {
	text := p.query.Get(name)
	if text == "" {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		p.fail(invalid("error reading %s: %w", name, err))
	}
}

// context is the body, or an address: a path would be one of the engine's machine.
func (p *parser) context() string {
	remote := p.query.Get("remote")
	if remote == "" {
		return bodyContext
	}
	if strings.HasPrefix(remote, "http://") || strings.HasPrefix(remote, "https://") {
		return remote
	}
	if remote == client.SessionContext && p.query.Get("session") != "" && p.query.Get("version") == "2" {
		return remote
	}
	ref, ok, err := dfgitutil.ParseGitRef(remote)
	switch {
	case remote == client.SessionContext || strings.HasPrefix(remote, "upload-request"):
		p.fail(engine.Hint(unsupported("a build context over a session that is not the builder's"), "build with buildx"))
	case !ok || err != nil || ref.IndistinguishableFromLocal:
		p.fail(invalid("remote %q: it is neither an http(s) URL nor a git repository", remote))
	}
	return remote
}

// dockerfile is a path in the context, wherever it leads.
func (p *parser) dockerfile() string {
	name := p.query.Get("dockerfile")
	if name == "" {
		return ""
	}
	return strings.TrimPrefix(path.Join("/", name), "/")
}

// args are KEY=value; a KEY without a value is not given.
func (p *parser) args() []string {
	args := map[string]*string{}
	p.json("buildargs", &args)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(args)) {
		if value := args[key]; value != nil {
			out = append(out, key+"="+*value)
		}
	}
	return out
}

func (p *parser) labels() map[string]string {
	var labels map[string]string
	p.json("labels", &labels)
	return labels
}

// cacheFrom are images: what else BuildKit can read a cache from may be a folder.
func (p *parser) cacheFrom() []string {
	var images []string
	p.json("cachefrom", &images)
	for _, name := range images {
		if _, err := reference.ParseNormalizedNamed(name); err != nil {
			p.fail(invalid("cache from %q: %w", name, err))
		}
	}
	return images
}

func (p *parser) platforms() []string {
	if text := p.query.Get("platform"); text != "" {
		return []string{text}
	}
	return nil
}

// network is that of RUN. What Docker calls bridge is the default here.
func (p *parser) network() string {
	if mode := p.query.Get("networkmode"); mode != "bridge" {
		return mode
	}
	return ""
}

func (p *parser) ulimits() []engine.Ulimit {
	var list []*container.Ulimit
	p.json("ulimits", &list)
	var out []engine.Ulimit
	for _, u := range list {
		if u == nil {
			continue
		}
		out = append(out, engine.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return out
}

// hosts are NAME:ADDRESS, one a parameter or all in one as JSON.
func (p *parser) hosts() []string {
	given := p.query["extrahosts"]
	if len(given) == 1 && strings.HasPrefix(given[0], "[") {
		var list []string
		p.json("extrahosts", &list)
		return list
	}
	return given
}

// names are the image's, each complete and once.
func (p *parser) names() []string {
	var out []string
	for _, name := range p.query["t"] {
		if name == "" {
			continue
		}
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			p.fail(invalid("invalid tag %q: %w", name, err))
			return nil
		}
		if _, pinned := named.(reference.Digested); pinned {
			p.fail(invalid("build tag cannot contain a digest"))
			return nil
		}
		if full := reference.TagNameOnly(named).String(); !slices.Contains(out, full) {
			out = append(out, full)
		}
	}
	return out
}

// traces says which of the two builders the client knows.
func (p *parser) traces() bool {
	switch version := p.query.Get("version"); version {
	case "", "1":
		return false
	case "2":
		return true
	default:
		p.fail(invalid("invalid version %q", version))
		return false
	}
}

// refuse finds what would change the image, or is about another system.
func (p *parser) refuse() {
	if p.flag("squash") {
		p.fail(invalid("squash is only supported with experimental mode"))
	}
	var options []string
	p.json("securityopt", &options)
	if len(options) > 0 {
		p.fail(invalid("The daemon on this platform does not support setting security options on build"))
	}
	if isolation := p.query.Get("isolation"); isolation != "" && isolation != "default" {
		p.fail(invalid("Unsupported isolation: %q", isolation))
	}
	var outputs []struct {
		Type  string
		Attrs map[string]string
	}
	p.json("outputs", &outputs)
	for _, o := range outputs {
		if o.Type != "" && o.Type != "moby" && o.Type != "image" && o.Type != "cacheonly" {
			p.fail(engine.Hint(unsupported("an output of type %q of the classic API", o.Type), "build with buildx"))
		}
	}
}

// leftOut warns of bounds of a step's resources that BuildKit has none of here.
func (p *parser) leftOut() []string {
	var out []string
	for _, name := range []string{"memswap", "cpushares", "cpuperiod", "cpuquota"} {
		if text := p.query.Get(name); text != "" && text != "0" {
			out = append(out, name)
		}
	}
	for _, name := range []string{"cpusetcpus", "cpusetmems", "cgroupparent"} {
		if p.query.Get(name) != "" {
			out = append(out, name)
		}
	}
	for i, name := range out {
		out[i] = name + " is not supported for builds, and left out"
	}
	if p.query.Get("session") != "" && (!p.traces() || p.context() == bodyContext) {
		out = append(out, "the session of the build is not used: it has no secrets and no agents; build with buildx to have them")
	}
	return out
}

// hub is what Docker's clients call the login for Docker Hub, hubName its name in images.
const (
	hub     = "https://index.docker.io/v1/"
	hubName = "docker.io"
)

// logins reads the header: base64 of JSON, by the registry's address.
func (p *parser) logins(header string) map[string]call.RegistryAuth {
	out := map[string]call.RegistryAuth{}
	if header == "" {
		return out
	}
	configs := map[string]registry.AuthConfig{}
	text, err := base64.URLEncoding.DecodeString(header)
	if err != nil {
		text, err = base64.RawURLEncoding.DecodeString(header)
	}
	if err == nil {
		err = json.Unmarshal(text, &configs)
	}
	if err != nil {
		return out // Docker builds without
	}
	for address, c := range configs {
		out[registryName(address)] = login(&c)
	}
	return out
}

func registryName(address string) string {
	if address == hub {
		return hubName
	}
	address = strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")
	host, _, _ := strings.Cut(address, "/")
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		return hubName
	default:
		return host
	}
}

func login(c *registry.AuthConfig) call.RegistryAuth {
	out := call.RegistryAuth{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken}
	if c.Auth != "" && out.Username == "" {
		if text, err := base64.StdEncoding.DecodeString(c.Auth); err == nil {
			out.Username, out.Password, _ = strings.Cut(string(text), ":")
		}
	}
	return out
}
