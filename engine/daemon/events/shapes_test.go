package events_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/daemon/events"
)

func TestWhatComesBeforeALifesEvents(t *testing.T) {
	networks := map[string]engine.Network{
		"id1": {ID: "id1", Spec: engine.NetworkSpec{Name: "a"}}, "id2": {ID: "id2", Spec: engine.NetworkSpec{Name: "b", Driver: "macvlan"}},
		"host": {ID: "id3", Spec: engine.NetworkSpec{Name: "host", Driver: "host"}},
	}
	find := func(ref string) (engine.Network, error) {
		n, ok := networks[ref]
		if !ok {
			return n, errors.New("not there")
		}
		return n, nil
	}
	on := engine.Container{
		ID: "c", Endpoints: map[string]engine.Endpoint{"b": {NetworkID: "id2"}, "a": {NetworkID: "id1"}, "gone": {NetworkID: "id9"}, "next": {}},
		Mounts: []engine.MountPoint{{Type: engine.MountBind, Source: "/x"}, {Type: engine.MountVolume, Name: "v", Destination: "/v", ReadOnly: true}},
	}
	for _, c := range []struct {
		sentence, action string
		c                engine.Container
		want             string
	}{
		{
			"a container is connected and has its volumes before it starts", "start", on, `
network connect id1 container=c name=a type=bridge
network connect id2 container=c name=b type=macvlan
volume mount v container=c destination=/v driver=local propagation= read/write=false`,
		},
		{
			"it has nothing of it any more when it has ended", "die", on, `
network disconnect id1 container=c name=a type=bridge
network disconnect id2 container=c name=b type=macvlan
volume unmount v container=c driver=local`,
		},
		{"nothing changes with a signal", "kill", on, ""},
		{
			"the host's network is one", "start", engine.Container{ID: "c", Spec: engine.ContainerSpec{NetworkMode: "host"}}, `
network connect id3 container=c name=host type=host`,
		},
	} {
		var got strings.Builder
		for _, ev := range events.Before(&c.c, c.action, find) {
			fmt.Fprintf(&got, "\n%s %s %s", ev.Type, ev.Action, ev.ID)
			for _, k := range slices.Sorted(maps.Keys(ev.Attributes)) {
				fmt.Fprintf(&got, " %s=%s", k, ev.Attributes[k])
			}
		}
		if got.String() != c.want {
			t.Errorf("%s:\ngot%s\nwant%s", c.sentence, got.String(), c.want)
		}
	}
}

func TestAnEndSaysHowLongItRan(t *testing.T) {
	now := time.Unix(100, 0)
	c := engine.Container{State: engine.State{StartedAt: now, FinishedAt: now.Add(2900 * time.Millisecond)}}
	if got := events.OfContainer(&c, "die", nil).Attributes["execDuration"]; got != "2" {
		t.Errorf("got %q", got)
	}
	if _, there := events.OfContainer(&c, "stop", nil).Attributes["execDuration"]; there {
		t.Error("a stop says it, too")
	}
}

func TestEventsBetween(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	var log events.Log
	for s := range int64(5) {
		log.Publish(engine.Event{Time: at(s + 1), ID: fmt.Sprint(s + 1)})
	}
	for _, c := range []struct {
		since, until time.Time
		want         string
	}{
		{at(2), at(4), "2 3 4"},
		{time.Time{}, at(3), "1 2 3"},
		{at(1), at(1), "1"},
	} {
		var got []string
		err := log.Follow(t.Context(), c.since, c.until, nil, func(ev engine.Event) error {
			got = append(got, ev.ID)
			return nil
		})
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%v to %v: got %v, %v, want %s", c.since.Unix(), c.until.Unix(), got, err, c.want)
		}
	}
}
