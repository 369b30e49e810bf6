package runtime

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// mountOptions are the options of one mount of an OCI spec, sorted by who takes them.
type mountOptions struct {
	attrs       attrs    // of the mount itself
	deep        attrs    // of the mount and all mounts below it ("rro", "rnoexec" …)
	bind        bool     // a clone of a tree, not a file system of its own
	shallow     bool     // of a bind: without the mounts below it
	propagation uint64   // MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE; 0 if not given
	alone       bool     // of the propagation: not of the mounts below
	params      []string // for the file system: "name" or "name=value"
}

// attrs are MOUNT_ATTR_ flags to set and to clear, see mount_setattr(2).
type attrs struct{ set, clear uint64 }

func (a *attrs) add(b attrs) {
	a.set = a.set&^b.clear | b.set
	a.clear = a.clear&^b.set | b.clear
	// The access time modes are a number in the flags: to set one is to clear the field first.
	if a.set&unix.MOUNT_ATTR__ATIME != 0 || b.clear&unix.MOUNT_ATTR__ATIME != 0 {
		a.clear |= unix.MOUNT_ATTR__ATIME
	}
}

// attrOption is what the name of an option says about a mount; with an r before it, about the mounts below, too.
func attrOption(name string) (attrs, bool) {
	set := func(flag uint64) (attrs, bool) { return attrs{set: flag}, true }
	unset := func(flag uint64) (attrs, bool) { return attrs{clear: flag}, true }
	atime := func(mode uint64) (attrs, bool) {
		return attrs{set: mode, clear: unix.MOUNT_ATTR__ATIME &^ mode}, true
	}
	switch name {
	case "ro":
		return set(unix.MOUNT_ATTR_RDONLY)
	case "rw":
		return unset(unix.MOUNT_ATTR_RDONLY)
	case "nosuid":
		return set(unix.MOUNT_ATTR_NOSUID)
	case "suid":
		return unset(unix.MOUNT_ATTR_NOSUID)
	case "nodev":
		return set(unix.MOUNT_ATTR_NODEV)
	case "dev":
		return unset(unix.MOUNT_ATTR_NODEV)
	case "noexec":
		return set(unix.MOUNT_ATTR_NOEXEC)
	case "exec":
		return unset(unix.MOUNT_ATTR_NOEXEC)
	case "nodiratime":
		return set(unix.MOUNT_ATTR_NODIRATIME)
	case "diratime":
		return unset(unix.MOUNT_ATTR_NODIRATIME)
	case "nosymfollow":
		return set(unix.MOUNT_ATTR_NOSYMFOLLOW)
	case "symfollow":
		return unset(unix.MOUNT_ATTR_NOSYMFOLLOW)
	case "noatime":
		return atime(unix.MOUNT_ATTR_NOATIME)
	case "strictatime":
		return atime(unix.MOUNT_ATTR_STRICTATIME)
	case "relatime", "atime", "norelatime", "nostrictatime":
		return atime(unix.MOUNT_ATTR_RELATIME)
	default:
		return attrs{}, false
	}
}

func propagationOption(name string) uint64 {
	switch name {
	case "shared":
		return unix.MS_SHARED
	case "slave":
		return unix.MS_SLAVE
	case "private":
		return unix.MS_PRIVATE
	case "unbindable":
		return unix.MS_UNBINDABLE
	default:
		return 0
	}
}

// parseMountOptions sorts the options of an OCI mount. What it does not know is for the file system.
func parseMountOptions(options []string) (mountOptions, error) {
	var m mountOptions
	for _, option := range options {
		if err := m.take(option); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (m *mountOptions) take(option string) error {
	if a, ok := attrOption(option); ok {
		m.attrs.add(a)
		return nil
	}
	deep, isDeep := strings.CutPrefix(option, "r")
	if a, ok := attrOption(deep); ok && isDeep {
		m.deep.add(a)
		return nil
	}
	if p := propagationOption(option); p != 0 {
		m.propagation, m.alone = p, true
		return nil
	}
	if p := propagationOption(deep); p != 0 && isDeep {
		m.propagation, m.alone = p, false
		return nil
	}
	switch option {
	case "", "defaults", "nofail", "auto", "noauto":
	case "bind":
		m.bind, m.shallow = true, true
	case "rbind":
		m.bind, m.shallow = true, false
	case "remount", "tmpcopyup", "idmap", "ridmap":
		return fmt.Errorf("option %s: %w", option, ErrUnsupported)
	default:
		m.params = append(m.params, option)
	}
	return nil
}
