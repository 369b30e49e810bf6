package harness

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// remain is something in the kernel that carries the name of these roots.
type remain struct {
	what   string
	remove func() error
}

// key is what an engine whose run root is not the usual one puts into the names of what it makes in the kernel.
func (e *Tiffin) key() string { return fmt.Sprintf("%08x", hash(e.Run)) }

// group is that of the engine's links.
func (e *Tiffin) group() uint32 { return hash("tiffin "+e.key()) | 1 }

// table is the engine's table of nftables.
func (e *Tiffin) table() string { return "tiffin-" + e.key() }

func hash(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s))
	return h.Sum32()
}

// remains finds what the engine of these roots has made in the kernel. After the engine has ended there is to be nothing.
func (e *Tiffin) remains() []remain {
	return slices.Concat(e.remainingLinks(), e.remainingTables(), e.remainingGroups())
}

func (e *Tiffin) remainingLinks() []remain {
	links, _ := netlink.LinkList()
	var all []remain
	for _, l := range links {
		if l.Attrs().Group == e.group() {
			all = append(all, remain{"link " + l.Attrs().Name, func() error {
				if err := netlink.LinkDel(l); !errors.Is(err, unix.ENODEV) { // gone with its bridge or its peer
					return err
				}
				return nil
			}})
		}
	}
	return all
}

func (e *Tiffin) remainingTables() []remain {
	conn, err := nftables.New()
	if err != nil {
		return nil
	}
	tables, _ := conn.ListTables()
	var all []remain
	for _, t := range tables {
		if t.Name == e.table() {
			all = append(all, remain{"nftables table " + t.Name, func() error {
				conn.DelTable(t)
				return conn.Flush()
			}})
		}
	}
	return all
}

// remainingGroups are control groups, the innermost first.
func (e *Tiffin) remainingGroups() []remain {
	var all []remain
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, "/tiffin-"+e.key()) {
			all = append(all, remain{"control group " + path, func() error {
				if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				return nil
			}})
		}
		return nil
	})
	slices.Reverse(all)
	return all
}
