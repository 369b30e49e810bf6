package docker

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tiffin/engine"
)

// names are the values of a key of the objects in a list, or in one that is below a key.
func names(t *testing.T, answer, below string) string {
	t.Helper()
	type object struct{ Name string }
	var list []object
	if below == "" {
		if err := json.Unmarshal([]byte(answer), &list); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
	} else {
		lists := map[string][]object{}
		if err := json.Unmarshal([]byte(answer), &lists); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		list = lists[below]
	}
	var out []string
	for _, o := range list {
		out = append(out, o.Name)
	}
	return strings.Join(out, " ")
}

func filtered(path, filters string) string { return path + "?filters=" + url.QueryEscape(filters) }

func TestListsOfNetworks(t *testing.T) {
	for filters, want := range map[string]string{
		``:                              "bridge dusty shop_front host",
		`{"type":["custom"]}`:           "dusty shop_front",
		`{"type":{"builtin":true}}`:     "bridge host",
		`{"driver":["host","macvlan"]}`: "shop_front host",
		`{"name":["^s"]}`:               "shop_front",
		`{"name":["ost"]}`:              "host",
		`{"id":["d"]}`:                  "dusty",
		`{"label":["a=b"]}`:             "dusty",
		`{"label":["a=c"]}`:             "",
		`{"scope":["swarm"]}`:           "",
		`{"dangling":["true"]}`:         "dusty",
		`{"dangling":["0"]}`:            "bridge shop_front host",
		`{"label":["` + engine.LabelProject + `=shop"]}`: "shop_front",
	} {
		code, answer := asked(t, someNetworks(), http.MethodGet, filtered("/v1.44/networks", filters), "")
		if got := names(t, answer, ""); code != http.StatusOK || got != want {
			t.Errorf("%s: %d %q, want %q", filters, code, got, want)
		}
	}
	for filters, want := range map[string]string{
		`{"colour":["red"]}`: `invalid filter 'colour'`, `{"type":["odd"]}`: `invalid filter 'type=odd'`, `{"dangling":["so"]}`: `invalid filter 'dangling=`,
	} {
		if code, answer := asked(t, someNetworks(), http.MethodGet, filtered("/networks", filters), ""); code != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", filters, code, answer)
		}
	}
}

// calling is one call, and what becomes of it.
type calling struct {
	method, url, body string
	code              int
	answer            string // a part of it
	did               string
}

func tryCalls(t *testing.T, calls []calling, refuse error) {
	t.Helper()
	for _, c := range calls {
		f := someNetworks()
		f.err = refuse
		code, answer := asked(t, f, c.method, c.url, c.body)
		if did := strings.Join(f.did, "; "); code != c.code || !strings.Contains(answer, c.answer) || did != c.did {
			t.Errorf("%s %s %s:\ngot  %d %s%s\nwant %d %s\n%s", c.method, c.url, c.body, code, answer, did, c.code, c.answer, c.did)
		}
	}
}

func TestNetworks(t *testing.T) {
	tryCalls(t, []calling{
		{"GET", "/networks/dusty", "", 200, `"Labels":{"a":"b"}`, ""},
		{"GET", "/v1.44/networks/d?verbose=true&scope=local", "", 200, `"Name":"dusty"`, ""},
		{"GET", "/networks/nowhere", "", 404, `{"message":"network nowhere not found"}`, ""},
		{"GET", "/networks/dusty?scope=swarm", "", 404, `network dusty not found`, ""},
		{"GET", "/networks/dusty?verbose=much", "", 400, `invalid value for verbose`, ""},
		{"POST", "/networks/create", `{"Name":"box","CheckDuplicate":true}`, 201, `{"Id":"new","Warning":""}`, "create network box bridge"},
		{"POST", "/networks/create", `{"Name":"host"}`, 403, `operation is not permitted on predefined host network`, ""},
		{"POST", "/networks/create", `{}`, 400, `name is empty`, ""},
		{"POST", "/networks/create", ``, 400, `invalid JSON`, ""},
		{"DELETE", "/networks/dusty", "", 204, "", "remove network dusty"},
		{
			"POST", "/networks/dusty/connect",
			`{"Container":"web","EndpointConfig":{"Aliases":["w"],"IPAMConfig":{"IPv4Address":"10.1.0.9"},"MacAddress":"02:00:00:00:00:09","Links":["db:d"],"GwPriority":3}}`,
			200, "", "connect dusty web [w] 10.1.0.9 02:00:00:00:00:09 [db:d] 3",
		},
		{"POST", "/networks/dusty/connect", `{"Container":"web"}`, 200, "", "connect dusty web [] invalid IP  [] 0"},
		{"POST", "/networks/dusty/connect", `{}`, 400, "invalid container name or ID", ""},
		{"POST", "/networks/dusty/connect", `{"Container":"web","EndpointConfig":{"IPAMConfig":{"IPv4Address":"::1"}}}`, 400, "invalid IPv4 address", ""},
		{"POST", "/networks/dusty/disconnect", `{"Container":"web","Force":true}`, 200, "", "disconnect dusty web true"},
		{"POST", "/networks/dusty/disconnect", `{}`, 400, "invalid container name or ID", ""},
		{"POST", "/networks/prune", "", 200, `{"NetworksDeleted":["dusty"]}`, "remove network d1"},
		{"POST", filtered("/networks/prune", `{"until":["999"]}`), "", 200, `{"NetworksDeleted":[]}`, ""},
		{"POST", filtered("/networks/prune", `{"until":["1001"]}`), "", 200, `["dusty"]`, "remove network d1"},
		{"POST", filtered("/networks/prune", `{"until":["1","2"]}`), "", 400, `more than one until filter`, ""},
		{"POST", filtered("/networks/prune", `{"label!":["a"]}`), "", 200, `{"NetworksDeleted":[]}`, ""},
		{"POST", filtered("/networks/prune", `{"dangling":["true"]}`), "", 400, `invalid filter 'dangling'`, ""},
	}, nil)
}

