package client

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	bk "github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/go-csvvalue"
)

// cacheEntries reads cache_from or cache_to: type=registry,ref=… and the like. A name alone is one in a registry.
//
// Errors: engine.ErrInvalid.
func cacheEntries(list []string) ([]bk.CacheOptionsEntry, error) {
	var out []bk.CacheOptionsEntry
	for _, text := range list {
		if !strings.Contains(text, "=") {
			out = append(out, bk.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": text}})
			continue
		}
		attrs, err := pairs(text)
		if err != nil {
			return nil, invalid("build cache %q: %w", text, err)
		}
		kind := attrs["type"]
		delete(attrs, "type")
		switch kind {
		case "registry", "local", "inline":
		case "":
			return nil, invalid("build cache %q: it has no type=", text)
		default:
			return nil, unsupported("build cache %q: of the types, registry, local and inline are there", text)
		}
		out = append(out, bk.CacheOptionsEntry{Type: kind, Attrs: attrs})
	}
	return out, nil
}

// pairs reads key=value,key=value; keys are in small letters. A value with a comma is in quotes, as in CSV.
func pairs(text string) (map[string]string, error) {
	fields, err := csvvalue.Fields(text, nil)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, f := range fields {
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, invalid("%q is not KEY=VALUE", f)
		}
		out[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
	}
	return out, nil
}

// knownCaches leaves out local caches that were not written yet, as before the first build, and says so.
func (o *Options) knownCaches(list []bk.CacheOptionsEntry) []bk.CacheOptionsEntry {
	return slices.DeleteFunc(list, func(e bk.CacheOptionsEntry) bool {
		if e.Type != "local" || e.Attrs["digest"] != "" {
			return false
		}
		_, err := os.Stat(filepath.Join(e.Attrs["src"], ocispecs.ImageIndexFile))
		if err != nil {
			fmt.Fprintf(o.stderr(), "warning: there is no build cache in %s\n", e.Attrs["src"])
		}
		return err != nil
	})
}
