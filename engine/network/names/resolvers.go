package names

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/fsnotify/fsnotify"

	"tiffin/dns"
)

// Resolvers are the host's, as its resolv.conf has them at the moment: those of a laptop
// change with the network it is on.
type Resolvers struct {
	path string
	mu   sync.Mutex
	conf dns.ResolvConf
}

// ReadResolvers reads a resolv.conf. A host without the file has none.
func ReadResolvers(path string) (*Resolvers, error) {
	r := &Resolvers{path: path}
	_, err := r.read()
	return r, err
}

// read says whether there is news.
func (r *Resolvers) read() (news bool, err error) {
	text, err := os.ReadFile(r.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("read the host's resolvers: %w", err)
	}
	conf := dns.ParseResolvConf(string(text))
	r.mu.Lock()
	defer r.mu.Unlock()
	news = !slices.Equal(conf.Nameservers, r.conf.Nameservers)
	r.conf = conf
	return news, nil
}

// Addresses are the resolvers to forward to.
func (r *Resolvers) Addresses() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conf.Forwarding(dns.Wishes{})
}

// Follow calls changed when the resolvers are others, until ctx ends; work waits for
// that. The file, or what it links to, is replaced as often as written, so their folders
// are watched.
func (r *Resolvers) Follow(ctx context.Context, work *sync.WaitGroup, log *slog.Logger, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the host's resolvers: %w", err)
	}
	paths := func() []string {
		all := []string{r.path}
		if target, err := filepath.EvalSymlinks(r.path); err == nil {
			all = append(all, target)
		}
		for _, path := range all {
			_ = watcher.Add(filepath.Dir(path)) // a folder that is not there has nothing to tell
		}
		return all
	}
	watched := paths()
	work.Go(func() {
		defer watcher.Close() //nolint:errcheck // nothing was written
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-watcher.Events:
				if !slices.Contains(watched, e.Name) {
					continue
				}
				watched = paths()
				r.renew(log, changed)
			case err := <-watcher.Errors:
				log.Warn("watching the host's resolvers", "error", err)
			}
		}
	})
	return nil
}

// renew reads the file again.
func (r *Resolvers) renew(log *slog.Logger, changed func()) {
	news, err := r.read()
	if err != nil {
		log.Warn(err.Error())
	}
	if news {
		changed()
	}
}
