package bridge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
)

// service is that of the made-up project that has a transformation in it.
const service = "transformation"

// endTimeout bounds how long what was made for a transformation may take to go away.
const endTimeout = 30 * time.Second

// mounts are the caller's folders; templates may be "".
type mounts struct{ output, templates string }

// transformer is the container of a transformation. It runs as the caller, whose its output shall be.
func transformer(image, in string, m mounts, uid, gid int) engine.ContainerSpec {
	spec := engine.ContainerSpec{
		Image: image, User: fmt.Sprintf("%d:%d", uid, gid), NetworkMode: "bridge",
		Env: []string{"LICENSE_AGREEMENT=true"}, // docker's own images ask for it
		Mounts: []engine.Mount{
			{Type: engine.MountBind, Source: in, Target: "/in", ReadOnly: true},
			{Type: engine.MountBind, Source: m.output, Target: "/out"},
		},
	}
	if m.templates != "" {
		spec.Mounts = append(spec.Mounts, engine.Mount{Type: engine.MountBind, Source: m.templates, Target: "/templates", ReadOnly: true})
	}
	return spec
}

// with makes a container in a project of its own, which is gone afterwards. An image that is not here is pulled.
func (h *Host) with(ctx context.Context, client *api.Client, spec engine.ContainerSpec, use func(id string) error) (err error) {
	var random [6]byte
	rand.Read(random[:]) // crypto/rand.Read never returns an error (Go 1.24)
	stack := engine.Stack{
		Name:     "bridge-" + hex.EncodeToString(random[:]),
		Services: []engine.Service{{Name: service, Scale: 1, PullPolicy: engine.PullMissing, Container: spec}},
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		down := &call.DownRequest{Project: stack.Name, Stack: &stack, RemoveOrphans: true, Volumes: true}
		err = errors.Join(err, client.Down(ctx, down, func(engine.Progress) {}))
	}()
	show := h.NewProgress("bridge")
	id, err := client.Run(ctx, &call.RunRequest{
		Up:      call.UpRequest{Stack: stack, IgnoreOrphans: true, Auths: h.Credentials(ctx, client, &stack, "")},
		Service: service, Container: spec,
	}, func(e engine.Progress) {
		// The container is no news; how its image is fetched is.
		if !strings.HasPrefix(e.ID, "Container ") {
			show.Report(e)
		}
	})
	show.Finish()
	if err != nil {
		return err
	}
	return use(id)
}

// runTransformer runs a transformation, with its output on the caller's, and returns its exit code.
func (h *Host) runTransformer(ctx context.Context, client *api.Client, spec engine.ContainerSpec) (code int, err error) {
	err = h.with(ctx, client, spec, func(id string) error {
		code, err = h.Streamed(caller.Streams{}, func(s call.Streams) (int, error) {
			return client.Attach(ctx, &call.AttachRequest{Container: id, Start: true, Replay: true}, s)
		})
		return err
	})
	return code, err
}