func TestNetworksThatAreInUse(t *testing.T) {
	tryCalls(t, []calling{
		{"DELETE", "/networks/dusty", "", 403, "in use", "remove network dusty"},
		{"POST", "/networks/prune", "", 200, `{"NetworksDeleted":[]}`, "remove network d1"},
		{"POST", "/networks/dusty/connect", `{"Container":"web"}`, 403, "in use", "connect dusty web [] invalid IP  [] 0"},
	}, engine.Problem(engine.ErrDenied, errors.New("in use")))
}

func TestAPruneIsTold(t *testing.T) {
	f := someNetworks()
	asked(t, f, http.MethodPost, "/networks/prune", "")
	if len(f.events) != 1 || f.events[0].Type != engine.EventNetwork || f.events[0].Action != "prune" || f.events[0].Attributes["reclaimed"] != "0" {
		t.Errorf("%+v", f.events)
	}
}

func TestEventsOfNetworks(t *testing.T) {
	f := someNetworks()
	of := func(name, action string) engine.Event {
		return engine.Event{Type: engine.EventNetwork, ID: name + "-id", Action: action, Attributes: map[string]string{"name": name, "type": "bridge", "container": "c1"}}
	}
	f.history = []engine.Event{of("bridge", "create"), of("bridge", "connect"), of("shop", "create"), of("bridge", "destroy"), of("shop", "destroy")}
	for query, want := range map[string]string{
		"":                                       "bridge connect, shop create, shop destroy", // the default bridge is always there
		"filters={\"network\":[\"sho\"]}":        "shop create, shop destroy",
		"filters={\"network\":[\"bridge-id\"]}":  "bridge connect",
		"filters={\"volume\":[\"shop\"]}":        "",
		"filters={\"daemon\":[\"shop\"]}":        "",
		"filters={\"event\":[\"connect\"]}":      "bridge connect",
		"filters={\"label\":[\"container=c1\"]}": "bridge connect, shop create, shop destroy",
	} {
		code, answer := asked(t, f, http.MethodGet, "/events?"+query, "")
		var got []string
		for line := range strings.Lines(answer) {
			var ev struct {
				Type, Action, Scope string
				Actor               struct{ Attributes map[string]string }
				Status              *string `json:"status"`
			}
			if err := json.Unmarshal([]byte(line), &ev); err != nil || ev.Type != "network" || ev.Scope != "local" || ev.Status != nil {
				t.Errorf("%s: %v", line, err)
			}
			got = append(got, ev.Actor.Attributes["name"]+" "+ev.Action)
		}
		if code != http.StatusOK || strings.Join(got, ", ") != want {
			t.Errorf("%s: %d %q, want %q", query, code, got, want)
		}
	}
}

func TestWhenEventsAreWanted(t *testing.T) {
	for query, want := range map[string]string{
		"": "events - -", "since=0": "events 0 -", "since=100.5&until=200": "events 100 200", "until=2026-11-26T12:00:00Z": "events - 1795694400",
	} {
		f := someNetworks()
		if code, _ := asked(t, f, http.MethodGet, "/events?"+query, ""); code != http.StatusOK || !slices.Equal(f.did, []string{want}) {
			t.Errorf("%s: %d %q, want %q", query, code, f.did, want)
		}
	}
	for query, want := range map[string]string{"since=200&until=100": "cannot be after `until` time (100)", "since=soon": "invalid time"} {
		if code, answer := asked(t, someNetworks(), http.MethodGet, "/events?"+query, ""); code != http.StatusBadRequest || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", query, code, answer)
		}
	}
}

func TestNamesWithoutTags(t *testing.T) {
	for ref, want := range map[string]string{
		"nginx": "nginx", "nginx:1": "nginx", "localhost:5000/nginx": "localhost:5000/nginx", "a:5/n:1@sha256:00": "a:5/n", "n@sha256:00": "n",
	} {
		if got := untagged(ref); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
}
