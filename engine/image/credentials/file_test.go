package credentials

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFile(t *testing.T) {
	home(t, `{
		"auths": {"https://index.docker.io/v1/": {}, "ghcr.io": {"auth": "bWU6c2VjcmV0"}},
		"credsStore": "all", "credHelpers": {"ecr.example.com": "ecr", "sick.example.com": "sick"}, "psFormat": "x"
	}`, map[string]string{
		"all": `if [ $1 = list ]; then echo '{"https://index.docker.io/v1/": "hub", "ghcr.io": "me"}'; exit; fi
read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"u\",\"Secret\":\"p\"}"`,
		"ecr":  `read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"<token>\",\"Secret\":\"t\"}"`,
		"sick": `echo "the keyring is locked" >&2; exit 1`,
	})
	text, err := File(t.Context())
	if err == nil || !strings.Contains(err.Error(), "sick.example.com") || strings.Contains(err.Error(), "ecr") {
		t.Errorf("%v", err)
	}
	var got any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	login := map[string]any{"auth": "dTpw"} // u:p
	want := map[string]any{"auths": map[string]any{
		"https://index.docker.io/v1/": login, "ghcr.io": login, "ecr.example.com": map[string]any{"identitytoken": "t"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFileOfSomebodyWithoutLogins(t *testing.T) {
	home(t, `{}`, nil)
	if text, err := File(t.Context()); err != nil || strings.Contains(string(text), "credsStore") {
		t.Errorf("%s %v", text, err)
	}
}
