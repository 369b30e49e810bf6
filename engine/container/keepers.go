package container

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
	"time"

	"tiffin/engine"
	"tiffin/engine/runtime"
)

// Keepers are the processes that parent containers, one a project.
type Keepers struct {
	dir     string
	code    []byte
	revival *runtime.Revival // nil: an engine that is killed stays dead

	mu      sync.Mutex
	program *os.File // sealed
	byKey   map[string]*keeper
}

// keeper is one of them, or one that is being started.
type keeper struct {
	ready chan struct{} // closed when the others are there
	*runtime.Keeper
	err error
}

// NewKeepers keeps their sockets and exit records in dir; code is their program. They start
// an engine in place of one that was killed as revival says; nil: they do not.
func NewKeepers(dir string, code []byte, revival *runtime.Revival) *Keepers {
	return &Keepers{dir: dir, code: code, revival: revival, byKey: map[string]*keeper{}}
}

// NewRevival starts this program with other arguments, in this environment, and its log in a
// file; no arguments: it starts nothing.
func NewRevival(args []string, logPath string) (*runtime.Revival, error) {
	if len(args) == 0 {
		return nil, nil //nolint:nilnil // nobody starts one
	}
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("open the engine's program: %w", err)
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open engine log: %w", err), program.Close())
	}
	return &runtime.Revival{Program: program, Args: args, Env: os.Environ(), Log: log}, nil
}

// revivalPause is what each further keeper waits before it starts an engine: so long that
// the one which the keeper before it has started has come.
const revivalPause = 200 * time.Millisecond

// engage tells a keeper how to start an engine; before is how many have been told.
func (ks *Keepers) engage(k *runtime.Keeper, before int) error {
	if ks.revival == nil {
		return nil
	}
	r := *ks.revival
	r.Delay = revivalPause * time.Duration(min(before, 10))
	return k.Revive(&r)
}

// Known is the keeper of a project; nil if there is none.
func (ks *Keepers) Known(project string) *runtime.Keeper {
	ks.mu.Lock()
	k, ok := ks.byKey[keeperKey(project)]
	ks.mu.Unlock()
	if !ok {
		return nil
	}
	if <-k.ready; k.err != nil {
		return nil
	}
	return k.Keeper
}

// all are those that are there.
func (ks *Keepers) all() []*runtime.Keeper {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	list := make([]*runtime.Keeper, 0, len(ks.byKey))
	for _, k := range ks.byKey {
		if <-k.ready; k.err == nil {
			list = append(list, k.Keeper)
		}
	}
	return list
}

func (ks *Keepers) files(key string) runtime.KeeperFiles {
	return runtime.KeeperFiles{Socket: filepath.Join(ks.dir, key+".sock"), Records: filepath.Join(ks.dir, key+".exits")}
}

// keeperKey is the name of a project's keeper in the file system: short, for the path
// of a socket has 107 bytes.
func keeperKey(project string) string {
	sum := sha256.Sum256([]byte(project))
	return hex.EncodeToString(sum[:6])
}

// Of returns the keeper of a project, started when there is none or it died.
func (ks *Keepers) Of(ctx context.Context, project string) (*runtime.Keeper, error) {
	key := keeperKey(project)
	ks.mu.Lock()
	k, ok := ks.byKey[key]
	if ok && k.lost() {
		ok = false
	}
	if ok {
		ks.mu.Unlock()
		select {
		case <-k.ready:
			return k.Keeper, k.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	k = &keeper{ready: make(chan struct{})}
	before := len(ks.byKey)
	ks.byKey[key] = k
	ks.mu.Unlock()
	// Others wait for it by now: it is started whatever becomes of ctx.
	k.Keeper, k.err = ks.start(context.WithoutCancel(ctx), key, before)
	if k.err != nil {
		ks.mu.Lock()
		delete(ks.byKey, key)
		ks.mu.Unlock()
	}
	close(k.ready)
	return k.Keeper, k.err
}

func (k *keeper) lost() bool {
	select {
	case <-k.ready:
	default:
		return false
	}
	select {
	case <-k.Lost():
		return true
	default:
		return false
	}
}

func (ks *Keepers) start(ctx context.Context, key string, before int) (*runtime.Keeper, error) {
	program, err := ks.Program()
	if err != nil {
		return nil, err
	}
	k, err := runtime.StartKeeper(ctx, program, ks.files(key))
	if err != nil {
		return nil, err
	}
	return k, ks.engage(k, before)
}

// Program is the keeper's program where nobody can change it. It serves as the reaper
// of containers, too.
func (ks *Keepers) Program() (*os.File, error) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.program != nil {
		return ks.program, nil
	}
	if len(ks.code) == 0 {
		return nil, engine.Hint(engine.Problem(engine.ErrUnavailable, errors.New("this binary was built without its keeper")),
			"build it with `make build`")
	}
	f, err := runtime.SealProgram("tiffin-keeper", ks.code)
	if err != nil {
		return nil, err
	}
	ks.program = f
	return f, nil
}

// Adopt connects to the keepers that an earlier engine left, and returns their
// processes by ID. What a keeper that is gone left behind is removed.
func (ks *Keepers) Adopt(ctx context.Context) (map[string]*runtime.Process, error) {
	entries, err := os.ReadDir(ks.dir)
	if err != nil {
		return nil, fmt.Errorf("find keepers: %w", err)
	}
	processes := map[string]*runtime.Process{}
	for _, entry := range entries {
		key, ok := strings.CutSuffix(entry.Name(), ".sock")
		if !ok {
			continue
		}
		k, err := runtime.DialKeeper(ctx, ks.files(key).Socket)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, runtime.ErrKeeperLost) {
			if err := ks.removeFiles(key); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := ks.engage(k, len(ks.byKey)); err != nil {
			return nil, err
		}
		known := &keeper{ready: make(chan struct{}), Keeper: k}
		close(known.ready)
		ks.mu.Lock()
		ks.byKey[key] = known
		ks.mu.Unlock()
		for _, p := range k.Processes() {
			processes[p.ID] = p
		}
	}
	return processes, nil
}

// Drop ends the keeper of a project that has no container left.
func (ks *Keepers) Drop(ctx context.Context, project string) error {
	key := keeperKey(project)
	ks.mu.Lock()
	k, ok := ks.byKey[key]
	delete(ks.byKey, key)
	ks.mu.Unlock()
	if !ok {
		return nil
	}
	if <-k.ready; k.err != nil {
		return nil //nolint:nilerr // it never was
	}
	return errors.Join(k.Shutdown(ctx), ks.removeFiles(key))
}

func (ks *Keepers) removeFiles(key string) error {
	at := ks.files(key)
	if err := errors.Join(os.RemoveAll(at.Socket), os.RemoveAll(at.Records)); err != nil {
		return fmt.Errorf("remove a keeper's files: %w", err)
	}
	return nil
}

// Leave tells the keepers that the engine ends of its own will: they start no other.
func (ks *Keepers) Leave() {
	for _, k := range ks.all() {
		k.Leave()
	}
}

// Close leaves the keepers to the next engine.
func (ks *Keepers) Close() error {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	var errs []error
	for _, k := range ks.byKey {
		if <-k.ready; k.Keeper != nil {
			errs = append(errs, k.Close())
		}
	}
	if ks.program != nil {
		errs = append(errs, ks.program.Close())
	}
	if ks.revival != nil {
		errs = append(errs, closeFiles(ks.revival.Program, ks.revival.Log))
	}
	return errors.Join(errs...)
}
