package e2e

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tiffin/tests/harness"
)

// networked brings a project up whose services sleep, or serve their own name on port 80.
func networked(t *testing.T, compose string) (*harness.Tiffin, harness.Snapshot) {
	t.Helper()
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Env["PORT"] = freePort(t)
	e.Write(t, "compose.yaml", compose)
	e.OK(t, "pull")
	before := e.Snapshot(t)
	e.OK(t, "up", "-d")
	return e, before
}

// in runs a command in a service's container.
func in(t *testing.T, e *harness.Tiffin, service string, command ...string) string {
	t.Helper()
	return e.OK(t, append([]string{"exec", "-T", service}, command...)...)
}

var addressLine = regexp.MustCompile(`(?m)^\s*inet6? (\S+)`)

// addressesOf lists the addresses of an interface, without those that IPv6 makes itself.
func addressesOf(t *testing.T, e *harness.Tiffin, service, link string) []string {
	t.Helper()
	var found []string
	for _, m := range addressLine.FindAllStringSubmatch(in(t, e, service, "ip", "addr", "show", "dev", link), -1) {
		if !strings.HasPrefix(m[1], "fe80::") || strings.HasPrefix(m[1], "fe80::7") {
			found = append(found, m[1])
		}
	}
	return found
}

// asks wants an answer to a request over HTTP from one container to another.
func asks(t *testing.T, e *harness.Tiffin, service, url, want string) {
	t.Helper()
	var r harness.Result
	if !harness.Eventually(10*time.Second, func() bool {
		r = e.Do(t, "exec", "-T", service, "timeout", "2", "wget", "-q", "-O", "-", url)
		return strings.TrimSpace(r.Stdout) == want
	}) {
		t.Errorf("%s asks %s: got %q %q, want %q", service, url, r.Stdout, r.Stderr, want)
	}
}

// asksInVain wants no answer.
func asksInVain(t *testing.T, e *harness.Tiffin, service, url string) {
	t.Helper()
	if r := e.Do(t, "exec", "-T", service, "timeout", "1", "wget", "-q", "-O", "-", url); r.Code == 0 {
		t.Errorf("%s asks %s: got %q, want nothing", service, url, r.Stdout)
	}
}

const connectable = `
name: shop
x-it: &it {image: busybox, init: true}
services:
  web:
    <<: *it
    command: [sh, -c, "mkdir /www; echo web > /www/index.html; httpd -f -p 80 -h /www"]
    ports: ["127.0.0.1:${PORT}:80"]
  app:
    <<: *it
    command: [sleep, inf]
    networks: [back]
networks:
  back:
`

func TestContainersAreConnectedAndDisconnectedWhileTheyRun(t *testing.T) {
	e, before := networked(t, connectable)
	page := "http://127.0.0.1:" + e.Env["PORT"] + "/"
	answers(t, page)
	asksInVain(t, e, "app", "http://web/")

	id := strings.TrimSpace(e.OK(t, "network", "create", "--subnet", "10.222.7.0/24", "--ip-range", "10.222.7.128/25", "--label", "a=b", "extra"))
	if got := e.OK(t, "network", "ls", "-q", "--no-trunc", "--filter", "label=a=b"); strings.TrimSpace(got) != id {
		t.Errorf("ls: got %q, want %s", got, id)
	}
	if got := e.OK(t, "network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}", "-f", "type=custom"); got !=
		"extra bridge local\nshop_back bridge local\nshop_default bridge local\n" {
		t.Errorf("ls: got %s", got)
	}
	e.OK(t, "network", "connect", "--alias", "db", "--link", "shop-app-1:mate", id[:12], "shop-web-1")
	e.OK(t, "network", "connect", "--ip", "10.222.7.9", "extra", "shop-app-1")
	connected := func() {
		t.Helper()
		asks(t, e, "app", "http://db/", "web")
		asks(t, e, "app", "http://shop-web-1/", "web")
		if got := addressesOf(t, e, "app", "eth1"); !slices.Equal(got, []string{"10.222.7.9/24"}) {
			t.Errorf("the address that was asked for: got %v", got)
		}
		if got := in(t, e, "web", "nslookup", "mate"); !strings.Contains(got, "10.222.7.9") {
			t.Errorf("the link: got %s", got)
		}
		browse(t, page, "web")
	}
	connected()
	if got := in(t, e, "app", "cat", "/etc/hosts"); !strings.Contains(got, "10.222.7.9\t") {
		t.Errorf("/etc/hosts does not have the new address:\n%s", got)
	}
	e.OK(t, "restart", "-t", "1")
	connected()
	e.OK(t, "stop", "-t", "1")
	e.OK(t, "start")
	connected()
	killEngine(t, e)
	connected()

	refusals(t, e)
	moved(t, e, page)
	e.OK(t, "down", "-t", "1")
	e.OK(t, "network", "rm", "extra")
	e.NothingLeft(t, without(before, e))
}

