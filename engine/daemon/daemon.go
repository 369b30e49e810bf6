package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/builder"
	"tiffin/engine/call"
	"tiffin/engine/cdi"
	"tiffin/engine/container"
	"tiffin/engine/daemon/events"
	"tiffin/engine/daemon/images"
	"tiffin/engine/daemon/single"
	"tiffin/engine/image"
	"tiffin/engine/network"
	"tiffin/engine/runtime"
	"tiffin/engine/schedule"
	"tiffin/engine/secret"
	"tiffin/engine/settings"
	"tiffin/engine/state"
	"tiffin/engine/volume"
)

// Config is what an engine is told at its start.
type Config struct {
	// DataRoot survives a reboot, RunRoot does not.
	DataRoot, RunRoot string
	Version           string
	// Keeper is the program that parents containers.
	Keeper []byte
	// Command is how the keepers start this program as an engine, when it was killed:
	// its arguments from the name on. Nil: they do not.
	Command []string
	// Listen begins to listen, also on the sockets of earlier engines that containers have; it
	// is called once the roots are the engine's and before a container starts. Nil: nobody calls.
	//
	// Errors: ErrNotWanted.
	Listen func(kept [][]*os.File) (Door, error)
	Log    *slog.Logger
	// Stop ends the engine; Shutdown calls it.
	Stop func()
}

// Door is where the engine listens.
type Door interface {
	container.Door
	// GiveUp ends that when the engine cannot start.
	GiveUp() error
}

// Daemon is the engine. Its methods may be called by many at once.
type Daemon struct {
	single.Ops
	images.Library

	cfg     Config
	log     *slog.Logger
	started time.Time
	guard   *os.File // the lock on the run root

	door   Door
	leaves bool // its end is no death: keepers start no other

	records *state.Store // durable
	states  *state.Store // as long as the machine runs
	unread  int          // records that could not be read
	rooms   container.Rooms
	events  events.Log
	builder *builder.Builder
	jobs    atomic.Int32 // steps of builds that run
	clock   *schedule.Scheduler

	// mu guards the index; nothing is done to the host under it.
	mu         sync.Mutex
	containers map[string]*container.Container // by ID
	names      map[string]string               // name → ID
	projects   map[string]*project
	networks   map[string]engine.Network // by ID
	volumes    map[string]engine.Volume  // by name
	loose      *time.Timer               // until what containers outside of projects share is dropped

	// life ends with the engine; work is what must be waited for then.
	life context.Context //nolint:containedctx // the life of the supervisors is that of the daemon
	end  context.CancelFunc
	work sync.WaitGroup
}

// ErrRunning says that another engine has the roots.
var ErrRunning = errors.New("another engine runs on these roots")

// ErrNotWanted says that the engine is to end again: the one before was stopped, and nobody
// has called since.
var ErrNotWanted = errors.New("the engine was stopped")

// Open takes the roots, reads the records, and adopts what runs.
//
// Errors: ErrRunning, ErrNotWanted.
func Open(ctx context.Context, cfg Config) (_ *Daemon, err error) {
	d := &Daemon{
		cfg: cfg, log: cfg.Log, started: time.Now(),
		containers: map[string]*container.Container{}, names: map[string]string{}, projects: map[string]*project{},
		networks: map[string]engine.Network{}, volumes: map[string]engine.Volume{},
	}
	d.Ops = single.Ops{Owner: d}
	d.life, d.end = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			if d.door != nil { // while the lock is ours
				err = errors.Join(err, d.door.GiveUp())
			}
			err = errors.Join(err, d.Close())
		}
	}()
	if err := d.openRoots(); err != nil {
		return nil, err
	}
	if err := d.openRooms(ctx); err != nil {
		return nil, err
	}
	if err := d.recover(ctx); err != nil {
		return nil, err
	}
	d.leaves = true
	d.clock = schedule.New(d, d.records, schedule.Wall{}, d.log)
	return d, d.clock.Resume()
}

// openRoots makes the roots, for their owner only, and takes the lock.
func (d *Daemon) openRoots() error {
	for _, dir := range []string{d.cfg.DataRoot, d.cfg.RunRoot, d.containerRoot(), d.runContainerRoot(), d.keeperRoot()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	f, err := os.OpenFile(filepath.Join(d.cfg.RunRoot, "engine.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open lock: %w", err)
	}
	d.guard = f
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return ErrRunning
		}
		return fmt.Errorf("lock run root: %w", err)
	}
	return d.checkBoot()
}

// checkBoot forgets what an earlier boot left in a run root that is no tmpfs: nothing
// of it runs any more.
func (d *Daemon) checkBoot() error {
	now, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("read boot id: %w", err)
	}
	path := filepath.Join(d.cfg.RunRoot, "boot-id")
	before, err := os.ReadFile(path)
	if err == nil && string(before) == string(now) {
		return nil
	}
	if err := os.RemoveAll(d.statePath()); err != nil {
		return fmt.Errorf("forget an earlier boot: %w", err)
	}
	return state.WriteFile(path, now, 0o600)
}

