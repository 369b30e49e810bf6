package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tiffin/tests/harness"
)

// resolvers are the clients: a name for the program, the image it runs in, and how it is made.
var resolvers = []struct {
	name, image string
	make        []string
}{
	{"glibc", "debian", []string{"gcc", "-O2", "-o", "OUT", "testdata/getaddrinfo.c"}},
	{"musl", "busybox", []string{"musl-gcc", "-static", "-O2", "-o", "OUT", "testdata/getaddrinfo.c"}},
	{"ares", "busybox", []string{"gcc", "-static", "-O2", "-o", "OUT", "testdata/ares.c", "-lcares"}},
	{"go", "busybox", []string{"go", "build", "-o", "OUT", "./resolver"}},
}

// named is a project whose services have names of all kinds. Its own upstream is a container that serves DNS on 0.0.0.0:53.
const named = `
name: named
x-client: &client
  command: [sleep, "1000"]
  init: true
  stop_signal: SIGKILL
  volumes: ["./clients:/clients:ro"]
  dns: [10.213.77.53]
services:
  upstream:
    image: busybox
    command: [/clients/go, serve]
    volumes: ["./clients:/clients:ro"]
    networks: {default: {ipv4_address: 10.213.77.53}}
  web:
    image: busybox
    command: [sleep, "1000"]
    stop_signal: SIGKILL
    scale: 3
    hostname: shop
    networks: {default: {aliases: [www]}}
  sick:
    image: busybox
    command: [sleep, "1000"]
    stop_signal: SIGKILL
    healthcheck: {test: ["CMD", "true"], interval: 1h, start_interval: 1h, start_period: 1h}
  plain:
    image: busybox
    container_name: the-plain-one
    command: [sleep, "1000"]
    stop_signal: SIGKILL
    networks: [four]
  hidden:
    image: busybox
    command: [sleep, "1000"]
    stop_signal: SIGKILL
    networks: [other]
  proxy:
    image: nginx
    volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
    networks: [default, four]
%s
networks:
  default:
    enable_ipv6: true
    ipam: {config: [{subnet: 10.213.77.0/24}]}
  four:
  other:
`

// nginx asks for a name at every request, as those do who want to see replicas come and go.
const nginx = `
events {}
http {
  resolver 127.0.0.11;
  server {
    listen 80;
    location / {
      set $host_to_ask $arg_host;
      proxy_pass http://$host_to_ask:80/here;
    }
    location /here { return 200 "served\n"; }
  }
}
`

func TestNamesForRealResolvers(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	harness.RequireFile(t, "/usr/include/ares.h")
	var clients strings.Builder
	for _, r := range resolvers {
		compile(t, filepath.Join(e.Dir, "clients", r.name), r.make)
		fmt.Fprintf(&clients, "  %s: {<<: *client, image: %s, links: [\"web:shopfront\"], networks: [default, four]}\n", r.name, r.image)
	}
	clients.WriteString("  box: {<<: *client, image: busybox, networks: [default, four], dns_search: [example.com], dns_opt: [\"ndots:1\"]," +
		" extra_hosts: [\"host.docker.internal=host-gateway\", \"fixed=192.0.2.9\"]}\n")
	e.Write(t, "compose.yaml", fmt.Sprintf(named, clients.String()))
	e.Write(t, "nginx.conf", nginx)
	e.OK(t, "pull")
	before := e.Snapshot(t)
	e.OK(t, "up", "-d")

	web4, web6 := addresses(t, e, "web", "inet"), addresses(t, e, "web", "inet6")
	plain := addresses(t, e, "plain", "inet")
	if len(web4) != 3 || len(web6) != 3 || len(plain) != 1 {
		t.Fatalf("web has %v and %v, plain %v", web4, web6, plain)
	}
	both := slices.Sorted(slices.Values(slices.Concat(web4, web6)))
	none := []string{"none"}
	for _, r := range resolvers {
		t.Run(r.name, func(t *testing.T) {
			for _, c := range []struct {
				sentence, family, name string
				want                   []string
			}{
				{"a service is all its replicas, in both families", "any", "web", both},
				{"IPv6 alone", "6", "web", web6},
				{"an alias", "4", "www", web4},
				{"a hostname", "4", "shop", web4},
				{"a link", "4", "shopfront", web4},
				{"in its network", "4", "web.named_default", web4},
				{"a container's name", "4", "the-plain-one", plain},
				{"a service without IPv6 is found by those who ask for both", "any", "plain", plain},
				{"and has none for those who ask for it alone", "6", "plain", none},
				{"one that is not known to be healthy answers where no other does", "4", "sick", addresses(t, e, "sick", "inet")},
				{"what is on another network is not there", "any", "hidden", none},
				{"a name that nobody has is not there", "any", "wbe", none},
				{"outside, both families", "any", "www.example.com", []string{"198.51.100.7", "2001:db8::7"}},
				{"outside, without IPv6", "any", "four.example.com", []string{"198.51.100.4"}},
				{"outside, nobody", "any", "gone.example.com", none},
				{"localhost is here", "4", "localhost", []string{"127.0.0.1"}},
			} {
				if got := lookUp(t, e, r.name, c.family, c.name); !slices.Equal(got, c.want) {
					t.Errorf("%s: %s %s: got %v, want %v", c.sentence, c.family, c.name, got, c.want)
				}
			}
		})
	}
	t.Run("answers with no room in a datagram come over TCP", func(t *testing.T) {
		for _, client := range []string{"glibc", "ares", "go"} { // musl 1.2.3 does not know TCP
			if got := lookUp(t, e, client, "4", "many.example.com"); len(got) != 100 {
				t.Errorf("%s: %d addresses, want 100", client, len(got))
			}
		}
	})
	t.Run("what fails outside fails at once", func(t *testing.T) {
		for _, client := range []string{"glibc", "go", "ares"} {
			if got := lookUp(t, e, client, "4", "broken.example.com"); !slices.Equal(got, []string{"again"}) {
				t.Errorf("%s: got %v", client, got)
			}
		}
	})
	t.Run("names that are ours were asked for nowhere else", func(t *testing.T) { askedOutside(t, e) })
	t.Run("busybox", func(t *testing.T) { busybox(t, e, web4) })
	t.Run("nginx", func(t *testing.T) { throughNginx(t, e) })

	e.OK(t, "down")
	e.NothingLeft(t, before)
}

