package network

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine/network/nft"
)

func TestObstacles(t *testing.T) {
	chains := []nft.BaseChain{
		{Family: nft.IPv4, Table: "filter", Name: "FORWARD", At: nft.Forward, Policy: nft.Drop},
		{Family: nft.IPv4, Table: "filter", Name: "INPUT", At: nft.Input, Policy: nft.Drop},
		{Family: nft.IPv6, Table: "filter", Name: "FORWARD", At: nft.Forward, Policy: nft.Accept},
		{Family: nft.Inet, Table: "tiffin", Name: "forward", At: nft.Forward, Policy: nft.Drop},
	}
	want := []string{
		"the host's firewall drops forwarded packets (chain FORWARD of table ip filter): " +
			"let it accept those from and to the interfaces tf-*",
	}
	if diff := cmp.Diff(want, obstacles(chains, "tiffin")); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}
