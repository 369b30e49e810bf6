package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuickstart(t *testing.T) {
	e, page := sample(t, "quickstart", "QUICKSTART_PORT")
	before := e.Snapshot(t)

	e.OK(t, "up", "-d", "--wait")
	want := map[string]string{
		"web": "running healthy", "api": "running healthy", "store": "running healthy", "store-init": "exited 0",
	}
	if diff := cmp.Diff(want, states(t, e)); diff != "" {
		t.Errorf("ps: want -, got +\n%s", diff)
	}
	browse(t, page, "Visit number 1,")
	browse(t, page, "Visit number 2,")
	logs := e.OK(t, "logs", "--no-color")
	for _, line := range []string{"store-init-1  | a new volume", "web-1         | GET / from", "store-1       | POST / from"} {
		if !strings.Contains(logs, line) {
			t.Errorf("logs: no line with %q:\n%s", line, logs)
		}
	}

	e.OK(t, "down")
	e.OK(t, "up", "-d", "--wait")
	browse(t, page, "Visit number 3,") // the volume has outlived its containers

	e.OK(t, "down", "-v")
	e.NothingLeft(t, before)
}

func TestGuestbook(t *testing.T) {
	e, page := sample(t, "guestbook", "GUESTBOOK_PORT")
	before := e.Snapshot(t)

	e.OK(t, "up", "-d", "--wait")
	want := map[string]string{
		"nginx": "running healthy", "app": "running healthy", "cache": "running healthy", "db": "running healthy",
	}
	if diff := cmp.Diff(want, states(t, e)); diff != "" {
		t.Errorf("ps: want -, got +\n%s", diff)
	}
	browse(t, page, "Please sign below.") // from init.sql
	submit(t, page+"sign", "name=Ada&message=hello", "<b>Ada</b>: hello")

	e.OK(t, "restart")
	e.OK(t, "up", "-d", "--wait")
	browse(t, page, "<b>Ada</b>: hello")

	e.OK(t, "down")
	e.OK(t, "up", "-d", "--wait")
	browse(t, page, "<b>Ada</b>: hello")

	e.OK(t, "down", "-v")
	e.NothingLeft(t, before)
}
