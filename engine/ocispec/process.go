package ocispec

import (
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine/call"
)

// process fills in what PID 1 is.
func (b *builder) process(s *specs.Spec) error {
	p, err := b.newProcess()
	if err != nil {
		return err
	}
	p.Args = b.Container.Args
	if len(p.Args) == 0 {
		if p.Args, err = Args(b.spec, &b.Container.Image); err != nil {
			return err
		}
	}
	p.Terminal = b.spec.TTY
	p.Env = withHome(b.environment(p.Terminal), b.Identity.Home)
	if p.Cwd, err = b.workingDir(); err != nil {
		return err
	}
	s.Process = p
	return nil
}

// NewProcess is a further process in a container: what PID 1 is, with what the request
// says otherwise. Input.Identity is the identity of this process.
func NewProcess(in Input, req call.ExecRequest) (*specs.Process, error) {
	security, err := parseSecurity(in.Container.Spec.SecurityOpt)
	if err != nil {
		return nil, err
	}
	b := builder{Input: in, spec: &in.Container.Spec, security: security}
	p, err := b.newProcess()
	if err != nil {
		return nil, err
	}
	if len(req.Cmd) == 0 || req.Cmd[0] == "" {
		return nil, invalid("no command specified")
	}
	p.Args = req.Cmd
	p.Terminal = req.TTY
	if req.ConsoleSize != ([2]uint{}) {
		p.ConsoleSize = &specs.Box{Height: req.ConsoleSize[0], Width: req.ConsoleSize[1]}
	}
	p.Env = withHome(environment(b.environment(p.Terminal), req.Env), b.Identity.Home)
	if p.Cwd, err = b.workingDir(); err != nil {
		return nil, err
	}
	if req.WorkingDir != "" {
		if p.Cwd, err = absolute(req.WorkingDir); err != nil {
			return nil, err
		}
	}
	if req.Privileged {
		p.Capabilities = capabilitySets(b.Host.Capabilities)
	}
	return p, nil
}

// newProcess has what is the same for every process of a container.
func (b *builder) newProcess() (*specs.Process, error) {
	caps, err := capabilities(b.spec, b.Host.Capabilities)
	if err != nil {
		return nil, err
	}
	limits, err := rlimits(b.spec.Ulimits)
	if err != nil {
		return nil, err
	}
	profile, err := b.apparmor()
	if err != nil {
		return nil, err
	}
	if adj := b.spec.OomScoreAdj; adj < -1000 || adj > 1000 {
		return nil, invalid("oom_score_adj %d is not one of -1000 to 1000", adj)
	}
	if mask := b.spec.Umask; mask != nil && *mask > 0o777 {
		return nil, invalid("umask %#o is not one of 0 to 0777", *mask)
	}
	return &specs.Process{
		User: specs.User{
			UID: b.Identity.UID, GID: b.Identity.GID, AdditionalGids: b.Identity.Groups, Umask: b.spec.Umask,
		},
		Capabilities:    capabilitySets(caps),
		Rlimits:         limits,
		NoNewPrivileges: b.security.noNewPrivileges,
		ApparmorProfile: profile,
		OOMScoreAdj:     &b.spec.OomScoreAdj,
	}, nil
}

// environment is that of the container, without what depends on the user.
func (b *builder) environment(terminal bool) []string { //nolint:revive // not a mode: it says what the process has
	defaults := []string{"PATH=" + defaultPath, "HOSTNAME=" + b.name()}
	if terminal {
		defaults = append(defaults, "TERM=xterm")
	}
	return environment(defaults, b.Links, b.Container.Image.Env, b.spec.Env)
}

func (b *builder) workingDir() (string, error) {
	switch {
	case b.spec.WorkingDir != "":
		return absolute(b.spec.WorkingDir)
	case b.Container.Image.WorkingDir != "":
		return path.Join("/", b.Container.Image.WorkingDir), nil // images may have relative ones
	default:
		return "/", nil
	}
}

func absolute(dir string) (string, error) {
	if !strings.HasPrefix(dir, "/") {
		return "", invalid("the working directory %q is invalid, it needs to be an absolute path", dir)
	}
	return path.Clean(dir), nil
}
