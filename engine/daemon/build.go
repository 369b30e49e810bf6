package daemon

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"time"

	"tiffin/engine"
	"tiffin/engine/builder"
	"tiffin/engine/call"
	"tiffin/engine/runtime"
	"tiffin/engine/settings"
)

// TempRoot is where an engine with that run root has its temporary files; os.TempDir is
// to lead there. It is emptied when an engine begins.
func TempRoot(runRoot string) string { return filepath.Join(runRoot, "builds") }

// openBuilder makes the builder, of which nothing is open until somebody builds.
func (d *Daemon) openBuilder(s *settings.Build) (err error) {
	d.builder, err = builder.New(builder.Config{
		Root: filepath.Join(d.cfg.DataRoot, "builds"), Scratch: TempRoot(d.cfg.RunRoot),
		Images: d.rooms.Images, Built: d.Built, Run: d.runJob, Idle: d.dropJobs, Log: d.log,
		Entitlements: s.Granted(), CacheSize: s.CacheSize, Linger: time.Duration(s.Linger),
	})
	return err
}

// Build serves a caller's builds.
func (d *Daemon) Build(ctx context.Context, conn net.Conn) error { return d.builder.Serve(ctx, conn) }

// BuildSession lets builds ask a caller on conn.
func (d *Daemon) BuildSession(ctx context.Context, conn net.Conn, headers map[string][]string) error {
	return d.builder.ServeSession(ctx, conn, headers)
}

// runJob runs a step of a build. The default bridge stays while one runs.
func (d *Daemon) runJob(ctx context.Context, job *engine.Job, s call.Streams, started func()) (int, error) {
	d.mu.Lock()
	d.jobs.Add(1)
	d.mu.Unlock()
	defer d.jobs.Add(-1)
	return d.rooms.RunJob(ctx, job, s, started)
}

// dropJobs takes away what was only there for jobs.
func (d *Daemon) dropJobs(ctx context.Context) {
	if err := errors.Join(d.rooms.Keepers.DropJobs(ctx), d.dropBridge(ctx), d.dropKeeper(ctx, "")); err != nil {
		d.log.Warn("not all of the last builds was taken back", "err", err)
	}
	d.dropCgroupBase()
}

// closeBuilder ends builds, and takes away what was there for the next one: an engine
// that is not there keeps no network for nobody. No other call is under way any more.
func (d *Daemon) closeBuilder() error {
	err := d.builder.Close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err = errors.Join(err, d.rooms.Keepers.DropJobs(ctx), d.dropUnusedBridge(ctx), d.dropUnusedKeeper(ctx, ""))
	d.dropCgroupBase()
	return err
}

// closeTimeout bounds what is taken away at the end.
const closeTimeout = 5 * time.Second

// endStrays ends processes that no container is known for: jobs of an engine that was
// killed. Their namespaces and folders are swept with all that no record mentions.
func (d *Daemon) endStrays(ctx context.Context, processes map[string]*runtime.Process) {
	strays := 0
	for id, p := range processes {
		if d.containers[id] == nil {
			strays++
			if err := d.rooms.EndStray(ctx, p); err != nil {
				d.log.Warn("a stray process was not ended", "id", id, "err", err)
			}
		}
	}
	if strays > 0 {
		d.log.Warn("ended what the last engine left running", "processes", strays)
	}
	d.dropJobs(ctx)
}
