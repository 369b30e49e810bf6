package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"tiffin/engine"
)

// Settings are what engine.json says; the zero value is what holds without it.
type Settings struct {
	// Mirrors are asked before a registry, by its host: {"docker.io": ["http://127.0.0.1:5000"]}.
	Mirrors map[string][]string `json:"registry-mirrors"`
	// Insecure registries may be spoken to without TLS: host, host:port or CIDR.
	Insecure []string `json:"insecure-registries"`
	Build    Build    `json:"build"`
	// OtherFirewalls says what becomes of the host's other firewalls that drop what they do not know: Open or Leave;
	// "" is Open.
	OtherFirewalls string `json:"other-firewalls"`
	// HostNames lets the host's programs find containers by name; without the key they do not.
	HostNames HostNames `json:"host-names"`
	// CDISpecDirs is where devices are described; without the key /etc/cdi and /var/run/cdi.
	CDISpecDirs []string `json:"cdi-spec-dirs"`
	// SocketGroup names the group whose members may use the engine's socket, and are root on the host by it.
	SocketGroup string `json:"socket-group"`
}

// HostNames is about SERVICE.PROJECT.Domain on the host, see docs/names.md.
type HostNames struct {
	// Listen is where the name server for the host listens: a loopback address.
	Listen netip.AddrPort
	Domain string
}

// What holds where the key "host-names" says nothing. The address is none of systemd-resolved's (127.0.0.53 and .54) nor
// Docker's inside containers, where engines run, too (127.0.0.11). The domain is below the one that is kept free for
// private use (ICANN, 2024); below localhost, resolvers answer 127.0.0.1 by themselves (RFC 6761).
const (
	hostListen = "127.0.0.111"
	hostPort   = "53"
	hostDomain = "tiffin.internal"
)

// UnmarshalJSON reads the object, or true for the defaults.
func (h *HostNames) UnmarshalJSON(text []byte) error {
	*h = HostNames{}
	said := struct {
		Listen string `json:"listen"`
		Domain string `json:"domain"`
	}{hostListen, hostDomain}
	switch string(text) {
	case "null", "false":
		return nil
	case "true":
	default:
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&said); err != nil {
			return fmt.Errorf(`host-names: true, or an object with the keys "listen" and "domain": %w`, err)
		}
	}
	addr := said.Listen
	if _, err := netip.ParseAddr(addr); err == nil {
		addr = net.JoinHostPort(addr, hostPort)
	}
	listen, err := netip.ParseAddrPort(addr)
	if err != nil || !listen.Addr().IsLoopback() || listen.Port() == 0 {
		return fmt.Errorf("host-names: listen: %q is no loopback address, with or without a port: other hosts must not ask", said.Listen)
	}
	domain := strings.ToLower(strings.Trim(said.Domain, "."))
	if !isDomain(domain) {
		return fmt.Errorf("host-names: domain: %q is no domain", said.Domain)
	}
	if domain == "localhost" || strings.HasSuffix(domain, ".localhost") {
		return fmt.Errorf("host-names: domain: below localhost every name means 127.0.0.1 to resolvers and browsers; say another, as %q", hostDomain)
	}
	*h = HostNames{Listen: listen, Domain: domain}
	return nil
}

// isDomain knows names that containers can be below, with what is before them.
func isDomain(domain string) bool {
	if len(domain) > 100 {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// What can be done about other firewalls: containers' packets are let through, or the firewalls are left as they are.
const (
	Open  = "open"
	Leave = "leave"
)

// Build is about builds.
type Build struct {
	// Entitlements are what a build may be granted when its caller grants it, too: network.host and
	// security.insecure. Without the key: network.host.
	Entitlements *[]string `json:"entitlements"`
	// CacheSize bounds the cache, in bytes; 0 is a share of the disk.
	CacheSize engine.Bytes `json:"cache-size"`
	// Linger is how long the builder stays in memory for the next build; 0 is 15 s.
	Linger engine.Duration `json:"linger"`
}

// Granted are the entitlements of builds.
func (b *Build) Granted() []string {
	if b.Entitlements == nil {
		return []string{"network.host"}
	}
	return *b.Entitlements
}

// Read reads the file at path, which need not be there. A key that nobody knows is an
// error: it may be one that somebody relies on.
//
// Errors: engine.ErrInvalid.
func Read(path string) (Settings, error) {
	var s Settings
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read settings: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&s)
	if err == nil && decoder.More() {
		err = errors.New("there is something after its end")
	}
	if f := s.OtherFirewalls; err == nil && f != "" && f != Open && f != Leave {
		err = fmt.Errorf("other-firewalls is %q, and can be %q or %q", f, Open, Leave)
	}
	if err != nil {
		return s, engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("settings %s: %w", path, err)),
			`it is JSON with the keys "registry-mirrors", "insecure-registries", "build", "other-firewalls", "host-names", "cdi-spec-dirs" and "socket-group"`)
	}
	return s, nil
}