// refusals are the words that tools match on.
func refusals(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"connect", "nowhere", "shop-web-1"}, "network nowhere not found"},
		{[]string{"connect", "extra", "nobody"}, "No such container: nobody"},
		{[]string{"connect", "extra", "shop-web-1"}, "is already connected to network extra: endpoint with name shop-web-1 already exists"},
		{[]string{"connect", "host", "shop-web-1"}, "container cannot be connected to network host"},
		{[]string{"connect", "shop_back", "shop-web-1", "--ip", "192.0.2.7"}, "address 192.0.2.7: is not inside the subnet"},
		{[]string{"disconnect", "shop_back", "shop-web-1"}, "container shop-web-1 is not connected to network shop_back"},
		{[]string{"rm", "extra"}, `network extra has active endpoints (name:"shop-app-1" id:`},
		{[]string{"rm", "bridge"}, "bridge is a pre-defined network and cannot be removed"},
		{[]string{"create", "extra"}, "network with name extra already exists"},
		{[]string{"create", "x", "--gateway", "10.9.9.9"}, "no matching subnet for gateway 10.9.9.9"},
		{[]string{"create", "x", "-o", "no.such=1"}, "driver option no.such is not supported by the driver bridge"},
		{[]string{"inspect", "nowhere"}, "network nowhere not found"},
	} {
		if got := e.Fails(t, 1, append([]string{"network"}, c.args...)...); !strings.Contains(got, c.want) {
			t.Errorf("network %v: got %q, want %q", c.args, got, c.want)
		}
	}
	e.OK(t, "network", "disconnect", "-f", "shop_back", "shop-web-1")
	e.OK(t, "network", "rm", "-f", "nowhere")
	var all []struct {
		Name, Driver string
		IPAM         struct{ Config []map[string]string }
		Containers   map[string]struct{ Name, IPv4Address string }
		Labels       map[string]string
	}
	if err := json.Unmarshal([]byte(e.OK(t, "network", "inspect", "extra")), &all); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, c := range all[0].Containers {
		names[c.Name] = c.IPv4Address
	}
	if n := all[0]; n.IPAM.Config[0]["Gateway"] != "10.222.7.1" || n.IPAM.Config[0]["IPRange"] != "10.222.7.128/25" ||
		names["shop-app-1"] != "10.222.7.9/24" || len(names) != 2 || n.Labels["a"] != "b" {
		t.Errorf("inspect: got %+v", n)
	}
	if got := e.OK(t, "network", "inspect", "--format", "{{.Name}} {{.Driver}}", "shop_default", "bridge"); got != "shop_default bridge\nbridge bridge\n" {
		t.Errorf("inspect --format: got %q", got)
	}
}

