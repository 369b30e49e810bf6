package daemon

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
)

// upReports brings a project up and returns what was said of an image.
func (b *bench) upReports(t *testing.T, req *call.UpRequest, image string) (said []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = b.Up(ctx, req, func(p engine.Progress) {
		if p.ID == "Image "+image && p.Status != engine.Working {
			said = append(said, string(p.Status)+": "+p.Text)
		}
	})
	return said, err
}

func TestUpSaysWhatItsCallerHasToBuild(t *testing.T) {
	b := openBench(t)
	req := stack(sh("web", "sleep 1000"))
	web := &req.Stack.Services[0]
	web.Build, web.PullPolicy, web.Container.Image = &engine.Build{Context: "/nowhere"}, "", "demo-web"
	p, err := b.PlanBuilds(t.Context(), req)
	check(t, err)
	if want := "#1 build image demo-web (not there)\n"; p.String() != want {
		t.Errorf("%s, want %s", p, want)
	}
	_, err = b.upReports(t, req, "demo-web")
	if !errors.Is(err, engine.ErrNotFound) || err.Error() != "image demo-web has to be built (not there)" || engine.HintOf(err) != "`tiffin build web` builds it" {
		t.Errorf("%v, hint %q", err, engine.HintOf(err))
	}
	check(t, b.TagImage(t.Context(), testImage, "demo-web"))
	b.up(t, req)
	b.down(t)
}

// TestAPullThatABuildCanSave: no registry listens on port 1.
func TestAPullThatABuildCanSave(t *testing.T) {
	b := openBench(t)
	const image = "127.0.0.1:1/web:1"
	req := stack(sh("web", "sleep 1000"))
	web := &req.Stack.Services[0]
	web.Build, web.PullPolicy, web.Container.Image = &engine.Build{Context: "/nowhere"}, "", image
	said, err := b.upReports(t, req, image)
	if want := []string{"Warning: Not pulled", "Error: Error"}; err == nil || !slices.Equal(said, want) {
		t.Errorf("not there: %v, %q, want %q", err, said, want)
	}
	check(t, b.TagImage(t.Context(), testImage, image))
	web.PullPolicy = engine.PullAlways
	said, err = b.upReports(t, req, image)
	if want := []string{"Warning: Not pulled"}; err != nil || !slices.Equal(said, want) {
		t.Errorf("there, and to be refreshed: %v, %q, want %q", err, said, want)
	}
	b.down(t)
	web.Build = nil
	if _, err := b.upReports(t, req, image); err == nil {
		t.Error("nobody builds it, and that it cannot be pulled did not matter")
	}
}
