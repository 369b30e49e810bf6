package builder

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/moby/buildkit/cache/remotecache"
	"github.com/moby/buildkit/cache/remotecache/inline"
	"github.com/moby/buildkit/cache/remotecache/local"
	"github.com/moby/buildkit/cache/remotecache/registry"
	"github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/moby/buildkit/control"
	"github.com/moby/buildkit/session"
	bksolver "github.com/moby/buildkit/solver"
	"github.com/moby/buildkit/solver/bboltcachestorage"
	"github.com/moby/buildkit/util/db/boltutil"
	"github.com/moby/buildkit/worker"
	bolt "go.etcd.io/bbolt"
)

// solver is BuildKit while it is open.
type solver struct {
	cfg      *Config
	control  *control.Controller
	sessions *session.Manager
	worker   *buildWorker
	keys     bksolver.CacheManager
	stop     chan struct{}
	failed   atomic.Bool // a build has, and what it left was not reclaimed
}

// openSolver puts BuildKit together.
func openSolver(ctx context.Context, cfg *Config) (*solver, error) {
	root, err := recordsRoot(cfg)
	if err != nil {
		return nil, err
	}
	sessions, err := session.NewManager()
	if err != nil {
		return nil, err
	}
	s := &solver{cfg: cfg, sessions: sessions, stop: make(chan struct{})}
	if s.worker, err = newWorker(ctx, cfg, root); err != nil {
		return nil, err
	}
	workers := &worker.Controller{}
	if err := workers.Add(s.worker); err != nil {
		return nil, errors.Join(err, s.worker.Close())
	}
	keys, err := bboltcachestorage.NewStore(filepath.Join(root, "cache.db"))
	if err != nil {
		return nil, errors.Join(err, s.worker.Close())
	}
	history, err := boltutil.Open(filepath.Join(root, "history.db"), 0o600, &bolt.Options{NoFreelistSync: true})
	if err != nil {
		return nil, errors.Join(err, keys.Close(), s.worker.Close())
	}
	s.keys = bksolver.NewCacheManager(context.WithoutCancel(ctx), "local", keys, worker.NewCacheResultStorage(workers))
	hosts := s.worker.RegistryHosts
	s.control, err = control.NewController(control.Opt{
		SessionManager:   sessions,
		WorkerController: workers,
		Frontends:        frontends(workers.Infos()),
		CacheManager:     s.keys,
		ResolveCacheExporterFuncs: map[string]remotecache.ResolveCacheExporterFunc{
			"registry": registry.ResolveCacheExporterFunc(sessions, hosts),
			"local":    local.ResolveCacheExporterFunc(sessions),
			"inline":   inline.ResolveCacheExporterFunc(),
		},
		ResolveCacheImporterFuncs: map[string]remotecache.ResolveCacheImporterFunc{
			"registry": registry.ResolveCacheImporterFunc(sessions, s.worker.ContentStore(), hosts),
			"local":    local.ResolveCacheImporterFunc(sessions),
		},
		Entitlements: cfg.Entitlements,
		HistoryDB:    history,
		CacheStore:   keys,
		LeaseManager: s.worker.LeaseManager(),
		ContentStore: s.worker.ContentStore(),
		// Records of past builds would keep their layers, and cost each build some writes.
		HistoryConfig:  &config.HistoryConfig{MaxEntries: new(int64(0))},
		GarbageCollect: s.worker.GarbageCollect,
		GracefulStop:   s.stop,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the solver: %w", err), history.Close(), keys.Close(), s.worker.Close())
	}
	return s, nil
}

// tidy brings the cache and its records down to their size.
func (s *solver) tidy(ctx context.Context) error {
	return errors.Join(s.reclaim(ctx), s.collect(ctx), s.compact(ctx))
}

// close closes everything.
func (s *solver) close(ctx context.Context) error {
	err := s.forgetChecksums(ctx)
	close(s.stop)
	return errors.Join(err, s.control.Close())
}
