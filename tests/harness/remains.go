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

// remains finds what the engine of these roots has made in the kernel, by the key that it derives from its run root. After the
// engine has ended there is to be nothing.
func (e *Tiffin) remains() []remain {
	h := fnv.New32a()
	_, _ = h.Write([]byte(e.Run))
	key := fmt.Sprintf("%08x", h.Sum32())
	return slices.Concat(remainingLinks(key), remainingTables(key), remainingGroups(key))
}

// remainingLinks are told by their group.
func remainingLinks(key string) []remain {
	h := fnv.New32a()
	_, _ = h.Write([]byte("tiffin " + key))
	group := h.Sum32() | 1
	links, _ := netlink.LinkList()
	var all []remain
	for _, l := range links {
		if l.Attrs().Group == group {
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

func remainingTables(key string) []remain {
	conn, err := nftables.New()
	if err != nil {
		return nil
	}
	tables, _ := conn.ListTables()
	var all []remain
	for _, t := range tables {
		if strings.HasSuffix(t.Name, key) {
			all = append(all, remain{"nftables table " + t.Name, func() error {
				conn.DelTable(t)
				return conn.Flush()
			}})
		}
	}
	return all
}

// remainingGroups are control groups, the innermost first.
func remainingGroups(key string) []remain {
	var all []remain
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, key) {
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