// moved takes a container off the network that has its default route and its published port.
func moved(t *testing.T, e *harness.Tiffin, page string) {
	t.Helper()
	e.OK(t, "network", "disconnect", "extra", "shop-app-1")
	asksInVain(t, e, "app", "http://db/")
	e.OK(t, "network", "disconnect", "extra", "shop-web-1")
	e.OK(t, "network", "connect", "extra", "shop-web-1")
	route := func() string { return in(t, e, "web", "ip", "route") }
	if got := route(); !strings.Contains(got, "default via 10.222.7.1 ") {
		t.Errorf("extra is before shop_default by name: got\n%s", got)
	}
	e.OK(t, "network", "disconnect", "extra", "shop-web-1")
	if got := route(); !strings.Contains(got, "default via ") || strings.Contains(got, "10.222.7.") {
		t.Errorf("after extra has gone: got\n%s", got)
	}
	answers(t, page)
	e.OK(t, "network", "connect", "extra", "shop-web-1")
	e.OK(t, "network", "disconnect", "shop_default", "shop-web-1")
	if got := route(); !strings.Contains(got, "default via 10.222.7.1 ") {
		t.Errorf("after shop_default has gone: got\n%s", got)
	}
	answers(t, page)
	e.OK(t, "network", "disconnect", "extra", "shop-web-1")
	if got := route(); got != "" {
		t.Errorf("without a network: got\n%s", got)
	}
	// What the project says is true again after up.
	e.OK(t, "up", "-d", "-t", "1")
	answers(t, page)
	if got := e.OK(t, "network", "prune", "-f", "--filter", "label!=a=b"); got != "" {
		t.Errorf("prune: got %q", got)
	}
}

const attributed = `
name: attr
x-it: &it
  image: busybox
  init: true
  command: [sh, -c, "mkdir /www; hostname > /www/index.html; httpd -f -p 80 -h /www"]
services:
  web:
    <<: *it
    hostname: w77
    mac_address: 02:00:00:00:00:01
    networks:
      front:
        ipv4_address: 10.222.1.77
        ipv6_address: fd07:1::77
        link_local_ips: [169.254.7.7, "fe80::7"]
        priority: 10
        driver_opts: {com.docker.network.endpoint.sysctls: net.ipv4.conf.IFNAME.log_martians=1}
      back:
        use_service_name_alias: false
        interface_name: lan
        mac_address: 02:00:00:00:00:02
        aliases: [archive]
      six: {gw_priority: 5}
  app:
    <<: *it
    hostname: app
    networks: [front, back, six, inner, flat]
  alone:
    <<: *it
    hostname: alone
    networks: [inner, flat]
networks:
  front:
    enable_ipv6: true
    driver_opts: {com.docker.network.container_iface_prefix: lan, com.docker.network.driver.mtu: "1400"}
    ipam:
      config:
        - {subnet: 10.222.1.0/24, gateway: 10.222.1.254, ip_range: 10.222.1.64/28, aux_addresses: {router: 10.222.1.65}}
        - {subnet: "fd07:1::/64"}
  back: {enable_ipv6: true}
  six: {enable_ipv4: false, enable_ipv6: true}
  inner: {internal: true, enable_ipv6: true}
  flat: {driver: macvlan}
`

