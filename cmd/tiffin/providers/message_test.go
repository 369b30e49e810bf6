package providers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/project/provider"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ line, want string }{
		"news":             {`{"type":"info","message":"50%"}`, `info "50%" map[] map[] <nil>`},
		"an error":         {`{"type":"error","message":"no money"}`, `error "no money" map[] map[] <nil>`},
		"details":          {`{"type":"debug","message":"x"}`, `debug "x" map[] map[] <nil>`},
		"a variable":       {`{"type":"setenv","message":"URL=a=b"}`, `setenv "" map[URL:a=b] map[] <nil>`},
		"a raw variable":   {`{"type":"rawsetenv","message":"KEY="}`, `rawsetenv "" map[] map[KEY:] <nil>`},
		"no variable":      {`{"type":"setenv","message":"URL"}`, ` "" map[] map[] its message of type setenv is "URL", not NAME=value`},
		"without a name":   {`{"type":"setenv","message":"=x"}`, ` "" map[] map[] its message of type setenv is "=x", not NAME=value`},
		"no known type":    {`{"type":"other"}`, ` "" map[] map[] it wrote a message of type "other", which is not known`},
		"what is no JSON":  {`creating…`, ` "" map[] map[] it wrote "creating…", which is no JSON message`},
		"what has no type": {`{}`, ` "" map[] map[] it wrote a message of type "", which is not known`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vars := provider.Variables{Named: map[string]string{}, Raw: map[string]string{}}
			k, text, err := read([]byte(c.line), &vars)
			if diff := cmp.Diff(c.want, fmt.Sprintf("%s %q %v %v %v", k, text, vars.Named, vars.Raw, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	p := &provider.Provider{Service: "db", Options: map[string][]string{"tag": {"a", "b"}, "size": {"10"}}}
	takes := func(required bool, names ...string) *command {
		var c command
		for _, name := range names {
			c.Parameters = append(c.Parameters, struct {
				Name     string `json:"name"`
				Required bool   `json:"required"`
			}{name, required})
		}
		return &c
	}
	for name, c := range map[string]struct {
		known  metadata
		action string
		want   string
	}{
		"all options without metadata": {metadata{}, "up", "compose --project-name=p up --size=10 --tag=a --tag=b db [] <nil>"},
		"those that are known":         {metadata{Up: takes(true, "size")}, "up", "compose --project-name=p up --size=10 db [tag] <nil>"},
		"each command has its own":     {metadata{Up: takes(true, "size"), Down: takes(false)}, "down", "compose --project-name=p down db [size tag] <nil>"},
		"one that is missing":          {metadata{Up: takes(true, "name")}, "up", ` [] it needs the option "name"`},
		"one that down could do with":  {metadata{Down: takes(true, "name")}, "down", "compose --project-name=p down db [size tag] <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args, unknown, err := c.known.arguments("p", c.action, p)
			if diff := cmp.Diff(c.want, fmt.Sprint(strings.Join(args, " "), " ", unknown, " ", err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
