package client

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// folders are the sessions that hand out the caller's folders, one a folder: builds that read the same one are sent it
// once, and the next build finds what it was sent before, whichever service it is for.
type folders struct {
	sessions map[string]*folder // by path
	serving  sync.WaitGroup
}

type folder struct {
	session *session.Session
	names   filesync.StaticDirSource // what builds call it
}

// newFolders makes the sessions for all folders of the sources.
func newFolders(ctx context.Context, sources []*source) (*folders, error) {
	f := &folders{sessions: map[string]*folder{}}
	for _, s := range sources {
		for _, name := range slices.Sorted(maps.Keys(s.folders)) {
			one, err := f.of(ctx, s.folders[name])
			if err != nil {
				return nil, err
			}
			if one.names[name], err = sentFolder(s.folders[name]); err != nil {
				return nil, err
			}
			s.attrs["local-sessionid:"+name] = one.session.ID()
		}
	}
	return f, nil
}

func (f *folders) of(ctx context.Context, path string) (*folder, error) {
	if one := f.sessions[path]; one != nil {
		return one, nil
	}
	// The engine keeps what it was sent of a folder under the key of its session.
	s, err := session.NewSession(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("make session: %w", err)
	}
	one := &folder{session: s, names: filesync.StaticDirSource{}}
	f.sessions[path] = one
	return one, nil
}

// sentFolder is a folder as the engine gets it: all files are root's.
func sentFolder(path string) (fsutil.FS, error) {
	files, err := fsutil.NewFS(path)
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	return fsutil.NewFilterFS(files, &fsutil.FilterOpt{Map: func(_ string, st *types.Stat) fsutil.MapResult {
		st.Uid, st.Gid = 0, 0
		return fsutil.MapResultKeep
	}})
}

// serve hands the folders out until close is called.
func (f *folders) serve(ctx context.Context, client *bk.Client) {
	for _, one := range f.sessions {
		one.session.Allow(filesync.NewFSSyncProvider(one.names))
		f.serving.Go(func() {
			_ = one.session.Run(ctx, client.Dialer()) // the build that finds nobody there says so
		})
	}
}

func (f *folders) close() {
	for _, one := range f.sessions {
		_ = one.session.Close() // nothing is written by it
	}
	f.serving.Wait()
}
