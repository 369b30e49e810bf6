package e2e

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tiffin/tests/harness"
)

// servers is a project of real programs with a port each, and of clients: on their
// network, on another one, and on the host's.
const servers = `
name: servers
services:
  web:
    image: nginx
    ports: ["${WEB}:80"]
    networks: [back]
    volumes: ["./echo:/echo:ro"]
  cache:
    image: redis
    ports: ["${CACHE}:6379"]
    networks: [back]
  db:
    image: postgres
    environment: {POSTGRES_HOST_AUTH_METHOD: trust}
    ports: ["${DB}:5432"]
    networks: [back]
    healthcheck: {test: [CMD, pg_isready, -h, 127.0.0.1, -U, postgres], interval: 1s, start_period: 60s}
  echo:
    image: busybox
    command: [/echo, serve, ":7"]
    ports: ["${ECHO}:7/udp"]
    networks: [back]
    volumes: ["./echo:/echo:ro"]
  bytes:
    image: clients
    ports: ["${BYTES}:5201", "${BYTES}:5201/udp"]
    networks: [back]
  near:
    image: clients
    command: [sleep, infinity]
    networks: [back]
    volumes: ["./echo:/echo:ro"]
  far:
    image: clients
    command: [sleep, infinity]
    networks: [front]
    volumes: ["./echo:/echo:ro"]
  host:
    image: clients
    command: [sleep, infinity]
    network_mode: host
    volumes: ["./echo:/echo:ro"]
networks:
  back: {enable_ipv6: true}
  front: {}
`

// Real clients get to real servers by published ports: from the host by every
// address, from another network, from the same one, and each server from within.
func TestRealProgramsByPublishedPorts(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Write(t, "compose.yaml", servers)
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(e.Dir, "echo"), "./tests/e2e/echo")
	build.Dir, build.Env = harness.Repository(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build echo: %v\n%s", err, out)
	}
	ports := map[string]string{}
	for _, name := range []string{"WEB", "CACHE", "DB", "ECHO", "BYTES"} {
		ports[name] = freePort(t)
		e.Env[name] = ports[name]
	}
	e.OK(t, "pull")
	before := e.Snapshot(t)
	e.OK(t, "up", "-d", "--wait")

	programs := map[string]struct {
		service string // that has the port, and a client of its own
		port    string
		say     string // ADDRESS, PORT and BOTH are put in
		want    string
	}{
		"nginx":       {"web", "WEB", "curl -sS --max-time 20 http://BOTH/", "Welcome to nginx"},
		"redis":       {"cache", "CACHE", "redis-cli -h ADDRESS -p PORT ping", "PONG"},
		"postgres":    {"db", "DB", "psql -h ADDRESS -p PORT -U postgres -Atc select(6*7)", "42"},
		"UDP echo":    {"echo", "ECHO", "/echo ask BOTH hello", "hello"},
		"iperf3":      {"bytes", "BYTES", "iperf3 -c ADDRESS -p PORT -n 20M", "iperf Done."},
		"iperf3, UDP": {"bytes", "BYTES", "iperf3 -c ADDRESS -p PORT -u -l 1000 -b 100M -n 1M", "iperf Done."},
	}
	host := hostAddress(t)
	for name, p := range programs {
		for _, from := range []struct{ service, address string }{
			{"host", "127.0.0.1"},
			{"host", "::1"},
			{"host", host},
			{"far", host},
			{"near", host},
			{p.service, host},
		} {
			say := strings.NewReplacer("ADDRESS", from.address, "PORT", ports[p.port], "BOTH", net.JoinHostPort(from.address, ports[p.port]))
			args := append([]string{"exec", "-T", from.service}, strings.Fields(say.Replace(p.say))...)
			if r := e.Do(t, args...); r.Code != 0 || !strings.Contains(r.Stdout, p.want) {
				t.Errorf("%s: %s: exit code %d\n%s%s", name, strings.Join(args[2:], " "), r.Code, r.Stdout, r.Stderr)
			}
		}
	}
	e.OK(t, "down", "-v")
	e.NothingLeft(t, before)
}

// hostAddress is an IPv4 address of this machine that is not loopback's: nothing that
// is sent to it leaves the machine.
func hostAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr().String()
		}
	}
	t.Fatal("this machine has no address")
	return ""
}
