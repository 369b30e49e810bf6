package single

import (
	"context"
	"io"
	"os"

	"tiffin/engine/archive"
	"tiffin/engine/call"
	"tiffin/engine/container"
)

// StatFile says what is at a path of a container.
func (o Ops) StatFile(ctx context.Context, req *call.FileRequest) (stat call.FileStat, err error) {
	err = o.withFiles(ctx, req.Container, access{container.Reading, ""}, func(root *os.File) error {
		stat, err = archive.Look(root, req.Path, req.Follow)
		return err
	})
	return stat, err
}

// ReadFiles writes what is at a path of a container as a tar stream.
func (o Ops) ReadFiles(ctx context.Context, req *call.FileRequest, w io.Writer) error {
	return o.withFiles(ctx, req.Container, access{container.Reading, "archive-path"}, func(root *os.File) error {
		return archive.Pack(ctx, w, root, req.Path, archive.PackOptions{Name: req.Name, Follow: req.Follow})
	})
}

// WriteFiles makes the files of a tar stream in a folder of a container.
func (o Ops) WriteFiles(ctx context.Context, req *call.WriteRequest, r io.Reader) error {
	how := archive.UnpackOptions{Owners: archive.Roots, FollowParents: true}
	if req.Owners {
		how.Owners = archive.Named
	}
	return o.withFiles(ctx, req.Container, access{container.Writing, "extract-to-dir"}, func(root *os.File) error {
		return archive.Unpack(ctx, r, root, req.Folder, how)
	})
}

// Export writes a container's root filesystem as a tar stream.
func (o Ops) Export(ctx context.Context, ref string, w io.Writer) error {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return err
	}
	err = c.RootFiles(ctx, func(root *os.File) error {
		return archive.Pack(ctx, w, root, "/", archive.PackOptions{Name: "."})
	})
	if err == nil {
		o.tell(c, "export", nil)
	}
	return err
}

// access is what is done with files, and which event tells of it; "": none.
type access struct {
	how   container.Access
	event string
}

func (o Ops) withFiles(ctx context.Context, ref string, a access, use func(*os.File) error) error {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return err
	}
	if err = c.Files(ctx, a.how, use); err == nil && a.event != "" {
		o.tell(c, a.event, nil)
	}
	return err
}
