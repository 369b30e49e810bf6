package engine

import (
	"iter"
	"slices"
	"strings"
)

// Stack is the desired state of one project: what the command line resolved from
// Compose files, complete in itself. The engine keeps the last one it was given.
type Stack struct {
	// Name is the project name, [a-z0-9][a-z0-9_-]*.
	Name string
	// WorkingDir is the absolute project directory.
	WorkingDir string `json:",omitempty"`
	// ConfigFiles are the absolute paths of the Compose files, in order; "-" for standard input.
	ConfigFiles []string `json:",omitempty"`
	// EnvFiles are the env files that interpolation read.
	EnvFiles []string `json:",omitempty"`
	// Services are sorted by name.
	Services []Service
	// Disabled names the services that no active profile enables. They are no
	// orphans, and nothing is done for them.
	Disabled []string `json:",omitempty"`
	// Bases are those of the disabled services whose images enabled ones are built with,
	// sorted by name: how they are built is all that counts.
	Bases []Service `json:",omitempty"`
	// Networks and Volumes are sorted by key.
	Networks []NetworkSpec `json:",omitempty"`
	Volumes  []VolumeSpec  `json:",omitempty"`
}

// Service returns the service of that name.
func (s *Stack) Service(name string) (*Service, bool) {
	i, ok := slices.BinarySearchFunc(s.Services, name, func(svc Service, name string) int {
		return strings.Compare(svc.Name, name)
	})
	if !ok {
		return nil, false
	}
	return &s.Services[i], true
}

// Buildable returns the service of that name, one of Bases perhaps, if it can be built.
func (s *Stack) Buildable(name string) (*Service, bool) {
	if svc, ok := s.Service(name); ok {
		return svc, svc.Buildable()
	}
	for i := range s.Bases {
		if s.Bases[i].Name == name {
			return &s.Bases[i], s.Bases[i].Buildable()
		}
	}
	return nil, false
}

// Containers are what the services, and their hooks, are made of.
func (s *Stack) Containers() iter.Seq[*ContainerSpec] {
	return func(yield func(*ContainerSpec) bool) {
		for i := range s.Services {
			svc := &s.Services[i]
			if !yield(&svc.Container) {
				return
			}
			for j := range svc.PreStart {
				if !yield(&svc.PreStart[j].Container) {
					return
				}
			}
		}
	}
}

// Network returns the network with that key in the Compose file.
func (s *Stack) Network(key string) (*NetworkSpec, bool) {
	for i := range s.Networks {
		if s.Networks[i].Key == key {
			return &s.Networks[i], true
		}
	}
	return nil, false
}

// Volume returns the volume with that key in the Compose file.
func (s *Stack) Volume(key string) (*VolumeSpec, bool) {
	for i := range s.Volumes {
		if s.Volumes[i].Key == key {
			return &s.Volumes[i], true
		}
	}
	return nil, false
}

// Service is one service of a Stack: a template for its replicas, and how they
// depend on others.
type Service struct {
	Name string
	// Hash is docker compose's config-hash: sha256 over the resolved service
	// without what does not change a container. A container with another hash diverged.
	Hash string
	// Scale is the number of replicas wanted.
	Scale int
	// ContainerName, when set, is the name of the only replica.
	ContainerName string `json:",omitempty"`
	// PullPolicy says when the image is fetched.
	PullPolicy PullPolicy `json:",omitempty"`
	// PullRefreshAfter is the age after which PullRefresh fetches again.
	PullRefreshAfter Duration `json:",omitzero"`
	// Build says how the image is made; nil when it can only be pulled.
	Build *Build `json:",omitempty"`
	// DependsOn is sorted by service name, implicit dependencies included.
	DependsOn []Dependency `json:",omitempty"`
	// APISocket asks for the engine's socket and the caller's logins: whoever sends the Stack puts them into Container.
	APISocket bool `json:",omitempty"`
	// NoAttach leaves the service out of the output of up and logs.
	NoAttach bool `json:",omitempty"`
	// PreStart have to succeed, one after the other, before the service is started.
	PreStart []PreStart `json:",omitempty"`
	// PostStart runs after each start, PreStop before each stop.
	PostStart []Hook `json:",omitempty"`
	PreStop   []Hook `json:",omitempty"`
	// Update says how replicas are replaced, nil: all at once; Rollback how that is undone.
	Update   *UpdateConfig `json:",omitempty"`
	Rollback *UpdateConfig `json:",omitempty"`
	// Job says that it is a job, which has no replicas, and when it runs.
	Job *Triggers `json:",omitempty"`
	// Container is the template of a replica. References to other services in it
	// ("service:x" in modes, VolumesFrom) are resolved when a replica is created.
	Container ContainerSpec
}

// WithHooks are the service and its hooks, each as a service that has an image of its own.
func (s *Service) WithHooks() []*Service {
	out := []*Service{s}
	for i := range s.PreStart {
		if h := &s.PreStart[i]; h.Container.Image != s.Container.Image {
			out = append(out, &Service{Name: s.Name, Scale: s.Scale, Container: h.Container, PullPolicy: h.PullPolicy})
		}
	}
	return out
}

// Buildable says that the image can be made from source.
func (s *Service) Buildable() bool { return s.Build != nil }

// Triggers say when a job runs.
type Triggers struct {
	// NotManual refuses to run it when somebody asks for it.
	NotManual bool       `json:",omitempty"`
	Schedules []Schedule `json:",omitempty"`
}

// Schedule says when a job runs by the clock.
type Schedule struct {
	Cron string // five fields, see engine/cron
	Zone string `json:",omitempty"` // "": the host's
	// Queue runs it once more afterwards when it runs yet; else it is left out.
	Queue bool `json:",omitempty"`
	// SkipMissed forgets the times at which nobody could run it, else it is run once for all of them.
	SkipMissed bool `json:",omitempty"`
}

// PullPolicy says when an image is fetched.
type PullPolicy string

// The pull policies of the Compose specification; if_not_present is Missing, and
// daily, weekly and every_<duration> are Refresh with a duration.
const (
	PullMissing PullPolicy = "missing"
	PullAlways  PullPolicy = "always"
	PullNever   PullPolicy = "never"
	PullBuild   PullPolicy = "build"
	PullRefresh PullPolicy = "refresh"
)

// Dependency is one entry of depends_on.
type Dependency struct {
	Service   string
	Condition Condition
	// Restart restarts the dependent after this dependency was restarted or recreated by a command.
	Restart bool `json:",omitempty"`
	// Optional is required:false: a failure of the dependency is a warning.
	Optional bool `json:",omitempty"`
}

// Condition is what a dependent waits for.
type Condition string

// The conditions of depends_on, by their names in the Compose specification.
const (
	ConditionStarted   Condition = "service_started"
	ConditionHealthy   Condition = "service_healthy"
	ConditionCompleted Condition = "service_completed_successfully"
)

// Hook is a command that runs in a container at a point of its life.
type Hook struct {
	Command    []string
	User       string   `json:",omitempty"`
	WorkingDir string   `json:",omitempty"`
	Env        []string `json:",omitempty"`
	Privileged bool     `json:",omitempty"`
}

// PreStart is a container that runs to completion before its service is started. It sees
// the volumes of the replica that it runs for, beside its own.
type PreStart struct {
	Container  ContainerSpec
	PullPolicy PullPolicy `json:",omitempty"`
	// PerReplica runs it before each replica is started, rather than once when no replica
	// runs.
	PerReplica bool `json:",omitempty"`
}
