package engine

import (
	"net/netip"
	"time"
)

// ContainerSpec is what a container shall be. Zero values mean "from the image" or
// "the default"; it never changes after create.
type ContainerSpec struct {
	// Image is the reference as the user wrote it.
	Image    string `json:",omitempty"`
	Platform string `json:",omitempty"`

	// Entrypoint and Cmd: nil means from the image, empty means cleared.
	Entrypoint []string
	Cmd        []string
	Env        []string `json:",omitempty"` // KEY=value, or KEY to unset
	WorkingDir string   `json:",omitempty"`
	User       string   `json:",omitempty"` // user[:group], names or numbers
	GroupAdd   []string `json:",omitempty"`
	Umask      *uint32  `json:",omitempty"`

	Hostname    string            `json:",omitempty"`
	Domainname  string            `json:",omitempty"`
	Labels      map[string]string `json:",omitempty"`
	Annotations map[string]string `json:",omitempty"`

	TTY       bool `json:",omitempty"`
	OpenStdin bool `json:",omitempty"`
	// StdinOnce closes standard input when the first attached client leaves.
	StdinOnce bool `json:",omitempty"`
	// Init runs a reaper as PID 1.
	Init bool `json:",omitempty"`

	StopSignal  string       `json:",omitempty"`
	StopTimeout *Duration    `json:",omitempty"` // nil: 10 s
	Healthcheck *Healthcheck `json:",omitempty"`
	Restart     RestartPolicy

	Mounts      []Mount     `json:",omitempty"`
	Files       []FileMount `json:",omitempty"` // configs and secrets
	VolumesFrom []string    `json:",omitempty"` // service or container:x, with :ro
	ShmSize     Bytes       `json:",omitempty"` // 0: 64 MiB

	// NetworkMode is "" (the endpoints below), bridge, host, none, container:ID or,
	// in a Stack, service:NAME.
	NetworkMode string         `json:",omitempty"`
	Endpoints   []EndpointSpec `json:",omitempty"`
	MacAddress  string         `json:",omitempty"`
	Ports       []PortBinding  `json:",omitempty"`
	Expose      []string       `json:",omitempty"` // 80/tcp
	DNS         []netip.Addr   `json:",omitempty"`
	DNSSearch   []string       `json:",omitempty"`
	DNSOptions  []string       `json:",omitempty"`
	ExtraHosts  []string       `json:",omitempty"` // name=address; address may be HostGateway
	Links       []string       `json:",omitempty"` // service or container[:alias]
	// ExternalLinks are to containers of other projects: container[:alias].
	ExternalLinks []string `json:",omitempty"`

	// Modes of the other namespaces: "" (private), host, none (ipc), shareable
	// (ipc), container:ID or, in a Stack, service:NAME.
	PidMode    string `json:",omitempty"`
	IpcMode    string `json:",omitempty"`
	UtsMode    string `json:",omitempty"`
	CgroupMode string `json:",omitempty"`
	UsernsMode string `json:",omitempty"`

	Privileged        bool              `json:",omitempty"`
	ReadOnly          bool              `json:",omitempty"`
	CapAdd            []string          `json:",omitempty"`
	CapDrop           []string          `json:",omitempty"`
	SecurityOpt       []string          `json:",omitempty"` // seccomp=<JSON text>, never a path
	Devices           []Device          `json:",omitempty"`
	DeviceRequests    []DeviceRequest   `json:",omitempty"` // gpus, and devices by CDI names
	DeviceCgroupRules []string          `json:",omitempty"`
	Sysctls           map[string]string `json:",omitempty"`
	Ulimits           []Ulimit          `json:",omitempty"`
	OomScoreAdj       int               `json:",omitempty"`
	CgroupParent      string            `json:",omitempty"`
	Runtime           string            `json:",omitempty"`
	Resources         Resources         `json:",omitzero"`
	Log               LogConfig         `json:",omitzero"`

	// AutoRemove removes the container when it ends (run --rm).
	AutoRemove bool `json:",omitempty"`
}

// Resources are limits and weights, by the names of the Compose specification.
// Zero means none.
type Resources struct {
	Memory            Bytes    `json:",omitempty"`
	MemoryReservation Bytes    `json:",omitempty"`
	MemorySwap        Bytes    `json:",omitempty"` // memory and swap together; -1: unlimited; 0: twice Memory
	Swappiness        *int64   `json:",omitempty"`
	OomKillDisable    bool     `json:",omitempty"`
	NanoCPUs          int64    `json:",omitempty"` // 1e9 = one core
	CPUPeriod         int64    `json:",omitempty"` // microseconds
	CPUQuota          int64    `json:",omitempty"` // microseconds
	CPURealtimePeriod int64    `json:",omitempty"`
	CPURealtimeQuota  int64    `json:",omitempty"`
	CPUShares         int64    `json:",omitempty"`
	CpusetCpus        string   `json:",omitempty"`
	CpusetMems        string   `json:",omitempty"`
	PidsLimit         int64    `json:",omitempty"` // <=0: unlimited
	BlkioWeight       uint16   `json:",omitempty"`
	BlkioWeightDevice []Weight `json:",omitempty"`
	BlkioReadBps      []Rate   `json:",omitempty"`
	BlkioWriteBps     []Rate   `json:",omitempty"`
	BlkioReadIOps     []Rate   `json:",omitempty"`
	BlkioWriteIOps    []Rate   `json:",omitempty"`
}

// Weight is a proportional share of one block device, 10 to 1000.
type Weight struct {
	Path   string
	Weight uint16
}

// Rate is a limit on one block device, in bytes or operations a second.
type Rate struct {
	Path string
	Rate uint64
}

