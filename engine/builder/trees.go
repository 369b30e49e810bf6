package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/moby/buildkit/executor"

	"tiffin/engine"
)

// trees holds what steps mount until they are over.
type trees struct{ releases []func() error }

func (t *trees) release() error {
	var errs []error
	for _, r := range slices.Backward(t.releases) {
		errs = append(errs, r())
	}
	t.releases = nil
	return errors.Join(errs...)
}

// find finds out what a mount of a step stands for. Nothing is mounted for it.
func (t *trees) find(ctx context.Context, m executor.Mount) (engine.JobMount, error) {
	out := engine.JobMount{Target: m.Dest, ReadOnly: m.Readonly}
	ref, err := m.Src.Mount(ctx, m.Readonly)
	if err != nil {
		return out, err
	}
	mounts, release, err := ref.Mount()
	if err != nil {
		return out, err
	}
	if len(mounts) == 1 {
		t.sweepAgentFolder(mounts[0].Source)
	}
	if release != nil {
		t.releases = append(t.releases, release)
	}
	if len(mounts) != 1 {
		return out, fmt.Errorf("%d mounts for one place", len(mounts))
	}
	if out.Tree, err = translate(mounts[0]); err != nil {
		return out, err
	}
	out.ReadOnly = out.ReadOnly || slices.Contains(mounts[0].Options, "ro")
	if sub := path.Join("/", m.Selector); sub != "/" {
		out.Tree.Subpath = strings.TrimPrefix(sub, "/")
	}
	return out, nil
}

// agentFolder is how BuildKit begins the names of folders with the socket of an agent.
const agentFolder = ".buildkit-ssh-sock"

// sweepAgentFolder removes the folder of an agent's socket after the socket: BuildKit
// leaves it behind, one for each step that has an agent.
func (t *trees) sweepAgentFolder(source string) {
	if dir := path.Dir(source); strings.HasPrefix(path.Base(dir), agentFolder) {
		t.releases = append(t.releases, func() error { return os.Remove(dir) })
	}
}

// translate reads a mount as containerd has it, see mount(8) for the options.
func translate(m mount.Mount) (engine.Tree, error) {
	switch m.Type {
	case "bind", "rbind":
		return engine.Tree{Source: m.Source}, nil
	case "tmpfs":
		return engine.Tree{Tmpfs: tmpfsOptions(m.Options)}, nil
	case "overlay":
		return overlay(m.Options)
	default:
		return engine.Tree{}, engine.Problem(engine.ErrUnsupported, fmt.Errorf("a mount of type %q in a build step", m.Type))
	}
}

func overlay(options []string) (engine.Tree, error) {
	var t engine.Tree
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "lowerdir":
			t.Lower = strings.Split(value, ":")
		case "upperdir":
			t.Upper = value
		case "workdir":
			t.Work = value
		case "ro", "index", "redirect_dir", "metacopy", "volatile", "userxattr":
			// What the engine sets for all its overlays, or what a tree without an upper layer is anyway.
		default:
			return t, fmt.Errorf("overlay option %q is not known", o)
		}
	}
	if len(t.Lower) == 0 || slices.ContainsFunc(t.Lower, func(dir string) bool { return !path.IsAbs(dir) }) {
		return t, fmt.Errorf("an overlay of %q", options)
	}
	return t, nil
}

// tmpfsOptions are those of a tmpfs as BuildKit has it: unlike in a container, what
// lies in it may be executed.
func tmpfsOptions(options []string) []string { return append([]string{"exec", "dev"}, options...) }
