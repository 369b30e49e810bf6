package ready

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/project/fault"
)

// TestCheck has x-ready as JSON, which is YAML, too.
func TestCheck(t *testing.T) {
	t.Parallel()
	const times = `"Interval":"10s","Timeout":"5s","Retries":3,"StartPeriod":"1m0s","StartInterval":"5s",`
	for text, want := range map[string]string{
		`{"port": 5432}`:                                        `{` + times + `"Probe":{"Port":5432}}`,
		`{"port": "5432"}`:                                      `{` + times + `"Probe":{"Port":5432}}`,
		`{"file": "/run/ready"}`:                                `{` + times + `"Probe":{"File":"/run/ready"}}`,
		`{"log": "ready \\(\\d+\\)$"}`:                          `{` + times + `"Probe":{"Log":"ready \\(\\d+\\)$"}}`,
		`{"http": "/healthz", "port": 8080}`:                    `{` + times + `"Probe":{"HTTP":{"Port":8080,"Path":"/healthz"}}}`,
		`{"http": "/"}`:                                         `{` + times + `"Probe":{"HTTP":{"Port":80,"Path":"/"}}}`,
		`{"http": "http://:8080"}`:                              `{` + times + `"Probe":{"HTTP":{"Port":8080,"Path":"/"}}}`,
		`{"http": "http://localhost:8080/a%20b?deep=1"}`:        `{` + times + `"Probe":{"HTTP":{"Port":8080,"Path":"/a%20b?deep=1"}}}`,
		`{"http": "http://[::1]:8080/", "port": 8080}`:          `{` + times + `"Probe":{"HTTP":{"Port":8080,"Path":"/"}}}`,
		`{"http": "/x", "status": 401, "host": "shop.example"}`: `{` + times + `"Probe":{"HTTP":{"Port":80,"Path":"/x","Host":"shop.example","Status":401}}}`,
		`{"port": 1, "interval": "1m", "timeout": "1s", "retries": 5, "start_period": "0s", "start_interval": "20ms"}`: `{"Interval":"1m0s","Timeout":"1s","Retries":5,"StartInterval":"20ms","Probe":{"Port":1}}`,

		`5432`:                           "x-ready says nothing",
		`null`:                           "x-ready says nothing",
		`{}`:                             "x-ready does not say what",
		`{"interval": "1s"}`:             "x-ready does not say what",
		`{"prot": 80}`:                   `x-ready: there is no attribute "prot" / Did you mean "port"?`,
		`{"test": ["true"], "port": 80}`: `x-ready: there is no attribute "test"`,
		`{"port": 80, "log": "x"}`:       "x-ready has port and log",
		`{"http": "/", "port": 80, "file": "/x"}`: "x-ready has http and file",
		`{"port": 0}`:                         "port: 0 is not a whole number between 1 and 65535",
		`{"port": 65536}`:                     "port: 65536 is not",
		`{"port": "80/tcp"}`:                  `port: "80/tcp" is not`,
		`{"port": null}`:                      "port: nothing is not",
		`{"port": [80]}`:                      "port: a list is not",
		`{"port": 80, "status": 200}`:         "status: goes with http, not with port",
		`{"file": "/x", "host": "a"}`:         "host: goes with http, not with file",
		`{"file": "run/ready"}`:               `file: "run/ready" is no absolute path`,
		`{"file": ""}`:                        `file: "" is no text`,
		`{"log": 5}`:                          "log: 5 is no text",
		`{"log": "a("}`:                       "log: missing closing ): `a(`",
		`{"log": "(?=a)"}`:                    "log: invalid or unsupported Perl syntax",
		`{"log": "x", "timeout": "1s"}`:       "timeout: has no meaning with log",
		`{"http": "healthz"}`:                 `http: "healthz" is no path or address`,
		`{"http": "//other/x"}`:               `http: "//other/x" is no path or address`,
		`{"http": "/x#part"}`:                 `http: "/x#part" is no path or address`,
		`{"http": "http://me:pw@:80/"}`:       "is no path or address",
		`{"http": "https://:443/"}`:           "http: https is not spoken",
		`{"http": "http://other:80/"}`:        `http: "other" is another host`,
		`{"http": "http://:0/"}`:              "http: 0 is not between",
		`{"http": "http://:99999/"}`:          "http: 99999 is not between",
		`{"http": "http://:x/"}`:              "is no address",
		`{"http": "http://:80/", "port": 81}`: "port: 81 is not the 80 of http",
		`{"http": "/", "status": 99}`:         "status: 99 is not a whole number between 200 and 599",
		`{"http": "/", "host": "a b"}`:        `host: "a b" is no host`,
		`{"http": "/", "host": "a\r\nX: y"}`:  "is no host",
		`{"port": 1, "interval": "soon"}`:     `interval: "soon" is not a duration / Write it as 10s`,
		`{"port": 1, "interval": "0s"}`:       "interval: 0s is shorter than 1ms",
		`{"port": 1, "start_period": "-1s"}`:  "start_period: -1s is shorter than 1ms",
		`{"port": 1, "retries": 0}`:           "retries: 0 is not",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			var value any
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				t.Fatal(err)
			}
			if got := outcome(t, &types.ServiceConfig{Name: "db", Extensions: types.Extensions{name: value}}); !strings.Contains(got, want) {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}

// outcome is the check as JSON, or the error and its hint.
func outcome(t *testing.T, s *types.ServiceConfig) string {
	t.Helper()
	check, err := Check(s)
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		if f.Path[0] != "services" || f.Path[1] != s.Name || f.Path[2] != name {
			t.Errorf("path %q", f.Path)
		}
		return f.Text + " / " + f.Tip
	case err != nil:
		t.Fatal(err)
	}
	out, err := json.Marshal(check)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestCheckInItsService(t *testing.T) {
	t.Parallel()
	line := types.Extensions{name: map[string]any{"log": "x"}}
	var none, both, mute types.ServiceConfig
	both.Extensions, both.HealthCheck = line, &types.HealthCheckConfig{Disable: true}
	mute.Extensions, mute.Logging = line, &types.LoggingConfig{Driver: "none"}
	for name, c := range map[string]struct {
		service types.ServiceConfig
		want    string
	}{
		"none":                     {none, "null"},
		"beside a healthcheck":     {both, "Remove healthcheck"},
		"a log that nobody writes": {mute, "logging.driver is none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.service.Name = "db"
			if got := outcome(t, &c.service); !strings.Contains(got, c.want) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}