func (d *Daemon) containerRoot() string    { return filepath.Join(d.cfg.DataRoot, "containers") }
func (d *Daemon) runContainerRoot() string { return filepath.Join(d.cfg.RunRoot, "containers") }
func (d *Daemon) keeperRoot() string       { return filepath.Join(d.cfg.RunRoot, "keepers") }
func (d *Daemon) recordsPath() string      { return filepath.Join(d.cfg.DataRoot, "records.db") }
func (d *Daemon) statePath() string        { return filepath.Join(d.cfg.RunRoot, "state.db") }

// openRooms opens everything that keeps something on disk or in the kernel.
func (d *Daemon) openRooms(ctx context.Context) error {
	var err error
	if d.records, err = state.Open(d.recordsPath(), state.Options{}); err != nil {
		if errors.Is(err, state.ErrLocked) {
			return ErrRunning
		}
		return err
	}
	if d.states, err = state.Open(d.statePath(), state.Options{Volatile: true}); err != nil {
		return err
	}
	conf, err := settings.Read(filepath.Join(d.cfg.DataRoot, "engine.json"))
	if err != nil {
		return err
	}
	revival, err := container.NewRevival(d.cfg.Command, filepath.Join(d.cfg.RunRoot, "engine.log"))
	if err != nil {
		return err
	}
	r := &d.rooms
	*r = container.Rooms{
		Index: d, Log: d.log, Data: d.containerRoot(), Run: d.runContainerRoot(), CgroupBase: cgroupBase(d.cfg.RunRoot),
		Keepers: container.NewKeepers(d.keeperRoot(), d.cfg.Keeper, revival),
	}
	if r.Images, err = image.Open(ctx, image.Config{
		Root: filepath.Join(d.cfg.DataRoot, "images"), Mirrors: conf.Mirrors, Insecure: conf.Insecure,
	}); err != nil {
		return err
	}
	d.Library = images.Library{Store: r.Images, Users: d.usersOf, Tell: d.events.Publish}
	if r.Volumes, err = volume.Open(volume.Config{Root: filepath.Join(d.cfg.DataRoot, "volumes")}); err != nil {
		return err
	}
	r.Mounts, r.Devices = container.NewMounts(r.Volumes), cdi.New(conf.CDISpecDirs)
	if r.Secrets, err = secret.Open(filepath.Join(d.cfg.DataRoot, "secrets")); err != nil {
		return err
	}
	if r.Files, err = volume.OpenFiles(filepath.Join(d.cfg.RunRoot, "files")); err != nil {
		return err
	}
	if r.Host, err = runtime.ReadHost(); err != nil {
		return err
	}
	if r.Networks, err = network.Open(ctx, network.Config{
		RunRoot: d.cfg.RunRoot, Key: networkKey(d.cfg.RunRoot), Log: d.log, LeaveFirewalls: conf.OtherFirewalls == settings.Leave,
		HostNames: network.HostNames(conf.HostNames),
	}); err != nil {
		return err
	}
	return d.openBuilder(&conf.Build)
}

// Close ends the engine, and the calls that are under way. Containers run on, for the
// next engine to adopt.
func (d *Daemon) Close() error {
	d.mu.Lock()
	d.end()
	if d.loose != nil {
		d.loose.Stop()
	}
	d.mu.Unlock()
	if d.clock != nil {
		d.clock.Close()
	}
	d.work.Wait()
	var errs []error
	if d.builder != nil {
		errs = append(errs, d.closeBuilder())
	}
	if d.rooms.Keepers != nil {
		if d.leaves { // an engine that could not start is to be tried again
			d.rooms.Keepers.Leave()
		}
		errs = append(errs, d.rooms.Keepers.Close())
	}
	if d.rooms.Networks != nil {
		errs = append(errs, d.rooms.Networks.Close())
	}
	if d.rooms.Images != nil {
		errs = append(errs, d.rooms.Images.Close())
	}
	if d.rooms.Files != nil {
		errs = append(errs, d.rooms.Files.Close())
	}
	for _, s := range []*state.Store{d.states, d.records} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if d.guard != nil {
		errs = append(errs, d.guard.Close())
	}
	return errors.Join(errs...)
}

// Shutdown ends the engine once this call is answered.
func (d *Daemon) Shutdown(context.Context) error {
	d.cfg.Stop()
	return nil
}

// Info says what the engine is and has.
func (d *Daemon) Info(context.Context) (call.Info, error) {
	info := call.Info{
		Version: d.cfg.Version, Pid: os.Getpid(), StartedAt: d.started, DataRoot: d.cfg.DataRoot, RunRoot: d.cfg.RunRoot,
		HostNames: d.rooms.Networks.HostNames(),
	}
	projects := map[string]bool{}
	for _, c := range d.all(func(*engine.Container) bool { return true }) {
		info.Containers++
		if c.State.Status.Alive() {
			info.Running++
		}
		projects[c.Project] = true
	}
	delete(projects, "")
	info.Projects = len(projects)
	return info, nil
}

// Publish tells who listens that something happened.
func (d *Daemon) Publish(ev engine.Event) { d.events.Publish(ev) }

// Events calls emit for each event; see events.Log.
func (d *Daemon) Events(ctx context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error {
	return d.events.Follow(ctx, since, until, subscribed, emit)
}
