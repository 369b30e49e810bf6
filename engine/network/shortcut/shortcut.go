package shortcut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Way lets connections to published ports on loopback addresses go to the
// container at once: two programs in the root control group look at each connect(2),
// and replace the address before the kernel does anything with it. Nobody but the host's own
// processes can connect that way, and there is no forwarding at all. Where it cannot
// be had, or does not apply, connections arrive at the socket that holds the port.
type Way struct {
	Cookie uint64 // of the network namespace
	Log    *slog.Logger

	mu      sync.Mutex
	refused bool       // it cannot be had
	ports   *os.File   // map: key → value; nil while it is not attached
	files   []*os.File // all that holds it
	links   []*os.File // those of files that alone would do
	keys    map[string]bool
}

// In the map, a key is the address as far as it matters (127.x.y.z; 0 for all; 1 for
// ::1), the port and the family (4 or 6); the value is the container's address in 16
// bytes, an IPv4 one in the last four, and its port. All in the order of the wire.
const (
	portKeySize    = 8
	portValueSize  = 20
	portEntriesMax = 1 << 16
)

// Offsets in struct bpf_sock_addr and struct bpf_sock of linux/bpf.h, and numbers of
// helper functions there.
const (
	ctxIP4      = 4
	ctxIP6      = 8
	ctxPort     = 24
	ctxProtocol = 36
	ctxSock     = 64
	sockSource4 = 24
	sockSource6 = 28

	helperMapLookup   = 1
	helperNetnsCookie = 122
)

// Add lets connections to a published port go to the address. A port that the short
// cut does not serve, and a host that does not have it, are no errors.
func (s *Way) Add(p engine.PublishedPort, to netip.AddrPort) error {
	if !Serves(p) || p.HostIP.Is6() != to.Addr().Is6() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused {
		return nil
	}
	if s.ports == nil {
		if err := s.attach(); err != nil {
			s.refused = true
			s.Log.Warn("connections to published ports on loopback addresses are forwarded, which is slower", "reason", err)
			return s.detach()
		}
	}
	key := portKey(p)
	s.keys[string(key)] = true
	return mapUpdate(s.ports, key, portValue(to))
}

// Remove undoes Add, which need not have been called. With the last port the
// programs go: they cost every connect(2) on the host a few nanoseconds.
func (s *Way) Remove(p engine.PublishedPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := portKey(p)
	if !Serves(p) || !s.keys[string(key)] {
		return nil
	}
	err := mapDelete(s.ports, key) // also with the last: a copy of the links may stay a while
	if delete(s.keys, string(key)); len(s.keys) == 0 {
		err = errors.Join(err, s.detach())
	}
	return err
}

// Close takes everything away.
func (s *Way) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.detach()
}

// Refuse does without: connections are forwarded.
func (s *Way) Refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = true
}

// Links calls do with what keeps the programs alone, which stays open meanwhile.
func (s *Way) Links(do func(links []*os.File) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return do(s.links)
}

// attach loads the programs and attaches them to the root control group.
func (s *Way) attach() error {
	cgroup, err := openRootCgroup()
	if err != nil {
		return err
	}
	s.files = append(s.files, cgroup)
	ports, err := newHashMap("tiffin_ports", portKeySize, portValueSize, portEntriesMax)
	if err != nil {
		return err
	}
	s.files = append(s.files, ports)
	for _, p := range []struct {
		name   string
		code   assembly
		attach uint32
	}{
		{"tiffin_connect4", connect4(ports, s.Cookie), unix.BPF_CGROUP_INET4_CONNECT},
		{"tiffin_connect6", connect6(ports, s.Cookie), unix.BPF_CGROUP_INET6_CONNECT},
	} {
		program, err := loadProgram(p.name, p.code.bytes(), p.attach)
		if err != nil {
			return err
		}
		s.files = append(s.files, program)
		link, err := linkProgram(program, cgroup, p.attach)
		if err != nil {
			return err
		}
		s.files, s.links = append(s.files, link), append(s.links, link)
	}
	s.ports, s.keys = ports, map[string]bool{}
	return nil
}

func (s *Way) detach() error {
	var errs []error
	for _, f := range slices.Backward(s.files) {
		errs = append(errs, f.Close())
	}
	s.ports, s.files, s.links, s.keys = nil, nil, nil, nil
	return errors.Join(errs...)
}

