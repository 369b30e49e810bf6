package images

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed files
var files embed.FS

//go:embed install.sh
var installScript string

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// debian is where packages come from: the release and the sources.list lines that this machine is configured for.
type debian struct {
	codename string
	sources  string
}

func configuredDebian(ctx context.Context) (debian, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return debian{}, fmt.Errorf("find the Debian release of this machine: %w", err)
	}
	var d debian
	for line := range strings.Lines(string(release)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			d.codename = strings.Trim(name, `"`)
		}
	}
	d.sources, err = run(ctx, nil, "apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
		"Created-By: Packages", "Origin: Debian")
	if err != nil {
		return debian{}, err
	}
	if d.codename == "" || d.sources == "" {
		return debian{}, errors.New("this machine has no Debian package lists: run 'apt-get update' as root first")
	}
	lines := slices.Sorted(strings.Lines(d.sources))
	d.sources = strings.Join(slices.Compact(lines), "")
	return d, nil
}

// bootstrap fills dir with a Debian root filesystem. Its package lists stay, for what is installed on top.
func (d debian) bootstrap(ctx context.Context, dir string) error {
	return d.mmdebstrap(ctx, dir, "--variant=minbase", "--skip=cleanup/apt/lists")
}

// extract unpacks packages for an architecture into dir and runs nothing of them.
func (d debian) extract(ctx context.Context, dir, arch string, packages ...string) error {
	return d.mmdebstrap(ctx, dir, "--variant=extract", "--skip=check/qemu", "--architectures="+arch,
		"--include="+strings.Join(packages, ","))
}

func (d debian) mmdebstrap(ctx context.Context, dir string, options ...string) error {
	list := dir + ".sources.list"
	if err := os.WriteFile(list, []byte(d.sources), 0o644); err != nil {
		return err
	}
	args := append(options, "--quiet", "--mode=root", "--format=directory", "--keyring="+keyring, d.codename, dir, list)
	_, err := run(ctx, reproducible(), "mmdebstrap", args...)
	return err
}

// install leaves in the folder that it returns what the recipe changes in the root filesystem below.
func install(ctx context.Context, work, below string, r recipe) (string, error) {
	dir := func(name string) string { return filepath.Join(work, r.name+"."+name) }
	for _, name := range []string{"upper", "work", "root", "files"} {
		if err := os.MkdirAll(dir(name), 0o755); err != nil {
			return "", err
		}
	}
	if err := copyFiles(dir("files"), "files/"+r.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err // a recipe may have no files
	}
	env := append(reproducible(),
		"BASE="+below, "UPPER="+dir("upper"), "WORK="+dir("work"), "ROOT="+dir("root"), "FILES="+dir("files"),
		"PACKAGES="+strings.Join(r.packages, " "), "SETUP="+r.setup)
	_, err := run(ctx, env, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", installScript)
	return dir("upper"), err
}

// copyFiles writes what is embedded below from into dir. An entry point goes where the public image has it.
func copyFiles(dir, from string) error {
	tree, err := fs.Sub(files, from)
	if err != nil {
		return err
	}
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
		}
		return os.WriteFile(to, content, mode)
	})
}

// busybox lays a root filesystem out around a static busybox, with a hard link for each of its applets.
func busybox(dir string, binary []byte, applets []string) error {
	folders := map[string]fs.FileMode{
		"bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o755, "root": 0o700, "sys": 0o755,
		"tmp": 0o1777, "usr/bin": 0o755, "usr/sbin": 0o755, "var/spool/mail": 0o755, "var/www": 0o755,
	}
	for name, mode := range folders {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(p, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(p, unixMode(mode)); err != nil {
			return err
		}
	}
	if err := copyFiles(dir, "files/busybox"); err != nil {
		return err
	}
	program := filepath.Join(dir, "bin/busybox")
	if err := os.WriteFile(program, binary, 0o755); err != nil {
		return err
	}
	for _, applet := range applets {
		if err := os.Link(program, filepath.Join(dir, "bin", applet)); err != nil {
			return err
		}
	}
	return os.Symlink("../../bin/env", filepath.Join(dir, "usr/bin/env"))
}

func unixMode(mode fs.FileMode) fs.FileMode {
	if mode&0o1000 != 0 {
		return mode.Perm() | fs.ModeSticky
	}
	return mode
}

// applets are the commands of a busybox that runs on this machine.
func applets(ctx context.Context, program string) ([]string, error) {
	out, err := run(ctx, nil, program, "--list")
	if err != nil {
		return nil, err
	}
	var names []string
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		if s.Text() != "busybox" {
			names = append(names, s.Text())
		}
	}
	return names, nil
}

// reproducible is the environment for programs that write the time into what they make.
func reproducible() []string {
	return append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch.Unix()))
}

// run gives what a program prints; when it fails, the error carries the end of what it complained about.
func run(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	var stdout, all bytes.Buffer
	cmd.Stdout = &stdout
	cmd.Stderr = &all
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run %s: %w\n%s", name, err, tail(all.String(), stdout.String()))
	}
	return stdout.String(), nil
}

func tail(texts ...string) string {
	const most = 2000
	s := strings.TrimSpace(strings.Join(texts, "\n"))
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return s
}
