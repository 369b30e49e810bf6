package daemon

import (
	"errors"

	"tiffin/engine"
)

// The kinds of records. What a container is, is durable; how it is (its state, its
// addresses, its ports) is as long as the machine runs. Of its life so much is durable as
// the next boot has to know; nobody waits for that.
const (
	kindContainer = "container"
	kindNetwork   = "network"
	kindVolume    = "volume"
	kindStack     = "stack"
	kindState     = "state"
	kindLife      = "life"
)

// liveRecord is how a container is.
type liveRecord struct {
	State     engine.State
	Endpoints map[string]engine.Endpoint `json:",omitempty"`
	Published []engine.PublishedPort     `json:",omitempty"`
	// rebooted says that it was made of what an earlier boot left.
	rebooted bool
}

// SaveContainer writes what a container is.
func (d *Daemon) SaveContainer(c *engine.Container) error {
	record := *c
	record.State = engine.State{Status: engine.StatusCreated}
	record.Published = nil
	return d.records.Put(kindContainer, c.ID, &record)
}

// saveState writes how a container is.
func (d *Daemon) saveState(c *engine.Container) error {
	life := c.State
	life.Pid, life.Health = 0, engine.Health{}
	return errors.Join(
		d.states.Put(kindState, c.ID, &liveRecord{State: c.State, Endpoints: c.Endpoints, Published: c.Published}),
		d.records.PutLater(kindLife, c.ID, &life))
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