func TestWhatAComposeFileSaysOfNetworksIsSoInContainers(t *testing.T) {
	e, before := networked(t, attributed)
	if got, want := addressesOf(t, e, "web", "lan0"), []string{"169.254.7.7/16", "10.222.1.77/24", "fd07:1::77/64", "fe80::7/64"}; !same(got, want) {
		t.Errorf("static and link-local addresses: got %v, want %v", got, want)
	}
	for _, c := range []struct{ sentence, service, command, want string }{
		{"priority makes it the first; the prefix is that of its network", "web", "cat /sys/class/net/lan0/address", "02:00:00:00:00:01"},
		{"the MTU", "web", "cat /sys/class/net/lan0/mtu", "1400"},
		{"interface_name, with its own mac_address", "web", "cat /sys/class/net/lan/address", "02:00:00:00:00:02"},
		{"a parameter of the interface", "web", "cat /proc/sys/net/ipv4/conf/lan0/log_martians", "1"},
		{"gw_priority has the default route of IPv6", "web", "ip -6 route show default", "dev eth0"},
		{"and the other family's is the first by name", "web", "ip -4 route show default", "dev lan "},
		{"the gateway that was given", "app", "ip -4 route", "10.222.1.0/24 dev "},
		{"addresses are of the range, without the reserved one", "app", "ip -4 addr", "inet 10.222.1.64/24"},
		{"an internal network has no way out", "alone", "ip -4 route show default", ""},
		{"nor by IPv6", "alone", "ip -6 route show default", ""},
	} {
		got := in(t, e, c.service, "sh", "-c", c.command)
		if !strings.Contains(got, c.want) || c.want == "" && strings.TrimSpace(got) != "" {
			t.Errorf("%s: %s of %s: got %q, want %q", c.sentence, c.command, c.service, got, c.want)
		}
	}
	if got := addressesOf(t, e, "web", "eth0"); len(got) != 1 || netip.MustParsePrefix(got[0]).Addr().Is4() {
		t.Errorf("a network without IPv4: got %v", got)
	}
	if got := in(t, e, "app", "nslookup", "-type=aaaa", "archive"); !strings.Contains(got, "Address: fd") {
		t.Errorf("AAAA of an alias: got %s", got)
	}
	asks(t, e, "app", "http://10.222.1.77/", "w77")
	asks(t, e, "app", "http://[fd07:1::77]/", "w77")
	asks(t, e, "app", "http://archive/", "w77")
	// Of the addresses of web, app does not get the one on back by its service's name.
	back := strings.TrimSuffix(addressesOf(t, e, "web", "lan")[0], "/24")
	if got := in(t, e, "app", "nslookup", "web"); !strings.Contains(got, "10.222.1.77") || strings.Contains(got, back) {
		t.Errorf("the service's name: got %s, want 10.222.1.77 and not %s", got, back)
	}
	if got := in(t, e, "app", "nslookup", "archive"); !strings.Contains(got, back) {
		t.Errorf("the alias: got %s, want %s", got, back)
	}
	asks(t, e, "app", "http://alone/", "alone")
	asksInVain(t, e, "alone", "http://10.222.1.77/")
	mac := strings.Fields(e.OK(t, "network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{.IPv4Address}} {{end}}", "attr_flat"))
	if len(mac) != 4 {
		t.Fatalf("on the macvlan: got %v", mac)
	}
	ip := netip.MustParsePrefix(mac[1+2*slices.Index([]string{mac[0], mac[2]}, "attr-alone-1")]).Addr()
	asks(t, e, "app", "http://"+ip.String()+"/", "alone")
	killEngine(t, e)
	asks(t, e, "app", "http://"+ip.String()+"/", "alone")
	asks(t, e, "app", "http://alone/", "alone")
	e.OK(t, "down", "-t", "1")
	e.NothingLeft(t, without(before, e))
}

func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

const changing = `
name: change
services:
  web:
    image: busybox
    init: true
    command: [sh, -c, "mkdir -p /www; echo web > /www/index.html; httpd -f -p 80 -h /www"]
  app:
    image: busybox
    init: true
    command: [sleep, inf]
    networks: [default, theirs, other]
networks:
  default:
    ipam: {config: [{subnet: "SUBNET"}]}
    driver_opts: {com.docker.network.driver.mtu: "MTU"}
  theirs: {external: true}
  other: {name: somebodys}
`

