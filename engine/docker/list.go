package docker

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/docker/filter"
	"tiffin/engine/docker/shape"
)

// containerFilters are those of GET /containers/json.
var containerFilters = []string{
	"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "label!", "name", "network", "publish", "since", "status", "volume",
}

func (s *Server) listContainers(r *http.Request) (any, error) {
	args, err := filter.Parse(r.URL.Query().Get("filters"), containerFilters...)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", -1)
	if err != nil {
		return nil, err
	}
	list, err := s.all(r.Context())
	if err != nil {
		return nil, err
	}
	byAge(list)
	pick, err := s.picker(r, args)
	if err != nil {
		return nil, err
	}
	// Who asks for a status, or for so many, sees those that do not run, too.
	everything := flag(r, "all") || limit > 0 || args.Has("status") || args.Has("exited") || args.Has("before") || args.Has("since")
	out, now := []container.Summary{}, time.Now()
	for i := range list {
		c := &list[i]
		if limit > 0 && len(out) == limit {
			break
		}
		if !everything && !c.State.Status.Alive() && c.State.Status != engine.StatusRestarting || !pick(c) {
			continue
		}
		sizes, err := s.sizes(r, c)
		if errors.Is(err, engine.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, shape.Summary(c, now, sizes))
	}
	return out, nil
}

// picker makes the filters of a list of containers into a question.
func (s *Server) picker(r *http.Request, args filter.Args) (func(*engine.Container) bool, error) {
	if err := checkFilters(args); err != nil {
		return nil, err
	}
	after, before, err := s.between(r, args)
	if err != nil {
		return nil, err
	}
	images, err := s.descendants(r.Context(), args.Values("ancestor"))
	if err != nil {
		return nil, err
	}
	return func(c *engine.Container) bool {
		return args.Is("status", c.State.Status.Docker()) && args.Labels(c.Spec.Labels) &&
			args.Matches("name", c.Name, "/"+c.Name) && args.Prefix("id", c.ID) &&
			(!args.Has("exited") || c.State.Status == engine.StatusExited && args.Is("exited", strconv.Itoa(c.State.ExitCode))) &&
			args.Any("health", orNone(string(c.State.Health.Status))) &&
			(!args.Has("ancestor") || images[c.ImageID] || args.Is("ancestor", c.Spec.Image)) &&
			(after.IsZero() || c.Created.After(after)) && (before.IsZero() || c.Created.Before(before)) &&
			onNetwork(c, args) && hasVolume(c, args) && hasPort(c, args) && args.Any("is-task", "false")
	}, nil
}

// descendants are the IDs of some images, and of all that are built on them: their layers begin with an ancestor's.
func (s *Server) descendants(ctx context.Context, ancestors []string) (map[string]bool, error) {
	out := map[string]bool{}
	if len(ancestors) == 0 {
		return out, nil
	}
	list, err := s.b.Images(ctx)
	if err != nil {
		return nil, err
	}
	for _, ref := range ancestors {
		ancestor, base, err := s.imageDetails(ctx, ref, "")
		if err != nil {
			continue // no such image: nothing is of it
		}
		out[ancestor.ID] = true
		for i := range list {
			img, err := s.b.ImageDetails(ctx, list[i].ID, "")
			if n := len(base.Trees); err == nil && n > 0 && len(img.Trees) >= n && slices.EqualFunc(img.Trees[:n], base.Trees, sameTree) {
				out[list[i].ID] = true
			}
		}
	}
	return out, nil
}

func sameTree(a, b call.ImageTree) bool { return a.Key == b.Key }

func checkFilters(args filter.Args) error {
	for _, st := range args.Values("status") {
		if !slices.Contains([]string{"created", "running", "paused", "restarting", "removing", "exited", "dead"}, st) {
			return invalid("invalid filter 'status=%s'", st)
		}
	}
	for _, code := range args.Values("exited") {
		if _, err := strconv.Atoi(code); err != nil {
			return engine.Problem(engine.ErrInvalid, err)
		}
	}
	for _, h := range args.Values("health") {
		if err := container.ValidateHealthStatus(container.HealthStatus(h)); err != nil {
			return engine.Problem(engine.ErrInvalid, err)
		}
	}
	return nil
}

// between are the times that the filters since and before name by containers; zero where
// they do not.
func (s *Server) between(r *http.Request, args filter.Args) (after, before time.Time, err error) {
	for name, limit := range map[string]*time.Time{"since": &after, "before": &before} {
		for _, ref := range args.Values(name) {
			c, err := s.b.Inspect(r.Context(), ref)
			if err != nil {
				return after, before, err
			}
			*limit = c.Created
		}
	}
	return after, before, nil
}

func orNone(health string) string {
	if health == "" {
		return string(container.NoHealthcheck)
	}
	return health
}

func onNetwork(c *engine.Container, args filter.Args) bool {
	if !args.Has("network") {
		return true
	}
	for name, e := range shape.Endpoints(c) {
		if args.Any("network", name, e.NetworkID) || e.NetworkID != "" && args.Any("network", engine.ShortID(e.NetworkID)) {
			return true
		}
	}
	return false
}

func hasVolume(c *engine.Container, args filter.Args) bool {
	if !args.Has("volume") {
		return true
	}
	return slices.ContainsFunc(c.Mounts, func(m engine.MountPoint) bool {
		return args.Any("volume", m.Name, m.Destination) || m.Type == engine.MountBind && args.Any("volume", m.Source)
	})
}

// hasPort looks for ports that are published or exposed: 80, 80/tcp or 80-90/udp.
func hasPort(c *engine.Container, args filter.Args) bool {
	in := func(name string, num uint16, protocol string) bool {
		for _, text := range args.Values(name) {
			p, err := network.ParsePortRange(text)
			if err == nil && string(p.Proto()) == protocol && p.Start() <= num && num <= p.End() {
				return true
			}
		}
		return false
	}
	if args.Has("publish") && !slices.ContainsFunc(c.Published, func(p engine.PublishedPort) bool { return in("publish", p.HostPort, p.Protocol) }) {
		return false
	}
	if !args.Has("expose") {
		return true
	}
	for p := range shape.Config(c).ExposedPorts {
		if in("expose", p.Num(), string(p.Proto())) {
			return true
		}
	}
	return false
}

// pruneContainers removes what does not run.
func (s *Server) pruneContainers(r *http.Request) (any, error) {
	args, err := filter.Parse(r.URL.Query().Get("filters"), "label", "label!", "until")
	if err != nil {
		return nil, err
	}
	before, err := until(args)
	if err != nil {
		return nil, err
	}
	list, err := s.all(r.Context())
	if err != nil {
		return nil, err
	}
	report := container.PruneReport{}
	for i := range list {
		c := &list[i]
		if c.State.Status != engine.StatusExited && c.State.Status != engine.StatusCreated || !args.Labels(c.Spec.Labels) || !c.Created.Before(before) {
			continue
		}
		written, _ := s.b.WritableSize(r.Context(), c.ID) // or it is removed by now
		if err := s.b.Remove(r.Context(), c.ID, call.RemoveOptions{}); err == nil {
			report.ContainersDeleted = append(report.ContainersDeleted, c.ID)
			report.SpaceReclaimed += uint64(max(written, 0))
		}
	}
	s.pruned(engine.EventContainer, report.SpaceReclaimed)
	return report, nil
}

// until reads the filter of that name: a time, or how long ago; not there, it is now.
func until(args filter.Args) (time.Time, error) {
	now := time.Now()
	for _, text := range args.Values("until") {
		return timeOf(text, now)
	}
	return now, nil
}
