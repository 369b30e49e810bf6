package plan

import (
	"fmt"
	"strings"
	"testing"

	"tiffin/engine"
)

func TestNameEndpoints(t *testing.T) {
	t.Parallel()
	all := append(PredefinedNetworks(),
		engine.Network{ID: "aabb01", Spec: engine.NetworkSpec{Name: "net"}}, engine.Network{ID: "aabb02", Spec: engine.NetworkSpec{Name: "other"}})
	bridge := all[0].ID
	for asked, want := range map[string]string{
		"net":                "on net",
		"aabb01":             "on net",
		"aabb02 net":         "on other, net",
		"net:2 aabb01:1=web": "on net:2=web", // docker has the mode by name, and the settings by ID
		bridge:               "mode bridge",
		bridge + " aabb02":   "on bridge, other",
		"aabb":               "network aabb is ambiguous (2 matches found on ID prefix)",
		"nosuch":             "network nosuch not found",
	} {
		var spec engine.ContainerSpec
		for text := range strings.FieldsSeq(asked) {
			var e engine.EndpointSpec
			var alias string
			text, alias, _ = strings.Cut(text, "=")
			name, priority, _ := strings.Cut(text, ":")
			if _, err := fmt.Sscan(priority, &e.Priority); err != nil && priority != "" {
				t.Fatal(err)
			}
			if e.Network = name; alias != "" {
				e.Aliases = []string{alias}
			}
			spec.Endpoints = append(spec.Endpoints, e)
		}
		err := NameEndpoints(all, &spec)
		var got []string
		for _, e := range spec.Endpoints {
			text := e.Network
			if e.Priority > 0 {
				text += fmt.Sprint(":", e.Priority)
			}
			got = append(got, strings.Join(append([]string{text}, e.Aliases...), "="))
		}
		text := "on " + strings.Join(got, ", ")
		switch {
		case err != nil:
			text = err.Error()
		case spec.NetworkMode != "":
			text = "mode " + spec.NetworkMode
		}
		if text != want {
			t.Errorf("%s: got %s, want %s", asked, text, want)
		}
	}
}
