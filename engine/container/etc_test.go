package container

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestHosts(t *testing.T) {
	t.Parallel()
	endpoint := func(ip, gateway string, priority int) engine.Endpoint {
		e := engine.Endpoint{IPv4: netip.MustParsePrefix(ip), Spec: engine.EndpointSpec{Priority: priority}}
		if gateway != "" {
			e.Gateway4 = netip.MustParseAddr(gateway)
		}
		return e
	}
	six := endpoint("10.1.0.2/24", "10.1.0.1", 0)
	six.IPv6 = netip.MustParsePrefix("fd00::2/64")
	for name, c := range map[string]struct {
		spec      engine.ContainerSpec
		endpoints map[string]engine.Endpoint
		want      string
	}{
		"without network": {want: ""},
		"a container knows its own name, in both families": {
			endpoints: map[string]engine.Endpoint{"a": six},
			want:      "10.1.0.2\tweb\nfd00::2\tweb\n",
		},
		"with its domain": {
			spec:      engine.ContainerSpec{Domainname: "example.com"},
			endpoints: map[string]engine.Endpoint{"a": endpoint("10.1.0.2/24", "10.1.0.1", 0)},
			want:      "10.1.0.2\tweb.example.com web\n",
		},
		"extra hosts come first, IPv6 without brackets": {
			spec:      engine.ContainerSpec{ExtraHosts: []string{"db=192.0.2.1", "six=[2001:db8::1]", "old:192.0.2.2"}},
			endpoints: map[string]engine.Endpoint{"a": endpoint("10.1.0.2/24", "10.1.0.1", 0)},
			want:      "192.0.2.1\tdb\n2001:db8::1\tsix\n192.0.2.2\told\n10.1.0.2\tweb\n",
		},
		"host-gateway is the host on the first network that has one": {
			spec: engine.ContainerSpec{ExtraHosts: []string{"host.docker.internal=host-gateway"}},
			endpoints: map[string]engine.Endpoint{
				"a": endpoint("10.1.0.2/24", "10.1.0.1", 0), "b": endpoint("10.2.0.2/24", "10.2.0.1", 5), "c": endpoint("10.3.0.2/24", "", 9),
			},
			want: "10.2.0.1\thost.docker.internal\n10.3.0.2\tweb\n10.2.0.2\tweb\n10.1.0.2\tweb\n",
		},
		"in the host's network it is the host itself": {
			spec: engine.ContainerSpec{NetworkMode: "host", ExtraHosts: []string{"host.docker.internal=host-gateway"}},
			want: "127.0.0.1\thost.docker.internal\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got, _ := strings.Cut(renderHosts(&c.spec, "web", c.endpoints), "ff02::2\tip6-allrouters\n")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}
