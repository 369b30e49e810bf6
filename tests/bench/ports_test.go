package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tiffin/tests/harness"
)

// published are servers that answer without a file, and clients beside them. Those
// whose clients are masqueraded have a server of their own each: one server would
// find the ports of one client in the TIME_WAIT of another, and be slow for that.
const published = `
name: published
x-server: &server
  image: nginx
  volumes: ["./load:/load:ro", "./page.conf:/etc/nginx/conf.d/default.conf:ro"]
  networks: [four]
services:
  web: {<<: *server, ports: ["28080:80"]}
  web6: {<<: *server, ports: ["28081:80"], networks: [six]}
  asked: {<<: *server, ports: ["28082:80"]}
  self: {<<: *server, ports: ["28083:80"]}
  near:
    image: busybox
    command: [sleep, "1000000"]
    volumes: ["./load:/load:ro"]
    networks: [four]
networks:
  four: {}
  six: {enable_ipv6: true}
`

const page = `
server {
	listen 80;
	listen [::]:80;
	access_log off;
	keepalive_requests 1000000000;
	location / { return 200 "hello\n"; }
}
`

// BenchmarkTablePorts prints the rates at which a server in a container answers, by
// each way to it. The ways take turns: all of a round see the same machine.
func BenchmarkTablePorts(b *testing.B) {
	e := harness.New(b)
	e.Mirror(b, harness.Registry(b))
	e.Write(b, "compose.yaml", published)
	e.Write(b, "page.conf", page)
	load := filepath.Join(e.Dir, "load")
	build := exec.Command("go", "build", "-trimpath", "-o", load, "./tests/bench/load")
	build.Dir, build.Env = harness.Repository(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("go build load: %v\n%s", err, out)
	}
	e.OK(b, "pull")
	e.OK(b, "up", "-d", "--wait")
	b.Cleanup(func() { e.OK(b, "down") })

	direct := net.JoinHostPort(strings.TrimSpace(e.OK(b, "exec", "-T", "web", "hostname", "-i")), "80")
	host := func(port string) string { return net.JoinHostPort(address(b), port) }
	ways := []struct{ what, service, addr string }{
		{"the container's own address", "", direct},
		{"127.0.0.1, short cut", "", "127.0.0.1:28080"},
		{"[::1], short cut", "", "[::1]:28081"},
		{"[::1] to an IPv4 container, forwarded", "", "[::1]:28080"},
		{"the host's address, NAT", "", host("28080")},
		{"container to container", "near", direct},
		{"container to a port of its network, NAT", "near", host("28082")},
		{"container to a port of its own, NAT", "self", host("28083")},
	}
	rate := func(service string, args ...string) float64 {
		b.Helper()
		var out string
		if service != "" {
			out = e.OK(b, append([]string{"exec", "-T", service, "/load"}, args...)...)
		} else {
			raw, err := exec.CommandContext(context.Background(), load, args...).Output()
			if err != nil {
				b.Fatalf("load %v: %v", args, err)
			}
			out = string(raw)
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	const rounds = 11
	rates := map[string][]float64{}
	for range rounds {
		for _, how := range []string{"keep", "close"} {
			for _, w := range ways {
				rates[how+w.what] = append(rates[how+w.what], rate(w.service, how, w.addr, "400"))
			}
		}
	}
	fmt.Printf("\n%-40s %12s %6s %14s %6s\n", "per second, medians of 11 x 0.4 s", "kept alive", "x", "closed", "x")
	for _, w := range ways {
		keep, closed := middle(rates["keep"+w.what]), middle(rates["close"+w.what])
		fmt.Printf("%-40s %12.0f %6.2f %14.0f %6.2f\n", w.what,
			keep, keep/middle(rates["keep"+ways[0].what]), closed, closed/middle(rates["close"+ways[0].what]))
	}
}

func middle(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// address is one of this machine that is not loopback's.
func address(b *testing.B) string {
	b.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		b.Fatal(err)
	}
	for _, a := range addrs {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() != nil && !ip.IsLoopback() {
			return ip.String()
		}
	}
	b.Fatal("this machine has no address")
	return ""
}
