package daemon

import (
	"context"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/container"
	"tiffin/engine/output"
)

// Logs calls emit for the output of the selected containers, see output.Read.
func (d *Daemon) Logs(ctx context.Context, req *call.LogRequest, emit func(call.LogEntry) error) error {
	return output.Read(ctx, index{d}, req, emit)
}

// index is the daemon's, for the rooms that look into it.
type index struct{ *Daemon }

func (i index) Containers(keep func(*engine.Container) bool) []engine.Container { return i.all(keep) }
func (i index) ByID(id string) (*container.Container, error)                    { return i.byID(id) }
