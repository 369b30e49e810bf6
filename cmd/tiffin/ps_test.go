package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestPortsText(t *testing.T) {
	all4, all6, lo := netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("127.0.0.1")
	for name, tc := range map[string]struct {
		published []engine.PublishedPort
		expose    []string
		want      string
	}{
		"none": {},
		"one on all addresses, by both families": {
			published: []engine.PublishedPort{{HostIP: all4, HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, {HostIP: all6, HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}},
			want:      "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
		},
		"one that is bound is not listed as exposed, too": {
			published: []engine.PublishedPort{{HostIP: lo, HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}},
			expose:    []string{"80", "443/tcp", "80/udp"},
			want:      "127.0.0.1:8080->80/tcp, 443/tcp, 80/udp",
		},
		"ports in a row are a range": {
			published: []engine.PublishedPort{
				{HostIP: all4, HostPort: 9001, ContainerPort: 81, Protocol: "tcp"},
				{HostIP: all6, HostPort: 9000, ContainerPort: 80, Protocol: "tcp"},
				{HostIP: all4, HostPort: 9000, ContainerPort: 80, Protocol: "tcp"},
				{HostIP: all6, HostPort: 9001, ContainerPort: 81, Protocol: "tcp"},
			},
			want: "0.0.0.0:9000-9001->80-81/tcp, [::]:9000-9001->80-81/tcp",
		},
		"ports that are not in a row outside are none": {
			published: []engine.PublishedPort{{HostIP: lo, HostPort: 9000, ContainerPort: 80, Protocol: "tcp"}, {HostIP: lo, HostPort: 9002, ContainerPort: 81, Protocol: "tcp"}},
			want:      "127.0.0.1:9000->80/tcp, 127.0.0.1:9002->81/tcp",
		},
		"exposed ports in a row are a range": {expose: []string{"1000", "1001", "1002", "2000"}, want: "1000-1002/tcp, 2000/tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &engine.Container{Published: tc.published, Spec: engine.ContainerSpec{Expose: tc.expose}}
			if d := cmp.Diff(tc.want, portsText(c)); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func TestPsRow(t *testing.T) {
	c := &engine.Container{
		ID: "0123456789abcdef", Args: []string{"sh", "-c", `echo "a long command"`},
		Mounts: []engine.MountPoint{
			{Type: engine.MountVolume, Name: "demo_data"}, {Type: engine.MountBind, Source: "/srv"}, {Type: engine.MountTmpfs},
		},
		Endpoints: map[string]engine.Endpoint{"b": {}, "a": {}},
	}
	c.Spec.Labels = map[string]string{"z": "1", "a": "2"}
	long := newPsRow(c, time.Now())
	short := long
	short.shorten()
	for name, pair := range map[string][2]string{
		"a command is quoted":            {long.Command, `"sh -c echo \"a long command\""`},
		"a long command is cut":          {short.Command, `"sh -c echo \"a long …"`},
		"an ID is whole with --no-trunc": {long.ID, "0123456789abcdef"},
		"an ID is cut":                   {short.ID, "0123456789ab"},
		"labels are sorted":              {long.Labels, "a=2,z=1"},
		"networks are sorted":            {long.Networks, "a,b"},
		"mounts are volumes and binds":   {long.Mounts, "demo_data,/srv"},
		"only volumes are local volumes": {long.LocalVolumes, "1"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %s, want %s", name, pair[0], pair[1])
		}
	}
}
