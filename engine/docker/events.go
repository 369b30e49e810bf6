package docker

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"

	"tiffin/engine"
	"tiffin/engine/docker/filter"
)

// eventFilters are those of GET /events.
var eventFilters = []string{
	"config", "container", "daemon", "event", "image", "label", "label!", "network", "node", "plugin", "scope", "secret", "service", "type", "volume",
}

// events sends what happens, as it happens.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	args, err := filter.Parse(r.URL.Query().Get("filters"), eventFilters...)
	if err != nil {
		return err
	}
	now := time.Now()
	since, err := timeOf(r.URL.Query().Get("since"), now)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("since") == "0" {
		since = time.Unix(0, 0) // all that is known
	}
	end, err := timeOf(r.URL.Query().Get("until"), now)
	if err != nil {
		return err
	}
	if !end.IsZero() && since.After(end) {
		return invalid("`since` time (%d) cannot be after `until` time (%d)", since.Unix(), end.Unix())
	}
	ctx, cancel := s.whileServing(r.Context())
	defer cancel()
	late := since.IsZero() && end.IsZero() && onlyStarts(args)
	if late {
		since = now.Add(-justNow)
	}
	flush := http.NewResponseController(w).Flush
	out := json.NewEncoder(w)
	return s.b.Events(ctx, since, end, func() {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_ = flush() // or the client went away
	}, func(ev engine.Event) error {
		if !wanted(&ev, args) || comesAndGoes(&ev) || late && ev.Time.Before(now) && !s.runs(ctx, ev.ID) {
			return nil
		}
		if err := out.Encode(message52(&ev)); err != nil {
			return err
		}
		return flush()
	})
}

// justNow is how long ago a container may have started for who asks for nothing but starts
// to be told of it. The dev containers' CLI has `docker events` and `docker run` begin at once,
// and waits for the start that the one tells of the other. A start takes dockerd so long that it
// hears of it; tiffin may be done before the question comes.
const justNow = time.Second

func onlyStarts(args filter.Args) bool {
	actions := args.Values("event")
	return len(actions) == 1 && actions[0] == string(events.ActionStart)
}

func (s *Server) runs(ctx context.Context, id string) bool {
	c, err := s.b.Inspect(ctx, id)
	return err == nil && c.State.Status.Alive()
}

// eventMessage has what the API had before 1.52, too.
type eventMessage struct {
	events.Message
	Status string `json:"status,omitempty"`
	ID     string `json:"id,omitempty"`
	From   string `json:"from,omitempty"`
}

func message52(ev *engine.Event) eventMessage {
	out := eventMessage{Message: events.Message{
		Type: events.Type(ev.Type), Action: events.Action(ev.Action), Scope: "local",
		Actor: events.Actor{ID: ev.ID, Attributes: ev.Attributes}, Time: ev.Time.Unix(), TimeNano: ev.Time.UnixNano(),
	}}
	if ev.Type == engine.EventContainer || ev.Type == engine.EventImage {
		out.Status, out.ID, out.From = ev.Action, ev.ID, ev.Attributes["image"]
	}
	return out
}

// comesAndGoes says that an event is about the default bridge itself. Docker always has one;
// that tiffin makes it when it is needed is nobody's business.
func comesAndGoes(ev *engine.Event) bool {
	return ev.Type == engine.EventNetwork && ev.Attributes["name"] == "bridge" && (ev.Action == "create" || ev.Action == "destroy")
}

// wanted says that an event passes the filters.
func wanted(ev *engine.Event, args filter.Args) bool {
	action, _, _ := strings.Cut(ev.Action, ":")
	if !args.Any("type", string(ev.Type)) || !args.Any("event", ev.Action, action) || !args.Labels(ev.Attributes) || !args.Any("scope", "local") {
		return false
	}
	for _, kind := range []string{"config", "container", "daemon", "image", "network", "node", "plugin", "secret", "service", "volume"} {
		if !about(ev, args, kind) {
			return false
		}
	}
	return true
}

// about says that an event is about one of the objects that a filter names, if it does. The
// beginning of a name is enough, as for Docker. Containers are events of their image, too.
func about(ev *engine.Event, args filter.Args, kind string) bool {
	switch {
	case !args.Has(kind):
		return true
	case string(ev.Type) == kind:
		return args.Prefix(kind, ev.ID) || args.Prefix(kind, ev.Attributes["name"])
	case kind == string(engine.EventImage) && ev.Type == engine.EventContainer:
		image := ev.Attributes["image"]
		return args.Any(kind, image, untagged(image))
	default:
		return false
	}
}

// untagged is the name of an image without tag and digest.
func untagged(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		ref = ref[:i]
	}
	return ref
}
