package container

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestLinkVariables(t *testing.T) {
	t.Parallel()
	to := engine.Container{
		Name:  "svc",
		Image: engine.ImageConfig{Env: []string{"PATH=/bin", "A=image", "B=b"}, Expose: []string{"9000/udp", "443/tcp"}},
		Spec: engine.ContainerSpec{
			Env: []string{"A=own", "HOME=/x"}, Expose: []string{"80"}, Ports: []engine.PortBinding{{ContainerPort: 443, Protocol: "tcp"}},
		},
		Endpoints: map[string]engine.Endpoint{BridgeMode: {IPv4: netip.MustParsePrefix("192.0.2.7/24")}},
	}
	const want = `MY_DB_PORT=tcp://192.0.2.7:80
MY_DB_PORT_80_TCP=tcp://192.0.2.7:80
MY_DB_PORT_80_TCP_ADDR=192.0.2.7
MY_DB_PORT_80_TCP_PORT=80
MY_DB_PORT_80_TCP_PROTO=tcp
MY_DB_PORT_443_TCP=tcp://192.0.2.7:443
MY_DB_PORT_443_TCP_ADDR=192.0.2.7
MY_DB_PORT_443_TCP_PORT=443
MY_DB_PORT_443_TCP_PROTO=tcp
MY_DB_PORT_9000_UDP=udp://192.0.2.7:9000
MY_DB_PORT_9000_UDP_ADDR=192.0.2.7
MY_DB_PORT_9000_UDP_PORT=9000
MY_DB_PORT_9000_UDP_PROTO=udp
MY_DB_NAME=/web/my-db
MY_DB_ENV_A=own
MY_DB_ENV_B=b`
	if diff := cmp.Diff(want, strings.Join(linkVariables("web", []bridgeLink{{"my-db", to}}), "\n")); diff != "" {
		t.Error(diff)
	}
}
