package socket

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

func TestTheSocketIsForItsOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	for range 2 { // the second time one is in the way
		l, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		u, ok := l.(*net.UnixListener)
		if !ok {
			t.Fatalf("a %T", l)
		}
		u.SetUnlinkOnClose(false)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListenTouchesNothingElse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "data" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := Listen("/" + strings.Repeat("x", 107)); !errors.Is(err, engine.ErrInvalid) || engine.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if _, err := Listen(filepath.Join(path, "s")); err == nil {
		t.Error("a socket below a file")
	}
}

// asUser runs do in a thread with other credentials, which ends with it.
func asUser(t *testing.T, uid, gid int, groups []int, do func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends
		list := make([]uint32, len(groups), len(groups)+1)
		for i, g := range groups {
			list[i] = uint32(g)
		}
		list = append(list, 0) // there is an address also without groups
		_, _, e1 := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&list[0])), 0)
		_, _, e2 := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid))
		_, _, e3 := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
		for _, e := range []syscall.Errno{e1, e2, e3} {
			if e != 0 {
				done <- e
				return
			}
		}
		do()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// The mode of the file is open here: what is tried is who is let in by his credentials.
func TestAdmit(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to be others")
	}
	const members = 4242
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir's is for root only
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	conf := filepath.Join(dir, "engine.json")
	must(t, os.Chmod(dir, 0o755), os.WriteFile(conf, []byte(`{"socket-group": "`+strconv.Itoa(members)+`"}`), 0o600))
	open := func(name, conf string) *Door {
		d, err := Open(Config{Path: filepath.Join(dir, name), Settings: conf})
		must(t, err)
		t.Cleanup(func() { must(t, d.Close()) })
		must(t, os.Chmod(filepath.Join(dir, name), 0o666))
		return d
	}
	for doorName, d := range map[string]*Door{"root's": open("a", filepath.Join(dir, "none")), "a group's": open("b", conf)} {
		for name, who := range map[string]struct {
			uid, gid int
			groups   []int
			roots    bool // may at a door of root's alone
			groupsOK bool // may at a door of the group's
		}{
			"root":                                 {0, 0, nil, true, true},
			"somebody":                             {1234, 1234, nil, false, false},
			"somebody of root's group":             {1234, 0, []int{0}, false, false},
			"a member by the first group":          {1234, members, nil, false, true},
			"a member":                             {1234, 1234, []int{5, members}, false, true},
			"a member of a great many groups":      {1234, 1234, append(manyGroups(), members), false, true},
			"one of a great many, and not of ours": {1234, 1234, manyGroups(), false, false},
		} {
			var dialed error
			var mine net.Conn
			asUser(t, who.uid, who.gid, who.groups, func() { mine, dialed = net.Dial("unix", d.Addr().String()) })
			must(t, dialed)
			theirs, err := d.Accept()
			must(t, err)
			want := who.roots
			if doorName == "a group's" {
				want = who.groupsOK
			}
			if err := d.Admit(theirs); (err == nil) != want || err != nil && !errors.Is(err, engine.ErrDenied) {
				t.Errorf("%s at %s door: %v", name, doorName, err)
			}
			must(t, mine.Close(), theirs.Close())
		}
	}
}

func manyGroups() []int {
	var out []int
	for g := range 100 {
		out = append(out, 10000+g)
	}
	return out
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestTheEnginesOwnUserIsAdmitted(t *testing.T) {
	t.Parallel()
	if err := (people{}).admit(Peer{UID: 7}, 7); err != nil {
		t.Error(err)
	}
	if err := (people{}).admit(Peer{UID: 7, Groups: []uint32{0}}, 8); !errors.Is(err, engine.ErrDenied) || engine.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

func TestTheSocketIsItsGroups(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a file to a group")
	}
	const members = 4242
	for name, c := range map[string]struct {
		before, after fs.FileMode
		group         int
	}{
		"in a folder of root's":           {0o700, 0o710, members},
		"in a folder that another's is":   {0o750, 0o710, members},
		"in a folder that all can pass":   {0o711, 0o711, 0},
		"in a folder that all can change": {0o777, 0o777, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "run")
			conf, path := filepath.Join(dir, "engine.json"), filepath.Join(dir, "s")
			must(t, os.Mkdir(dir, 0o700), os.Chmod(dir, c.before), os.WriteFile(conf, []byte(`{"socket-group": "4242"}`), 0o600))
			d, err := Open(Config{Path: path, Settings: conf})
			must(t, err)
			type file struct {
				Mode  fs.FileMode
				Group int
			}
			look := func(path string) file {
				info, err := os.Stat(path)
				must(t, err)
				st, _ := info.Sys().(*syscall.Stat_t)
				return file{info.Mode().Perm(), int(st.Gid)}
			}
			if diff := cmp.Diff(file{0o660, members}, look(path)); diff != "" {
				t.Errorf("socket: %s", diff)
			}
			if diff := cmp.Diff(file{c.after, c.group}, look(dir)); diff != "" {
				t.Errorf("folder: %s", diff)
			}
			must(t, d.Close(), d.Close())
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAGroupThatThereIsNot(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(t.TempDir(), "engine.json")
	must(t, os.WriteFile(conf, []byte(`{"socket-group": "nobody-has-made-it"}`), 0o600))
	_, err := Open(Config{Path: filepath.Join(t.TempDir(), "s"), Settings: conf})
	if !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), "nobody-has-made-it") || engine.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

func TestTheLink(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// there is what is at the path before.
		there func(t *testing.T, path, socket string)
		// fails is part of the error; then the path is as it was.
		fails string
	}{
		"nothing is there":            {func(*testing.T, string, string) {}, ""},
		"the link of a killed engine": {func(t *testing.T, path, socket string) { t.Helper(); must(t, os.Symlink(socket, path)) }, ""},
		"another's link":              {func(t *testing.T, path, _ string) { t.Helper(); must(t, os.Symlink("/else", path)) }, "is a link to /else"},
		"a file":                      {func(t *testing.T, path, _ string) { t.Helper(); must(t, os.WriteFile(path, nil, 0o600)) }, "and no socket"},
		"a folder":                    {func(t *testing.T, path, _ string) { t.Helper(); must(t, os.Mkdir(path, 0o700)) }, "and no socket"},
		"somebody listens": {func(t *testing.T, path, _ string) {
			t.Helper()
			l, err := net.Listen("unix", path)
			must(t, err)
			t.Cleanup(func() { _ = l.Close() })
		}, "another program listens on"},
		"somebody has listened": {func(t *testing.T, path, _ string) {
			t.Helper()
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
			must(t, err)
			l.SetUnlinkOnClose(false)
			must(t, l.Close())
		}, "nobody listens any more"},
		"no folder": {func(t *testing.T, path, _ string) { t.Helper(); must(t, os.Remove(filepath.Dir(path))) }, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir's path is too long for a socket
			must(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			path, socket := filepath.Join(dir, "var", "docker.sock"), filepath.Join(dir, "tiffin.sock")
			must(t, os.Mkdir(filepath.Dir(path), 0o755))
			c.there(t, path, socket)
			before, _ := os.Lstat(path)
			d, err := Open(Config{Path: socket, Settings: filepath.Join(dir, "none"), Link: path})
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%v", err)
				}
				if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("a socket is left: %v", err)
				}
				if after, _ := os.Lstat(path); before != nil && !os.SameFile(before, after) {
					t.Error("it is another")
				}
				return
			}
			must(t, err)
			conn, err := net.Dial("unix", path)
			must(t, err)
			must(t, conn.Close(), d.Close())
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the link is left: %v", err)
			}
		})
	}
}

func TestALinkThatIsNotOursAnyMoreStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, socket := filepath.Join(dir, "d"), filepath.Join(dir, "t")
	d, err := Open(Config{Path: socket, Settings: filepath.Join(dir, "none"), Link: path})
	must(t, err)
	must(t, os.Remove(path), os.Symlink("/else", path), d.Close())
	if to, err := os.Readlink(path); to != "/else" {
		t.Errorf("%s, %v", to, err)
	}
}

// opened is a door in a folder of its own, as the settings say.
func opened(t *testing.T, dir, settings string, kept ...[]*os.File) *Door {
	t.Helper()
	conf := filepath.Join(dir, "engine.json")
	must(t, os.WriteFile(conf, []byte(settings), 0o600))
	d, err := Open(Config{Path: filepath.Join(dir, "s"), Settings: conf, Kept: kept})
	must(t, err)
	return d
}

// socketFolder is one whose path is short enough for a socket.
func socketFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir's path is too long for a socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// A link stands for the mount of a container: it leads to the file that it was made of, whatever comes at its path.
func TestTheNextEngineListensWhereTheOneBeforeDid(t *testing.T) {
	t.Parallel()
	dir := socketFolder(t)
	path, mount := filepath.Join(dir, "s"), filepath.Join(dir, "m")
	d := opened(t, dir, "{}")
	must(t, os.Link(path, mount))
	one, err := d.Behind(mount)
	must(t, err)
	two, err := d.Behind(path)
	must(t, err)
	for name, other := range map[string]string{"nothing": filepath.Join(dir, "none"), "a file": filepath.Join(dir, "engine.json"), "a folder": dir} {
		if files, err := d.Behind(other); len(files) != 0 || err != nil {
			t.Errorf("%s: %v, %v", name, files, err)
		}
	}
	kept := [][]*os.File{one, two, nil}
	must(t, d.Close())
	if Called(kept) {
		t.Error("nobody has called")
	}
	conn, err := net.Dial("unix", mount)
	must(t, err)
	defer conn.Close() //nolint:errcheck // nothing is said
	if !Called(kept) {
		t.Error("somebody has called")
	}

	settings, mode := "{}", fs.FileMode(0o600)
	if os.Geteuid() == 0 {
		settings, mode = `{"socket-group": "4242"}`, 0o660
	}
	d = opened(t, dir, settings, kept...)
	if got := len(d.Listeners()); got != 2 {
		t.Fatalf("%d sockets", got)
	}
	served, err := d.Listeners()[1].Accept()
	must(t, err)
	must(t, served.Close())
	info, err := os.Stat(mount)
	must(t, err)
	if info.Mode().Perm() != mode {
		t.Errorf("mode %v", info.Mode())
	}
	if files, err := d.Behind(mount); len(files) != 0 || err != nil { // it is another's to keep
		t.Errorf("%v, %v", files, err)
	}
	must(t, d.Close())
	d = opened(t, dir, "{}", kept...)
	if info, err := os.Stat(mount); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the group is another now: %v, %v", info, err)
	}
	must(t, d.Close())
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	for _, files := range kept {
		for _, f := range files {
			must(t, f.Close())
		}
	}
	if _, err := net.Dial("unix", mount); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("nobody has it any more: %v", err)
	}
}

// An engine that cannot start leaves what says whether the one before was killed.
func TestADoorThatIsGivenUp(t *testing.T) {
	t.Parallel()
	dir := socketFolder(t)
	path := filepath.Join(dir, "s")
	there := func(want bool) {
		t.Helper()
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("the socket is there: %v", err)
		}
	}
	must(t, opened(t, dir, "{}").GiveUp())
	there(false)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	l.SetUnlinkOnClose(false)
	must(t, l.Close())
	must(t, opened(t, dir, "{}").GiveUp())
	there(true)
	must(t, opened(t, dir, "{}").Close())
	there(false)
}
