package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// rtnl is a routing netlink socket of one network namespace. Several requests go to
// the kernel in one system call; it carries them out one after the other.
type rtnl struct {
	mu  sync.Mutex
	fd  int
	buf [16 << 10]byte
}

// request is one change, and what to call it in an error.
type request struct {
	*nl.NetlinkRequest
	what string
}

// dialRtnl opens a socket to the network namespace of the calling thread.
func dialRtnl() (*rtnl, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// Answers are shorter with the one, and say more with the other.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind a netlink socket: %w", err), unix.Close(fd))
	}
	return &rtnl{fd: fd}, nil
}

func (c *rtnl) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return unix.Close(c.fd)
}

// do carries out all the requests, also those after one that was refused. It
// returns the first refusal.
func (c *rtnl) do(requests ...request) error {
	var b []byte
	for i, r := range requests {
		r.Flags |= unix.NLM_F_REQUEST | unix.NLM_F_ACK
		r.Seq = uint32(i)
		b = append(b, r.Serialize()...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("%s: %w", requests[0].what, err)
	}
	var failure error
	for answered := 0; answered < len(requests); {
		n, _, err := unix.Recvfrom(c.fd, c.buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: read the answer: %w", requests[answered].what, err)
		}
		messages, err := syscall.ParseNetlinkMessage(c.buf[:n])
		if err != nil {
			return fmt.Errorf("%s: read the answer: %w", requests[answered].what, err)
		}
		for _, m := range messages {
			if m.Header.Type != unix.NLMSG_ERROR {
				continue
			}
			if err := refusal(m); err != nil && failure == nil {
				failure = fmt.Errorf("%s: %w", requests[m.Header.Seq].what, err)
			}
			answered++
		}
	}
	return failure
}

// refusal reads a struct nlmsgerr, which begins with a negative errno.
func refusal(m syscall.NetlinkMessage) error {
	if len(m.Data) < 4 {
		return unix.EBADMSG
	}
	if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

// index returns the number of the link with that name.
func (c *rtnl) index(name string) (int, error) {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("link %s: %w", name, err)
	}
	// Any socket of the namespace can ask, and the answer takes no lock.
	if err := unix.IoctlIfreq(c.fd, unix.SIOCGIFINDEX, r); err != nil {
		return 0, fmt.Errorf("link %s: %w", name, err)
	}
	return int(r.Uint32()), nil
}

// cookie is a number that no other network namespace has, until the next boot.
func (c *rtnl) cookie() (uint64, error) {
	cookie, err := unix.GetsockoptUint64(c.fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0, fmt.Errorf("identify the network namespace: %w", err)
	}
	return cookie, nil
}

// link is what a new link is given.
type link struct {
	name  string
	group uint32
	mac   []byte
	mtu   int
	up    bool
	// queues is the number of queues for sending and for receiving; 0 is one for each
	// CPU, each with its entries in sysfs.
	queues uint32
}

func (l link) header() *nl.IfInfomsg {
	h := nl.NewIfInfomsg(unix.AF_UNSPEC)
	if l.up {
		h.Flags, h.Change = unix.IFF_UP, unix.IFF_UP
	}
	return h
}

func (l link) attributes() []*nl.RtAttr {
	attrs := []*nl.RtAttr{nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(l.name))}
	if l.group != 0 {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(l.group)))
	}
	if l.mac != nil {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_ADDRESS, l.mac))
	}
	if l.queues != 0 {
		attrs = append(attrs,
			nl.NewRtAttr(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(l.queues)),
			nl.NewRtAttr(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(l.queues)))
	}
	if l.mtu != 0 {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(l.mtu))))
	}
	return attrs
}

func newLink(what string, l link, more ...*nl.RtAttr) request {
	r := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	r.AddData(l.header())
	for _, a := range append(l.attributes(), more...) {
		r.AddData(a)
	}
	return request{r, what}
}

func linkInfo(kind string, data *nl.RtAttr) *nl.RtAttr {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(unix.IFLA_INFO_KIND, nl.NonZeroTerminated(kind))
	if data != nil {
		info.AddChild(data)
	}
	return info
}

// setLink changes the link of that name.
func setLink(what, name string, attrs ...*nl.RtAttr) request {
	return changeLink(what, name, link{}, attrs)
}

// setLinkUp changes the link of that name and sets it up.
func setLinkUp(what, name string, attrs ...*nl.RtAttr) request {
	return changeLink(what, name, link{up: true}, attrs)
}

func changeLink(what, name string, l link, attrs []*nl.RtAttr) request {
	r := nl.NewNetlinkRequest(unix.RTM_SETLINK, 0)
	r.AddData(l.header())
	r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	for _, a := range attrs {
		r.AddData(a)
	}
	return request{r, what}
}

// getLink asks for the link of that name.
func getLink(what, name string) request {
	r := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	return request{r, what}
}

func deleteLink(what, name string) request {
	r := nl.NewNetlinkRequest(unix.RTM_DELLINK, 0)
	r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	return request{r, what}
}

func deleteGroup(what string, group uint32) request {
	r := nl.NewNetlinkRequest(unix.RTM_DELLINK, 0)
	r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	r.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
	return request{r, what}
}

// addAddress gives a link an address; one that it has already is not an error.
func addAddress(what string, index int, a netip.Prefix) request {
	r := nl.NewNetlinkRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	msg := nl.NewIfAddrmsg(family(a.Addr()))
	msg.Prefixlen = uint8(a.Bits())
	msg.Index = uint32(index)
	r.AddData(msg)
	ip := a.Addr().AsSlice()
	r.AddData(nl.NewRtAttr(unix.IFA_LOCAL, ip))
	r.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, ip))
	if a.Addr().Is6() {
		// We chose it, so nobody else has it: it can be used at once.
		r.AddData(nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(unix.IFA_F_NODAD)))
	}
	return request{r, what}
}

// defaultRoute sends what has no other way to the gateway; to an unspecified one means to
// the link itself.
func defaultRoute(what string, index int, gateway netip.Addr) request {
	r := nl.NewNetlinkRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	msg := nl.NewRtMsg()
	msg.Family = uint8(family(gateway))
	if gateway.IsUnspecified() {
		msg.Scope = unix.RT_SCOPE_LINK
	}
	r.AddData(msg)
	if !gateway.IsUnspecified() {
		r.AddData(nl.NewRtAttr(unix.RTA_GATEWAY, gateway.AsSlice()))
	}
	r.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
	return request{r, what}
}

func family(a netip.Addr) int {
	if a.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}
