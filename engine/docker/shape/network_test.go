package shape

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
)

func TestAskNetwork(t *testing.T) {
	for body, want := range map[string]engine.NetworkSpec{
		`{"Name":"n"}`: {Name: "n", Driver: "bridge"},
		`{"Name":"n","Driver":"default","Scope":"local","ConfigFrom":{"Network":""}}`: {Name: "n", Driver: "bridge"},
		`{"Name":"n","Driver":"macvlan","EnableIPv4":false,"EnableIPv6":true,"Internal":true,"Attachable":true,"Options":{"parent":"eth0"},"Labels":{"a":"b"}}`: {
			Name: "n", Driver: "macvlan", DisableIPv4: true, EnableIPv6: true, Internal: true, Attachable: true,
			DriverOpts: map[string]string{"parent": "eth0"}, Labels: map[string]string{"a": "b"},
		},
		`{"Name":"n","IPAM":{"Driver":"default","Options":{},"Config":[
			{"Subnet":"10.1.0.0/24","IPRange":"10.1.0.128/25","Gateway":"10.1.0.1","AuxiliaryAddresses":{"r":"10.1.0.2"}},{"Subnet":"","Gateway":""}]}}`: {
			Name: "n", Driver: "bridge", Pools: []engine.Pool{{
				Subnet: netip.MustParsePrefix("10.1.0.0/24"), Range: netip.MustParsePrefix("10.1.0.128/25"), Gateway: netip.MustParseAddr("10.1.0.1"),
				Aux: map[string]netip.Addr{"r": netip.MustParseAddr("10.1.0.2")},
			}},
		},
	} {
		req := &network.CreateRequest{}
		if err := json.Unmarshal([]byte(body), req); err != nil {
			t.Fatal(err)
		}
		got, err := AskNetwork(req)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(want, *got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
			t.Errorf("%s: want -, got +\n%s", body, diff)
		}
	}
}

func TestNetworksThatAreRefused(t *testing.T) {
	for body, want := range map[string]struct {
		kind error
		text string
	}{
		`{}`:                                                        {engine.ErrInvalid, "invalid name: name is empty"},
		`{"Name":"default"}`:                                        {engine.ErrDenied, "operation is not permitted on predefined default network"},
		`{"Name":"n","Driver":"host"}`:                              {engine.ErrDenied, `only one instance of "host" network is allowed`},
		`{"Name":"n","Driver":"overlay"}`:                           {engine.ErrUnavailable, "This node is not a swarm manager."},
		`{"Name":"n","Scope":"swarm"}`:                              {engine.ErrUnavailable, "This node is not a swarm manager."},
		`{"Name":"n","Ingress":true}`:                               {engine.ErrUnavailable, "This node is not a swarm manager."},
		`{"Name":"n","ConfigOnly":true}`:                            {engine.ErrUnsupported, "ConfigOnly is not supported"},
		`{"Name":"n","ConfigFrom":{"Network":"m"}}`:                 {engine.ErrUnsupported, "ConfigFrom is not supported"},
		`{"Name":"n","IPAM":{"Driver":"dhcp"}}`:                     {engine.ErrUnsupported, `IPAM.Driver "dhcp" is not supported`},
		`{"Name":"n","IPAM":{"Options":{"a":"b"}}}`:                 {engine.ErrUnsupported, "IPAM.Options is not supported"},
		`{"Name":"n","IPAM":{"Config":[{"Subnet":"10.1.0.1/24"}]}}`: {engine.ErrInvalid, "invalid subnet 10.1.0.1/24: it should be 10.1.0.0/24"},
		`{"Name":"n","IPAM":{"Config":[{"Gateway":"10.1.0.1"}]}}`:   {engine.ErrInvalid, "needs one"},
	} {
		req := &network.CreateRequest{}
		if err := json.Unmarshal([]byte(body), req); err != nil {
			t.Fatal(err)
		}
		if _, err := AskNetwork(req); !errors.Is(err, want.kind) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestInspectNetwork(t *testing.T) {
	n := engine.Network{
		ID: "n1", Project: "p", Created: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC),
		Spec: engine.NetworkSpec{
			Name: "p_x", Key: "x", Hash: "h", Labels: map[string]string{"a": "b"}, DriverOpts: map[string]string{"o": "1"}, EnableIPv6: true,
		},
		Pools: []engine.Pool{{Subnet: netip.MustParsePrefix("10.1.0.0/24"), Gateway: netip.MustParseAddr("10.1.0.1")}},
	}
	on := map[string]engine.Endpoint{"p_x": {ID: "e1", NetworkID: "n1", MacAddress: "02:42:0a:01:00:02", IPv4: netip.MustParsePrefix("10.1.0.2/24")}}
	got, err := json.Marshal(InspectNetwork(&n, []engine.Container{
		{ID: "c1", Name: "one", State: engine.State{Status: engine.StatusRunning}, Endpoints: on},
		{ID: "c2", Name: "two", State: engine.State{Status: engine.StatusExited}, Endpoints: on},
		{ID: "c3", Name: "three", State: engine.State{Status: engine.StatusRunning}, Endpoints: map[string]engine.Endpoint{"p_x": {NetworkID: "older"}}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Name":"p_x","Id":"n1","Created":"2026-11-26T12:00:00Z","Scope":"local","Driver":"bridge","EnableIPv4":true,"EnableIPv6":true,` +
		`"IPAM":{"Driver":"default","Options":{},"Config":[{"Subnet":"10.1.0.0/24","Gateway":"10.1.0.1"}]},` +
		`"Internal":false,"Attachable":false,"Ingress":false,"ConfigFrom":{"Network":""},"ConfigOnly":false,"Options":{"o":"1"},` +
		`"Labels":{"a":"b","com.docker.compose.config-hash":"h","com.docker.compose.network":"x","com.docker.compose.project":"p","com.docker.compose.version":"5.0.0"},` +
		`"Containers":{"c1":{"Name":"one","EndpointID":"e1","MacAddress":"02:42:0a:01:00:02","IPv4Address":"10.1.0.2/24","IPv6Address":""}}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestTheHostsNetwork(t *testing.T) {
	n := engine.Network{ID: "h", Spec: engine.NetworkSpec{Name: "host", Driver: "host"}}
	got := InspectNetwork(&n, []engine.Container{
		{ID: "c1", Name: "one", State: engine.State{Status: engine.StatusRunning}, Spec: engine.ContainerSpec{NetworkMode: "host"}},
		{ID: "c2", Name: "two", State: engine.State{Status: engine.StatusRunning}, Spec: engine.ContainerSpec{NetworkMode: "none"}},
	})
	if len(got.Containers) != 1 || got.Containers["c1"].Name != "one" || got.EnableIPv4 || len(got.IPAM.Config) != 0 {
		t.Errorf("%+v", got)
	}
}
