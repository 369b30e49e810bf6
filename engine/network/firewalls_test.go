package network

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"tiffin/engine"
	"tiffin/engine/network/router"
)

// otherFirewall is one that people have on their hosts.
type otherFirewall struct {
	variant string // of iptables
	start   func(a *administrator)
	// disturb are what happens to such a host while containers run, each a command line.
	disturb []string
	// settle, a command line, makes it forget what it keeps of former rules.
	settle string
}

func dropEverything(a *administrator) {
	a.run("for p in iptables ip6tables; do $p -P FORWARD DROP; $p -A FORWARD -p tcp --dport 25 -j REJECT; done")
}

var otherFirewalls = map[string]otherFirewall{
	"iptables-nft": {
		variant: "nft", start: dropEverything,
		disturb: []string{
			"iptables -F FORWARD", "iptables -A FORWARD -p tcp --dport 26 -j REJECT", "nft flush ruleset",
			"iptables -P FORWARD ACCEPT; iptables -P FORWARD DROP",
		},
	},
	"iptables-legacy": {variant: "legacy", start: dropEverything, disturb: []string{"iptables -F FORWARD"}},
	"ufw": {
		variant: "nft", start: func(a *administrator) { a.run("ufw --force enable") },
		disturb: []string{"ufw reload", "ufw disable; ufw --force enable"},
	},
	"ufw on iptables-legacy": {
		variant: "legacy", start: func(a *administrator) { a.run("ufw --force enable") },
		disturb: []string{"ufw reload"},
	},
	"nftables.conf": {
		variant: "nft", start: func(a *administrator) {
			a.run(`printf '%s\n' 'flush ruleset' 'table inet filter {' 'chain forward { type filter hook forward priority 0; policy drop; }' '}' >/etc/nftables.conf
				nft -f /etc/nftables.conf`)
		},
		disturb: []string{"nft -f /etc/nftables.conf"},
	},
	"firewalld": {
		variant: "nft", start: startFirewalld,
		// The chains of a zone that had an interface once stay until then.
		settle:  "firewall-cmd --reload; firewall-cmd --list-all-zones",
		disturb: []string{"firewall-cmd --reload", "firewall-cmd --complete-reload"},
	},
	"docker": {
		variant: "nft", start: startDocker,
		disturb: []string{"docker network create other", "iptables -F FORWARD"},
	},
}

