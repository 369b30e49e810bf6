package network

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// removeBridge removes a bridge and its ports: the kernel has not come to removing
// those yet whose namespace has just lost its last process.
func (m *Manager) removeBridge(name string) error {
	index, err := m.rtnl.index(name)
	if err != nil {
		return unlessGone(err)
	}
	ports, err := m.ports(index)
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return m.removeLinks(append(ports, name)...)
}

// ports lists the links that are ports of a bridge.
func (m *Manager) ports(bridge int) ([]string, error) {
	var names []string
	err := m.inHost(func() error {
		r := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		r.AddData(nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(bridge))))
		r.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStatistics)))
		messages, err := whole(func() ([][]byte, error) { return r.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK) })
		if err != nil {
			return fmt.Errorf("list ports: %w", err)
		}
		for _, m := range messages {
			attrs, err := nl.ParseRouteAttrAsMap(m[unix.SizeofIfInfomsg:])
			if err != nil {
				return fmt.Errorf("list ports: %w", err)
			}
			if name, ok := attrs[unix.IFLA_IFNAME]; ok {
				names = append(names, nl.BytesToString(name.Value))
			}
		}
		return nil
	})
	return names, err
}

// dumpsAtMost bounds how often a list is asked for that changes while it is read.
const dumpsAtMost = 100

// whole asks for a list again that changed while the kernel gave it out, in several
// pieces: what came may lack something (NLM_F_DUMP_INTR, netlink(7)).
func whole[T any](dump func() (T, error)) (T, error) {
	var list T
	var err error
	for range dumpsAtMost {
		if list, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return list, err
}

// removeLinks removes those of the links that are there, all at one stroke: each
// removal waits several times until all of the kernel's readers are through (20 to
// 30 ms), and that of a whole group no more often than that of a single link.
func (m *Manager) removeLinks(names ...string) error {
	there := slices.DeleteFunc(names, func(name string) bool {
		_, err := m.rtnl.index(name)
		return err != nil
	})
	if len(there) == 0 {
		return nil
	}
	what := "remove " + strings.Join(there, ", ")
	if len(there) == 1 {
		return unlessGone(m.rtnl.do(deleteLink(what, there[0])))
	}
	group := hash32(what) | 1
	requests := make([]request, 0, len(there))
	for _, name := range there {
		requests = append(requests, setLink(what, name, nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group))))
	}
	// One that has gone by itself in between is no failure, nor are they all.
	if err := unlessGone(m.rtnl.do(requests...)); err != nil {
		return err
	}
	return unlessGone(m.rtnl.do(deleteGroup(what, group)))
}

// unlessGone leaves out the error of a link that is not there.
func unlessGone(err error) error {
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func hash32(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // a hash takes everything
	return h.Sum32()
}

// skipStatistics is RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h.
const skipStatistics = 1 << 3
