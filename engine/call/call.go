// Package call is what can be asked of an engine, and what it answers.
//
// The command line fills the requests in, the socket carries them, the daemon carries them
// out. Like the vocabulary that it speaks it does nothing.
package call

import (
	"io"
	"time"

	"tiffin/engine"
)

// What can be asked of an engine about the containers of a project. The command
// line fills these in, the daemon carries them out; the Docker API's routes ask for
// the same things one container at a time.

// SecretRequest asks for a secret to be kept.
type SecretRequest struct {
	Name    string
	Labels  map[string]string `json:",omitempty"`
	Content []byte
}

// UpRequest asks for a Stack to be made real.
type UpRequest struct {
	Stack engine.Stack
	// Services are the targets; none means all. Their dependencies come along.
	Services []string `json:",omitempty"`

	NoDeps             bool `json:",omitempty"`
	NoStart            bool `json:",omitempty"` // create only
	ForceRecreate      bool `json:",omitempty"`
	NoRecreate         bool `json:",omitempty"`
	AlwaysRecreateDeps bool `json:",omitempty"`
	RenewAnonVolumes   bool `json:",omitempty"`
	// RecreateVolumes names volumes whose data may be lost if their definition changed.
	RecreateVolumes []string `json:",omitempty"`
	RemoveOrphans   bool     `json:",omitempty"`
	// IgnoreOrphans leaves out the warning about them.
	IgnoreOrphans bool              `json:",omitempty"`
	Pull          engine.PullPolicy `json:",omitempty"` // replaces the services' own
	// Build builds what can be built, although its image is there, and does not pull it.
	// NoBuild builds nothing: the caller does not want it or, with Build, has done it.
	Build   bool             `json:",omitempty"`
	NoBuild bool             `json:",omitempty"`
	Timeout *engine.Duration `json:",omitempty"` // replaces stop_grace_period
	// Wait goes on until the targets are running or healthy, WaitTimeout bounds it (0: not).
	Wait        bool            `json:",omitempty"`
	WaitTimeout engine.Duration `json:",omitzero"`
	// Auths are the registry credentials of the caller, by registry host.
	Auths map[string]RegistryAuth `json:",omitempty"`
	// Timings asks for reports of when each step was done.
	Timings bool `json:",omitempty"`
	// Parallel bounds the steps under way at once; 0 or less: no bound but the engine's own.
	Parallel int `json:",omitempty"`
}

// RegistryAuth are the credentials for one registry.
type RegistryAuth struct {
	Username      string `json:",omitempty"`
	Password      string `json:",omitempty"`
	IdentityToken string `json:",omitempty"`
	RegistryToken string `json:",omitempty"`
}

// DownRequest asks for a project to be taken away.
type DownRequest struct {
	Project string
	// Stack, when the caller has one, tells orphans from services, and custom
	// image names from made ones. Without it the engine's record serves.
	Stack         *engine.Stack    `json:",omitempty"`
	Services      []string         `json:",omitempty"`
	RemoveOrphans bool             `json:",omitempty"`
	Volumes       bool             `json:",omitempty"`
	Images        ImageRemove      `json:",omitempty"`
	Timeout       *engine.Duration `json:",omitempty"`
	Now           bool             `json:",omitempty"` // kill all at once, without hooks
}

// ImageRemove says which images down removes.
type ImageRemove string

// The values of down --rmi.
const (
	RemoveNoImages    ImageRemove = ""
	RemoveLocalImages ImageRemove = "local"
	RemoveAllImages   ImageRemove = "all"
)