// compile makes a client, or skips the test where its compiler is missing.
func compile(t *testing.T, out string, command []string) {
	t.Helper()
	harness.RequireTool(t, command[0])
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		t.Fatal(err)
	}
	command = slices.Clone(command)
	command[slices.Index(command, "OUT")] = out
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, text)
	}
}

// addresses are those that the replicas of a service see on their first link, sorted.
func addresses(t *testing.T, e *harness.Tiffin, service, family string) []string {
	t.Helper()
	var all []string
	for i := range strings.Count(e.OK(t, "ps", "-q", service), "\n") {
		out := e.OK(t, "exec", "-T", "--index", fmt.Sprint(i+1), service, "ip", "addr", "show", "dev", "eth0", "scope", "global")
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); f[0] == family {
				ip, _, _ := strings.Cut(f[1], "/")
				all = append(all, ip)
			}
		}
	}
	slices.Sort(all)
	return all
}

// lookUp has a client look a name up, and gives what it prints, sorted.
func lookUp(t *testing.T, e *harness.Tiffin, client, family, name string) []string {
	t.Helper()
	r := e.Do(t, "exec", "-T", client, "/clients/"+client, family, name)
	lines := slices.Sorted(strings.Lines(r.Stdout))
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	want := map[string]int{"none": 1, "again": 2}
	if len(lines) == 0 || r.Code != want[lines[0]] {
		t.Errorf("%s %s %s: exit code %d\n%s%s", client, family, name, r.Code, r.Stdout, r.Stderr)
	}
	return slices.Compact(lines)
}

// askedOutside reads what the upstream was asked: what it alone knows, once for each kind of address by each client. A
// client that had not believed an answer, or had none, would have asked again.
func askedOutside(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	asked := map[string]int{}
	for line := range strings.Lines(e.OK(t, "logs", "--no-log-prefix", "upstream")) {
		if what, ok := strings.CutPrefix(strings.TrimSpace(line), "asked "); ok {
			asked[what]++
		}
	}
	for _, name := range []string{"www", "four", "gone"} {
		for _, kind := range []string{"A", "AAAA"} {
			what := "udp " + name + ".example.com. " + kind
			if n := asked[what]; n != len(resolvers) {
				t.Errorf("%s: asked %d times by %d clients", what, n, len(resolvers))
			}
		}
	}
	for what := range asked {
		if !strings.Contains(what, ".example.com.") {
			t.Errorf("asked for %s", what)
		}
	}
}

// busybox has an nslookup of its own; what else it has for names crashes as Debian links it. And this is a service that
// says how its resolver is to be.
func busybox(t *testing.T, e *harness.Tiffin, web []string) {
	t.Helper()
	out := e.OK(t, "exec", "-T", "box", "nslookup", "-type=a", "web", "127.0.0.11")
	for _, ip := range web {
		if !strings.Contains(out, "Address: "+ip) {
			t.Errorf("nslookup does not find %s:\n%s", ip, out)
		}
	}
	if out := e.OK(t, "exec", "-T", "box", "nslookup", web[0], "127.0.0.11"); !strings.Contains(out, "name = named-web-") {
		t.Errorf("the name of an address:\n%s", out)
	}
	if out := e.Fails(t, 1, "exec", "-T", "box", "nslookup", "wbe", "127.0.0.11"); strings.Contains(out, "timed out") {
		t.Errorf("a name that nobody has:\n%s", out)
	}
	want := "nameserver 127.0.0.11\nsearch example.com\noptions ndots:1\n"
	if got := e.OK(t, "exec", "-T", "box", "cat", "/etc/resolv.conf"); got != want {
		t.Errorf("resolv.conf: got\n%swant\n%s", got, want)
	}
	hosts := e.OK(t, "exec", "-T", "box", "cat", "/etc/hosts")
	for _, line := range []string{"192.0.2.9\tfixed\n", "10.213.77.1\thost.docker.internal\n"} {
		if !strings.Contains(hosts, line) {
			t.Errorf("/etc/hosts has no line %q:\n%s", line, hosts)
		}
	}
}

// throughNginx uses its resolver, which takes no search domains and no /etc/hosts.
func throughNginx(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	status := func(host string) string {
		return e.Do(t, "exec", "-T", "proxy", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1/?host="+host).Stdout
	}
	harness.Until(t, 20*time.Second, "nginx answers", func() bool { return status("proxy") == "200" })
	if got := status("wbe"); got != "502" {
		t.Errorf("a name that nobody has: status %s, want 502 at once and not 504 after a while", got)
	}
}
