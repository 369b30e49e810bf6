package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"tiffin/engine"
	"tiffin/engine/runtime"
)

// keepers are the processes that parent containers, one a project.
type keepers struct {
	mu      sync.Mutex
	program *os.File // sealed
	byName  map[string]*keeperEntry
}

type keeperEntry struct {
	ready  chan struct{} // closed when keeper or err is there
	keeper *runtime.Keeper
	err    error
}

func (d *Daemon) keeperFiles(key string) runtime.KeeperFiles {
	return runtime.KeeperFiles{
		Socket: filepath.Join(d.keeperRoot(), key+".sock"), Records: filepath.Join(d.keeperRoot(), key+".exits"),
	}
}

// keeperKey is the name of a project's keeper in the file system: short, for the path
// of a socket has 107 bytes.
func keeperKey(project string) string {
	sum := sha256.Sum256([]byte(project))
	return hex.EncodeToString(sum[:6])
}

// keeper returns the keeper of a project, started when there is none or it died.
func (d *Daemon) keeper(ctx context.Context, project string) (*runtime.Keeper, error) {
	key := keeperKey(project)
	ks := &d.keepers
	ks.mu.Lock()
	e, ok := ks.byName[key]
	if ok && e.lost() {
		ok = false
	}
	if ok {
		ks.mu.Unlock()
		select {
		case <-e.ready:
			return e.keeper, e.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	e = &keeperEntry{ready: make(chan struct{})}
	if ks.byName == nil {
		ks.byName = map[string]*keeperEntry{}
	}
	ks.byName[key] = e
	ks.mu.Unlock()
	e.keeper, e.err = d.startKeeper(context.WithoutCancel(ctx), key)
	if e.err != nil {
		ks.mu.Lock()
		delete(ks.byName, key)
		ks.mu.Unlock()
	}
	close(e.ready)
	return e.keeper, e.err
}

func (e *keeperEntry) lost() bool {
	select {
	case <-e.ready:
	default:
		return false
	}
	select {
	case <-e.keeper.Lost():
		return true
	default:
		return false
	}
}

func (d *Daemon) startKeeper(ctx context.Context, key string) (*runtime.Keeper, error) {
	program, err := d.keepers.seal(d.cfg.Keeper)
	if err != nil {
		return nil, err
	}
	return runtime.StartKeeper(ctx, program, d.keeperFiles(key))
}

// seal puts the keeper's program where nobody can change it, once.
func (ks *keepers) seal(code []byte) (*os.File, error) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.program != nil {
		return ks.program, nil
	}
	if len(code) == 0 {
		return nil, engine.Hint(engine.Problem(engine.ErrUnavailable, errors.New("this binary was built without its keeper")),
			"build it with `make build`")
	}
	f, err := runtime.SealProgram("tiffin-keeper", code)
	if err != nil {
		return nil, err
	}
	ks.program = f
	return f, nil
}

// adoptKeepers connects to the keepers that an earlier engine left.
func (d *Daemon) adoptKeepers(ctx context.Context) (map[string]*runtime.Process, error) {
	entries, err := os.ReadDir(d.keeperRoot())
	if err != nil {
		return nil, fmt.Errorf("find keepers: %w", err)
	}
	processes := map[string]*runtime.Process{}
	for _, entry := range entries {
		key, ok := strings.CutSuffix(entry.Name(), ".sock")
		if !ok {
			continue
		}
		k, err := runtime.DialKeeper(ctx, d.keeperFiles(key).Socket)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, runtime.ErrKeeperLost) {
			continue
		}
		if err != nil {
			return nil, err
		}
		e := &keeperEntry{ready: make(chan struct{}), keeper: k}
		close(e.ready)
		d.keepers.mu.Lock()
		if d.keepers.byName == nil {
			d.keepers.byName = map[string]*keeperEntry{}
		}
		d.keepers.byName[key] = e
		d.keepers.mu.Unlock()
		for _, p := range k.Processes() {
			processes[p.ID] = p
		}
	}
	return processes, nil
}

// dropKeeper ends the keeper of a project that has no container left.
func (d *Daemon) dropKeeper(ctx context.Context, project string) error {
	if len(d.all(func(c *engine.Container) bool { return c.Project == project })) > 0 {
		return nil
	}
	key := keeperKey(project)
	d.keepers.mu.Lock()
	e, ok := d.keepers.byName[key]
	delete(d.keepers.byName, key)
	d.keepers.mu.Unlock()
	if !ok {
		return nil
	}
	<-e.ready
	if e.err != nil {
		return nil
	}
	at := d.keeperFiles(key)
	return errors.Join(e.keeper.Shutdown(ctx), removeAll(at.Socket), removeAll(at.Records))
}

func removeAll(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove keeper's files: %w", err)
	}
	return nil
}

// close leaves the keepers to the next engine.
func (ks *keepers) close() {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	for _, e := range ks.byName {
		<-e.ready
		if e.keeper != nil {
			_ = e.keeper.Close() //nolint:errcheck // the keeper goes on without us
		}
	}
	if ks.program != nil {
		_ = ks.program.Close() //nolint:errcheck // it was only read
	}
}
