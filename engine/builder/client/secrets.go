package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/session/sshforward/sshprovider"

	"tiffin/engine"
)

// secretStore answers what builds ask for, reading it then: a file may be a pipe of a password manager.
type secretStore struct {
	secrets []engine.BuildSecret
	lookup  func(string) (string, bool)
}

// newSecrets looks whether all secrets can be given.
//
// Errors: engine.ErrNotFound, engine.ErrInvalid.
func newSecrets(list []engine.BuildSecret, lookup func(string) (string, bool)) (session.Attachable, error) {
	for _, s := range list {
		if err := checkSecret(s, lookup); err != nil {
			return nil, fmt.Errorf("secret %s: %w", s.ID, err)
		}
	}
	return secretsprovider.NewSecretProvider(&secretStore{list, lookup}), nil
}

func checkSecret(s engine.BuildSecret, lookup func(string) (string, bool)) error {
	var size int
	switch {
	case s.Content != nil:
		size = len(*s.Content)
	case s.Env != "":
		value, ok := lookup(s.Env)
		if !ok {
			return engine.Problem(engine.ErrNotFound, fmt.Errorf("the variable %s is not set", s.Env))
		}
		size = len(value)
	default:
		info, err := os.Stat(s.File)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return engine.Problem(engine.ErrNotFound, fmt.Errorf("there is no file %s", s.File))
		case err != nil:
			return err
		case info.IsDir():
			return invalid("%s is a folder", s.File)
		}
		size = int(info.Size())
	}
	if size > secretsprovider.MaxSecretSize {
		return invalid("it has %d bytes, at most 500 KiB can be given to a build", size)
	}
	return nil
}

// GetSecret is called while the build runs.
func (s *secretStore) GetSecret(_ context.Context, id string) ([]byte, error) {
	i := slices.IndexFunc(s.secrets, func(s engine.BuildSecret) bool { return s.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("secret %s: %w", id, secrets.ErrNotFound)
	}
	switch found := s.secrets[i]; {
	case found.Content != nil:
		return []byte(*found.Content), nil
	case found.Env != "":
		value, _ := s.lookup(found.Env)
		return []byte(value), nil
	default:
		return os.ReadFile(found.File)
	}
}

// ParseSSH reads a value of --ssh: default, ID, or ID=PATH[,PATH…].
//
// Errors: engine.ErrInvalid.
func ParseSSH(text string) (engine.BuildSSH, error) {
	id, paths, given := strings.Cut(text, "=")
	if id == "" || given && paths == "" {
		return engine.BuildSSH{}, invalid("--ssh %q: it must be default, ID or ID=PATH", text)
	}
	out := engine.BuildSSH{ID: id}
	if given {
		out.Paths = strings.Split(paths, ",")
	}
	return out, nil
}

// newSSH forwards agents and keys. Those of the command line replace those of the file.
//
// Errors: engine.ErrNotFound, engine.ErrInvalid.
func newSSH(file, flags []engine.BuildSSH, lookup func(string) (string, bool)) (session.Attachable, error) {
	given := slices.Clone(flags)
	for _, s := range file {
		if !slices.ContainsFunc(flags, func(f engine.BuildSSH) bool { return f.ID == s.ID }) {
			given = append(given, s)
		}
	}
	if len(given) == 0 {
		return nil, nil
	}
	var agents []sshprovider.AgentConfig
	for _, s := range given {
		paths, err := sshPaths(s, lookup)
		if err != nil {
			return nil, fmt.Errorf("ssh %s: %w", s.ID, err)
		}
		id := s.ID
		if id == "" {
			id = sshforward.DefaultID
		}
		agents = append(agents, sshprovider.AgentConfig{ID: id, Paths: paths})
	}
	provider, err := sshprovider.NewSSHAgentProvider(agents)
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, errors.New(plain(err)))
	}
	return provider, nil
}

// sshPaths are the keys, or the socket of the caller's agent.
func sshPaths(s engine.BuildSSH, lookup func(string) (string, bool)) ([]string, error) {
	paths := s.Paths
	if len(paths) == 0 {
		socket, _ := lookup("SSH_AUTH_SOCK")
		if socket == "" {
			return nil, engine.Hint(engine.Problem(engine.ErrNotFound, errors.New("no agent runs: SSH_AUTH_SOCK is not set")),
				"start one with `eval $(ssh-agent)`, or name a key: --ssh "+s.ID+"=PATH")
		}
		paths = []string{socket}
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return nil, engine.Problem(engine.ErrNotFound, err)
		}
	}
	return paths, nil
}
