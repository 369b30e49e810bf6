package api

import (
	"context"
	"io"
	"net"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

// Stacks carries out what concerns a project as a whole.
type Stacks interface {
	Up(ctx context.Context, req *call.UpRequest, report engine.Report) error
	Down(ctx context.Context, req *call.DownRequest, report engine.Report) error
	Act(ctx context.Context, req *call.ActRequest, report engine.Report) error
	Pull(ctx context.Context, req *call.PullRequest, report engine.Report) error
	// Run makes a one-off container, and what it depends on, and returns its ID.
	Run(ctx context.Context, req *call.RunRequest, report engine.Report) (string, error)
	Projects(ctx context.Context) ([]call.ProjectSummary, error)
	// Stack returns the Stack that a project was brought up with last.
	Stack(ctx context.Context, project string) (*engine.Stack, error)
}

// Planner says what Stacks would do.
type Planner interface {
	PlanUp(ctx context.Context, req *call.UpRequest) (*plan.Plan, error)
	PlanDown(ctx context.Context, req *call.DownRequest) (*plan.Plan, error)
	PlanAct(ctx context.Context, req *call.ActRequest) (*plan.Plan, error)
	// PlanBuilds says what the caller has to pull, and to build, before Up.
	PlanBuilds(ctx context.Context, req *call.UpRequest) (*plan.Plan, error)
}

// Containers works on single containers.
type Containers interface {
	List(ctx context.Context, req *call.ListRequest) ([]engine.Container, error)
	// Wait returns the exit code once the container has ended.
	Wait(ctx context.Context, id string) (int, error)
	Kill(ctx context.Context, id, signal string) error
	Remove(ctx context.Context, id string, opts call.RemoveOptions) error
	Top(ctx context.Context, id string, args []string) (*call.Top, error)
	// Exec returns the exit code of the process; of a detached one at once, 0.
	Exec(ctx context.Context, id string, req *call.ExecRequest, s call.Streams) (int, error)
	// Attach returns the exit code of the container, or engine.ErrDetached.
	Attach(ctx context.Context, req *call.AttachRequest, s call.Streams) (int, error)
	Logs(ctx context.Context, req *call.LogRequest, emit func(call.LogEntry) error) error
}

// Images works on the local image store.
type Images interface {
	Images(ctx context.Context) ([]engine.Image, error)
	Image(ctx context.Context, ref string) (engine.Image, error)
	TagImage(ctx context.Context, ref, name string) error
	RemoveImage(ctx context.Context, ref string, force call.ForceRemove) ([]string, error)
	LoadImages(ctx context.Context, archive io.Reader, report engine.Report) ([]string, error)
	SaveImages(ctx context.Context, refs []string, archive io.Writer) error
	ImportImage(ctx context.Context, rootfs io.Reader, name string, config engine.ImageConfig) (engine.Image, error)
}

// Registries fetches and sends images.
type Registries interface {
	PullImage(ctx context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) (engine.Image, error)
	PushImage(ctx context.Context, ref string, auths map[string]call.RegistryAuth, report engine.Report) error
}

// Committer makes images of containers.
type Committer interface {
	Commit(ctx context.Context, req *call.CommitRequest) (engine.Image, error)
}

// Stores has the images, and gets them from elsewhere.
type Stores interface {
	Images
	Registries
	Committer
}

// Files works on the files of containers, whether they run or not.
type Files interface {
	// StatFile says what is at a path.
	StatFile(ctx context.Context, req *call.FileRequest) (call.FileStat, error)
	// ReadFiles writes what is at a path as a tar stream; WriteFiles is the way back.
	ReadFiles(ctx context.Context, req *call.FileRequest, archive io.Writer) error
	WriteFiles(ctx context.Context, req *call.WriteRequest, archive io.Reader) error
	// Export writes the root filesystem as a tar stream.
	Export(ctx context.Context, id string, archive io.Writer) error
	// ChangeFiles makes the changes of a stream of engine/tree in a container's files.
	ChangeFiles(ctx context.Context, id string, changes io.Reader) error
	Volumes(ctx context.Context) ([]engine.Volume, error)
}

// Networks works on networks, and on who is on them.
type Networks interface {
	Networks(ctx context.Context) ([]engine.Network, error)
	CreateNetwork(ctx context.Context, spec *engine.NetworkSpec) (engine.Network, error)
	RemoveNetwork(ctx context.Context, ref string) error
	// ConnectNetwork puts a container on a further network; Network of how is not read.
	ConnectNetwork(ctx context.Context, network, container string, how *engine.EndpointSpec) error
	DisconnectNetwork(ctx context.Context, network, container string, force call.ForceRemove) error
}

// Secrets works on the engine's store of secrets, which tells nobody what is in them.
type Secrets interface {
	Secrets(ctx context.Context) ([]engine.Secret, error)
	CreateSecret(ctx context.Context, req *call.SecretRequest) (engine.Secret, error)
	RemoveSecret(ctx context.Context, ref string) error
}

// Objects are what containers use and do not own.
type Objects interface {
	Networks
	Secrets
}

// Builder builds images.
type Builder interface {
	// Build serves a caller's builds on conn, by BuildKit's control API, until the caller
	// closes it or ctx ends.
	Build(ctx context.Context, conn net.Conn) error
}

// System is the engine itself, and what is to be seen of all that it runs.
type System interface {
	Info(ctx context.Context) (call.Info, error)
	// Stats says what containers use, all that are asked for in one answer.
	Stats(ctx context.Context, req *call.StatsRequest) ([]call.Stats, error)
	// Events calls emit for each event after since (zero: from now on), until until
	// (zero: until ctx ends). subscribed is called when no event can be missed any more.
	Events(ctx context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error
	// Shutdown ends the engine. Containers run on.
	Shutdown(ctx context.Context) error
}

// Backend is all of an engine.
type Backend interface {
	Stacks
	Planner
	Containers
	Files
	Stores
	Objects
	Builder
	System
}
