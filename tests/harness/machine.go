package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/moby/sys/mountinfo"
	"github.com/vishvananda/netlink"
)

// mounts are those below the roots, and those made of what lies below them.
func (e *Tiffin) mounts() (string, []string, error) {
	infos, err := mountinfo.GetMounts(nil)
	var names []string
	for _, m := range infos {
		if !below(e.Run, m.Mountpoint) && !below(e.Data, m.Mountpoint) && !strings.Contains(m.VFSOptions, e.Data+"/") {
			continue
		}
		names = append(names, fmt.Sprintf("%s (%s %s)", m.Mountpoint, m.FSType, m.Source))
	}
	return "mount", names, err
}

// mountsBelow are mount points below folders, the innermost first.
func mountsBelow(dirs ...string) []string {
	infos, _ := mountinfo.GetMounts(nil)
	var points []string
	for _, m := range infos {
		if slices.ContainsFunc(dirs, func(dir string) bool { return below(dir, m.Mountpoint) }) {
			points = append(points, m.Mountpoint)
		}
	}
	slices.Reverse(points)
	return points
}

// links are those in the group of this engine.
func (e *Tiffin) links() (string, []string, error) {
	found, err := netlink.LinkList()
	for tries := 0; errors.Is(err, netlink.ErrDumpInterrupted) && tries < 100; tries++ { // another engine made a link meanwhile
		found, err = netlink.LinkList()
	}
	var names []string
	for _, l := range found {
		if l.Attrs().Group == e.group() {
			names = append(names, fmt.Sprintf("%s (%s)", l.Attrs().Name, l.Type()))
		}
	}
	return "link", names, err
}

// heldNamespaces are the network namespaces that processes of these roots hold by a descriptor. The host's own,
// in which the engine works, is none of them.
func (e *Tiffin) heldNamespaces() (string, []string, error) {
	var names []string
	host, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return "", nil, err
	}
	for _, p := range e.Processes() {
		dir := fmt.Sprintf("/proc/%d/fd", p.Pid)
		entries, _ := os.ReadDir(dir)
		for _, f := range entries {
			if target, _ := os.Readlink(filepath.Join(dir, f.Name())); strings.HasPrefix(target, "net:[") && target != host {
				names = append(names, fmt.Sprintf("%s held by %s", target, p))
			}
		}
	}
	return "network namespace", names, nil
}

// controlGroups are those of this engine, in every hierarchy.
func (e *Tiffin) controlGroups() (string, []string, error) {
	const root = "/sys/fs/cgroup"
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone since the folder was read
			return nil
		case err != nil:
			return err
		case d.IsDir() && strings.Contains(path, "/tiffin-"+e.key()):
			names = append(names, strings.TrimPrefix(path, root))
		}
		return nil
	})
	return "control group", names, err
}

// firewall is every chain, set and element of this engine's table, and how many rules each chain has.
func (e *Tiffin) firewall() (string, []string, error) {
	conn, err := nftables.New()
	if err != nil {
		return "nftables object", nil, err
	}
	var names []string
	tables, err := conn.ListTables()
	if err != nil {
		return "nftables object", nil, err
	}
	for _, table := range tables {
		if table.Name != e.table() {
			continue
		}
		name := fmt.Sprintf("%s %s", family(table.Family), table.Name)
		names = append(names, name)
		sets, err := conn.GetSets(table)
		if err != nil {
			continue // gone meanwhile
		}
		for _, set := range sets {
			elements, _ := conn.GetSetElements(set)
			for _, e := range elements {
				names = append(names, fmt.Sprintf("%s set %s element %x", name, set.Name, e.Key))
			}
		}
	}
	chains, err := conn.ListChains()
	if err != nil {
		return "nftables object", nil, err
	}
	for _, chain := range chains {
		if chain.Table.Name != e.table() {
			continue
		}
		rules, _ := conn.GetRules(chain.Table, chain)
		names = append(names, fmt.Sprintf("%s %s chain %s of %d rules",
			family(chain.Table.Family), chain.Table.Name, chain.Name, len(rules)))
	}
	return "nftables object", names, nil
}

func family(f nftables.TableFamily) string {
	names := map[nftables.TableFamily]string{
		nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6",
		nftables.TableFamilyNetdev: "netdev", nftables.TableFamilyBridge: "bridge", nftables.TableFamilyARP: "arp",
	}
	return names[f]
}

func (e *Tiffin) processes() (string, []string, error) {
	var names []string
	for _, p := range e.Processes() {
		names = append(names, p.String())
	}
	return "process", names, nil
}

// files are those that projects have below the roots: everything but images, the cache of builds and the engine's own
// log. What builds have below the run root is theirs alone.
func (e *Tiffin) files() (string, []string, error) {
	var names []string
	walk := func(root string, skip ...string) error {
		return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			if slices.Contains(skip, rel) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			names = append(names, path)
			return nil
		})
	}
	err := errors.Join(walk(e.Run, "engine.log"), walk(e.Data, "images", "builds"))
	return "file", names, err
}
