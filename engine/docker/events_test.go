package docker

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tiffin/engine"
)

// Who asks for nothing but starts is told of those of a moment ago, too.
func TestStartsOfAMomentAgo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query string
		since int64 // seconds before now; 0 is from now on
		told  []string
	}{
		"starts alone":          {`{"event":["start"]}`, 1, []string{"c1"}},
		"of containers":         {`{"event":["start"],"type":["container"]}`, 1, []string{"c1"}},
		"of another container":  {`{"event":["start"],"container":["c9"]}`, 1, nil},
		"starts and more":       {`{"event":["start","die"]}`, 0, []string{"c1", "c2", "gone"}},
		"everything":            {`{}`, 0, []string{"c1", "c2", "gone"}},
		"starts since then":     {`{"event":["start"]}&since=946684700`, 100, []string{"c1", "c2", "gone"}},
		"starts until sometime": {`{"event":["start"]}&until=946684900`, 0, []string{"c1", "c2", "gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := someNetworks()
				for _, id := range []string{"c1", "c2", "gone"} { // running, ended, removed
					b.history = append(b.history, engine.Event{Type: engine.EventContainer, Action: "start", ID: id, Time: time.Now().Add(-time.Millisecond)})
				}
				filters, more, _ := strings.Cut(c.query, "&")
				_, body := asked(t, b, http.MethodGet, "/events?filters="+url.QueryEscape(filters)+"&"+more, "")
				since := time.Time{}
				if c.since > 0 {
					since = time.Now().Add(-time.Duration(c.since) * time.Second)
				}
				if got := b.did[0]; !strings.HasPrefix(got, "events "+stamp(since)+" ") {
					t.Errorf("asked for %q, want since %s", got, stamp(since))
				}
				var told []string
				for _, id := range []string{"c1", "c2", "gone"} {
					if strings.Contains(body, `"ID":"`+id+`"`) {
						told = append(told, id)
					}
				}
				if !slices.Equal(told, c.told) {
					t.Errorf("told of %v, want %v:\n%s", told, c.told, body)
				}
			})
		})
	}
}
