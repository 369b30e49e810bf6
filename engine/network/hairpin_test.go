package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"tiffin/engine"
)

// The values of br_netfilter's switches.
const framesPass, framesFiltered = "0", "1"

// filterFrames switches br_netfilter on or off for the host.
func (h *testHost) filterFrames(value string) {
	h.tb.Helper()
	err := h.inHost(func() error {
		return errors.Join(
			writeSysctl("net/bridge/bridge-nf-call-iptables", value),
			writeSysctl("net/bridge/bridge-nf-call-ip6tables", value),
		)
	})
	if errors.Is(err, os.ErrNotExist) && value == framesPass {
		return // not loaded
	}
	if err != nil {
		h.tb.Skipf("needs br_netfilter: %v", err)
	}
}

// rules loads rules, as somebody else's firewall does.
func (h *testHost) rules(text string) {
	h.tb.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		if os.Getenv("REQUIRE_ROOT") == "1" {
			h.tb.Fatal("needs the nft program")
		}
		h.tb.Skip("needs the nft program")
	}
	err := h.inHost(func() error {
		c := exec.CommandContext(h.tb.Context(), "nft", "-f", "-")
		c.Stdin = strings.NewReader(text)
		out, err := c.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		h.tb.Fatal(err)
	}
}

// closedInput is a host that lets nothing in that it has not asked for, as ufw and
// firewalld do.
const closedInput = `
table inet closed {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	}
}`

// A container gets to published ports of its own network, its own among them, by
// every address of the host, though the host lets nothing in: the engine is not asked.
func TestAContainerReachesThePortsOfItsOwnNetwork(t *testing.T) {
	for name, filtered := range map[string]string{"routed": framesPass, "br_netfilter": framesFiltered} {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t)
			h.filterFrames(filtered)
			h.neighbour()
			h.rules(closedInput)
			n := h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true})
			other := h.network(engine.NetworkSpec{Name: "other", EnableIPv6: true})
			web, sibling, both, far := h.sandbox("web"), h.sandbox("sibling"), h.sandbox("both"), h.sandbox("far")
			ep := h.attach(web, n)
			h.attach(web, other)
			h.attach(sibling, n)
			h.attach(both, other)
			farEP := h.attach(far, h.network(engine.NetworkSpec{Name: "z", EnableIPv6: true}))
			serve(t, web.File(), ":80", "web")
			echo(t, web.File(), ":53")
			h.publish(web, tcp("", 8080), engine.PortBinding{HostPort: 5353, ContainerPort: 53, Protocol: "udp"})
			gateways := []netip.Addr{ep.Gateway4, ep.Gateway6}
			for from, c := range map[string]struct {
				ns  *os.File
				saw []string // the client's address in each family
			}{
				"itself":                        {web.File(), []string{ep.Gateway4.String(), ep.Gateway6.String()}},
				"one on its network":            {sibling.File(), []string{ep.Gateway4.String(), ep.Gateway6.String()}},
				"one on another network of its": {both.File(), []string{ep.Gateway4.String(), ep.Gateway6.String()}},
				"one on a network of its own":   {far.File(), []string{farEP.IPv4.Addr().String(), farEP.IPv6.Addr().String()}},
			} {
				for i, addrs := range [][]string{{hostIP, gateways[0].String()}, {"2001:db8::1", gateways[1].String()}} {
					for _, addr := range addrs {
						if got := ask(c.ns, net.JoinHostPort(addr, "8080")); got != "web "+c.saw[i] {
							t.Errorf("%s, %s: got %q, want to be seen as %s", from, addr, got, c.saw[i])
						}
						if got := askUDP(c.ns, net.JoinHostPort(addr, "5353")); got != "hello" {
							t.Errorf("%s, %s: UDP: got %q", from, addr, got)
						}
					}
				}
			}
		})
	}
}

// A container that is put on a further network while its ports are published is asked
// for them from there, too; and as before when it has left.
func TestAContainerThatIsConnectedLaterIsNotAnsweredPastTheHost(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	front := h.network(engine.NetworkSpec{Name: "front"})
	other := h.network(engine.NetworkSpec{Name: "other"})
	web, client := h.sandbox("web"), h.sandbox("client")
	ep := h.attach(web, front)
	clientEP := h.attach(client, other)
	serve(t, web.File(), ":80", "web")
	r := h.publish(web, tcp("", 8080))
	itself, gateway := "web "+clientEP.IPv4.Addr().String(), "web "+ep.Gateway4.String()
	if got := ask(client.File(), hostIP+":8080"); got != itself {
		t.Errorf("before: got %q, want %q", got, itself)
	}
	second := h.attach(web, other)
	if got := ask(client.File(), hostIP+":8080"); got != gateway {
		t.Errorf("on one network: got %q, want %q", got, gateway)
	}
	if err := h.Detach(t.Context(), web, second); err != nil {
		t.Fatal(err)
	}
	if got := ask(client.File(), hostIP+":8080"); got != itself {
		t.Errorf("afterwards: got %q, want %q", got, itself)
	}
	if err := h.Release(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if left := h.fw.wanted[setNear]; len(left) > 0 {
		t.Errorf("elements are left: %v", left)
	}
}
