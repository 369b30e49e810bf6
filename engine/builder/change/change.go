package change

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/sys/signal"

	"tiffin/engine"
)

// Apply changes a config as the instructions say, one after the other. Variables in them are those of the config, and
// those that instructions before have set.
//
// Errors: engine.ErrInvalid, with the instruction.
func Apply(config engine.ImageConfig, changes []string) (engine.ImageConfig, error) {
	s := state{config: config}
	s.config.Env, s.config.Expose, s.config.Volumes = slices.Clone(config.Env), slices.Clone(config.Expose), slices.Clone(config.Volumes)
	s.config.OnBuild = slices.Clone(config.OnBuild)
	s.config.Labels = maps.Clone(config.Labels)
	for _, text := range changes {
		if err := s.apply(text); err != nil {
			err = fmt.Errorf("change %q: %w", text, err)
			return config, engine.Hint(engine.Problem(engine.ErrInvalid, err), "changes are instructions of a Dockerfile: "+known)
		}
	}
	return s.config, nil
}

const known = "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR"

// state is a config that is being changed.
type state struct {
	config engine.ImageConfig
	// commanded says that a change has set the command: an entrypoint takes the one of the image away, not this one.
	commanded bool
}

func (s *state) apply(text string) error {
	parsed, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	for _, node := range parsed.AST.Children {
		if name := strings.ToUpper(node.Value); !slices.Contains(strings.Split(known, ", "), name) {
			return fmt.Errorf("%s is not a valid change command", name)
		}
		command, err := instructions.ParseInstruction(node)
		if err != nil {
			return err
		}
		if c, ok := command.(instructions.SupportsSingleWordExpansion); ok {
			if err := c.Expand(s.expand); err != nil {
				return err
			}
		}
		if err := s.dispatch(command); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) expand(word string) (string, error) {
	out, _, err := shell.NewLex('\\').ProcessWord(word, shell.EnvsFromSlice(s.config.Env))
	return out, err
}

func (s *state) dispatch(command any) error {
	switch c := command.(type) {
	case *instructions.CmdCommand:
		s.config.Cmd, s.commanded = s.words(c.ShellDependantCmdLine), true
	case *instructions.EntrypointCommand:
		s.config.Entrypoint = s.words(c.ShellDependantCmdLine)
		if !s.commanded {
			s.config.Cmd = nil
		}
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			s.setVariable(kv.Key, kv.Value)
		}
	case *instructions.LabelCommand:
		if s.config.Labels == nil {
			s.config.Labels = map[string]string{}
		}
		for _, kv := range c.Labels {
			s.config.Labels[kv.Key] = kv.Value
		}
	case *instructions.ExposeCommand:
		return s.expose(c.Ports)
	case *instructions.VolumeCommand:
		s.config.Volumes = with(s.config.Volumes, c.Volumes)
	case *instructions.OnbuildCommand:
		s.config.OnBuild = append(s.config.OnBuild, c.Expression)
	case *instructions.UserCommand:
		s.config.User = c.User
	case *instructions.WorkdirCommand:
		return s.workdir(c.Path)
	case *instructions.StopSignalCommand:
		if _, err := signal.ParseSignal(c.Signal); err != nil {
			return fmt.Errorf("invalid signal: %s", c.Signal)
		}
		s.config.StopSignal = c.Signal
	case *instructions.HealthCheckCommand:
		s.config.Healthcheck = healthcheck(c, s.config.Healthcheck)
	}
	return nil
}

// words are a command's, in the form without brackets those of the shell that runs it.
func (s *state) words(line instructions.ShellDependantCmdLine) []string {
	if !line.PrependShell {
		return line.CmdLine
	}
	sh := s.config.Shell
	if len(sh) == 0 {
		sh = []string{"/bin/sh", "-c"}
	}
	return append(slices.Clone(sh), strings.Join(line.CmdLine, " "))
}

func (s *state) setVariable(key, value string) {
	entry := key + "=" + value
	if i := slices.IndexFunc(s.config.Env, func(e string) bool { return strings.HasPrefix(e, key+"=") }); i >= 0 {
		s.config.Env[i] = entry
		return
	}
	s.config.Env = append(s.config.Env, entry)
}

func (s *state) workdir(dir string) error {
	if dir == "" {
		return errors.New("the path is empty")
	}
	if !path.IsAbs(dir) {
		dir = path.Join("/", s.config.WorkingDir, dir)
	}
	s.config.WorkingDir = path.Clean(dir)
	return nil
}

func (s *state) expose(specs []string) error {
	for _, spec := range specs {
		words, err := shell.NewLex('\\').ProcessWords(spec, shell.EnvsFromSlice(s.config.Env))
		if err != nil {
			return err
		}
		for _, w := range words {
			ports, err := ports(w)
			if err != nil {
				return err
			}
			s.config.Expose = with(s.config.Expose, ports)
		}
	}
	return nil
}

// ports reads 80, 80/udp and 8000-8010.
func ports(spec string) ([]string, error) {
	numbers, protocol, _ := strings.Cut(strings.ToLower(spec), "/")
	protocol = cmp.Or(protocol, "tcp")
	if !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return nil, fmt.Errorf("invalid proto: %s", protocol)
	}
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err != nil || err2 != nil || from == 0 || to < from {
		return nil, fmt.Errorf("invalid containerPort: %s", spec)
	}
	var out []string
	for n := from; n <= to; n++ {
		out = append(out, fmt.Sprintf("%d/%s", n, protocol))
	}
	return out, nil
}

// with is a sorted list with more words, each once.
func with(list, more []string) []string {
	list = append(list, more...)
	slices.Sort(list)
	return slices.Compact(list)
}

// healthcheck is the new check; what it leaves open is as it was.
func healthcheck(c *instructions.HealthCheckCommand, was *engine.Healthcheck) *engine.Healthcheck {
	h := c.Health
	if len(h.Test) > 0 && h.Test[0] == "NONE" || was == nil {
		was = &engine.Healthcheck{}
	}
	return &engine.Healthcheck{
		Test:          h.Test,
		Interval:      cmp.Or(engine.Duration(h.Interval), was.Interval),
		Timeout:       cmp.Or(engine.Duration(h.Timeout), was.Timeout),
		StartPeriod:   cmp.Or(engine.Duration(h.StartPeriod), was.StartPeriod),
		StartInterval: cmp.Or(engine.Duration(h.StartInterval), was.StartInterval),
		Retries:       cmp.Or(h.Retries, was.Retries),
	}
}
