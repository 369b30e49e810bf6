package container

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/cdi"
	"tiffin/engine/image"
	"tiffin/engine/network"
	"tiffin/engine/runtime"
	"tiffin/engine/secret"
	"tiffin/engine/supervisor"
	"tiffin/engine/volume"
)

// Rooms are what containers are made from; all of an engine's share them.
type Rooms struct {
	Images   *image.Store
	Volumes  *volume.Store
	Files    *volume.Files
	Networks *network.Manager
	Host     *runtime.Host
	Keepers  *Keepers
	Mounts   *Mounts
	Devices  *cdi.Registry
	Secrets  *secret.Store
	Index    Index
	Door     Door
	Log      *slog.Logger
	// Data and Run have a folder for each container: what outlives a reboot, and
	// what is made at each start.
	Data, Run string
	// CgroupBase is below which the control groups are.
	CgroupBase string
}

// Door is where the engine listens.
type Door interface {
	// Behind returns copies of what the next engine needs to listen on the socket that a path
	// leads to; nil when it is none of the engine's.
	Behind(path string) ([]*os.File, error)
}

// Index is what a container has to know of what else there is.
type Index interface {
	// Container finds another one by ID, name or prefix.
	Container(ref string) (*Container, error)
	// Replica is the first of a service; the newest where one is being replaced.
	Replica(project, service string) (engine.Container, bool)
	Network(name string) (engine.Network, bool)
	// Bridge returns the network of network_mode: bridge, made when it is not there.
	Bridge(ctx context.Context) (engine.Network, error)
	Volume(name string) (engine.Volume, bool)
	// FillVolume calls fill for a volume that is fresh, once, and records that it is not any more.
	FillVolume(ctx context.Context, name string, fill func(engine.Volume) error) error
	// Changed is told each new state of a container, and what led to it.
	Changed(c *Container, events []supervisor.Event)
}

// Container is one container of an engine.
type Container struct {
	ID string
	// Super drives it; set by Supervise.
	Super *supervisor.Supervisor
	// Gone is closed by who removes it, one at a time.
	Gone    chan struct{}
	Removal sync.Mutex
	// Readers are the clients that read its log: removing it waits for them.
	Readers sync.WaitGroup
	// still is held by a start, and by who changes the files of a container that does not run: the writable layer
	// must not be mounted twice.
	still sync.Mutex
	// looking says that a probe looks for a file.
	looking atomic.Bool

	rooms *Rooms

	mu      sync.Mutex
	record  engine.Container
	changed chan struct{} // closed and replaced with each change of the record
	ended   engine.State  // as it ended last, under this engine
	run     *run          // nil: no process
	// ports are those of the process, offered those for the next.
	ports, offered *network.Reservation
	// keptPorts is under how many names the keeper keeps what the ports need.
	keptPorts int
	// socketKept says that it keeps the engine's socket for it.
	socketKept bool
	// console is the size of the terminal that the next start begins with.
	console [2]uint
}

// New makes a container of a record. Nothing is done yet.
func New(rooms *Rooms, record engine.Container) *Container {
	return &Container{
		ID: record.ID, rooms: rooms, record: record, Gone: make(chan struct{}), changed: make(chan struct{}),
	}
}

// Supervise makes the supervisor, of a process that runs already or of none.
func (c *Container) Supervise() {
	record := c.Snapshot()
	cfg := supervisor.Config{
		Host: c, State: record.State, Restart: record.Spec.Restart, Check: checkOf(record.Spec.Healthcheck),
		StopSignal: unix.SIGTERM, StopTimeout: record.StopTimeout(),
	}
	if sig, err := ParseSignal(record.StopSignal()); err == nil {
		cfg.StopSignal = sig
	}
	if r := c.running(); r != nil {
		cfg.Process = r
	}
	c.Super = supervisor.New(cfg)
}

// Snapshot is a copy of the record; what it points to never changes.
func (c *Container) Snapshot() engine.Container {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record
}

// IsGone says that it was removed.
func (c *Container) IsGone() bool {
	select {
	case <-c.Gone:
		return true
	default:
		return false
	}
}

// Name is the container's name as it is now.
func (c *Container) Name() string { return c.Snapshot().Name }

// Watch is a snapshot and a channel that is closed when it is out of date.
func (c *Container) Watch() (engine.Container, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record, c.changed
}

// Update changes the record; what it points to must be replaced, not changed.
func (c *Container) Update(change func(*engine.Container)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.record)
	close(c.changed)
	c.changed = make(chan struct{})
}

// SetEndpoint replaces one endpoint of the record.
func (c *Container) SetEndpoint(name string, ep engine.Endpoint) {
	c.Update(func(r *engine.Container) {
		endpoints := make(map[string]engine.Endpoint, len(r.Endpoints)+1)
		maps.Copy(endpoints, r.Endpoints)
		endpoints[name] = ep
		r.Endpoints = endpoints
	})
}

// AwaitEnd returns the record once no process runs any more and none is about to, or
// the one before it starts again; or when ctx ends.
func (c *Container) AwaitEnd(ctx context.Context) engine.Container {
	for {
		record, changed := c.Watch()
		if record.Ended() || record.State.Status == engine.StatusRestarting {
			return record
		}
		select {
		case <-changed:
		case <-c.Gone:
			return c.Snapshot()
		case <-ctx.Done():
			return record
		}
	}
}

// Stays returns nil when nothing is wrong with the container for a time, or else what is.
func (c *Container) Stays(ctx context.Context, d time.Duration, wrong func(*engine.Container) error) error {
	over := time.NewTimer(d)
	defer over.Stop()
	for {
		record, changed := c.Watch()
		if err := wrong(&record); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-over.C:
			return nil
		case <-c.Gone:
			return fmt.Errorf("container %s was removed", record.Name)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// LogDir is the folder of its log.
func (c *Container) LogDir() string { return filepath.Join(c.rooms.Data, c.ID, "logs") }

// Source is the container as readers of its log know it.
func (c *Container) Source() *call.LogSource {
	r := c.Snapshot()
	return &call.LogSource{
		ID: r.ID, Name: r.Name, Project: r.Project, Service: r.Service, Number: r.Number, OneOff: r.OneOff, TTY: r.Spec.TTY,
	}
}

// running is the process, nil when there is none.
func (c *Container) running() *run {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run
}

// LastEnd is how the container ended last under this engine, zero when it has not. It may
// run again already: who only looks at the record may miss an end that a start followed.
func (c *Container) LastEnd() engine.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Changed implements supervisor.Host.
func (c *Container) Changed(state engine.State, events ...supervisor.Event) {
	c.Update(func(r *engine.Container) {
		r.State = state
		if !state.FinishedAt.IsZero() {
			c.ended = state
		}
	})
	c.rooms.Index.Changed(c, events)
}
