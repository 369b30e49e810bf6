package docker

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/docker/filter"
	"tiffin/engine/docker/shape"
	"tiffin/engine/plan"
)

func (s *Server) networkRoutes() {
	s.handle("GET /networks", s.listNetworks)
	s.handle("GET /networks/{id}", s.inspectNetwork)
	s.handle("POST /networks/create", s.createNetwork)
	s.handle("POST /networks/prune", s.pruneNetworks)
	s.handle("POST /networks/{id}/connect", s.connectNetwork)
	s.handle("POST /networks/{id}/disconnect", s.disconnectNetwork)
	s.handle("DELETE /networks/{id}", s.removeNetwork)
}

// networkFilters are those of GET /networks.
var networkFilters = []string{"dangling", "driver", "id", "label", "name", "scope", "type"}

func (s *Server) listNetworks(r *http.Request) (any, error) {
	args, err := filter.Parse(r.URL.Query().Get("filters"), networkFilters...)
	if err != nil {
		return nil, err
	}
	dangling, err := args.Bool("dangling", false)
	if err != nil {
		return nil, err
	}
	for _, t := range args.Values("type") {
		if t != "builtin" && t != "custom" {
			return nil, invalid("invalid filter 'type=%s'", t)
		}
	}
	all, containers, err := s.networks(r.Context())
	if err != nil {
		return nil, err
	}
	out := []network.Summary{}
	for i := range all {
		n := &all[i]
		if args.Has("dangling") && isDangling(n, containers) != dangling || !networkFits(n, args) {
			continue
		}
		out = append(out, network.Summary{Network: shape.Network(n)})
	}
	return out, nil
}

// networks lists all networks, and all containers that may be on them.
func (s *Server) networks(ctx context.Context) ([]engine.Network, []engine.Container, error) {
	all, err := s.b.Networks(ctx)
	if err != nil {
		return nil, nil, err
	}
	containers, err := s.all(ctx)
	return all, containers, err
}

// isDangling says that nothing which runs needs a network.
func isDangling(n *engine.Network, containers []engine.Container) bool {
	return !plan.IsPredefined(n) && !slices.ContainsFunc(containers, func(c engine.Container) bool { return plan.Holds(n, &c) })
}

func networkFits(n *engine.Network, args filter.Args) bool {
	kind := "custom"
	if plan.IsPredefined(n) {
		kind = "builtin"
	}
	return args.Is("driver", shape.NetworkDriver(n)) && args.Prefix("id", n.ID) && args.Matches("name", n.Spec.Name) &&
		args.Is("scope", "local") && args.Is("type", kind) && args.Labels(n.Labels())
}

// inspectNetwork has nothing more to tell who wants it verbose: that is about services of
// swarms.
func (s *Server) inspectNetwork(r *http.Request) (any, error) {
	if v := r.URL.Query().Get("verbose"); v != "" {
		if _, err := strconv.ParseBool(v); err != nil {
			return nil, invalid("invalid value for verbose: %q", v)
		}
	}
	all, containers, err := s.networks(r.Context())
	if err != nil {
		return nil, err
	}
	if scope := r.URL.Query().Get("scope"); scope != "" && scope != "local" {
		all = nil
	}
	n, err := plan.FindNetwork(all, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return shape.InspectNetwork(&n, containers), nil
}

func (s *Server) createNetwork(r *http.Request) (any, error) {
	req := &network.CreateRequest{}
	if err := decode(r, req); err != nil {
		return nil, err
	}
	spec, err := shape.AskNetwork(req)
	if err != nil {
		return nil, err
	}
	n, err := s.b.CreateNetwork(r.Context(), spec)
	if err != nil {
		return nil, err
	}
	return created(network.CreateResponse{ID: n.ID}), nil
}

func (s *Server) removeNetwork(r *http.Request) (any, error) {
	// It is seen through, also when the client goes away.
	return nil, s.b.RemoveNetwork(context.WithoutCancel(r.Context()), r.PathValue("id"))
}

var errNoContainer = engine.Problem(engine.ErrInvalid, errors.New("invalid container name or ID: value is empty"))

func (s *Server) connectNetwork(r *http.Request) (any, error) {
	req := &network.ConnectRequest{}
	if err := decode(r, req); err != nil {
		return nil, err
	}
	if req.Container == "" {
		return nil, errNoContainer
	}
	how, err := shape.Endpoint("", req.EndpointConfig)
	if err != nil {
		return nil, err
	}
	return status{code: http.StatusOK}, s.b.ConnectNetwork(r.Context(), r.PathValue("id"), req.Container, &how)
}

func (s *Server) disconnectNetwork(r *http.Request) (any, error) {
	req := &network.DisconnectRequest{}
	if err := decode(r, req); err != nil {
		return nil, err
	}
	if req.Container == "" {
		return nil, errNoContainer
	}
	return status{code: http.StatusOK}, s.b.DisconnectNetwork(r.Context(), r.PathValue("id"), req.Container, call.ForceRemove(req.Force))
}

// pruneNetworks removes the networks that no container runs on, and that there are not always.
func (s *Server) pruneNetworks(r *http.Request) (any, error) {
	args, err := filter.Parse(r.URL.Query().Get("filters"), "label", "label!", "until")
	if err != nil {
		return nil, err
	}
	until, err := untilOf(args)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	all, containers, err := s.networks(ctx)
	if err != nil {
		return nil, err
	}
	report := network.PruneReport{NetworksDeleted: []string{}}
	for i := range all {
		n := &all[i]
		if !isDangling(n, containers) || !args.Labels(n.Labels()) || !until.IsZero() && !n.Created.Before(until) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err // the client went away
		}
		if err := s.b.RemoveNetwork(context.WithoutCancel(ctx), n.ID); err != nil {
			s.cfg.Log.Debug("network not pruned", "network", n.Spec.Name, "err", err) // somebody uses it now, or was faster
			continue
		}
		report.NetworksDeleted = append(report.NetworksDeleted, n.Spec.Name)
	}
	s.pruned(engine.EventNetwork, 0)
	return report, nil
}

// untilOf is the one time of the filter until; zero without it.
func untilOf(args filter.Args) (time.Time, error) {
	values := args.Values("until")
	switch len(values) {
	case 0:
		return time.Time{}, nil
	case 1:
		return timeOf(cmp.Or(values[0], "?"), time.Now())
	default:
		return time.Time{}, invalid("more than one until filter specified")
	}
}

// pruned tells who listens that there was a prune, and how many bytes it got back.
func (s *Server) pruned(kind engine.EventType, bytes uint64) {
	s.b.Publish(engine.Event{Type: kind, Action: "prune", Attributes: map[string]string{"reclaimed": strconv.FormatUint(bytes, 10)}})
}