// ActRequest asks for an action on the containers of a project that are there.
type ActRequest struct {
	Project string
	Stack   *engine.Stack `json:",omitempty"`
	Action  Action
	// Services are the targets; none means all.
	Services []string `json:",omitempty"`
	// Index picks one replica; 0: all of them.
	Index int `json:",omitempty"`

	Timeout       *engine.Duration `json:",omitempty"` // stop, restart, remove with Stop
	Now           bool             `json:",omitempty"` // stop: kill all at once, without hooks
	Signal        string           `json:",omitempty"` // kill
	NoDeps        bool             `json:",omitempty"` // restart, start
	RemoveOrphans bool             `json:",omitempty"` // kill
	Stop          bool             `json:",omitempty"` // remove: stop first
	Volumes       bool             `json:",omitempty"` // remove: anonymous volumes too
	Wait          bool             `json:",omitempty"` // start
	WaitTimeout   engine.Duration  `json:",omitzero"`  // start
}

// Action is what ActRequest asks for.
type Action string

// The actions.
const (
	ActStart   Action = "start"
	ActStop    Action = "stop"
	ActRestart Action = "restart"
	ActKill    Action = "kill"
	ActPause   Action = "pause"
	ActUnpause Action = "unpause"
	ActRemove  Action = "remove"
)

// RunRequest asks for a one-off container of a service (tiffin run).
type RunRequest struct {
	Up UpRequest // the Stack; Services is ignored, NoDeps, Pull, Auths and the like count
	// Service is the service to run, Container its spec with the caller's changes.
	Service   string
	Name      string `json:",omitempty"` // "": project-service-run-slug
	Container engine.ContainerSpec
	// UseAliases gives it the service's name on the networks.
	UseAliases bool `json:",omitempty"`
	// Start starts it at once; else Attach does.
	Start bool `json:",omitempty"`
}

// CreateRequest asks for a container that no Stack has. Labels of docker compose make it
// one of a project.
type CreateRequest struct {
	Name string `json:",omitempty"` // "": one is made up
	Spec engine.ContainerSpec
	// NewVolumes are made with these options unless they are there.
	NewVolumes []engine.VolumeSpec `json:",omitempty"`
}

// StopRequest says how a container is stopped.
type StopRequest struct {
	Signal  string           `json:",omitempty"` // "": the container's own
	Timeout *engine.Duration `json:",omitempty"` // nil: the container's own
}

// WaitCondition is what is waited for of a container.
type WaitCondition string

// The conditions, by their names in the Docker Engine API.
const (
	WaitNotRunning WaitCondition = "not-running"
	WaitNextExit   WaitCondition = "next-exit"
	WaitRemoved    WaitCondition = "removed"
)

// Change is what can change of a container that exists; nil stays.
type Change struct {
	Resources *engine.Resources     `json:",omitempty"`
	Restart   *engine.RestartPolicy `json:",omitempty"`
}

// ListRequest selects containers.
type ListRequest struct {
	Project  string   `json:",omitempty"` // "": all projects
	Services []string `json:",omitempty"`
	All      bool     `json:",omitempty"` // those that do not run, too
	OneOffs  bool     `json:",omitempty"`
}

// ExecRequest asks for a further process in a container.
type ExecRequest struct {
	// ID is what events call the process whose creation has been told of already; "": neither.
	ID          string `json:",omitempty"`
	Cmd         []string
	Env         []string `json:",omitempty"`
	WorkingDir  string   `json:",omitempty"`
	User        string   `json:",omitempty"`
	Privileged  bool     `json:",omitempty"`
	TTY         bool     `json:",omitempty"`
	OpenStdin   bool     `json:",omitempty"`
	Detach      bool     `json:",omitempty"`
	ConsoleSize [2]uint  `json:",omitzero"` // rows, columns
	DetachKeys  string   `json:",omitempty"`
}

// Exec is a further process in a container, as the Docker API inspects it.
type Exec struct {
	ID          string
	ContainerID string
	Request     ExecRequest
	Pid         int       `json:",omitempty"`
	Running     bool      `json:",omitempty"`
	ExitCode    *int      `json:",omitempty"`
	StartedAt   time.Time `json:",omitzero"`
	FinishedAt  time.Time `json:",omitzero"`
}

