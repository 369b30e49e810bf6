// Package develop is which changes of source are to lead to what, by service.
//
// Not here: carrying it out (cmd/tiffin/watch). The engine knows nothing of it.
package develop

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
)

// Rule is one entry of develop.watch.
type Rule struct {
	Service string
	// Path is the absolute file or folder that is watched.
	Path   string
	Action Action
	// Target is where it is in the containers; "" for actions that sync nothing.
	Target string
	// Ignore and Include are patterns as in .dockerignore, relative to Path.
	Ignore, Include []string
	InitialSync     bool
	Exec            engine.Hook
	// Context and Dockerfile are those of the service's build: a .dockerignore counts. Context is "" when there is none.
	Context, Dockerfile string
	// Mounted says that a bind mount brings the changes already.
	Mounted bool
}

// Action is what a change leads to.
type Action string

// The actions of the Compose specification.
const (
	Sync        Action = "sync"
	Rebuild     Action = "rebuild"
	Restart     Action = "restart"
	SyncRestart Action = "sync+restart"
	SyncExec    Action = "sync+exec"
)

// Syncs says whether the action writes into containers.
func (a Action) Syncs() bool { return a == Sync || a == SyncRestart || a == SyncExec }

// Fault is something wrong in an entry of develop.watch.
type Fault struct {
	Path []string // of the attribute, from develop down
	Text string
	Tip  string
}

// Rules are those of a service.
func Rules(s *types.ServiceConfig) ([]Rule, *Fault) {
	if s.Develop == nil {
		return nil, nil
	}
	var out []Rule
	for i := range s.Develop.Watch {
		t := &s.Develop.Watch[i]
		r := Rule{
			Service: s.Name, Path: filepath.Clean(t.Path), Action: Action(t.Action), Target: t.Target,
			Ignore: t.Ignore, Include: t.Include, InitialSync: t.InitialSync,
			Exec: engine.Hook{
				Command: t.Exec.Command, User: t.Exec.User, WorkingDir: t.Exec.WorkingDir, Privileged: t.Exec.Privileged,
				Env: environment(t.Exec.Environment),
			},
		}
		if s.Build != nil && filepath.IsAbs(s.Build.Context) {
			r.Context, r.Dockerfile = s.Build.Context, s.Build.Dockerfile
		}
		r.Mounted = r.Action.Syncs() && slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeBind && Below(v.Source, r.Path)
		})
		if f := r.check(s.Build != nil); f != nil {
			f.Path = append([]string{"develop", "watch", fmt.Sprint(i)}, f.Path...)
			return nil, f
		}
		out = append(out, r)
	}
	return out, nil
}

// check refuses what no action can be made of.
func (r *Rule) check(buildable bool) *Fault {
	switch {
	case r.Action.Syncs() && r.Target == "":
		return &Fault{Text: fmt.Sprintf("the action %s needs a target", r.Action), Tip: "Add \"target:\", the path in the container."}
	case r.Action.Syncs() && !path.IsAbs(r.Target):
		return &Fault{Path: []string{"target"}, Text: fmt.Sprintf("the target %q is no absolute path", r.Target), Tip: "Write it from the root of the container on."}
	case r.Action.Syncs() && path.Clean(r.Target) == "/":
		return &Fault{Path: []string{"target"}, Text: "the target is the root of the container", Tip: "Sync to a folder of its own."}
	case r.Action == Rebuild && !buildable:
		return &Fault{Path: []string{"action"}, Text: "the service cannot be rebuilt: it has no build", Tip: "Add \"build:\" to it, or use sync or restart."}
	case r.Action == SyncExec && len(r.Exec.Command) == 0:
		return &Fault{Text: "the action sync+exec needs a command", Tip: "Add \"exec: {command: ...}\"."}
	case r.Action != SyncExec && len(r.Exec.Command) > 0:
		return &Fault{Path: []string{"exec"}, Text: fmt.Sprintf("the action %s runs no command", r.Action), Tip: "Use the action sync+exec."}
	default:
		return nil
	}
}

// Below says whether a path is dir or lies in it.
func Below(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

func environment(m types.MappingWithEquals) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if v := m[k]; v != nil {
			out = append(out, k+"="+*v)
		}
	}
	return out
}
