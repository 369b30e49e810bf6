package client

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/util/entitlements"

	"tiffin/engine"
)

// frontend is the one that the engine has.
const frontend = "dockerfile.v0"

// attributes are what the frontend is told of a build, beside what it is made of.
//
// Errors: engine.ErrInvalid, engine.ErrUnsupported.
func attributes(b *engine.Build, o *Options) (map[string]string, error) {
	attrs := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			attrs[key] = value
		}
	}
	for _, arg := range slices.Concat(b.Args, o.Args) {
		if key, value, ok := strings.Cut(arg, "="); ok {
			attrs["build-arg:"+key] = value
		}
	}
	for key, value := range b.Labels {
		attrs["label:"+key] = value
	}
	set("target", b.Target)
	set("platform", strings.Join(b.Platforms, ","))
	switch {
	case b.NoCache || o.NoCache:
		attrs["no-cache"] = "" // all stages
	case len(b.NoCacheFilter) > 0:
		attrs["no-cache"] = strings.Join(b.NoCacheFilter, ",")
	}
	if b.Pull || o.Pull {
		attrs["image-resolve-mode"] = "pull"
	}
	if b.ShmSize > 0 {
		attrs["shm-size"] = strconv.FormatInt(int64(b.ShmSize), 10)
	}
	if o.Memory > 0 {
		attrs["memory"] = strconv.FormatInt(int64(o.Memory), 10)
	}
	set("ulimit", commaSeparated(ulimits(b.Ulimits)))
	network, err := networkMode(b.Network)
	if err != nil {
		return nil, err
	}
	set("force-network-mode", network)
	hosts, err := extraHosts(b.ExtraHosts)
	if err != nil {
		return nil, err
	}
	set("add-hosts", commaSeparated(hosts))
	maps.Copy(attrs, attestations(cmp.Or(o.Provenance, b.Provenance), cmp.Or(o.SBOM, b.SBOM)))
	return attrs, nil
}

func ulimits(list []engine.Ulimit) []string {
	var out []string
	for _, u := range list {
		out = append(out, fmt.Sprintf("%s=%d:%d", u.Name, u.Soft, u.Hard))
	}
	return out
}

// commaSeparated joins fields so that each may contain a comma.
func commaSeparated(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(fields) // a builder takes all
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// networkMode is what RUN has: a network of the engine's, none, or the host's.
func networkMode(network string) (string, error) {
	switch network {
	case "", "default":
		return "", nil
	case "none", "host":
		return network, nil
	default:
		return "", engine.Hint(
			engine.Problem(engine.ErrUnsupported, fmt.Errorf("network %q: a build has the network default, none or host", network)),
			"take build.network away, or give one of the three")
	}
}

// extraHosts turns name:address into what the frontend wants, name=address.
func extraHosts(list []string) ([]string, error) {
	var out []string
	for _, entry := range list {
		i := strings.IndexAny(entry, ":=")
		if i < 1 {
			return nil, invalid("extra host %q: it must be NAME:ADDRESS", entry)
		}
		name, address := entry[:i], strings.TrimSuffix(strings.TrimPrefix(entry[i+1:], "["), "]")
		if address == engine.HostGateway {
			address = engine.HostGatewayAddr
		}
		ip, err := netip.ParseAddr(address)
		if err != nil {
			return nil, invalid("extra host %q: %q is neither an IP address nor %s", name, address, engine.HostGateway)
		}
		out = append(out, name+"="+ip.String())
	}
	return out, nil
}

// attestations are made when they are asked for only, as docker compose does for images that stay in its store:
// they turn an image into an index.
func attestations(provenance, sbom string) map[string]string {
	attrs := map[string]string{}
	add := func(kind, value, plain string) {
		on, err := strconv.ParseBool(value)
		switch {
		case value == "", err == nil && !on:
		case err == nil:
			attrs["attest:"+kind] = plain
		default:
			attrs["attest:"+kind] = value
		}
	}
	add("provenance", provenance, "mode=min")
	add("sbom", sbom, "")
	return attrs
}

// entitled are what the build may do beside the usual.
//
// Errors: engine.ErrInvalid.
func entitled(b *engine.Build) ([]string, error) {
	var out []string
	for _, e := range b.Entitlements {
		if _, _, err := entitlements.Parse(e); err != nil {
			return nil, engine.Hint(invalid("entitlement %q is not known", e), "network.host and security.insecure are")
		}
		out = append(out, e)
	}
	if b.Network == "host" && !slices.Contains(out, string(entitlements.EntitlementNetworkHost)) {
		// Who writes network: host has said that it may.
		out = append(out, string(entitlements.EntitlementNetworkHost))
	}
	return out, nil
}
