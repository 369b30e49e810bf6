package docker

import (
	"context"
	"io"
	"net"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Containers finds containers, and talks with what runs in them.
type Containers interface {
	List(ctx context.Context, req *call.ListRequest) ([]engine.Container, error)
	// Inspect finds a container by ID, name, or a prefix of its ID.
	Inspect(ctx context.Context, ref string) (engine.Container, error)
	Top(ctx context.Context, ref string, args []string) (*call.Top, error)
	Logs(ctx context.Context, req *call.LogRequest, emit func(call.LogEntry) error) error
	Attach(ctx context.Context, req *call.AttachRequest, s call.Streams) (int, error)
	Exec(ctx context.Context, ref string, req *call.ExecRequest, s call.Streams) (int, error)
	Resize(ctx context.Context, ref string, rows, columns uint16) error
	// WaitFor returns the exit code once a condition is met; ready is called when it cannot
	// be missed any more.
	WaitFor(ctx context.Context, ref string, condition call.WaitCondition, ready func()) (int, error)
}

// Life makes containers, and leads them through their life.
type Life interface {
	Create(ctx context.Context, req *call.CreateRequest) (engine.Container, error)
	Start(ctx context.Context, ref string) error
	Stop(ctx context.Context, ref string, how *call.StopRequest) error
	Restart(ctx context.Context, ref string, how *call.StopRequest) error
	Kill(ctx context.Context, ref, signal string) error
	Pause(ctx context.Context, ref string) error
	Unpause(ctx context.Context, ref string) error
	Remove(ctx context.Context, ref string, opts call.RemoveOptions) error
}

// Singles is all that can be done with one container.
type Singles interface {
	Containers
	Life
	Changes
	Measures
	Files
}

// Changes changes what there is.
type Changes interface {
	Rename(ctx context.Context, ref, name string) error
	Adjust(ctx context.Context, ref string, change *call.Change) (warnings []string, err error)
}

// Files works on the files of containers, whether they run or not.
type Files interface {
	StatFile(ctx context.Context, req *call.FileRequest) (call.FileStat, error)
	ReadFiles(ctx context.Context, req *call.FileRequest, archive io.Writer) error
	WriteFiles(ctx context.Context, req *call.WriteRequest, archive io.Reader) error
	Export(ctx context.Context, ref string, archive io.Writer) error
}

// Images works on the local image store.
type Images interface {
	Images(ctx context.Context) ([]engine.Image, error)
	Image(ctx context.Context, ref string) (engine.Image, error)
	// ImageFor and ImageDetails are of the image for a platform; "" is the host's own, or else any.
	ImageFor(ctx context.Context, ref, platform string) (engine.Image, error)
	ImageDetails(ctx context.Context, ref, platform string) (call.ImageDetails, error)
	TagImage(ctx context.Context, ref, name string) error
	RemoveImage(ctx context.Context, ref string, force call.ForceRemove) ([]string, error)
}

// Archives makes images of what comes.
type Archives interface {
	Import(ctx context.Context, rootfs io.Reader, req *call.ImportRequest) (engine.Image, error)
	Commit(ctx context.Context, req *call.CommitRequest) (engine.Image, error)
}

// Registries fetches and sends images, and asks registries about them.
type Registries interface {
	PullImage(ctx context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) (engine.Image, error)
	RemoteImage(ctx context.Context, ref string, auths map[string]call.RegistryAuth) (call.RemoteImage, error)
	RemoteTags(ctx context.Context, repository string, auths map[string]call.RegistryAuth) ([]string, error)
	// Login fails with engine.ErrDenied when the registry does not know the credentials; it returns the token that
	// stands for them, if the registry gives one.
	Login(ctx context.Context, registry string, auth call.RegistryAuth) (identity string, err error)
}

// Platforms works on one platform of images that are here for several; "" is all of them.
type Platforms interface {
	// SentFor is what a push sends.
	SentFor(ctx context.Context, ref, platform string) (ocispec.Descriptor, error)
	PushPlatform(ctx context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) error
	SavePlatform(ctx context.Context, refs []string, platform string, archive io.Writer) error
	LoadPlatform(ctx context.Context, archive io.Reader, platform string, report engine.Report) ([]string, error)
	RemovePlatforms(ctx context.Context, ref string, platforms []string) ([]string, error)
}

// Stores has the images, and gets them from elsewhere.
type Stores interface {
	Images
	Archives
	Registries
	Platforms
}

// Networks works on networks, and on who is on them.
type Networks interface {
	Networks(ctx context.Context) ([]engine.Network, error)
	CreateNetwork(ctx context.Context, spec *engine.NetworkSpec) (engine.Network, error)
	RemoveNetwork(ctx context.Context, ref string) error
	ConnectNetwork(ctx context.Context, network, container string, how *engine.EndpointSpec) error
	DisconnectNetwork(ctx context.Context, network, container string, force call.ForceRemove) error
}

// Volumes works on named volumes.
type Volumes interface {
	Volumes(ctx context.Context) ([]engine.Volume, error)
	CreateVolume(ctx context.Context, spec *engine.VolumeSpec) (engine.Volume, error)
	RemoveVolume(ctx context.Context, name string) error
}

// System is the engine itself.
type System interface {
	// Events calls emit for each event after since (zero: from now on), until until.
	Events(ctx context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error
	Publish(ev engine.Event)
	// Build serves a caller's builds on conn, by BuildKit's control API.
	Build(ctx context.Context, conn net.Conn) error
	// BuildSession lets builds on other connections ask the caller on conn.
	BuildSession(ctx context.Context, conn net.Conn, headers map[string][]string) error
}

// Backend is all of an engine.
type Backend interface {
	Singles
	Stores
	Networks
	Volumes
	System
}
