package builder

import (
	"testing"

	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/opencontainers/go-digest"
)

func TestOnlyTheFrontendThatIsBuiltInIsRun(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{
		"docker/dockerfile":                                     true,
		"docker/dockerfile:1":                                   true,
		"docker.io/docker/dockerfile:1.7":                       true,
		"docker/dockerfile-upstream:master":                     true,
		"docker/dockerfile:1@" + digest.FromString("").String(): true,
		"":                                   false,
		"docker/dockerfile-of-mine":          false,
		"registry.example/docker/dockerfile": false,
		"someone/frontend":                   false,
		"not a reference":                    false,
	} {
		if got := isDockerfileFrontend(source); got != want {
			t.Errorf("%q: %v", source, got)
		}
	}
}

func TestAttributesOfTheExporterAreReadAsBuildKitDoes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][2]bool{"": {true, false}, "true": {true, false}, "1": {true, false}, "false": {false, true}, "0": {false, true}} {
		attrs := map[string]string{"push": value}
		if got := [2]bool{isTrue(attrs, exptypes.OptKeyPush), isFalse(attrs, exptypes.OptKeyPush)}; got != want {
			t.Errorf("push=%q: %v", value, got)
		}
	}
	if isTrue(nil, exptypes.OptKeyPush) || isFalse(nil, exptypes.OptKeyPush) {
		t.Error("what is not said is neither")
	}
}
