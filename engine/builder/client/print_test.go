package client

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/solver/pb"

	"tiffin/engine"
)

func TestPrint(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := Print(&out, Options{
		Args: []string{"B=2"}, Provenance: "mode=max", SSH: []engine.BuildSSH{{ID: "default"}},
		Images: map[string]string{"db": "postgres"},
		Targets: []Target{
			{Name: "web", Image: "demo-web", Build: engine.Build{
				Context: "/src", Args: []string{"A=1", "UNSET"}, Tags: []string{"web:1"}, Target: "dev", ShmSize: 1024,
				AdditionalContexts: map[string]string{"base": "service:base", "db": "service:db", "x": "/x"},
				Secrets:            []engine.BuildSecret{{ID: "a", Env: "A"}, {ID: "b", File: "/b"}, {ID: "c", Content: new("hidden")}},
				ExtraHosts:         []string{"h:::1"},
			}},
			{Name: "base", Image: "demo-base", Build: engine.Build{Context: "/src", DockerfileInline: "FROM a && b"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "group": {
    "default": {
      "targets": [
        "web",
        "base"
      ]
    }
  },
  "target": {
    "base": {
      "context": "/src",
      "dockerfile-inline": "FROM a && b",
      "args": {
        "B": "2"
      },
      "tags": [
        "demo-base"
      ],
      "ssh": [
        "default"
      ],
      "attest": [
        "type=provenance,mode=max"
      ],
      "output": [
        "type=docker"
      ]
    },
    "web": {
      "context": "/src",
      "contexts": {
        "base": "target:base",
        "db": "docker-image://postgres",
        "x": "/x"
      },
      "dockerfile": "Dockerfile",
      "args": {
        "A": "1",
        "B": "2"
      },
      "tags": [
        "demo-web",
        "web:1"
      ],
      "target": "dev",
      "secret": [
        "id=a,type=env,env=A",
        "id=b,type=file,src=/b",
        "id=c"
      ],
      "ssh": [
        "default"
      ],
      "shm-size": "1024",
      "extra-hosts": {
        "h": "::1"
      },
      "attest": [
        "type=provenance,mode=max"
      ],
      "output": [
        "type=docker"
      ]
    }
  }
}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPrintOfNothing(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := Print(&out, Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"targets": []`) {
		t.Error(out.String())
	}
}

func TestPrintChecks(t *testing.T) {
	t.Parallel()
	source := &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("from a AS b\nRUN x")}
	at := &pb.Location{Ranges: []*pb.Range{{Start: &pb.Position{Line: 1}, End: &pb.Position{Line: 1}}}}
	warning := lint.Warning{RuleName: "FromAsCasing", URL: "https://x.example/", Detail: "casing", Location: at}
	for want, results := range map[string]*lint.LintResults{
		"Check complete, no warnings found.\n": {},
		"Check complete, 1 warning has been found!\n\nWARNING: FromAsCasing - https://x.example/\ncasing\nDockerfile:1\n--------------------\n" +
			"   1 | >>> from a AS b\n   2 |     RUN x\n--------------------\n": {Warnings: []lint.Warning{warning}, Sources: []*pb.SourceInfo{source}},
		"bad\nDockerfile:1\n--------------------\n   1 | >>> from a AS b\n   2 |     RUN x\n--------------------\n": {
			Sources: []*pb.SourceInfo{source}, Error: &lint.BuildError{Message: "bad", Location: pb.Location{Ranges: at.Ranges}},
		},
	} {
		var out strings.Builder
		if err := printChecks(&out, results); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	}
}
