package network

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/network/nft"
	"tiffin/engine/network/router"
)

// sampleTable is that of a network with two published ports and of an internal one.
func sampleTable() *nft.Table {
	ep := engine.Endpoint{IPv4: prefix("10.1.1.2/24"), IPv6: prefix("fd00::2/64")}
	entries := networkEntries(engine.Network{Bridge: "tf-front"})
	entries = append(entries, networkEntries(engine.Network{Bridge: "tf-back", Spec: engine.NetworkSpec{Internal: true}})...)
	entries = append(entries, closedEntries("n", router.Closed{IPv4: []string{"lan0"}, IPv6: []string{"lan0", "lan1"}})...)
	at := place{"web", ep, "tf-front", []string{"tf-front", "tf-other"}}
	entries = append(entries, nearEntries(at)...)
	for _, p := range []struct {
		ip       string
		protocol string
	}{{"0.0.0.0", "tcp"}, {"::", "tcp"}, {"192.0.2.1", "udp"}, {"2001:db8::1", "udp"}, {"127.0.0.1", "tcp"}, {"::1", "tcp"}} {
		entries = append(entries, portEntries(engine.PublishedPort{
			HostIP: netip.MustParseAddr(p.ip), HostPort: 8080, ContainerPort: 80, Protocol: p.protocol,
		}, at)...)
	}
	elements := map[string][]nft.Element{}
	for _, e := range entries {
		if !strings.Contains(join(elements[e.set]), e.String()) {
			elements[e.set] = append(elements[e.set], e.Element)
		}
	}
	return table("tiffin", elements)
}

func join(elements []nft.Element) string {
	words := make([]string, 0, len(elements))
	for _, e := range elements {
		words = append(words, e.String())
	}
	return strings.Join(words, "\n")
}

// UPDATE=1 rewrites the file.
func TestTheTable(t *testing.T) {
	const golden = "testdata/table.nft"
	got := sampleTable().String()
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

// What nft(8) lists is the same but for the order within sets.
func TestTheKernelHasTheTableThatWasPrinted(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		if os.Getenv("REQUIRE_ROOT") == "1" {
			t.Fatal("needs the nft program")
		}
		t.Skip("needs the nft program")
	}
	h := newTestHost(t)
	var b nft.Batch
	b.AddTable(sampleTable(), nft.Shared)
	if err := h.nft.Apply(&b); err != nil {
		t.Fatal(err)
	}
	var listed []byte
	if err := h.inHost(func() (err error) {
		listed, err = exec.CommandContext(t.Context(), "nft", "list", "ruleset").CombinedOutput()
		return err
	}); err != nil {
		t.Fatalf("%v: %s", err, listed)
	}
	if diff := cmp.Diff(words(sampleTable().String()), words(string(listed))); diff != "" {
		t.Errorf("printed -, in the kernel +\n%s", diff)
	}
}

// words makes lists of elements independent of their order.
func words(s string) map[string]int {
	found := map[string]int{}
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		line = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(line, "elements = { "), " }"), ",")
		for element := range strings.SplitSeq(line, ", ") {
			found[element]++
		}
	}
	return found
}
