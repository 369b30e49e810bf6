package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// requireRoot skips a test without root; where REQUIRE_ROOT is set, that is a failure.
func requireRoot(tb testing.TB) {
	tb.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("REQUIRE_ROOT") != "":
		tb.Fatal("this test needs root")
	default:
		tb.Skip("this test needs root")
	}
}

func testStore(tb testing.TB) *Store {
	tb.Helper()
	s, err := Open(Config{Root: filepath.Join(tb.TempDir(), "volumes")})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func create(tb testing.TB, s *Store, spec engine.VolumeSpec) engine.Volume {
	tb.Helper()
	v, err := s.Create(tb.Context(), spec, "p")
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func write(tb testing.TB, path, content string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func TestAVolumeComesAndGoes(t *testing.T) {
	s := testStore(t)
	v := create(t, s, engine.VolumeSpec{Name: "p_data", Key: "data"})
	if !v.Fresh || v.Anonymous || v.Project != "p" || v.Name != "p_data" {
		t.Errorf("got %+v", v)
	}
	for path, mode := range map[string]os.FileMode{v.Mountpoint: 0o755, filepath.Dir(v.Mountpoint): 0o700, s.root: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeDir|mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	write(t, filepath.Join(v.Mountpoint, "sub", "file"), "x")
	if again := create(t, s, v.Spec); again.Fresh {
		t.Error("a volume with content is fresh")
	}
	anonymous := create(t, s, engine.VolumeSpec{})
	if !anonymous.Anonymous || len(anonymous.Name) != 64 {
		t.Errorf("got %+v", anonymous)
	}
	names, err := s.List()
	if err != nil || len(names) != 2 {
		t.Errorf("got %v, %v", names, err)
	}
	for range 2 {
		if err := s.Remove(t.Context(), "p_data"); err != nil {
			t.Error(err)
		}
	}
	if names, err = s.List(); err != nil || !cmp.Equal(names, []string{anonymous.Name}) {
		t.Errorf("got %v, %v", names, err)
	}
}

func TestARemovalThatWasInterruptedIsFinished(t *testing.T) {
	s := testStore(t)
	v := create(t, s, engine.VolumeSpec{Name: "gone"})
	write(t, filepath.Join(v.Mountpoint, "file"), "x")
	if err := os.Rename(filepath.Dir(v.Mountpoint), filepath.Join(s.root, removedPrefix+"gone")); err != nil {
		t.Fatal(err)
	}
	if names, err := s.List(); len(names) > 0 || err != nil {
		t.Errorf("got %v, %v", names, err)
	}
	if _, err := Open(Config{Root: s.root}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(s.root); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestVolumesThatAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	opts := func(pairs ...string) engine.VolumeSpec {
		spec := engine.VolumeSpec{Name: "v", DriverOpts: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			spec.DriverOpts[pairs[i]] = pairs[i+1]
		}
		return spec
	}
	cases := map[string]struct {
		spec engine.VolumeSpec
		kind error
		text string
	}{
		"external":              {engine.VolumeSpec{Name: "v", External: true}, engine.ErrNotFound, `external volume "v" not found`},
		"out of the folder":     {engine.VolumeSpec{Name: ".."}, engine.ErrInvalid, `".." includes invalid characters for a local volume name, only`},
		"a path":                {engine.VolumeSpec{Name: "a/b"}, engine.ErrInvalid, `"a/b" includes invalid characters for a local volume name, only`},
		"a long name":           {engine.VolumeSpec{Name: strings.Repeat("v", 256)}, engine.ErrInvalid, "volume name "},
		"another driver":        {engine.VolumeSpec{Name: "v", Driver: "rexray"}, engine.ErrUnsupported, `volume v: there is no volume driver "rexray", only local`},
		"an unknown option":     {opts("size", "1g"), engine.ErrUnsupported, `volume v: driver option "size": the local driver has type, device and o`},
		"an empty option":       {opts("type", ""), engine.ErrInvalid, `volume v: driver option "type" is empty`},
		"a device of no type":   {opts("device", "/x"), engine.ErrInvalid, "volume v: driver options need a type (tmpfs, nfs, …), or o=bind"},
		"no device":             {opts("type", "nfs", "o", "addr=1.2.3.4"), engine.ErrInvalid, "volume v: driver options: type nfs needs a device"},
		"a relative bind":       {opts("type", "none", "o", "bind", "device", "x"), engine.ErrInvalid, `volume v: device "x" of a bind is not an absolute path`},
		"a bind of nothing":     {opts("type", "none", "o", "bind", "device", "/no/such"), engine.ErrInvalid, "volume v: bind source path does not exist: /no/such"},
		"a bind of a file":      {opts("o", "rbind", "device", file), engine.ErrInvalid, "volume v: device " + file + " is not a directory"},
		"a bind with an option": {opts("o", "bind,ro", "device", "/tmp"), engine.ErrUnsupported, `volume v: option "ro" of a bind`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := testStore(t)
			_, err := s.Create(t.Context(), c.spec, "p")
			if !errors.Is(err, c.kind) || !strings.HasPrefix(err.Error(), c.text) {
				t.Errorf("got %v", err)
			}
			if names, err := s.List(); len(names) > 0 || err != nil {
				t.Errorf("left: %v, %v", names, err)
			}
		})
	}
	if err := testStore(t).Remove(t.Context(), "../x"); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("remove out of the folder: %v", err)
	}
}

func TestAVolumeOfTypeBindIsItsDevice(t *testing.T) {
	device := t.TempDir()
	s := testStore(t)
	v := create(t, s, engine.VolumeSpec{Name: "v", DriverOpts: map[string]string{"type": "none", "o": "bind", "device": device}})
	if v.Mountpoint != device || !v.Fresh {
		t.Errorf("got %+v", v)
	}
	if err := s.Mount(t.Context(), v); err != nil {
		t.Error(err)
	}
	write(t, filepath.Join(device, "file"), "x")
	if err := s.Remove(t.Context(), "v"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(device, "file")); err != nil {
		t.Errorf("the device's content went with the volume: %v", err)
	}
}

// privateMounts runs the test in a mount namespace of its own.
func privateMounts(t *testing.T) {
	t.Helper()
	requireRoot(t)
	// The thread is not unlocked: it ends with the test, and its namespace with it.
	lockThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
}

func TestAVolumeOfTypeTmpfsIsMountedWhileItIsUsed(t *testing.T) {
	privateMounts(t)
	s := testStore(t)
	v := create(t, s, engine.VolumeSpec{Name: "v", DriverOpts: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=64k,uid=7,noexec"}})
	for range 2 {
		if err := s.Mount(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(v.Mountpoint, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC || int64(fs.Blocks)*fs.Bsize != 64<<10 || fs.Flags&unix.ST_NOEXEC == 0 {
		t.Errorf("got %+v, %v", fs, err)
	}
	for range 2 {
		if err := s.Unmount(v); err != nil {
			t.Error(err)
		}
	}
	if there, err := isMountpoint(v.Mountpoint); there || err != nil {
		t.Errorf("still mounted: %v", err)
	}
	if err := s.Mount(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "v"); err != nil {
		t.Error(err)
	}
}

func TestAFileSystemThatTheKernelHasNot(t *testing.T) {
	privateMounts(t)
	s := testStore(t)
	v := create(t, s, engine.VolumeSpec{Name: "v", DriverOpts: map[string]string{"type": "nosuchfs", "device": "x"}})
	err := s.Mount(t.Context(), v)
	want := "mount volume v: the kernel cannot mount file systems of type nosuchfs"
	if !errors.Is(err, engine.ErrUnsupported) || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestMountArguments(t *testing.T) {
	flags, data, err := mountArguments(context.Background(), "addr=127.0.0.1,rw,nosuid,ro,nolock,vers=4,soft")
	if flags != unix.MS_NOSUID|unix.MS_RDONLY || data != "addr=127.0.0.1,nolock,vers=4,soft" || err != nil {
		t.Errorf("got %x %q %v", flags, data, err)
	}
	if flags, data, err := mountArguments(context.Background(), ""); flags != 0 || data != "" || err != nil {
		t.Errorf("got %x %q %v", flags, data, err)
	}
}
