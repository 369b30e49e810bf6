package engine

import (
	"maps"
	"slices"
	"strings"
)

// Build says how an image is made from source. Paths are absolute; the command line
// reads them with the caller's rights, the engine never does. It travels in the Stack,
// since the plan needs to know what can be built, and what of what.
type Build struct {
	// Context is a folder, a git or http(s) URL, or "-" for standard input.
	Context string `json:",omitempty"`
	// Dockerfile is its path, a relative one below Context; "": Dockerfile.
	// DockerfileInline is its text, instead.
	Dockerfile       string `json:",omitempty"`
	DockerfileInline string `json:",omitempty"`
	// Args are KEY=value, sorted; a KEY without a value is not given.
	Args   []string          `json:",omitempty"`
	Target string            `json:",omitempty"`
	Tags   []string          `json:",omitempty"` // names beside the service's image
	Labels map[string]string `json:",omitempty"`

	// CacheFrom and CacheTo are type=registry,ref=… and the like; a bare name is type=registry.
	CacheFrom []string `json:",omitempty"`
	CacheTo   []string `json:",omitempty"`
	NoCache   bool     `json:",omitempty"`
	// NoCacheFilter names the stages that NoCache is for.
	NoCacheFilter []string `json:",omitempty"`
	// Pull looks for newer base images.
	Pull      bool     `json:",omitempty"`
	Platforms []string `json:",omitempty"`

	Network    string   `json:",omitempty"` // of RUN: "", default, none, host
	ShmSize    Bytes    `json:",omitempty"`
	Ulimits    []Ulimit `json:",omitempty"`
	ExtraHosts []string `json:",omitempty"` // name:address; address may be HostGateway
	// AdditionalContexts are by name a folder, a URL, docker-image://…, oci-layout://…
	// or service:NAME, the image of another service.
	AdditionalContexts map[string]string `json:",omitempty"`
	Secrets            []BuildSecret     `json:",omitempty"`
	SSH                []BuildSSH        `json:",omitempty"`
	Entitlements       []string          `json:",omitempty"` // network.host, security.insecure
	// Provenance and SBOM are "", true, false, or attributes as buildx has them: mode=max.
	Provenance string `json:",omitempty"`
	SBOM       string `json:",omitempty"`
}

// HostGateway stands in ExtraHosts for the address under which a container reaches the host.
const HostGateway = "host-gateway"

// HostGatewayAddr stands for it between a build and its steps: BuildKit takes addresses
// only. Nothing has the IPv4 dummy address (RFC 7600), and a step that was cached stays
// valid when the gateway is another one.
const HostGatewayAddr = "192.0.0.8"

// BuildSecret is given to RUN --mount=type=secret. Exactly one of File, Env and Content
// is used. Owner and mode are the Dockerfile's to say: BuildKit takes them from there only.
type BuildSecret struct {
	ID   string
	File string `json:",omitempty"`
	Env  string `json:",omitempty"`
	// Content goes to a build through its session alone: no Stack, record or log has it.
	Content *string `json:"-"`
}

// BuildSSH is given to RUN --mount=type=ssh: the socket of an agent, or keys. No paths
// mean the caller's agent.
type BuildSSH struct {
	ID    string
	Paths []string `json:",omitempty"`
}

// ServiceContext begins an additional context that is the image of another service.
const ServiceContext = "service:"

// Services names the services whose images the build takes as contexts, sorted.
func (b *Build) Services() []string {
	var out []string
	for context := range maps.Values(b.AdditionalContexts) {
		if name, ok := strings.CutPrefix(context, ServiceContext); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ImageName is the name of the image of a service that is built and gives it none.
func ImageName(project, service string) string { return project + "-" + service }
