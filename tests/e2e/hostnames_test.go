package e2e

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"tiffin/tests/harness"
)

// Addresses of loopback that nobody else has: the engine's, dnsmasq's, and that of a name server of the world.
const (
	hostListen = "127.0.213.77"
	dnsmasq    = "127.0.213.78"
	world      = "127.0.213.79"
)

// Programs of the host find the containers of all projects by name, with the C library and with Go's resolver, whichever
// way its resolver is linked to the engine's; while an engine is killed and another started, and until down.
func TestNamesOnTheHost(t *testing.T) {
	harness.RequireTool(t, "dnsmasq", "unshare", "getent")
	e := harness.New(t)
	registry := harness.Registry(t)
	e.Configure(t, map[string]any{
		"registry-mirrors":    map[string][]string{"docker.io": {"http://" + registry.Addr}},
		"insecure-registries": []string{registry.Addr},
		"host-names":          map[string]string{"listen": hostListen},
	})
	for _, project := range []string{"shop", "blog"} {
		e.Write(t, project+"/compose.yaml", fmt.Sprintf(`
name: %s
services:
  web:
    image: busybox
    command: [httpd, -f, -p, "80"]
    stop_signal: SIGKILL
    scale: 2
`, project))
	}
	e.OK(t, "--project-directory", "shop", "pull")
	before := e.Snapshot(t)
	e.OK(t, "--project-directory", "shop", "up", "-d")
	e.OK(t, "--project-directory", "blog", "up", "-d")
	shop, blog := projectAddresses(t, e, "shop"), projectAddresses(t, e, "blog")

	serveWorld(t)
	cmd := exec.CommandContext(t.Context(), "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root",
		"--no-hosts", "--no-resolv", "--bind-interfaces", "--listen-address="+dnsmasq, "--server="+world, "--server=/tiffin.internal/"+hostListen)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for way, conf := range map[string]string{
		"plain":   "nameserver " + hostListen + "\nnameserver " + world + "\n",
		"dnsmasq": "nameserver " + dnsmasq + "\n",
	} {
		e.Write(t, way+".conf", conf)
		file := filepath.Join(e.Dir, way+".conf")
		harness.Until(t, 20*time.Second, way+" answers", func() bool { return len(getent(t, file, "www.example.com")) > 0 })
		for name, want := range map[string][]string{
			"web.shop.tiffin.internal":  shop,
			"web.blog.tiffin.internal":  blog,
			"web.gone.tiffin.internal":  nil,
			"gone.shop.tiffin.internal": nil,
			"www.example.com":           {"198.51.100.9"},
		} {
			if got := getent(t, file, name); !slices.Equal(got, want) {
				t.Errorf("%s: %s: got %v, want %v", way, name, got, want)
			}
		}
	}
	if got := dig(t, "web.shop.localhost"); !slices.Equal(got, []string{"127.0.0.1"}) {
		t.Errorf("below localhost: %v", got)
	}
	if out := e.OK(t, "engine", "status"); !strings.Contains(out, "names on the host: SERVICE.PROJECT.tiffin.internal, asked at "+hostListen+":53\n") {
		t.Errorf("engine status:\n%s", out)
	}
	if c, err := net.DialTimeout("tcp", "web.shop.tiffin.internal:80", time.Second); err == nil {
		_ = c.Close()
		t.Error("the machine itself resolves the names: what does this test show?")
	}
	c, err := net.DialTimeout("tcp", net.JoinHostPort(dig(t, "web.shop.tiffin.internal")[0], "80"), 5*time.Second)
	if err != nil {
		t.Errorf("nothing is published, and nothing has to be: %v", err)
	} else {
		_ = c.Close()
	}

	killEngine(t, e)
	e.OK(t, "ls")
	if got := dig(t, "web.blog.tiffin.internal"); !slices.Equal(got, blog) {
		t.Errorf("with the next engine: got %v, want %v", got, blog)
	}
	e.OK(t, "--project-directory", "blog", "down")
	if got := dig(t, "web.blog.tiffin.internal"); len(got) > 0 {
		t.Errorf("after down: %v", got)
	}
	e.OK(t, "--project-directory", "shop", "down")
	e.OK(t, "engine", "stop") // it is another than before
	e.NothingLeft(t, before)
}

func projectAddresses(t *testing.T, e *harness.Tiffin, project string) []string {
	t.Helper()
	var all []string
	for _, i := range []string{"1", "2"} {
		out := e.OK(t, "--project-directory", project, "exec", "-T", "--index", i, "web", "ip", "addr", "show", "dev", "eth0")
		_, rest, _ := strings.Cut(out, "inet ")
		ip, _, _ := strings.Cut(rest, "/")
		all = append(all, ip)
	}
	slices.Sort(all)
	return all
}

// getent asks the machine's C library, with another resolv.conf.
func getent(t *testing.T, conf, name string) []string {
	t.Helper()
	out, _ := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", // a name that is not found has an exit code
		`mount --bind "$1" /etc/resolv.conf && exec getent -s dns ahosts "$2"`, "sh", conf, name).Output()
	var all []string
	for line := range strings.Lines(string(out)) {
		all = append(all, strings.Fields(line)[0])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// dig asks the engine itself, with Go's resolver.
func dig(t *testing.T, name string) []string {
	t.Helper()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, hostListen+":53")
	}}
	var all []string
	list, _ := r.LookupNetIP(t.Context(), "ip4", name+".") // none is an answer, too
	for _, a := range list {
		all = append(all, a.Unmap().String())
	}
	slices.Sort(all)
	return all
}

// serveWorld is the name server of www.example.com.
func serveWorld(t *testing.T) {
	t.Helper()
	l, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", world+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, peer, err := l.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			switch {
			case q.Name.String() != "www.example.com.":
				m.RCode = dnsmessage.RCodeNameError
			case q.Type == dnsmessage.TypeA:
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: [4]byte{198, 51, 100, 9}},
				}}
			}
			if b, err := m.Pack(); err == nil {
				_, _ = l.WriteTo(b, peer)
			}
		}
	}()
}
