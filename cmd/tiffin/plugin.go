package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
)

// composeVersion is the version of docker compose whose behaviour tiffin has. Those who
// call docker-compose are told it, since they look for a version that can do what they need.
const composeVersion = engine.ComposeVersion

// isCompose says that the program goes by the name of docker's plugin, which is also that of
// the program before there were plugins.
func isCompose(argv0 string) bool {
	return filepath.Base(argv0) == "docker-compose"
}

// withoutDocker leaves out what the docker command line puts before the arguments of its
// plugins: its own flags, and the word compose.
//
//	docker-compose --context x compose up       docker-compose __complete compose up ""
func withoutDocker(args []string) []string {
	rest := args
	var first []string
	if len(rest) > 0 && (rest[0] == cobra.ShellCompRequestCmd || rest[0] == cobra.ShellCompNoDescRequestCmd) {
		first, rest = rest[:1], rest[1:]
	}
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		n := dockerFlag(rest[0])
		if n == 0 || n > len(rest) {
			return args
		}
		rest = rest[n:]
	}
	if len(rest) > 0 && rest[0] == "compose" {
		return slices.Concat(first, rest[1:])
	}
	return args
}

// dockerFlag is the number of words of a global flag of docker, 0 if it is none.
func dockerFlag(word string) int {
	name, _, together := strings.Cut(word, "=")
	switch name {
	case "-D", "--debug", "--tls", "--tlsverify":
		return 1
	case "-c", "--context", "-H", "--host", "-l", "--log-level", "--config", "--tlscacert", "--tlscert", "--tlskey":
		if together {
			return 1
		}
		return 2
	default:
		return 0
	}
}

// newPluginMetadata answers what the docker command line asks of its plugins.
func newPluginMetadata(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:    "docker-cli-plugin-metadata",
		Hidden: true,
		Args:   caller.Exactly(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(c.Out, `{"SchemaVersion":"0.1.0","Vendor":"tiffin","Version":%q,"ShortDescription":"Run the stack of a Compose file"}`+"\n",
				"v"+composeVersion)
			return err
		},
	}
}
