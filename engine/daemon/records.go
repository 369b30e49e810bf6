package daemon

import (
	"tiffin/engine"
)

// The kinds of records. What a container is, is durable; how it is (its state, its
// addresses, its ports) is as long as the machine runs.
const (
	kindContainer = "container"
	kindNetwork   = "network"
	kindVolume    = "volume"
	kindStack     = "stack"
	kindState     = "state"
)

// liveRecord is how a container is.
type liveRecord struct {
	State     engine.State
	Endpoints map[string]engine.Endpoint `json:",omitempty"`
	Published []engine.PublishedPort     `json:",omitempty"`
}

// saveContainer writes what a container is.
func (d *Daemon) saveContainer(c *engine.Container) error {
	record := *c
	record.State = engine.State{Status: engine.StatusCreated, Stopped: c.State.Stopped, ExitCode: c.State.ExitCode}
	record.Published = nil
	return d.records.Put(kindContainer, c.ID, &record)
}

// saveState writes how a container is.
func (d *Daemon) saveState(c *engine.Container) error {
	return d.states.Put(kindState, c.ID, &liveRecord{State: c.State, Endpoints: c.Endpoints, Published: c.Published})
}

func (d *Daemon) saveStack(s *engine.Stack) error {
	if err := d.records.Put(kindStack, s.Name, s); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.project(s.Name).stack = s
	return nil
}
