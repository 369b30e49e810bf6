package paths

import "testing"

func TestContexts(t *testing.T) {
	from := Origin{Dir: "/project", Home: "/home/me"}
	for context, want := range map[string]string{
		".":                              "/project",
		"../other":                       "/other",
		"/srv/web":                       "/srv/web",
		"~/web":                          "/home/me/web",
		"-":                              "-",
		"":                               "",
		"service:base":                   "service:base",
		"docker-image://alpine":          "docker-image://alpine",
		"https://example.com/x.git#main": "https://example.com/x.git#main",
		"git@example.com:me/x.git":       "git@example.com:me/x.git",
		"github.com/me/x":                "github.com/me/x",
	} {
		attributes := map[string]any{"services": map[string]any{"web": map[string]any{"build": map[string]any{
			"context": context, "additional_contexts": map[string]any{"other": context},
		}}}}
		Settle(attributes, from)
		build := entries(attributes, "services")["web"]["build"].(map[string]any)
		other := build["additional_contexts"].(map[string]any)["other"]
		if build["context"] != want || other != want {
			t.Errorf("%q: %v and %v, want %q", context, build["context"], other, want)
		}
	}
}
