package docker

import (
	"errors"
	"net/http"

	"tiffin/engine"
)

// errNoSwarm is in Docker's words, which clients match on.
var errNoSwarm = errors.New("This node is not a swarm manager. " + //nolint:staticcheck // see above
	`Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`)

// refusals answers what dockerd without a swarm, and tiffin, do not do.
func (s *Server) refusals() {
	noSwarm := func(*http.Request) (any, error) {
		return nil, engine.Problem(engine.ErrUnavailable, errNoSwarm)
	}
	for _, root := range []string{"/swarm", "/services", "/tasks", "/nodes", "/secrets", "/configs"} {
		s.handle(root, noSwarm)
		s.handle(root+"/{rest...}", noSwarm)
	}
	s.handle("GET /plugins", func(*http.Request) (any, error) { return []struct{}{}, nil })
	s.refuse("/plugins/{rest...}", "plugins")
	s.refuse("GET /images/search", "searching for images")
	s.refuse("GET /containers/{id}/attach/ws", "attaching by websocket")
	s.refuse("/containers/{id}/checkpoints", "checkpoints")
	s.refuse("/containers/{id}/checkpoints/{rest...}", "checkpoints")
	s.handle("/", func(*http.Request) (any, error) {
		return nil, engine.Problem(engine.ErrNotFound, errors.New("page not found"))
	})
}

func (s *Server) refuse(pattern, what string) {
	s.handle(pattern, func(*http.Request) (any, error) {
		return nil, engine.Problem(engine.ErrUnsupported, errors.New(what+" is not supported by tiffin"))
	})
}
