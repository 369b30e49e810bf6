package publish

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
	"tiffin/project/publication"
)

// refused finds what cannot be published at all.
func refused(stack *engine.Stack, named func(service string) bool, found *publication.Findings) error {
	if len(found.Includes) > 0 {
		return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("cannot publish compose file with local includes\n%s", strings.Join(found.Includes, "\n"))),
			"publish what is included by itself and include its oci:// address, or name its files with -f")
	}
	var text strings.Builder
	for i := range stack.Services {
		if svc := &stack.Services[i]; svc.Buildable() && !named(svc.Name) {
			fmt.Fprintf(&text, "\n- %q", svc.Name)
		}
	}
	if text.Len() == 0 {
		return nil
	}
	return engine.Hint(engine.Problem(engine.ErrInvalid,
		errors.New("your Compose stack cannot be published as it only contains a build section for service(s):"+text.String())),
		"give each an image in a registry: what is built is pushed there")
}

// questions are what the caller has to agree to before anything is sent, with docker compose's first and last lines.
func questions(stack *engine.Stack, found *publication.Findings, env publication.EnvFiles) []string {
	var out []string
	ask := func(first, list, last string) {
		if list != "" {
			out = append(out, first+list+last)
		}
	}
	ask("you are about to publish bind mounts declaration within your OCI artifact.\n"+
		"their paths go into it, and not what is there; please look whether one says more than others should know:\n",
		binds(stack), "Are you ok to publish these bind mount declarations?")
	ask("you are about to publish sensitive data within your OCI artifact.\n"+
		"please double check that you are not leaking sensitive data\n",
		secrets(found), "Are you ok to publish these sensitive data?")
	if env == publication.Leave {
		ask("you are about to publish env-related declarations within your OCI artifact.\n"+
			"paths of env files and values that are written out can be read by whoever can read it; a variable like ${X} stays one.\n",
			environments(found), "Use --with-env to silence this prompt, and to publish the env files.\n"+
				"Are you ok to publish these env declarations?")
	}
	var configs strings.Builder
	for _, name := range found.Configs {
		fmt.Fprintf(&configs, "  config %q\n", name)
	}
	ask("you are about to publish literal inline config content within your OCI artifact.\n", configs.String(), "Are you ok to publish these config contents?")
	return out
}

func binds(stack *engine.Stack) string {
	var out strings.Builder
	for i := range stack.Services {
		svc := &stack.Services[i]
		for _, m := range svc.Container.Mounts {
			if m.Type == engine.MountBind {
				fmt.Fprintf(&out, "  service %q: %s:%s\n", svc.Name, m.Source, m.Target)
			}
		}
	}
	return out.String()
}

// secrets lists what looks like one. Its value is not said: what asks is often a log of a build.
func secrets(found *publication.Findings) string {
	var out strings.Builder
	for _, s := range found.Secrets {
		fmt.Fprintf(&out, "%s: %s\n%q: %s\n", s.Place, s.Kind, s.Key, s.Shown())
	}
	return out.String()
}

func environments(found *publication.Findings) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(found.Services)) {
		s := found.Services[name]
		if s.EnvFile {
			fmt.Fprintf(&out, "  service %q: env_file declared\n", name)
		}
		if len(s.Keys) > 0 {
			quoted := make([]string, len(s.Keys))
			for i, key := range s.Keys {
				quoted[i] = strconv.Quote(key)
			}
			fmt.Fprintf(&out, "  service %q: literal value for %s\n", name, strings.Join(quoted, ", "))
		}
	}
	return out.String()
}
