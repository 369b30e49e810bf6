package program

import "golang.org/x/sys/unix"

// signature is how the arguments of a system call are printed.
type signature struct {
	name string
	args []format
}

// format prints one argument of a kind of call.
type format uint8

const (
	decimal format = iota
	hex
	octal
	atFD // descriptor, or AT_FDCWD
	openFlags
	openHow
	mountAttr
	mountFlags
	umountFlags
	moveFlags
	treeFlags
	atFlags
	cloneFlags
	words32
	words64
)

// flagNames are the names of single bits, in the order in which they are printed.
type flagNames []struct {
	bit  uint64
	name string
}

// signatures are the system calls that programs are made of. Others are printed by
// their number.
func signatures() map[uint32]signature {
	return map[uint32]signature{
		unix.SYS_CAPSET:        {"capset", []format{words32, words32}},
		unix.SYS_CHDIR:         {"chdir", nil},
		unix.SYS_CHROOT:        {"chroot", nil},
		unix.SYS_CLONE:         {"clone", []format{cloneFlags}},
		unix.SYS_CLOSE:         {"close", nil},
		unix.SYS_CLOSE_RANGE:   {"close_range", []format{decimal, hex, hex}},
		unix.SYS_DUP3:          {"dup3", []format{decimal, decimal, openFlags}},
		unix.SYS_EXECVE:        {"execve", nil},
		unix.SYS_EXECVEAT:      {"execveat", []format{atFD, decimal, decimal, decimal, atFlags}},
		unix.SYS_FACCESSAT:     {"faccessat", []format{atFD, decimal, octal}},
		unix.SYS_FCHDIR:        {"fchdir", nil},
		unix.SYS_FCHMOD:        {"fchmod", []format{decimal, octal}},
		unix.SYS_FCHMODAT:      {"fchmodat", []format{atFD, decimal, octal}},
		unix.SYS_FCHMODAT2:     {"fchmodat2", []format{atFD, decimal, octal, atFlags}},
		unix.SYS_FCHOWN:        {"fchown", nil},
		unix.SYS_FCHOWNAT:      {"fchownat", []format{atFD, decimal, decimal, decimal, atFlags}},
		unix.SYS_FSCONFIG:      {"fsconfig", nil},
		unix.SYS_FSMOUNT:       {"fsmount", []format{decimal, hex, hex}},
		unix.SYS_FSOPEN:        {"fsopen", []format{decimal, hex}},
		unix.SYS_FSTAT:         {"fstat", nil},
		unix.SYS_FSTATFS:       {"fstatfs", nil},
		unix.SYS_GETCWD:        {"getcwd", nil},
		unix.SYS_IOCTL:         {"ioctl", []format{decimal, hex}},
		unix.SYS_IOPRIO_SET:    {"ioprio_set", nil},
		unix.SYS_KEYCTL:        {"keyctl", nil},
		unix.SYS_KILL:          {"kill", nil},
		unix.SYS_LINKAT:        {"linkat", []format{atFD, decimal, atFD, decimal, atFlags}},
		unix.SYS_MKDIRAT:       {"mkdirat", []format{atFD, decimal, octal}},
		unix.SYS_MKNODAT:       {"mknodat", []format{atFD, decimal, octal, hex}},
		unix.SYS_MOUNT:         {"mount", []format{decimal, decimal, decimal, mountFlags}},
		unix.SYS_MOUNT_SETATTR: {"mount_setattr", []format{atFD, decimal, atFlags, mountAttr}},
		unix.SYS_MOVE_MOUNT:    {"move_mount", []format{atFD, decimal, atFD, decimal, moveFlags}},
		unix.SYS_OPENAT:        {"openat", []format{atFD, decimal, openFlags, octal}},
		unix.SYS_OPENAT2:       {"openat2", []format{atFD, decimal, openHow}},
		unix.SYS_OPEN_TREE:     {"open_tree", []format{atFD, decimal, treeFlags}},
		unix.SYS_PERSONALITY:   {"personality", []format{hex}},
		unix.SYS_PIPE2:         {"pipe2", []format{words32, openFlags}},
		unix.SYS_PIVOT_ROOT:    {"pivot_root", nil},
		unix.SYS_PRCTL:         {"prctl", nil},
		unix.SYS_PRLIMIT64:     {"prlimit64", []format{decimal, decimal, words64}},
		unix.SYS_READ:          {"read", nil},
		unix.SYS_SECCOMP:       {"seccomp", nil},
		unix.SYS_SENDMSG:       {"sendmsg", []format{decimal, decimal, hex}},
		unix.SYS_SETDOMAINNAME: {"setdomainname", nil},
		unix.SYS_SETGID:        {"setgid", nil},
		unix.SYS_SETGROUPS:     {"setgroups", []format{decimal, words32}},
		unix.SYS_SETHOSTNAME:   {"sethostname", nil},
		unix.SYS_SETNS:         {"setns", []format{decimal, cloneFlags}},
		unix.SYS_SETPRIORITY:   {"setpriority", nil},
		unix.SYS_SETRESGID:     {"setresgid", nil},
		unix.SYS_SETRESUID:     {"setresuid", nil},
		unix.SYS_SETSID:        {"setsid", nil},
		unix.SYS_SETUID:        {"setuid", nil},
		unix.SYS_SOCKETPAIR:    {"socketpair", nil},
		unix.SYS_STATX:         {"statx", []format{atFD, decimal, atFlags, hex}},
		unix.SYS_SYMLINKAT:     {"symlinkat", []format{decimal, atFD}},
		unix.SYS_UMASK:         {"umask", []format{octal}},
		unix.SYS_UMOUNT2:       {"umount2", []format{decimal, umountFlags}},
		unix.SYS_UNLINKAT:      {"unlinkat", []format{atFD, decimal, atFlags}},
		unix.SYS_UNSHARE:       {"unshare", []format{cloneFlags}},
		unix.SYS_WRITE:         {"write", nil},
	}
}

