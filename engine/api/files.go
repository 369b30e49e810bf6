package api

import (
	"context"
	"io"
	"net/http"

	"tiffin/engine"
	"tiffin/engine/call"
)

func fileCalls(mux *http.ServeMux, b Files) {
	upload(mux, "change-files", func(ctx context.Context, r *nameRequest, changes io.Reader, _ engine.Report) (empty, error) {
		return empty{}, b.ChangeFiles(ctx, r.Name, changes)
	})
	answer(mux, "files/stat", b.StatFile)
	frames(mux, "files/read", func(ctx context.Context, r *call.FileRequest, out *frameWriter, _ func() error) error {
		return b.ReadFiles(ctx, r, frameStream{out, call.Stdout})
	})
	upload(mux, "files/write", func(ctx context.Context, r *call.WriteRequest, archive io.Reader, _ engine.Report) (empty, error) {
		return empty{}, b.WriteFiles(ctx, r, archive)
	})
	frames(mux, "export", func(ctx context.Context, r *nameRequest, out *frameWriter, _ func() error) error {
		return b.Export(ctx, r.Name, frameStream{out, call.Stdout})
	})
	answer(mux, "volumes", func(ctx context.Context, _ *empty) ([]engine.Volume, error) { return b.Volumes(ctx) })
}

// writeTo writes the data of frames.
func writeTo(w io.Writer) func(frame) error {
	return func(f frame) error {
		if f.kind != frameData {
			return nil
		}
		_, err := w.Write(f.payload)
		return err
	}
}

// StatFile says what is at a path of a container.
func (c *Client) StatFile(ctx context.Context, req *call.FileRequest) (call.FileStat, error) {
	return ask[call.FileStat](ctx, c, "files/stat", req)
}

// ReadFiles writes what is at a path of a container as a tar stream.
func (c *Client) ReadFiles(ctx context.Context, req *call.FileRequest, archive io.Writer) error {
	return c.frames(ctx, "files/read", req, writeTo(archive))
}

// WriteFiles makes the files of a tar stream in a folder of a container.
func (c *Client) WriteFiles(ctx context.Context, req *call.WriteRequest, archive io.Reader) error {
	return c.upload(ctx, "files/write", req, archive, lineAnswer{})
}

// Export writes a container's root filesystem as a tar stream.
func (c *Client) Export(ctx context.Context, id string, archive io.Writer) error {
	return c.frames(ctx, "export", nameRequest{id}, writeTo(archive))
}

// Volumes lists the volumes.
func (c *Client) Volumes(ctx context.Context) ([]engine.Volume, error) {
	return ask[[]engine.Volume](ctx, c, "volumes", empty{})
}
