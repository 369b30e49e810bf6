package addresses

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestPublishedPortsAsVariables(t *testing.T) {
	t.Parallel()
	at := func(host string, outside, inside uint16, protocol string) engine.PublishedPort {
		return engine.PublishedPort{HostIP: netip.MustParseAddr(host), HostPort: outside, ContainerPort: inside, Protocol: protocol}
	}
	of := func(service string, number int, ports ...engine.PublishedPort) engine.Container {
		return engine.Container{Service: service, Number: number, Published: ports}
	}
	tests := map[string]struct {
		list []engine.Container
		want string // without _HOST and _PORT
	}{
		"none":                                  {nil, ""},
		"at one address":                        {[]engine.Container{of("web", 1, at("127.0.0.1", 49153, 80, "tcp"))}, "WEB_80=127.0.0.1:49153"},
		"at all addresses, IPv4 is taken":       {[]engine.Container{of("web", 1, at("::", 4, 80, "tcp"), at("0.0.0.0", 4, 80, "tcp"))}, "WEB_80=127.0.0.1:4"},
		"at all of IPv6":                        {[]engine.Container{of("web", 1, at("::", 4, 80, "tcp"))}, "WEB_80=[::1]:4"},
		"loopback before others":                {[]engine.Container{of("web", 1, at("10.0.0.1", 3, 80, "tcp"), at("127.0.0.1", 4, 80, "tcp"))}, "WEB_80=127.0.0.1:4"},
		"protocols":                             {[]engine.Container{of("dns", 1, at("127.0.0.1", 5, 53, "tcp"), at("127.0.0.1", 6, 53, "udp"))}, "DNS_53=127.0.0.1:5 DNS_53_UDP=127.0.0.1:6"},
		"names that are none in a shell":        {[]engine.Container{of("my-web.app", 1, at("127.0.0.1", 5, 80, "tcp")), of("2nd", 1, at("127.0.0.1", 6, 1, "tcp"))}, "MY_WEB_APP_80=127.0.0.1:5 _2ND_1=127.0.0.1:6"},
		"replicas count from the lowest":        {[]engine.Container{of("web", 7, at("127.0.0.1", 7, 80, "tcp")), of("web", 3, at("127.0.0.1", 3, 80, "tcp"))}, "WEB_80=127.0.0.1:3 WEB_80_2=127.0.0.1:7"},
		"opened at the container's own address": {[]engine.Container{of("web", 1, at("127.0.0.1", 0, 80, "tcp"))}, ""},
		"one-offs are left out":                 {[]engine.Container{{Service: "web", OneOff: true, Published: []engine.PublishedPort{at("127.0.0.1", 9, 80, "tcp")}}}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, v := range Of(tt.list) {
				if !strings.HasSuffix(v.Name, "_HOST") && !strings.HasSuffix(v.Name, "_PORT") {
					got = append(got, v.Name+"="+v.Value)
				}
			}
			if d := cmp.Diff(tt.want, strings.Join(got, " ")); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
	got := Of([]engine.Container{of("web", 1, at("::", 4, 80, "tcp"))})
	if d := cmp.Diff([]Variable{{"WEB_80", "[::1]:4"}, {"WEB_80_HOST", "::1"}, {"WEB_80_PORT", "4"}}, got); d != "" {
		t.Errorf("parts: want -, got +\n%s", d)
	}
}
