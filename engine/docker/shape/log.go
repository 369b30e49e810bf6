package shape

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
	"tiffin/engine/logs/option"
)

// otherLogDrivers are those that dockerd has besides.
var otherLogDrivers = []string{"awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "splunk", "syslog"}

// logConfig reads how output is kept.
//
// Errors: engine.ErrUnsupported for drivers that write elsewhere; engine.ErrInvalid.
func logConfig(c *container.LogConfig) (engine.LogConfig, error) {
	out := engine.LogConfig{Driver: c.Type, Options: c.Config}
	switch {
	case slices.Contains(otherLogDrivers, c.Type):
		return out, engine.Problem(engine.ErrUnsupported, fmt.Errorf("HostConfig.LogConfig: logging driver %q is not supported by tiffin: there are json-file, local and none", c.Type))
	case c.Type != "" && !slices.Contains(option.Drivers, c.Type):
		return out, invalid("logger: no log driver named '%s' is registered", c.Type)
	case c.Type == option.None:
		return out, nil
	}
	if _, err := option.Parse(c.Type, c.Config); err != nil {
		return out, engine.Problem(engine.ErrInvalid, err)
	}
	for _, name := range []string{"env-regex", "labels-regex"} {
		if _, err := regexp.Compile(c.Config[name]); err != nil {
			return out, invalid("log opt %s: %w", name, err)
		}
	}
	if _, err := logTag(&engine.Container{Spec: engine.ContainerSpec{Log: out}}); err != nil {
		return out, err
	}
	return out, nil
}

// LogDetails are the attributes that the options of its log name for a container, as docker
// logs --details shows them before each line.
func LogDetails(c *engine.Container) string {
	opts, found := c.Spec.Log.Options, map[string]string{}
	env := map[string]string{}
	for _, e := range variables(c.Image.Env, c.Spec.Env) {
		key, value, _ := strings.Cut(e, "=")
		env[key] = value
	}
	for name, of := range map[string]map[string]string{"labels": c.Spec.Labels, "env": env} {
		for key := range strings.SplitSeq(opts[name], ",") {
			if value, ok := of[key]; ok {
				found[key] = value
			}
		}
		re, err := regexp.Compile(opts[name+"-regex"])
		if opts[name+"-regex"] == "" || err != nil {
			continue // it was made by another way
		}
		for key, value := range of {
			if re.MatchString(key) {
				found[key] = value
			}
		}
	}
	if tag, err := logTag(c); err == nil && tag != "" {
		found["tag"] = tag
	}
	var out []string
	for _, key := range slices.Sorted(maps.Keys(found)) {
		out = append(out, url.QueryEscape(key)+"="+url.QueryEscape(found[key]))
	}
	return strings.Join(out, ",")
}

// tagged is what templates of tags know of a container.
type tagged struct{ c *engine.Container }

func (t tagged) ID() string          { return engine.ShortID(t.c.ID) }
func (t tagged) FullID() string      { return t.c.ID }
func (t tagged) Name() string        { return t.c.Name }
func (t tagged) ImageID() string     { return engine.ShortID(strings.TrimPrefix(t.c.ImageID, "sha256:")) }
func (t tagged) ImageFullID() string { return t.c.ImageID }
func (t tagged) ImageName() string   { return t.c.Spec.Image }
func (t tagged) DaemonName() string  { return "docker" }
func (t tagged) Command() string     { return strings.Join(t.c.Args, " ") }

// tagFuncs are those that docker's templates have, but for those that change whole objects.
var tagFuncs = template.FuncMap{
	"join": strings.Join, "split": strings.Split, "lower": strings.ToLower, "upper": strings.ToUpper,
	"json": func(v any) (string, error) {
		text, err := json.Marshal(v)
		return string(text), err
	},
	"truncate": func(s string, n int) string {
		if runes := []rune(s); n >= 0 && len(runes) > n {
			return string(runes[:n])
		}
		return s
	},
}

func logTag(c *engine.Container) (string, error) {
	text := c.Spec.Log.Options["tag"]
	if text == "" {
		return "", nil
	}
	t, err := template.New("log-tag").Funcs(tagFuncs).Parse(text)
	if err != nil {
		return "", invalid("log opt tag: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, tagged{c}); err != nil {
		return "", invalid("log opt tag: %w", err)
	}
	return b.String(), nil
}