// Ulimit is one resource limit; -1 is unlimited.
type Ulimit struct {
	Name string // nofile, not RLIMIT_NOFILE
	Soft int64
	Hard int64
}

// Device is a host device given to a container.
type Device struct {
	Source      string
	Target      string
	Permissions string // of r, w and m
}

// LogConfig is the logging section; the zero value is json-file with tiffin's limits.
type LogConfig struct {
	Driver  string            `json:",omitempty"` // json-file, local, none
	Options map[string]string `json:",omitempty"`
}

// Healthcheck is a health check as Compose and the Docker API have it. In a spec,
// zero fields mean "from the image".
type Healthcheck struct {
	// Test is {"NONE"}, {"CMD", args…} or {"CMD-SHELL", line}.
	Test          []string `json:",omitempty"`
	Interval      Duration `json:",omitzero"`  // 30 s
	Timeout       Duration `json:",omitzero"`  // 30 s
	Retries       int      `json:",omitempty"` // 3
	StartPeriod   Duration `json:",omitzero"`  // 0
	StartInterval Duration `json:",omitzero"`  // 5 s
	// Probe is in place of Test, and nothing is from the image.
	Probe *Probe `json:",omitempty"`
}

// Probe is something that the engine looks at itself (x-ready), so that the image needs no
// program for it. One of Port, HTTP, Log and File is set.
type Probe struct {
	Port uint16     `json:",omitempty"` // a TCP connection is accepted
	HTTP *HTTPProbe `json:",omitempty"`
	Log  string     `json:",omitempty"` // a line of the output matches this regular expression
	File string     `json:",omitempty"` // an absolute path that is there
}

// HTTPProbe is a GET request that is answered as wanted.
type HTTPProbe struct {
	Port   uint16
	Path   string // with the query
	Host   string `json:",omitempty"` // the header
	Status int    `json:",omitempty"` // 0: any from 200 to 399
}

// Container is a container that exists: its record, and what is known of its life.
type Container struct {
	ID      string // 64 hex digits
	Name    string
	Project string `json:",omitempty"` // "" for one made outside of a project
	Service string `json:",omitempty"`
	Number  int    `json:",omitempty"` // replica number from 1; 0 for a one-off
	OneOff  bool   `json:",omitempty"`
	Created time.Time

	Spec ContainerSpec
	// ImageID is the digest of the image's config, Image its config as it was at
	// create: Args and the rest follow from Spec and Image.
	ImageID string `json:",omitempty"`
	Image   ImageConfig
	// Args is the command line that PID 1 runs.
	Args []string `json:",omitempty"`

	// Mounts are the storage mounts as resolved at create (volumes have names and
	// sources), Endpoints the networks, by network name.
	Mounts    []MountPoint        `json:",omitempty"`
	Endpoints map[string]Endpoint `json:",omitempty"`
	// Published are the ports as they are bound while it runs.
	Published []PublishedPort `json:",omitempty"`

	State State
}

// State is the life of a container. Status says where it is; the rest is history.
type State struct {
	Status     Status
	Pid        int       `json:",omitempty"`
	ExitCode   int       `json:",omitempty"` // 128+signal when killed by one
	OOMKilled  bool      `json:",omitempty"`
	Error      string    `json:",omitempty"` // why it did not start
	StartedAt  time.Time `json:",omitzero"`
	FinishedAt time.Time `json:",omitzero"`
	// RestartCount counts restarts by policy since the last start by command.
	RestartCount int `json:",omitempty"`
	// RestartStreak counts those of them in a row that did not settle; the back-off
	// grows with it.
	RestartStreak int `json:",omitempty"`
	// Stopped says that a command stopped it: unless-stopped leaves it alone.
	Stopped bool   `json:",omitempty"`
	Health  Health `json:",omitzero"`
}

// Health is what the health check found.
type Health struct {
	Status        HealthStatus   `json:",omitempty"`
	FailingStreak int            `json:",omitempty"`
	Log           []HealthResult `json:",omitempty"` // the last five
}

// HealthStatus is the verdict of a health check; "" when there is none.
type HealthStatus string

// The values that the Docker API shows.
const (
	HealthNone     HealthStatus = ""
	HealthStarting HealthStatus = "starting"
	Healthy        HealthStatus = "healthy"
	Unhealthy      HealthStatus = "unhealthy"
)

// HealthResult is one probe.
type HealthResult struct {
	Start    time.Time
	End      time.Time
	ExitCode int
	Output   string // at most 4096 bytes
}

// ExitUnknown is the exit code of a container whose end nobody saw, as after a
// reboot; Docker uses the same.
const ExitUnknown = 255

// IsHook says that the container is a pre_start hook of its service.
func (c *Container) IsHook() bool { return c.OneOff && c.Spec.Labels[LabelHook] != "" }

// IsJob says that the container runs, or ran, for a job.
func (c *Container) IsJob() bool { return c.OneOff && c.Spec.Labels[LabelJob] != "" }

// StopTimeout is the time between the stop signal and SIGKILL.
func (c *Container) StopTimeout() time.Duration {
	if t := c.Spec.StopTimeout; t != nil {
		return time.Duration(*t)
	}
	return DefaultStopTimeout
}

// DefaultStopTimeout is Compose's default of stop_grace_period.
const DefaultStopTimeout = 10 * time.Second

// StopSignal is the signal that asks the container to end: its own, the image's or SIGTERM.
func (c *Container) StopSignal() string {
	switch {
	case c.Spec.StopSignal != "":
		return c.Spec.StopSignal
	case c.Image.StopSignal != "":
		return c.Image.StopSignal
	default:
		return "SIGTERM"
	}
}

// ShortID is the 12-digit form of an identifier that tables show.
func ShortID(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
