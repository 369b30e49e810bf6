package shape

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
)

func TestLogDetails(t *testing.T) {
	for name, c := range map[string]struct {
		opts map[string]string
		want string
	}{
		"nothing":              {nil, ""},
		"labels":               {map[string]string{"labels": "colour,nosuch"}, "colour=red+%26+blue"},
		"by a pattern":         {map[string]string{"labels-regex": "^(col|si)"}, "colour=red+%26+blue,size=1"},
		"env, of images, too":  {map[string]string{"env": "A,PATH,GONE"}, "A=b%3Dc,PATH=%2Fbin"},
		"all that is set":      {map[string]string{"env-regex": ".*"}, "A=b%3Dc,PATH=%2Fbin"},
		"a tag":                {map[string]string{"tag": "{{.ImageName}}/{{.Name}}/{{.ID}}"}, "tag=busybox%2Fweb%2F0123456789ab"},
		"a tag of functions":   {map[string]string{"tag": `{{upper .Name}} {{truncate .FullID 3}} {{.Command}}`}, "tag=WEB+012+sh+-c+x"},
		"sorted by their keys": {map[string]string{"tag": "t", "labels": "size", "env": "A"}, "A=b%3Dc,size=1,tag=t"},
	} {
		got := LogDetails(&engine.Container{
			ID: "0123456789abcdef", Name: "web", Image: engine.ImageConfig{Env: []string{"PATH=/bin", "GONE=1"}, Entrypoint: []string{"sh"}}, Args: []string{"sh", "-c", "x"},
			Spec: engine.ContainerSpec{
				Image: "busybox", Env: []string{"A=b=c", "GONE"}, Labels: map[string]string{"colour": "red & blue", "size": "1"},
				Log: engine.LogConfig{Options: c.opts},
			},
		})
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestLogConfig(t *testing.T) {
	for _, c := range []struct {
		driver, option, value, want string
	}{
		{"", "", "", ""},
		{"local", "max-size", "1m", ""},
		{"json-file", "tag", "{{.Name}}", ""},
		{"none", "anything", "x", ""},
		{"", "max-sise", "1m", "unknown log opt 'max-sise' for json-file log driver"},
		{"local", "gelf-address", "x", "unknown log opt 'gelf-address' for local log driver"},
		{"json-file", "tag", "{{.Nosuch}}", "log opt tag: "},
		{"json-file", "tag", "{{", "log opt tag: "},
		{"json-file", "env-regex", "(", "log opt env-regex: "},
		{"syslog", "syslog-address", "udp://x", `logging driver "syslog" is not supported by tiffin`},
		{"paper", "", "", "no log driver named 'paper' is registered"},
	} {
		config := &container.LogConfig{Type: c.driver}
		if c.option != "" {
			config.Config = map[string]string{c.option: c.value}
		}
		_, err := logConfig(config)
		if got := err; (got == nil) != (c.want == "") || got != nil && !strings.Contains(got.Error(), c.want) {
			t.Errorf("%s %s=%s: %v, want %q", c.driver, c.option, c.value, got, c.want)
		}
	}
}
