package shape

import (
	"path"
	"strings"

	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
)

// parseLink reads CONTAINER:ALIAS, or /CONTAINER:/WHO/ALIAS as inspect shows it.
func parseLink(text string) (string, error) {
	name, alias, ok := strings.Cut(text, ":")
	switch {
	case text == "":
		return "", invalid("empty string specified for links")
	case strings.Contains(alias, ":"):
		return "", invalid("bad format for links: %s", text)
	case !ok:
		alias = name
	}
	if short, shown := strings.CutPrefix(name, "/"); shown {
		return short + ":" + path.Base(alias), nil
	}
	return name + ":" + alias, nil
}

// linksOf are links as inspect shows them: on the default bridge, by the names of both. Those to elsewhere are as they
// were asked for.
func linksOf(c *engine.Container) []string {
	if c.Spec.NetworkMode != network.NetworkBridge {
		return c.Spec.Links
	}
	var out []string
	for _, text := range c.Spec.Links {
		name, alias, ok := strings.Cut(text, ":")
		if !ok {
			alias = name
		}
		out = append(out, "/"+name+":/"+c.Name+"/"+alias)
	}
	return out
}