// LogRequest selects log output.
type LogRequest struct {
	Project    string   `json:",omitempty"`
	Services   []string `json:",omitempty"`
	Containers []string `json:",omitempty"` // IDs; instead of Project
	Index      int      `json:",omitempty"`
	Follow     bool     `json:",omitempty"`
	// Stay follows on when all have ended: what is started later is followed, too.
	Stay bool `json:",omitempty"`
	// Tail is the number of last lines of each container; -1: all.
	Tail  int
	Since time.Time `json:",omitzero"`
	Until time.Time `json:",omitzero"`
	// Stdout and Stderr choose the streams.
	Stdout bool
	Stderr bool
}

// LogSource is a container whose output is read.
type LogSource struct {
	ID      string
	Name    string
	Project string `json:",omitempty"`
	Service string `json:",omitempty"`
	Number  int    `json:",omitempty"`
	OneOff  bool   `json:",omitempty"`
	TTY     bool   `json:",omitempty"`
}

// LogEntry is a piece of a container's output: any number of lines, the last of which
// may go on in the next entry of the same source and stream; or, with Exit, the news
// that the container ended.
type LogEntry struct {
	Source *LogSource // the same pointer for all entries of a container
	Time   time.Time
	Stream Stream
	Data   []byte // valid until the receiver returns
	Exit   *LogExit
}

// LogExit says how a container ended.
type LogExit struct {
	Code       int
	Restarting bool `json:",omitempty"`
}

// Stream tells standard output from standard error.
type Stream uint8

// The streams; with a terminal everything is Stdout.
const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// AttachRequest asks for the streams of a container's first process.
type AttachRequest struct {
	Container string
	Stdin     bool `json:",omitempty"`
	// Start starts the container once the streams are attached.
	Start bool `json:",omitempty"`
	// Replay begins with the output so far.
	Replay      bool    `json:",omitempty"`
	ConsoleSize [2]uint `json:",omitzero"` // rows, columns
	DetachKeys  string  `json:",omitempty"`
}

// PullRequest asks for the images of a Stack.
type PullRequest struct {
	Stack       engine.Stack
	Services    []string                `json:",omitempty"`
	IncludeDeps bool                    `json:",omitempty"`
	Policy      engine.PullPolicy       `json:",omitempty"` // "" and always: fetch; missing
	SkipBuild   bool                    `json:",omitempty"` // leave out what can be built
	Auths       map[string]RegistryAuth `json:",omitempty"`
}

// Top is the process table of a container.
type Top struct {
	Titles    []string
	Processes [][]string
}

// ProjectSummary is a line of tiffin ls.
type ProjectSummary struct {
	Name        string
	Status      map[engine.Status]int
	WorkingDir  string   `json:",omitempty"`
	ConfigFiles []string `json:",omitempty"`
}

// Info is what the engine says of itself.
type Info struct {
	Version    string
	Pid        int
	StartedAt  time.Time
	DataRoot   string
	RunRoot    string
	Containers int
	Running    int
	Projects   int
	HostNames  string `json:",omitempty"` // how the host finds containers by name, or why not; empty if it is not to
}

// RemoveOptions say how a container is removed.
type RemoveOptions struct {
	Force   bool `json:",omitempty"` // kill it first
	Volumes bool `json:",omitempty"` // anonymous volumes too
}

// ForceRemove says whether an image goes although containers that do not run use it.
type ForceRemove bool

// Streams are the ends of a process's standard streams. With a terminal everything
// comes on Stdout.
type Streams struct {
	Stdin  io.Reader // nil: none
	Stdout io.Writer
	Stderr io.Writer
	// Resize brings new sizes of the client's terminal, rows and columns; it may be nil.
	Resize <-chan [2]uint
	// Signals brings signals by name that the client passes on; it may be nil.
	Signals <-chan string
	// Ready, if set, is called by Attach when no output can be missed any more: a container
	// that does not run is waited for then; and by Exec when the process runs.
	Ready func()
	// Ended, if set, is called by Exec with the exit code, also when the client has left before.
	Ended func(code int)
}
