package docker

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"

	"tiffin/engine"
	"tiffin/engine/docker/filter"
)

// event tells who listens what happens to a further process of a container.
func (s *Server) event(c *engine.Container, action, execID string, code *int) {
	attributes := maps.Clone(c.Spec.Labels)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes["name"], attributes["image"], attributes["execID"] = c.Name, c.Spec.Image, execID
	if code != nil {
		attributes["exitCode"] = strconv.Itoa(*code)
	}
	s.b.Publish(engine.Event{Type: engine.EventContainer, Action: action, ID: c.ID, Attributes: attributes})
}

func joined(words []string) string { return strings.Join(words, " ") }

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
	end, err := timeOf(r.URL.Query().Get("until"), now)
	if err != nil {
		return err
	}
	ctx, cancel := s.whileServing(r.Context())
	defer cancel()
	flush := http.NewResponseController(w).Flush
	out := json.NewEncoder(w)
	return s.b.Events(ctx, since, end, func() {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_ = flush() // or the client went away
	}, func(ev engine.Event) error {
		if !wanted(&ev, args) {
			return nil
		}
		if err := out.Encode(message52(&ev)); err != nil {
			return err
		}
		return flush()
	})
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

// wanted says that an event passes the filters.
func wanted(ev *engine.Event, args filter.Args) bool {
	action, _, _ := strings.Cut(ev.Action, ":")
	return args.Any("type", string(ev.Type)) && args.Any("event", ev.Action, action) && args.Labels(ev.Attributes) &&
		args.Any("scope", "local") && about(ev, args, "container", engine.EventContainer) && about(ev, args, "network", engine.EventNetwork) &&
		about(ev, args, "volume", engine.EventVolume) && about(ev, args, "image", engine.EventImage)
}

// about says that an event is about one of the objects that a filter names, if it does.
func about(ev *engine.Event, args filter.Args, name string, kind engine.EventType) bool {
	if !args.Has(name) {
		return true
	}
	if ev.Type != kind {
		return name == "image" && ev.Type == engine.EventContainer && args.Any(name, ev.Attributes["image"])
	}
	return args.Any(name, ev.ID, ev.Attributes["name"]) || args.Has(name) && args.Any(name, engine.ShortID(ev.ID))
}
