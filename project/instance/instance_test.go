package instance

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

func TestNamesOfInstances(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"a": true, "ci-7_x": true, "7": true, "": false, "-a": false, "A": false, "a.b": false, "a b": false, "ä": false} {
		if got := Valid(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestACopyHasNothingOnTheHostThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	fixed := []*types.IPAMPool{{Subnet: "10.9.0.0/24"}}
	var db, web types.ServiceConfig
	db.Name, db.ContainerName = "db", "the-db"
	db.Networks = map[string]*types.ServiceNetworkConfig{"static": {Ipv4Address: "10.9.0.5"}}
	db.Ports = []types.ServicePortConfig{{HostIP: "127.0.0.1", Published: "5432", Target: 5432, Protocol: "tcp"}, {Published: "8000-8010", Target: 80}}
	web.Name, web.ContainerName = "web", "shop-a-web"
	web.NetworkMode, web.Pid = "container:the-db", "container:other"
	web.VolumesFrom, web.ExternalLinks = []string{"container:the-db:ro", "db"}, []string{"the-db:alias", "foreign"}
	model := &types.Project{
		Name:             "shop-a",
		Services:         types.Services{"db": db, "web": web},
		DisabledServices: types.Services{"tool": {Name: "tool", ContainerName: "tool"}},
		Networks: types.Networks{
			"default": {Name: "shop-a_default"},
			"named":   {Name: "backbone", Ipam: types.IPAMConfig{Config: fixed}, DriverOpts: types.Options{bridgeName: "br-shop", "mtu": "9000"}},
			"static":  {Name: "shop-a_static", Ipam: types.IPAMConfig{Config: fixed}},
			"lan":     {Name: "shop-a_lan", Driver: "macvlan", Ipam: types.IPAMConfig{Config: fixed}},
			"shared":  {Name: "shared", External: true, Ipam: types.IPAMConfig{Config: fixed}},
		},
		Volumes: types.Volumes{"data": {Name: "shop-a_data"}, "named": {Name: "precious"}, "shared": {Name: "shared", External: true}},
	}
	got := Isolate(model, "a")

	db, web = got.Services["db"], got.Services["web"]
	want := []types.ServicePortConfig{{HostIP: "127.0.0.1", Target: 5432, Protocol: "tcp"}, {Target: 80}}
	if d := cmp.Diff(want, db.Ports); d != "" {
		t.Errorf("ports: want -, got +\n%s", d)
	}
	names := map[string]string{
		"container_name": db.ContainerName, "one with the project's name": web.ContainerName, "of a disabled service": got.DisabledServices["tool"].ContainerName,
		"network_mode": web.NetworkMode, "pid of a foreign container": web.Pid, "volumes_from": web.VolumesFrom[0] + " " + web.VolumesFrom[1],
		"external_links": web.ExternalLinks[0] + " " + web.ExternalLinks[1],
	}
	for key, n := range got.Networks {
		names["network "+key] = n.Name
		if n.Ipam.Config != nil {
			names["network "+key] += " " + n.Ipam.Config[0].Subnet
		}
	}
	for key, v := range got.Volumes {
		names["volume "+key] = v.Name
	}
	wantNames := map[string]string{
		"container_name": "the-db-a", "one with the project's name": "shop-a-web", "of a disabled service": "tool-a",
		"network_mode": "container:the-db-a", "pid of a foreign container": "container:other", "volumes_from": "container:the-db-a:ro db",
		"external_links":  "the-db-a:alias foreign",
		"network default": "shop-a_default", "network named": "backbone-a", "network static": "shop-a_static 10.9.0.0/24",
		"network lan": "shop-a_lan 10.9.0.0/24", "network shared": "shared 10.9.0.0/24",
		"volume data": "shop-a_data", "volume named": "precious-a", "volume shared": "shared",
	}
	if d := cmp.Diff(wantNames, names); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if d := cmp.Diff(types.Options{"mtu": "9000"}, got.Networks["named"].DriverOpts); d != "" {
		t.Errorf("options: want -, got +\n%s", d)
	}
	if model.Services["db"].Ports[0].Published != "5432" || model.Networks["named"].DriverOpts[bridgeName] == "" || model.Volumes["named"].Name != "precious" {
		t.Error("the project itself was changed")
	}
}