// The same containers are on the network that is made anew, by the same names.
func TestAChangedNetworkHasTheSameContainers(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	write := func(subnet, mtu string) {
		e.Write(t, "compose.yaml", strings.NewReplacer("SUBNET", subnet, "MTU", mtu).Replace(changing))
	}
	write("10.222.3.0/24", "1500")
	e.OK(t, "pull")
	before := e.Snapshot(t)
	if got := e.Fails(t, 1, "up", "-d"); !strings.Contains(got, "network theirs declared as external, but could not be found") {
		t.Errorf("an external network that is not there: got %q", got)
	}
	e.OK(t, "network", "create", "theirs")
	e.OK(t, "network", "create", "somebodys")
	if got := e.Do(t, "up", "-d"); got.Code != 0 || !strings.Contains(got.Stderr, `a network with name somebodys exists but was not created for project "change"`) {
		t.Fatalf("up: %+v", got)
	}
	ids := e.OK(t, "ps", "-a", "-q", "--no-trunc")
	asks(t, e, "app", "http://web/", "web")
	// A guest from another project, connected by command.
	e.Write(t, "guest/compose.yaml", "name: guest\nservices: {mate: {image: busybox, init: true, command: [sleep, inf]}}\n")
	e.OK(t, "-f", "guest/compose.yaml", "up", "-d")
	e.OK(t, "network", "connect", "change_default", "guest-mate-1")
	for _, c := range []struct{ subnet, mtu string }{{"10.222.4.0/24", "1500"}, {"10.222.4.0/24", "1400"}} {
		write(c.subnet, c.mtu)
		e.OK(t, "up", "-d", "-t", "1")
		if got := e.OK(t, "ps", "-a", "-q", "--no-trunc"); got != ids {
			t.Errorf("containers: got\n%swant\n%s", got, ids)
		}
		if got := in(t, e, "app", "sh", "-c", "ip addr show eth0; nslookup web"); !strings.Contains(got, "mtu "+c.mtu) || strings.Count(got, c.subnet[:9]) < 2 {
			t.Errorf("subnet %s, MTU %s: got %s", c.subnet, c.mtu, got)
		}
		asks(t, e, "app", "http://web/", "web")
		if got := e.OK(t, "-f", "guest/compose.yaml", "exec", "-T", "mate", "sh", "-c", "ip addr show eth1; nslookup web"); strings.Count(got, c.subnet[:9]) < 2 {
			t.Errorf("the guest: got %s", got)
		}
	}
	e.OK(t, "-f", "guest/compose.yaml", "down", "-t", "1")
	e.OK(t, "down", "-t", "1")
	if got := e.OK(t, "network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"); got != "somebodys\ntheirs\n" {
		t.Errorf("after down: got %q", got)
	}
	if got := e.OK(t, "network", "prune", "-f"); got != "Deleted Networks:\nsomebodys\ntheirs\n\n" {
		t.Errorf("prune: got %q", got)
	}
	e.NothingLeft(t, without(before, e))
}

// What a service does not want any more, its new container does not have.
func TestARecreatedContainerIsOnItsNetworksOnly(t *testing.T) {
	const two, one = "networks: [default, back]", "networks: {back: {ipv4_address: 10.222.5.9}}"
	compose := `
name: narrow
services:
  web: {image: busybox, init: true, command: [sleep, inf], NETWORKS}
  db: {image: busybox, init: true, command: [sh, -c, "mkdir /www; echo db > /www/index.html; httpd -f -p 80 -h /www"]}
networks: {default: {}, back: {ipam: {config: [{subnet: 10.222.5.0/24}]}}}
`
	e, before := networked(t, strings.Replace(compose, "NETWORKS", two, 1))
	asks(t, e, "web", "http://db/", "db")
	ip := strings.TrimSuffix(addressesOf(t, e, "db", "eth0")[0], "/24")
	e.Write(t, "compose.yaml", strings.Replace(compose, "NETWORKS", one, 1))
	e.OK(t, "up", "-d", "-t", "1")
	if got := addressesOf(t, e, "web", "eth0"); !slices.Equal(got, []string{"10.222.5.9/24"}) {
		t.Errorf("eth0: got %v", got)
	}
	asksInVain(t, e, "web", "http://db/")
	asksInVain(t, e, "web", "http://"+ip+"/")
	e.OK(t, "down", "-t", "1")
	e.NothingLeft(t, without(before, e))
}