// names are the bits of the formats that are sets of flags.
func (f format) names() flagNames {
	switch f {
	case openFlags:
		return flagNames{
			{unix.O_PATH, "O_PATH"},
			{unix.O_WRONLY, "O_WRONLY"},
			{unix.O_RDWR, "O_RDWR"},
			{unix.O_CREAT, "O_CREAT"},
			{unix.O_EXCL, "O_EXCL"},
			{unix.O_TRUNC, "O_TRUNC"},
			{unix.O_APPEND, "O_APPEND"},
			{unix.O_DIRECTORY, "O_DIRECTORY"},
			{unix.O_NOFOLLOW, "O_NOFOLLOW"},
			{unix.O_NONBLOCK, "O_NONBLOCK"},
			{unix.O_NOCTTY, "O_NOCTTY"},
			{unix.O_CLOEXEC, "O_CLOEXEC"},
		}
	case mountFlags:
		return mountFlagNames()
	case umountFlags:
		return flagNames{{unix.MNT_DETACH, "MNT_DETACH"}, {unix.MNT_FORCE, "MNT_FORCE"}, {unix.UMOUNT_NOFOLLOW, "UMOUNT_NOFOLLOW"}}
	case moveFlags:
		return flagNames{
			{unix.MOVE_MOUNT_F_EMPTY_PATH, "F_EMPTY_PATH"},
			{unix.MOVE_MOUNT_T_EMPTY_PATH, "T_EMPTY_PATH"},
			{unix.MOVE_MOUNT_T_SYMLINKS, "T_SYMLINKS"},
		}
	case treeFlags:
		return flagNames{
			{unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"},
			{unix.AT_RECURSIVE, "AT_RECURSIVE"},
			{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"},
			{unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
			{unix.OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"},
		}
	case atFlags:
		return flagNames{
			{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"},
			{unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
			{unix.AT_RECURSIVE, "AT_RECURSIVE"},
			{unix.AT_REMOVEDIR, "AT_REMOVEDIR"},
		}
	case cloneFlags:
		return flagNames{
			{unix.CLONE_NEWUSER, "CLONE_NEWUSER"},
			{unix.CLONE_NEWNS, "CLONE_NEWNS"},
			{unix.CLONE_NEWPID, "CLONE_NEWPID"},
			{unix.CLONE_NEWNET, "CLONE_NEWNET"},
			{unix.CLONE_NEWUTS, "CLONE_NEWUTS"},
			{unix.CLONE_NEWIPC, "CLONE_NEWIPC"},
			{unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
			{unix.CLONE_PARENT, "CLONE_PARENT"},
		}
	default:
		return nil
	}
}

// mountFlagNames are the bits of mount(2).
func mountFlagNames() flagNames {
	return flagNames{
		{unix.MS_BIND, "MS_BIND"},
		{unix.MS_REMOUNT, "MS_REMOUNT"},
		{unix.MS_MOVE, "MS_MOVE"},
		{unix.MS_REC, "MS_REC"},
		{unix.MS_PRIVATE, "MS_PRIVATE"},
		{unix.MS_SLAVE, "MS_SLAVE"},
		{unix.MS_SHARED, "MS_SHARED"},
		{unix.MS_UNBINDABLE, "MS_UNBINDABLE"},
		{unix.MS_RDONLY, "MS_RDONLY"},
		{unix.MS_NOSUID, "MS_NOSUID"},
		{unix.MS_NODEV, "MS_NODEV"},
		{unix.MS_NOEXEC, "MS_NOEXEC"},
		{unix.MS_SYNCHRONOUS, "MS_SYNCHRONOUS"},
		{unix.MS_NOATIME, "MS_NOATIME"},
		{unix.MS_NODIRATIME, "MS_NODIRATIME"},
		{unix.MS_RELATIME, "MS_RELATIME"},
		{unix.MS_STRICTATIME, "MS_STRICTATIME"},
		{unix.MS_SILENT, "MS_SILENT"},
	}
}

// resolveFlags are the bits of open_how.resolve.
func resolveFlags() flagNames {
	return flagNames{
		{unix.RESOLVE_IN_ROOT, "RESOLVE_IN_ROOT"},
		{unix.RESOLVE_BENEATH, "RESOLVE_BENEATH"},
		{unix.RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"},
		{unix.RESOLVE_NO_SYMLINKS, "RESOLVE_NO_SYMLINKS"},
		{unix.RESOLVE_NO_XDEV, "RESOLVE_NO_XDEV"},
	}
}

// mountAttrFlags are the bits of mount_attr.attr_set and attr_clr.
func mountAttrFlags() flagNames {
	return flagNames{
		{unix.MOUNT_ATTR_RDONLY, "RDONLY"},
		{unix.MOUNT_ATTR_NOSUID, "NOSUID"},
		{unix.MOUNT_ATTR_NODEV, "NODEV"},
		{unix.MOUNT_ATTR_NOEXEC, "NOEXEC"},
		{unix.MOUNT_ATTR_NOATIME, "NOATIME"},
		{unix.MOUNT_ATTR_STRICTATIME, "STRICTATIME"},
		{unix.MOUNT_ATTR_NODIRATIME, "NODIRATIME"},
		{unix.MOUNT_ATTR_IDMAP, "IDMAP"},
		{unix.MOUNT_ATTR_NOSYMFOLLOW, "NOSYMFOLLOW"},
	}
}
