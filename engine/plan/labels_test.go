package plan

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
)

// TestTheLabelsOfDockerCompose has all of them: tools find the objects of a project by these, and by no others.
func TestTheLabelsOfDockerCompose(t *testing.T) {
	web := service("web", dependsOn(restarting(started("cache")), healthy("db")))
	stack := stackOf(web)
	stack.WorkingDir, stack.ConfigFiles, stack.EnvFiles = "/srv/demo", []string{"/srv/demo/compose.yaml", "/srv/demo/compose.override.yaml"}, []string{"/srv/demo/prod.env"}
	image := &engine.Image{ID: "sha256:1"}
	of := Origin{Image: image, Own: map[string]string{"own": "1"}, Stack: &stack, Service: &stack.Services[0], Hash: "h1"}
	oneOff, replaced := of, of
	oneOff.Slug = "abc"
	replaced.Replaces = &engine.Container{Name: "demo-web-1"}
	network := engine.Network{Project: "demo", Spec: engine.NetworkSpec{Key: "back", Name: "demo_back", Hash: "n1", Labels: map[string]string{"own": "1"}}}
	volume := engine.Volume{Project: "demo", Spec: engine.VolumeSpec{Key: "data", Name: "demo_data", Hash: "v1"}}
	common := `own=1
project=demo
service=web
config-hash=h1
image=sha256:1
depends_on=cache:service_started:true,db:service_healthy:false
project.working_dir=/srv/demo
project.config_files=/srv/demo/compose.yaml,/srv/demo/compose.override.yaml
project.environment_file=/srv/demo/prod.env
version=5.0.0
`
	for name, test := range map[string]struct {
		got  map[string]string
		want string
	}{
		"a container of up":          {Labels(&engine.Container{Number: 2}, of), common + "container-number=2\noneoff=False\n"},
		"one that replaces another":  {Labels(&engine.Container{Number: 2}, replaced), common + "container-number=2\noneoff=False\nreplace=demo-web-1\n"},
		"a container of run":         {Labels(&engine.Container{OneOff: true}, oneOff), common + "container-number=1\noneoff=True\nslug=abc\n"},
		"a container of no project":  {Labels(&engine.Container{}, Origin{Image: image, Own: of.Own}), "own=1\n"},
		"a network":                  {network.Labels(), "own=1\nproject=demo\nnetwork=back\nconfig-hash=n1\nversion=5.0.0\n"},
		"a volume":                   {volume.Labels(), "project=demo\nvolume=data\nconfig-hash=v1\nversion=5.0.0\n"},
		"an anonymous volume":        {(&engine.Volume{Project: "demo"}).Labels(), "project=demo\n"},
		"a network of no project":    {(&engine.Network{Spec: network.Spec}).Labels(), "own=1\n"},
		"what has no label to speak": {(&engine.Volume{}).Labels(), ""},
	} {
		var got strings.Builder
		for _, key := range slices.Sorted(maps.Keys(test.got)) {
			got.WriteString(strings.TrimPrefix(key, "com.docker.compose.") + "=" + test.got[key] + "\n")
		}
		want := slices.Collect(strings.Lines(test.want))
		lines := slices.Collect(strings.Lines(got.String()))
		slices.Sort(want)
		slices.Sort(lines)
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("%s: want -, got +\n%s", name, diff)
		}
	}
}

// TestAnotherVersionRecreatesNothing takes up again what another version of tiffin has labelled.
func TestAnotherVersionRecreatesNothing(t *testing.T) {
	stack := stackOf(service("web", with("data")))
	h := brought(t, &stack, func(h *host) {
		for i := range h.obs.Containers {
			h.obs.Containers[i].Spec.Labels[engine.LabelVersion] = "4.0.0"
		}
	})
	p, err := Up(&call.UpRequest{Stack: stack}, h.obs)
	if err != nil || !p.Empty() {
		t.Errorf("%v\n%s", err, p)
	}
}
