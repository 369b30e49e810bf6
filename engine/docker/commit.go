package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/common"
	"github.com/moby/moby/api/types/container"

	"tiffin/engine/call"
)

// commit makes an image of a container.
func (s *Server) commit(r *http.Request) (any, error) {
	q := r.URL.Query()
	var config *container.Config // null, when the client has none
	if err := decodeOptional(r, &config); err != nil {
		return nil, err
	}
	changes, err := changesOf(config)
	if err != nil {
		return nil, err
	}
	for _, text := range q["changes"] {
		// Some clients send all in one.
		changes = append(changes, slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })...)
	}
	img, err := s.b.Commit(r.Context(), &call.CommitRequest{
		Container: q.Get("container"), Name: nameOf(q.Get("repo"), q.Get("tag")), Author: q.Get("author"), Message: q.Get("comment"),
		Changes: changes, NoPause: q.Has("pause") && !flag(r, "pause"),
	})
	if err != nil {
		return nil, err
	}
	return created(common.IDResponse{ID: img.ID}), nil
}

// changesOf writes what a config says as instructions of a Dockerfile: those are what an image is changed by.
func changesOf(c *container.Config) ([]string, error) {
	if c == nil {
		return nil, nil
	}
	var out []string
	words := func(name string, list []string) {
		if text, err := json.Marshal(list); err == nil && list != nil { // strings always can be
			out = append(out, name+" "+string(text))
		}
	}
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+" "+literal(value))
		}
	}
	pair := func(name, key, value string) {
		out = append(out, fmt.Sprintf(`%s "%s"="%s"`, name, literal(key), literal(value)))
	}
	for _, entry := range c.Env {
		key, value, _ := strings.Cut(entry, "=")
		pair("ENV", key, value)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		pair("LABEL", key, c.Labels[key])
	}
	words("ENTRYPOINT", c.Entrypoint)
	words("CMD", c.Cmd)
	for port := range c.ExposedPorts {
		add("EXPOSE", port.String())
	}
	for _, target := range slices.Sorted(maps.Keys(c.Volumes)) {
		add("VOLUME", target)
	}
	add("USER", c.User)
	add("WORKDIR", c.WorkingDir)
	add("STOPSIGNAL", c.StopSignal)
	for _, trigger := range c.OnBuild {
		out = append(out, "ONBUILD "+trigger)
	}
	if c.Healthcheck != nil || len(c.Shell) > 0 {
		return nil, unsupported("a health check or a shell in the config of a commit")
	}
	if i := slices.IndexFunc(out, func(text string) bool { return strings.ContainsAny(text, "\r\n") }); i >= 0 {
		return nil, invalid("%.20q has a line break, which no change can have", out[i])
	}
	return out, nil
}

// literal keeps a value from being taken for variables, or for the end of its quotes.
func literal(value string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value)
}
