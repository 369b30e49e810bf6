package project

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/sys/signal"
	"github.com/xhit/go-str2duration/v2"

	"tiffin/engine"
	"tiffin/engine/logs/option"
	"tiffin/project/device"
	"tiffin/project/fault"
	"tiffin/project/ready"
	"tiffin/project/shape"
)

// section translates one part of a service.
type section func(*types.ServiceConfig, *engine.ContainerSpec) error

// container translates what a replica of the service is made of.
func (p *Project) container(s *types.ServiceConfig) (engine.ContainerSpec, error) {
	var out engine.ContainerSpec
	sections := []section{
		p.image, process, ending, identity, restart, health, logging,
		namespaces, networking, names, ports, mounts, p.files,
		p.security, device.Of, p.resources, ulimits,
	}
	for _, translate := range sections {
		if err := translate(s, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (p *Project) image(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	name, err := p.imageName(s)
	out.Image, out.Platform = name, s.Platform
	return err
}

func process(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	out.Entrypoint, out.Cmd = s.Entrypoint, s.Command
	out.Env = environment(s.Environment)
	out.WorkingDir = s.WorkingDir
	out.User, out.GroupAdd, out.Umask = s.User, s.GroupAdd, s.Umask
	out.TTY, out.OpenStdin = s.Tty, s.StdinOpen
	out.Init = s.Init != nil && *s.Init
	return nil
}

func ending(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	if s.StopSignal != "" {
		if _, err := signal.ParseSignal(s.StopSignal); err != nil {
			return fault.At(fault.In(s, "stop_signal"), "%s: there is no signal %q", fault.Dotted(fault.In(s, "stop_signal")), s.StopSignal).
				Hint("Say a name such as SIGTERM, or a number.")
		}
	}
	out.StopSignal = s.StopSignal
	if d := s.StopGracePeriod; d != nil {
		grace := engine.Duration(*d)
		if grace < 0 {
			return fault.At(fault.In(s, "stop_grace_period"), "%s is negative", fault.Dotted(fault.In(s, "stop_grace_period")))
		}
		out.StopTimeout = &grace
	}
	return nil
}

func identity(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	out.Hostname, out.Domainname = s.Hostname, s.DomainName
	out.Labels, out.Annotations = s.Labels, s.Annotations
	switch s.Runtime {
	case "", "tiffin", "runc", "io.containerd.runc.v2":
		out.Runtime = s.Runtime
	default:
		return fault.At(fault.In(s, "runtime"), "service %q: there is no runtime %q", s.Name, s.Runtime).
			Hint("tiffin runs containers itself. Leave the runtime out.").Unsupported()
	}
	return nil
}

// restart prefers deploy.restart_policy to restart, as docker compose does.
func restart(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	mode, attempts, counted := strings.Cut(s.Restart, ":")
	path := fault.In(s, "restart")
	switch mode {
	case "", types.RestartPolicyNo:
	case types.RestartPolicyAlways, types.RestartPolicyOnFailure, types.RestartPolicyUnlessStopped:
		out.Restart.Mode = engine.RestartMode(mode)
	default:
		return fault.At(path, "%s: %q is no restart policy", fault.Dotted(path), s.Restart).
			Hint("Say \"no\", always, on-failure, on-failure:<tries> or unless-stopped.")
	}
	if counted {
		n, err := strconv.Atoi(attempts)
		if err != nil || n < 0 || mode != types.RestartPolicyOnFailure {
			return fault.At(path, "%s: %q is no restart policy", fault.Dotted(path), s.Restart).
				Hint("A number of tries goes with on-failure: on-failure:5.")
		}
		out.Restart.MaxAttempts = n
	}
	if s.Deploy == nil || s.Deploy.RestartPolicy == nil {
		return nil
	}
	return deployRestart(s, s.Deploy.RestartPolicy, &out.Restart)
}

func deployRestart(s *types.ServiceConfig, policy *types.RestartPolicy, out *engine.RestartPolicy) error {
	*out = engine.RestartPolicy{}
	path := fault.In(s, "deploy", "restart_policy", "condition")
	switch policy.Condition {
	case "none", types.RestartPolicyNo:
	case "", "any", types.RestartPolicyAlways:
		out.Mode = engine.RestartAlways
	case types.RestartPolicyOnFailure, types.RestartPolicyUnlessStopped:
		out.Mode = engine.RestartMode(policy.Condition)
	default:
		return fault.At(path, "%s: there is no condition %q", fault.Dotted(path), policy.Condition).
			Hint("Say none, on-failure or any.")
	}
	if policy.MaxAttempts != nil {
		out.MaxAttempts = int(*policy.MaxAttempts)
	}
	out.Delay = span(policy.Delay)
	out.Window = span(policy.Window)
	return nil
}

// health translates the health check, or x-ready; durations of 0 are those of the image.
func health(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	check, err := ready.Check(s)
	h := s.HealthCheck
	if h == nil || err != nil {
		out.Healthcheck = check
		return err
	}
	out.Healthcheck = &engine.Healthcheck{
		Test: h.Test, Interval: span(h.Interval), Timeout: span(h.Timeout),
		StartPeriod: span(h.StartPeriod), StartInterval: span(h.StartInterval),
	}
	if h.Retries != nil {
		out.Healthcheck.Retries = int(*h.Retries)
	}
	if h.Disable {
		out.Healthcheck = &engine.Healthcheck{Test: []string{"NONE"}}
	}
	test := fault.In(s, "healthcheck", "test")
	if len(h.Test) > 0 && !slices.Contains([]string{"NONE", "CMD", "CMD-SHELL"}, h.Test[0]) {
		return fault.At(test, "%s must begin with NONE, CMD or CMD-SHELL", fault.Dotted(test)).
			Hint("Write [\"CMD\", %q, …], or the command line as one string.", h.Test[0])
	}
	if len(h.Test) == 1 && h.Test[0] != "NONE" {
		return fault.At(test, "%s has no command after %s", fault.Dotted(test), h.Test[0])
	}
	for name, d := range map[string]*types.Duration{
		"interval": h.Interval, "timeout": h.Timeout,
		"start_period": h.StartPeriod, "start_interval": h.StartInterval,
	} {
		if d != nil && *d != 0 && time.Duration(*d) < time.Millisecond {
			path := fault.In(s, "healthcheck", name)
			return fault.At(path, "%s: %s is shorter than 1ms", fault.Dotted(path), *d)
		}
	}
	return nil
}

func logging(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	if s.Logging == nil {
		return nil
	}
	out.Log = engine.LogConfig{Driver: s.Logging.Driver, Options: maps.Clone(s.Logging.Options)}
	if d := s.Logging.Driver; d != "" && !slices.Contains(option.Drivers, d) {
		return fault.At(fault.In(s, "logging", "driver"), "service %q: there is no log driver %q", s.Name, d).
			Hint("Say json-file, local or none, or leave logging out.").Unsupported()
	}
	if _, err := option.Parse(s.Logging.Driver, s.Logging.Options); err != nil {
		return fault.At(fault.In(s, "logging", "options"), "service %q: %v", s.Name, err)
	}
	return nil
}

// namespaces translates the modes of the namespaces other than the network's.
func namespaces(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	out.PidMode, out.IpcMode, out.UtsMode = s.Pid, s.Ipc, s.Uts
	out.CgroupMode, out.CgroupParent, out.UsernsMode = s.Cgroup, s.CgroupParent, s.UserNSMode
	for _, m := range []struct {
		attribute, value string
		words            []string
		shared           bool
	}{
		{"pid", s.Pid, []string{"host"}, true},
		{"ipc", s.Ipc, []string{"none", "private", "shareable", "host"}, true},
		{"uts", s.Uts, []string{"host"}, true},
		{"cgroup", s.Cgroup, []string{"host", "private"}, false},
		{"userns_mode", s.UserNSMode, []string{"host"}, false},
	} {
		if m.value == "" || slices.Contains(m.words, m.value) || m.shared && refersToOther(m.value) {
			continue
		}
		words := strings.Join(m.words, ", ")
		if m.shared {
			words += ", service:<name> or container:<name>"
		}
		path := fault.In(s, m.attribute)
		return fault.At(path, "%s: there is no mode %q", fault.Dotted(path), m.value).Hint("Say %s.", words)
	}
	if s.Uts == "host" && s.Hostname != "" {
		return fault.At(fault.In(s, "hostname"), "service %q has a hostname and uts: host, which is the host's name", s.Name).
			Hint("Leave one of them out.")
	}
	return nil
}

// refersToOther says that a mode names another container.
func refersToOther(mode string) bool {
	for _, prefix := range []string{types.ServicePrefix, types.ContainerPrefix} {
		if rest, ok := strings.CutPrefix(mode, prefix); ok && rest != "" {
			return true
		}
	}
	return false
}

func span(d *types.Duration) engine.Duration {
	if d == nil {
		return 0
	}
	return engine.Duration(*d)
}

// duration parses what Compose calls a duration: Go's, with days and weeks.
func duration(path []string, text string) (engine.Duration, error) {
	if err := shape.CheckDuration(text); err != nil {
		return 0, fault.BadValue(path, err)
	}
	d, err := str2duration.ParseDuration(text)
	return engine.Duration(d), err
}
