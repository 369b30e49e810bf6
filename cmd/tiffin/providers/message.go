package providers

import (
	"encoding/json"
	"fmt"
	"strings"

	"tiffin/project/provider"
)

// message is a line that a provider writes.
type message struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// kind is what is to be done with a message.
type kind string

const (
	info      kind = "info"
	debug     kind = "debug"
	failure   kind = "error"
	setenv    kind = "setenv"
	rawSetenv kind = "rawsetenv"
)

// read understands a line, and notes the variable that it may hold.
func read(line []byte, vars *provider.Variables) (kind, string, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return "", "", fmt.Errorf("it wrote %q, which is no JSON message", line)
	}
	switch k := kind(m.Type); k {
	case info, debug, failure:
		return k, m.Message, nil
	case setenv, rawSetenv:
		name, value, ok := strings.Cut(m.Message, "=")
		if !ok || name == "" {
			return "", "", fmt.Errorf("its message of type %s is %q, not NAME=value", k, m.Message)
		}
		if k == setenv {
			vars.Named[name] = value
		} else {
			vars.Raw[name] = value
		}
		return k, "", nil
	default:
		return "", "", fmt.Errorf("it wrote a message of type %q, which is not known", m.Type)
	}
}

// metadata says what a provider's commands take. Many providers have none.
type metadata struct {
	Up, Down, Stop *command
}

type command struct {
	Parameters []struct {
		Name     string `json:"name"`
		Required bool   `json:"required"`
	} `json:"parameters"`
}

func (m *metadata) of(action string) *command {
	switch action {
	case "up":
		return m.Up
	case "down":
		return m.Down
	default:
		return m.Stop
	}
}

// arguments are those of a command, and the options that it does not know.
//
// Errors: for an option that up needs and that is not there.
func (m *metadata) arguments(project, action string, p *provider.Provider) (args, unknown []string, err error) {
	args = []string{"compose", "--project-name=" + project, action}
	c := m.of(action)
	knows := map[string]bool{}
	if c != nil {
		for _, param := range c.Parameters {
			knows[param.Name] = true
			if _, given := p.Options[param.Name]; param.Required && !given && action == "up" {
				return nil, nil, fmt.Errorf("it needs the option %q", param.Name)
			}
		}
	}
	for _, name := range sortedKeys(p.Options) {
		if c != nil && !knows[name] {
			unknown = append(unknown, name)
			continue
		}
		for _, value := range p.Options[name] {
			args = append(args, "--"+name+"="+value)
		}
	}
	return append(args, p.Service), unknown, nil
}
