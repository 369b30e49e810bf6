package shape

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
)

func TestLinks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ mode, asked, link, shown string }{
		{"", "db:database", "db:database", "/db:/web/database"},
		{"default", "db", "db:db", "/db:/web/db"},
		{"", "/db:/other/database", "db:database", "/db:/web/database"}, // as inspect has it: who makes a container anew sends it
		{"net", "db:database", "db:database", "db:database"},
		{"", "", "empty string specified for links", ""},
		{"", "a:b:c", "bad format for links: a:b:c", ""},
		{"host", "db", "conflicting options: host type networking can't be used with links. This would result in undefined behavior", ""},
		{"container:x", "db", "conflicting options: container type network can't be used with links. This would result in undefined behavior", ""},
	} {
		req := &CreateRequest{CreateRequest: container.CreateRequest{
			Config:     &container.Config{Image: "img"},
			HostConfig: &container.HostConfig{Links: []string{c.asked}, NetworkMode: container.NetworkMode(c.mode)},
		}}
		wish, err := Ask(req)
		if err != nil {
			if err.Error() != c.link {
				t.Errorf("%q on %q: %v", c.asked, c.mode, err)
			}
			continue
		}
		if got := strings.Join(wish.Spec.Links, " "); got != c.link {
			t.Errorf("%q on %q: got %q, want %q", c.asked, c.mode, got, c.link)
		}
		if got := strings.Join(HostConfig(&engine.Container{Name: "web", Spec: wish.Spec}).Links, " "); got != c.shown {
			t.Errorf("%q on %q is shown as %q, want %q", c.asked, c.mode, got, c.shown)
		}
	}
}
