package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/progress"
	"tiffin/engine"
)

func newEvents(c *cli) *cobra.Command {
	var asJSON bool
	var since, until string
	cmd := &cobra.Command{
		Use:   "events [OPTIONS] [SERVICE...]",
		Short: "Receive real time events from containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := parseTime("since", since, time.Now())
			if err != nil {
				return err
			}
			to, err := parseTime("until", until, time.Now())
			if err != nil {
				return err
			}
			show := c.showEvent
			if asJSON {
				show = c.showEventJSON
			}
			return c.events(cmd.Context(), args, [2]time.Time{from, to}, show)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Output events as a stream of json objects")
	cmd.Flags().StringVar(&since, "since", "", "Show all events created since timestamp")
	cmd.Flags().StringVar(&until, "until", "", "Stream events until this timestamp")
	return cmd
}

// events shows what happens to the containers of the project, one-offs left out.
func (c *cli) events(ctx context.Context, services []string, span [2]time.Time, show func(engine.Event) error) error {
	t, err := c.FindTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	return client.Events(ctx, span[0], span[1], nil, func(ev engine.Event) error {
		service := ev.Attributes[engine.LabelService]
		if ev.Type != engine.EventContainer || ev.Attributes[engine.LabelProject] != t.Name ||
			ev.Attributes[engine.LabelOneOff] == "True" || len(services) > 0 && !slices.Contains(services, service) {
			return nil
		}
		return show(ev)
	})
}

// eventAttributes are those that compose shows: without its own labels.
func eventAttributes(ev engine.Event) map[string]string {
	out := maps.Clone(ev.Attributes)
	maps.DeleteFunc(out, func(k, _ string) bool { return strings.HasPrefix(k, "com.docker.compose.") })
	return out
}

func (c *cli) showEvent(ev engine.Event) error {
	attributes := eventAttributes(ev)
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(attributes)) {
		parts = append(parts, k+"="+attributes[k])
	}
	_, err := fmt.Fprintf(c.Out, "%s container %s %s (%s)\n", ev.Time.Local().Format("2006-01-02 15:04:05.000000"), ev.Action, ev.ID, progress.Printable(strings.Join(parts, ", ")))
	return err
}

func (c *cli) showEventJSON(ev engine.Event) error {
	text, err := json.Marshal(map[string]any{
		"time": ev.Time.Local().Format(time.RFC3339Nano), "type": "container", "service": ev.Attributes[engine.LabelService],
		"id": ev.ID, "action": ev.Action, "attributes": eventAttributes(ev),
	})
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	_, err = fmt.Fprintln(c.Out, string(text))
	return err
}
