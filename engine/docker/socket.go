package docker

import (
	"os"
	"path/filepath"
	"slices"

	"tiffin/engine"
)

// socketWarning is told who gives a container the engine's socket.
const socketWarning = "the container has the engine's socket: who gets into it is root on the host"

// hasSocket says that a container gets the engine's socket, also by a link that leads to it.
func (s *Server) hasSocket(spec *engine.ContainerSpec) bool {
	its, err := os.Stat(filepath.Join(s.cfg.RunRoot, "tiffin.sock"))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(spec.Mounts, func(m engine.Mount) bool {
		if m.Type != engine.MountBind {
			return false
		}
		there, err := os.Stat(m.Source)
		return err == nil && os.SameFile(there, its)
	})
}