func startFirewalld(a *administrator) {
	config := `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
		"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
		<busconfig><listen>unix:path=` + a.bus() + `</listen><policy context="default">
		<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(a.dir+"/bus.conf", []byte(config), 0o600); err != nil {
		a.tb.Fatal(err)
	}
	a.tb.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+a.bus())
	a.start("dbus-daemon --nofork --config-file=" + a.dir + "/bus.conf")
	a.succeeds("[ -S " + a.bus() + " ]")
	a.start("firewalld --nofork --nopid")
	a.succeeds("firewall-cmd --state")
}

func startDocker(a *administrator) {
	a.start("dockerd --data-root /mnt/docker --exec-root /run/docker -p /run/docker.pid -H unix:///run/docker.sock --storage-driver vfs")
	a.succeeds("[ -S /run/docker.sock ] && docker version")
	if got := a.run("iptables -S FORWARD"); got[:len("-P FORWARD DROP")] != "-P FORWARD DROP" {
		a.tb.Fatalf("Docker drops nothing: %s", got)
	}
}

// site is a stack on a host with a LAN.
type site struct {
	h       *testHost
	outside *os.File
	web     *Sandbox
	// The container's own addresses.
	direct, direct6 string
}

// trouble says what does not work as it has to; "" is nothing.
func (s *site) trouble() string {
	paths := []struct {
		what string
		from *os.File
		to   string
		want string
	}{
		{"the container to the outside", s.web.File(), neighbourIP + ":9000", "neighbour " + hostIP},
		{"a neighbour to a published port", s.outside, hostIP + ":8080", "web " + neighbourIP},
		{"the container to the outside, by IPv6", s.web.File(), "[2001:db8::2]:9000", "neighbour 2001:db8::1"},
		{"a neighbour to a published port, by IPv6", s.outside, "[2001:db8::1]:8080", "web 2001:db8::2"},
		{"a neighbour to the container itself", s.outside, s.direct, "timeout"},
		{"a neighbour to the container itself, by IPv6", s.outside, s.direct6, "timeout"},
	}
	var group errgroup.Group
	for _, p := range paths {
		group.Go(func() error {
			if got := askFor(p.from, p.to, time.Second); got != p.want { // it is asked again
				return fmt.Errorf("%s: got %s, want %s", p.what, got, p.want)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err.Error()
	}
	return ""
}

func (s *site) works() {
	s.h.tb.Helper()
	trouble := ""
	defer func() {
		if trouble != "" {
			s.h.tb.Log(trouble)
		}
	}()
	soon(s.h.tb, "everything works", func() bool {
		trouble = s.trouble()
		return trouble == ""
	})
}

// newSite makes the host and its LAN; the host forwards nothing.
func newSite(tb testing.TB) *site {
	tb.Helper()
	h := newTestHost(tb)
	if err := h.inHost(func() error { return writeSysctl(ipForward, "0") }); err != nil {
		tb.Fatal(err)
	}
	s := &site{h: h, outside: h.neighbour()}
	serve(tb, s.outside, ":9000", "neighbour")
	return s
}

func (s *site) up(spec engine.NetworkSpec) engine.Network {
	s.h.tb.Helper()
	spec.EnableIPv6 = true
	n := s.h.network(spec)
	s.web = s.h.sandbox("web")
	ep := s.h.attach(s.web, n)
	serve(s.h.tb, s.web.File(), ":80", "web")
	s.h.publish(s.web, tcp("", 8080))
	s.direct, s.direct6 = netip.AddrPortFrom(ep.IPv4.Addr(), 80).String(), netip.AddrPortFrom(ep.IPv6.Addr(), 80).String()
	return n
}

func (s *site) down(n engine.Network) {
	s.h.tb.Helper()
	if err := s.h.DropSandbox(s.h.tb.Context(), "web"); err != nil {
		s.h.tb.Fatal(err)
	}
	if err := s.h.Remove(s.h.tb.Context(), n); err != nil {
		s.h.tb.Fatal(err)
	}
}

func TestContainersWorkBesideOtherFirewalls(t *testing.T) {
	for name, other := range otherFirewalls {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			a := s.h.administrator(other.variant)
			a.lend(t)
			other.start(a)
			before := a.firewall()
			n := s.up(engine.NetworkSpec{Name: "n", DriverOpts: map[string]string{"com.docker.network.bridge.name": "shop0"}})
			s.works()
			s.down(n)
			if other.settle != "" {
				a.run(other.settle)
			}
			if diff := cmp.Diff(before, a.firewall()); diff != "" {
				t.Fatalf("the firewall before -, after +\n%s", diff)
			}
		})
	}
}

// The ways are back whatever happens to the other firewall, and it may come later than
// the containers.
func TestContainersGoOnWorkingWhenAnotherFirewallChanges(t *testing.T) {
	for name, other := range otherFirewalls {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			a := s.h.administrator(other.variant)
			a.lend(t)
			if name == "docker" { // it drops on a host only that it has made a router itself
				other.start(a)
			}
			n := s.up(engine.NetworkSpec{Name: "n"})
			if name != "docker" {
				other.start(a)
			}
			s.works()
			for _, line := range other.disturb {
				a.run(line)
				s.works()
			}
			s.down(n)
			if got := a.firewall(); strings.Contains(got, "tiffin") || strings.Contains(got, router.BridgePrefix) {
				t.Errorf("left in the firewall:\n%s", got)
			}
		})
	}
}

// Only what no rule of its owner decides about is let through, wherever he adds one.
func TestRulesOfTheOwnerComeFirst(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			s := newSite(t)
			a := s.h.administrator(variant)
			a.lend(t)
			dropEverything(a)
			n := s.up(engine.NetworkSpec{Name: "n"})
			s.works()
			a.run("iptables -A FORWARD -p tcp --dport 9000 -j REJECT --reject-with tcp-reset")
			soon(t, "the owner's rule is obeyed", func() bool {
				return askFor(s.web.File(), neighbourIP+":9000", time.Second) == "connect: connection refused"
			})
			if got := ask(s.outside, hostIP+":8080"); got != "web "+neighbourIP {
				t.Errorf("the published port: got %q", got)
			}
			s.down(n)
		})
	}
}

// Docker's own networks have been protected by nothing but its chain that drops.
func TestOtherContainersStayWhereTheyWere(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			s := newSite(t)
			a := s.h.administrator(variant)
			a.lend(t)
			dropEverything(a)
			theirs := s.h.otherLAN() // as a container of theirs: behind lan1, which gets into a bridge
			serve(t, theirs, ":80", "theirs")
			n := s.up(engine.NetworkSpec{Name: "n"})
			s.works()
			a.run("ip link add br-theirs type bridge; ip link set br-theirs up; ip addr flush dev lan1; " +
				"ip link set lan1 master br-theirs; ip addr add " + otherHostIP + "/24 dev br-theirs")
			a.run("iptables -A FORWARD -i br-theirs ! -o br-theirs -j ACCEPT") // as Docker does
			if got := ask(s.h.host, otherIP+":80"); got != "theirs "+otherHostIP {
				t.Errorf("the host: got %q", got)
			}
			soon(t, "a container of ours does not reach it", func() bool { return askFor(s.web.File(), otherIP+":80", time.Second) == "timeout" })
			s.works()
			s.down(n)
		})
	}
}

// With br_netfilter even frames within a bridge come to the chain, and an internal
// network has nothing but its bridge.
func TestContainersOfAnInternalNetworkReachEachOther(t *testing.T) {
	s := newSite(t)
	h := s.h
	if err := h.inHost(func() error { return writeSysctl("net/bridge/bridge-nf-call-iptables", "1") }); err != nil {
		t.Skipf("needs br_netfilter: %v", err)
	}
	h.nftProgram("add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
	n := h.network(engine.NetworkSpec{Name: "n", Internal: true})
	web, db := h.sandbox("web"), h.sandbox("db")
	h.attach(web, n)
	ep := h.attach(db, n)
	serve(t, db.File(), ":5432", "db")
	if got := ask(web.File(), at(ep, "5432")); !strings.HasPrefix(got, "db ") {
		t.Errorf("got %q", got)
	}
}

// An administrator may want none of this; the log then says why nothing works.
func TestOtherFirewallsAreLeftAloneWhenTheSettingsSaySo(t *testing.T) {
	h := newTestHost(t)
	var log strings.Builder
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	m, err := Open(t.Context(), Config{
		RunRoot: h.root, HostRoot: t.TempDir(), ResolvConf: "/dev/null", LeaveFirewalls: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Manager = m
	h.nftProgram("add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
	before := h.nftProgram("list", "table", "ip", "filter")
	n := h.network(engine.NetworkSpec{Name: "n"})
	if diff := cmp.Diff(before, h.nftProgram("list", "table", "ip", "filter")); diff != "" {
		t.Errorf("their table before -, after +\n%s", diff)
	}
	if err := h.Remove(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil { // nobody writes to the log any more
		t.Fatal(err)
	}
	h.open(Config{})
	if want := "chain FORWARD of table ip filter"; strings.Count(log.String(), want) != 1 {
		t.Errorf("want %q once in the log:\n%s", want, log.String())
	}
}
