package network

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of a real /proc/net/tcp, and one line of tcp6.
const socketTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0000000000000000 100 0 0 10 0
   1: 010200C0:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0000000000000000 100 0 0 10 0
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0000000000000000 100 0 0 10 0
   3: 0100007F:1F90 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 14 1 0000000000000000 20 4 30 10 -1
   4: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0000000000000000 100 0 0 10 0
`

func TestHolders(t *testing.T) {
	for sentence, c := range map[string]struct {
		ip   string
		port uint16
		want []string
	}{
		"who listens on the address, and on all of them": {"127.0.0.1", 8080, []string{"11", "15"}},
		"another address is another's":                   {"192.0.2.1", 8080, []string{"12", "15"}},
		"all of them are in the way of everybody":        {"0.0.0.0", 8080, []string{"11", "12", "15"}},
		"and of each single one":                         {"192.0.2.9", 22, []string{"13"}},
		"a port that nobody has":                         {"0.0.0.0", 80, nil},
	} {
		got := holders(socketTable, []netip.Addr{netip.MustParseAddr(c.ip)}, c.port)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: want -, got +\n%s", sentence, diff)
		}
	}
}

func FuzzHolders(f *testing.F) {
	f.Add(socketTable, uint16(8080))
	f.Fuzz(func(_ *testing.T, table string, port uint16) {
		holders(table, []netip.Addr{netip.IPv4Unspecified()}, port)
	})
}
