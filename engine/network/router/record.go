package router

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// record is what was changed on the host. It is written before the change; a reboot
// forgets both.
type record struct {
	Sysctls []change
	// Links4 and Links6 are the interfaces that were there when the host began to
	// forward: it forwarded nothing between them before. One that comes later is
	// somebody's who knows that the host forwards.
	Links4, Links6 []string
}

func (rec record) closed() Closed { return Closed{IPv4: rec.Links4, IPv6: rec.Links6} }

// routing are the kinds of interfaces by which hosts forward: of other engines'
// networks, of virtual machines, of tunnels.
var routing = []string{"bridge", "tun", "tuntap", "wireguard"}

// newcomer is the name of an interface of somebody else's that came after the change,
// and that is likely to need a host that forwards; "" is none.
func (rec record) newcomer(links []netlink.Link) string {
	for _, l := range links {
		// All links of engines have a group, also one that a crash has left without an alias.
		a := l.Attrs()
		if slices.Contains(routing, l.Type()) && a.MasterIndex == 0 && a.Group == 0 &&
			!slices.Contains(rec.Links4, a.Name) && !slices.Contains(rec.Links6, a.Name) {
			return a.Name
		}
	}
	return ""
}

type lockKind int

const (
	shared lockKind = unix.LOCK_SH
	alone  lockKind = unix.LOCK_EX
)

// lock takes the host's lock. It is the kernel's, and goes with whoever holds it.
func (r *Router) lock(how lockKind) (unlock func(), err error) { return r.lockFile("lock", how) }

func (r *Router) lockFile(name string, how lockKind) (unlock func(), err error) {
	if err := os.MkdirAll(r.cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock the host's record: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(r.cfg.Dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the host's record: %w", err)
	}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(f.Fd()), int(how))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the host's record: %w", err), f.Close())
	}
	return func() {
		// A child that was forked meanwhile may have the file, too, until it runs its program.
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
		_ = f.Close() // nothing was written to it
	}, nil
}

func (r *Router) path() string {
	return filepath.Join(r.cfg.Dir, strconv.FormatUint(r.cfg.Cookie, 16)+".json")
}

func (r *Router) read() (record, error) {
	var rec record
	b, err := os.ReadFile(r.path())
	if errors.Is(err, os.ErrNotExist) {
		return rec, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &rec)
	}
	if err != nil {
		return rec, fmt.Errorf("read the host's record: %w", err)
	}
	return rec, nil
}

// write puts a record in the place of the one that is there. An empty one is no file.
func (r *Router) write(rec record) error {
	if reflect.DeepEqual(rec, record{}) {
		if err := os.Remove(r.path()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the host's record: %w", err)
		}
		return nil
	}
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	if err := writeFile(r.path(), b); err != nil {
		return fmt.Errorf("write the host's record: %w", err)
	}
	return nil
}

// writeFile writes a file whole, or not at all.
func writeFile(path string, b []byte) error {
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
