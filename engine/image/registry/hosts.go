package registry

import (
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker"
)

// Hosts lists who is asked for the images of a registry.
func (c *Client) Hosts(name string) ([]docker.RegistryHost, error) {
	v := &visit{client: c}
	var hosts []docker.RegistryHost
	for _, e := range c.endpoints(name) {
		h := docker.RegistryHost{
			Client:       v.registryClient(e),
			Host:         e.url.Host,
			Scheme:       e.url.Scheme,
			Path:         strings.TrimSuffix(e.url.Path, "/") + "/v2",
			Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve,
		}
		if !e.mirror {
			h.Capabilities |= docker.HostCapabilityPush
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}
