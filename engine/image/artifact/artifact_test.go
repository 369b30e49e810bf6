package artifact_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/image/artifact"
	"tiffin/tests/harness"
)

func TestAProjectComesBackFromARealRegistry(t *testing.T) {
	harness.RequireTool(t, "docker-registry")
	var r artifact.Registry
	addr := harness.EmptyRegistry(t).Addr
	docs := []artifact.Document{
		{artifact.TypeFile, map[string]string{"com.docker.compose.file": "compose.yaml"}, []byte("services: {}")},
		{artifact.TypeEnvFile, map[string]string{"com.docker.compose.envfile": "a.env"}, []byte("A=1")},
	}
	for _, version := range []string{"", artifact.Version10, artifact.Version11} {
		ref := addr + "/team/app:v" + version
		if err := r.Push(t.Context(), ref, version, docs); err != nil {
			t.Fatal(err)
		}
		found, err := r.Find(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := found.Documents(t.Context())
		if d := cmp.Diff(docs, got); err != nil || d != "" {
			t.Errorf("version %q: %v, -want +got:\n%s", version, err, d)
		}
	}
	if _, err := r.Find(t.Context(), addr+"/team/none"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
}
