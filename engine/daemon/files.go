package daemon

import (
	"context"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/archive"
	"tiffin/engine/call"
	"tiffin/engine/container"
)

// StatFile says what is at a path of a container.
func (d *Daemon) StatFile(ctx context.Context, req *call.FileRequest) (stat call.FileStat, err error) {
	err = d.withFiles(ctx, req.Container, container.Reading, func(root *os.File) error {
		stat, err = archive.Look(root, req.Path, req.Follow)
		return err
	})
	return stat, err
}

// ReadFiles writes what is at a path of a container as a tar stream.
func (d *Daemon) ReadFiles(ctx context.Context, req *call.FileRequest, w io.Writer) error {
	return d.withFiles(ctx, req.Container, container.Reading, func(root *os.File) error {
		return archive.Pack(ctx, w, root, req.Path, archive.PackOptions{Name: req.Name, Follow: req.Follow})
	})
}

// WriteFiles makes the files of a tar stream in a folder of a container.
func (d *Daemon) WriteFiles(ctx context.Context, req *call.WriteRequest, r io.Reader) error {
	o := archive.UnpackOptions{Owners: archive.Roots, FollowParents: true}
	if req.Owners {
		o.Owners = archive.Named
	}
	return d.withFiles(ctx, req.Container, container.Writing, func(root *os.File) error {
		return archive.Unpack(ctx, r, root, req.Folder, o)
	})
}

// Export writes a container's root filesystem as a tar stream.
func (d *Daemon) Export(ctx context.Context, ref string, w io.Writer) error {
	c, err := d.Container(ref)
	if err != nil {
		return err
	}
	return c.RootFiles(ctx, func(root *os.File) error {
		return archive.Pack(ctx, w, root, "/", archive.PackOptions{Name: "."})
	})
}

func (d *Daemon) withFiles(ctx context.Context, ref string, access container.Access, use func(*os.File) error) error {
	c, err := d.Container(ref)
	if err != nil {
		return err
	}
	return c.Files(ctx, access, use)
}

// Volumes lists the volumes by name.
func (d *Daemon) Volumes(context.Context) ([]engine.Volume, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.SortedFunc(maps.Values(d.volumes), func(a, b engine.Volume) int { return strings.Compare(a.Name, b.Name) }), nil
}
