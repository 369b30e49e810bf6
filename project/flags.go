package project

import (
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/mattn/go-shellwords"

	"tiffin/engine"
)

// What the command line takes in the short forms of a Compose file.

// ParsePorts reads --publish: [host:]port[-end][:port[-end]][/protocol].
func ParsePorts(text string) ([]engine.PortBinding, error) {
	configs, err := types.ParsePortConfig(text)
	if err != nil {
		return nil, invalid("--publish %q: %w", text, err)
	}
	out := make([]engine.PortBinding, 0, len(configs))
	for _, c := range configs {
		b, err := binding([]string{"--publish " + text}, c)
		if err != nil {
			return nil, plain(err)
		}
		out = append(out, b)
	}
	return out, nil
}

// ParseVolume reads --volume: [source:]target[:mode]. A relative source counts from dir.
func ParseVolume(text, dir string) (engine.Mount, error) {
	config, err := format.ParseVolume(text)
	if err != nil {
		return engine.Mount{}, invalid("--volume %q: %w", text, err)
	}
	if config.Type == types.VolumeTypeBind && !filepath.IsAbs(config.Source) {
		config.Source = filepath.Join(dir, config.Source)
	}
	m, err := mount([]string{"--volume " + text}, config)
	if err != nil {
		return m, plain(err)
	}
	return m, nil
}

// SplitCommand cuts a command into words as a shell would, without running one.
func SplitCommand(text string) ([]string, error) {
	words, err := shellwords.Parse(text)
	if err != nil {
		return nil, invalid("%q: %w", text, err)
	}
	return words, nil
}

// ReadEnvFile reads the variables of a file; those in it may refer to environ.
func ReadEnvFile(path string, environment []string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, notFound("env file %s: %w", path, err)
	}
	defer f.Close() //nolint:errcheck // only read
	known := environ(environment)
	vars, err := dotenv.ParseWithLookup(f, func(name string) (string, bool) { v, ok := known[name]; return v, ok })
	if err != nil {
		return nil, invalid("env file %s: %w", path, err)
	}
	out := make([]string, 0, len(vars))
	for k, v := range vars {
		out = append(out, k+"="+v)
	}
	return out, nil
}
