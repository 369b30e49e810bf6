package engine

import (
	"net/netip"
	"testing"
	"time"
)

func TestHowAContainerIsStopped(t *testing.T) {
	t.Parallel()
	zero, minute := Duration(0), Duration(time.Minute)
	tests := map[string]struct {
		c       Container
		signal  string
		timeout time.Duration
	}{
		"by default":                     {Container{}, "SIGTERM", 10 * time.Second},
		"as the image says":              {Container{Image: ImageConfig{StopSignal: "SIGQUIT"}}, "SIGQUIT", 10 * time.Second},
		"as the service says":            {Container{Spec: ContainerSpec{StopSignal: "SIGINT", StopTimeout: &minute}, Image: ImageConfig{StopSignal: "SIGQUIT"}}, "SIGINT", time.Minute},
		"at once, when it says no grace": {Container{Spec: ContainerSpec{StopTimeout: &zero}}, "SIGTERM", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.c.StopSignal(); got != tt.signal {
				t.Errorf("signal %s, want %s", got, tt.signal)
			}
			if got := tt.c.StopTimeout(); got != tt.timeout {
				t.Errorf("timeout %s, want %s", got, tt.timeout)
			}
		})
	}
}

func TestIdentifiers(t *testing.T) {
	t.Parallel()
	a, b := NewID(), NewID()
	if len(a) != 64 || a == b {
		t.Errorf("%s, %s", a, b)
	}
	for id, want := range map[string]string{"": "", "abc": "abc", "0123456789ab": "0123456789ab", "0123456789abc": "0123456789ab"} {
		if got := ShortID(id); got != want {
			t.Errorf("short form of %q is %q", id, got)
		}
	}
}

func TestPortsAsText(t *testing.T) {
	t.Parallel()
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	tests := map[string]struct{ got, want string }{
		"an ephemeral one":           {PortBinding{ContainerPort: 80, Protocol: "tcp"}.String(), "80/tcp"},
		"an ephemeral one, loopback": {PortBinding{HostIP: v4, ContainerPort: 80, Protocol: "tcp"}.String(), "127.0.0.1:80/tcp"},
		"a fixed one":                {PortBinding{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}.String(), "8080:80/tcp"},
		"one of a range":             {PortBinding{HostIP: v4, HostPort: 8080, HostPortEnd: 8090, ContainerPort: 80, Protocol: "udp"}.String(), "127.0.0.1:8080-8090:80/udp"},
		"on an address of version 6": {PortBinding{HostIP: v6, HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}.String(), "[::1]:8080:80/tcp"},
		"a range of one is no range": {PortBinding{HostPort: 8080, HostPortEnd: 8080, ContainerPort: 80, Protocol: "tcp"}.String(), "8080:80/tcp"},
		"as it is bound":             {PublishedPort{HostIP: v6, HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}.String(), "[::1]:8080->80/tcp"},
	}
	for name, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", name, tt.got, tt.want)
		}
	}
}

func TestPartsOfAStackAreFoundByName(t *testing.T) {
	t.Parallel()
	s := Stack{
		Services: []Service{{Name: "api"}, {Name: "db"}, {Name: "web"}},
		Networks: []NetworkSpec{{Key: "back"}, {Key: "front"}},
		Volumes:  []VolumeSpec{{Key: "data"}},
	}
	for _, name := range []string{"api", "db", "web"} {
		if svc, ok := s.Service(name); !ok || svc.Name != name {
			t.Errorf("service %s not found", name)
		}
	}
	for _, name := range []string{"", "a", "dc", "zoo"} {
		if _, ok := s.Service(name); ok {
			t.Errorf("service %q found", name)
		}
	}
	if n, ok := s.Network("front"); !ok || n != &s.Networks[1] {
		t.Error("network front not found")
	}
	if _, ok := s.Network("data"); ok {
		t.Error("network data found")
	}
	if v, ok := s.Volume("data"); !ok || v != &s.Volumes[0] {
		t.Error("volume data not found")
	}
	if _, ok := s.Volume("back"); ok {
		t.Error("volume back found")
	}
}