// connect4 is the program for IPv4. It lets every connection through (1), and first
// gives those that are for us another destination.
func connect4(ports *os.File, cookie uint64) assembly {
	var a assembly
	a.add(move(r6, r1), load(size32, r1, r6, ctxProtocol))
	a.unless(r1, unix.IPPROTO_TCP, "out")
	a.add(load(size8, r1, r6, ctxIP4))
	a.unless(r1, 127, "out")
	a.inNamespace(cookie)
	// A socket that is bound to an address, surely of loopback, cannot leave it.
	a.add(load(sizeDW, r1, r6, ctxSock))
	a.ifZero(r1, "out")
	a.add(load(size32, r1, r1, sockSource4))
	a.unless(r1, 0, "out")
	a.add(load(size32, r7, r6, ctxIP4))
	a.find(ports, 4)
	a.add(load(size32, r1, r0, 12), store(size32, r6, ctxIP4, r1))
	a.end()
	return a
}

// connect6 is the program for IPv6, where ::1 is all that is loopback.
func connect6(ports *os.File, cookie uint64) assembly {
	var a assembly
	a.add(move(r6, r1), load(size32, r1, r6, ctxProtocol))
	a.unless(r1, unix.IPPROTO_TCP, "out")
	for word := range int16(3) {
		a.add(load(size32, r1, r6, ctxIP6+4*word))
		a.unless(r1, 0, "out")
	}
	one := int32(binary.NativeEndian.Uint32([]byte{0, 0, 0, 1}))
	a.add(load(size32, r7, r6, ctxIP6+12))
	a.unless(r7, one, "out")
	a.inNamespace(cookie)
	a.add(load(sizeDW, r8, r6, ctxSock))
	a.ifZero(r8, "out")
	for word := range int16(4) {
		a.add(load(size32, r1, r8, sockSource6+4*word))
		a.unless(r1, 0, "out")
	}
	a.find(ports, 6)
	for word := range int16(4) {
		a.add(load(size32, r1, r0, 4*word), store(size32, r6, ctxIP6+4*word, r1))
	}
	a.end()
	return a
}

// inNamespace leaves connections of other network namespaces alone.
func (a *assembly) inNamespace(cookie uint64) {
	a.add(move(r1, r6), call(helperNetnsCookie))
	a.add(load64(r1, cookie)...)
	a.unlessSame(r0, r1, "out")
}

// find looks the address in r7 and the connection's port up, then the port alone.
// What is found is in r0.
func (a *assembly) find(ports *os.File, family int32) {
	a.add(store(size32, r10, -8, r7), load(size32, r1, r6, ctxPort),
		store(size16, r10, -4, r1), storeConst(size16, r10, -2, family))
	for _, label := range []string{"found", ""} {
		a.add(loadMap(r1, ports)...)
		a.add(move(r2, r10), addConst(r2, -8), call(helperMapLookup))
		if label != "" {
			a.unless(r0, 0, label)
			a.add(storeConst(size32, r10, -8, 0))
		}
	}
	a.ifZero(r0, "out")
	a.label("found")
}

func (a *assembly) end() {
	a.add(load(size32, r1, r0, 16), store(size32, r6, ctxPort, r1))
	a.label("out")
	a.add(moveConst(r0, 1), exit())
}

// Serves says whether connections to a published port can take the short cut.
func Serves(p engine.PublishedPort) bool {
	return p.Protocol == "tcp" && (p.HostIP.IsLoopback() || p.HostIP.IsUnspecified())
}

func portKey(p engine.PublishedPort) []byte {
	key := make([]byte, 4, portKeySize)
	family := uint16(4)
	if p.HostIP.Is6() {
		family = 6
	}
	if p.HostIP.IsLoopback() {
		addr := p.HostIP.AsSlice()
		copy(key, addr[len(addr)-4:])
	}
	key = binary.BigEndian.AppendUint16(key, p.HostPort)
	return binary.NativeEndian.AppendUint16(key, family)
}

func portValue(to netip.AddrPort) []byte {
	addr := to.Addr().As16()
	return append(binary.BigEndian.AppendUint16(addr[:], to.Port()), 0, 0)
}

var errNoCgroup = errors.New("no cgroup2 file system is mounted")

// openRootCgroup opens the root of the control groups of version 2, which all
// processes are in, wherever their controllers are.
func openRootCgroup() (*os.File, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find the root control group: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		// 36 35 98:0 /root /mount/point rw,noatime master:1 - cgroup2 cgroup2 rw
		mount, fs, _ := strings.Cut(line, " - ")
		f := strings.Fields(mount)
		if strings.HasPrefix(fs, "cgroup2 ") && len(f) > 4 && f[3] == "/" {
			return os.Open(f[4])
		}
	}
	return nil, errNoCgroup
}
