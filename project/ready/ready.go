// Package ready reads x-ready: how the engine itself sees that a service is ready.
//
// Not here: making the probe (engine/probe), and when (healthcheck).
package ready

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/xhit/go-str2duration/v2"

	"tiffin/engine"
	"tiffin/project/fault"
	"tiffin/project/shape"
	"tiffin/project/suggest"
)

const name = "x-ready"

var attributes = []string{
	"port", "http", "log", "file", "status", "host", "interval", "timeout", "retries", "start_period", "start_interval",
}

// defaults are as patient as docker's health check: a service has a minute and a half to
// come up. One that was ready and is no more is told after half a minute instead.
func defaults() engine.Healthcheck {
	return engine.Healthcheck{
		Interval: engine.Duration(10 * time.Second), Timeout: engine.Duration(5 * time.Second), Retries: 3,
		StartPeriod: engine.Duration(time.Minute), StartInterval: engine.Duration(5 * time.Second),
	}
}

// Check is the health check that the x-ready of a service makes, whole; nil when it has none.
//
// Errors: a *fault.Error.
func Check(s *types.ServiceConfig) (*engine.Healthcheck, error) {
	value, there := s.Extensions[name]
	if !there {
		return nil, nil //nolint:nilnil // none
	}
	path := fault.In(s, name)
	given, ok := value.(map[string]any)
	if !ok {
		return nil, fault.At(path, "%s says nothing that could be looked at", fault.Dotted(path)).Hint("Write it as {port: 5432}.")
	}
	if s.HealthCheck != nil {
		return nil, fault.At(path, "service %q has a healthcheck and x-ready, which is in the place of one", s.Name).
			Hint("Remove healthcheck. In a file over another one, write \"healthcheck: !reset null\".")
	}
	r := reading{path: path, given: given}
	out := defaults()
	for _, read := range []func(*engine.Healthcheck) error{r.names, r.kind, r.times} {
		if err := read(&out); err != nil {
			return nil, err
		}
	}
	if out.Probe.Log != "" && s.Logging != nil && s.Logging.Driver == "none" {
		return nil, fault.At(r.at("log"), "%s waits for a line in the log, and logging.driver is none", fault.Dotted(path)).
			Hint("Leave logging out, or look at port, http or file.")
	}
	return &out, nil
}

// reading is an x-ready that is being read.
type reading struct {
	path  []string
	given map[string]any
}

func (r *reading) at(key string) []string { return append(slices.Clip(r.path), key) }

func (r *reading) has(key string) bool {
	_, there := r.given[key]
	return there
}

// wrong is a fault of one attribute.
func (r *reading) wrong(key, format string, args ...any) *fault.Error {
	path := r.at(key)
	return fault.At(path, "%s: %s", fault.Dotted(path), fmt.Sprintf(format, args...))
}

// names refuses attributes that there are not, and those that do not go together.
func (r *reading) names(*engine.Healthcheck) error {
	for _, key := range slices.Sorted(maps.Keys(r.given)) {
		if !slices.Contains(attributes, key) {
			f := fault.At(r.at(key), "%s: there is no attribute %q", fault.Dotted(r.path), key)
			return f.Hint("%s", suggest.Meant(key, attributes))
		}
	}
	var kinds []string
	for _, key := range []string{"port", "http", "log", "file"} {
		if r.has(key) && (key != "port" || !r.has("http")) {
			kinds = append(kinds, key)
		}
	}
	switch {
	case len(kinds) == 0:
		return fault.At(r.path, "%s does not say what is to be looked at", fault.Dotted(r.path)).Hint("Say port, http, log or file.")
	case len(kinds) > 1:
		return fault.At(r.at(kinds[1]), "%s has %s", fault.Dotted(r.path), strings.Join(kinds, " and ")).
			Hint("Leave one. In a file over another one, write \"x-ready: !override\".")
	}
	for _, key := range []string{"status", "host"} {
		if r.has(key) && kinds[0] != "http" {
			return r.wrong(key, "goes with http, not with %s", kinds[0]).Hint("Leave it out.")
		}
	}
	if kinds[0] == "log" && r.has("timeout") {
		return r.wrong("timeout", "has no meaning with log: the line is waited for").Hint("Leave it out. start_period, interval and retries say how long.")
	}
	return nil
}

// kind reads what is looked at.
func (r *reading) kind(out *engine.Healthcheck) error {
	out.Probe = &engine.Probe{}
	switch {
	case r.has("http"):
		return r.http(out.Probe)
	case r.has("port"):
		port, err := r.whole("port", 1, 65535)
		out.Probe.Port = uint16(port)
		return err
	case r.has("log"):
		text, err := r.text("log")
		if err != nil {
			return err
		}
		if _, err := regexp.Compile(text); err != nil {
			return r.wrong("log", "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: ")).
				Hint("It is a regular expression, as RE2 has them; a Compose file has $$ for a dollar sign.")
		}
		out.Probe.Log = text
		return nil
	default:
		text, err := r.text("file")
		if err == nil && !strings.HasPrefix(text, "/") {
			return r.wrong("file", "%q is no absolute path", text).Hint("Write it from the root of the container on.")
		}
		out.Probe.File = text
		return err
	}
}

// http reads a path beside a port, or an address without a host: it is always the container
// itself that is asked.
func (r *reading) http(out *engine.Probe) error {
	text, err := r.text("http")
	if err != nil {
		return err
	}
	const how = "Write /path and port beside it, or http://:8080/path."
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return r.wrong("http", "%q is no address", text).Hint(how)
	case u.Scheme == "https":
		return r.wrong("http", "https is not spoken").Hint("Look at port instead: a server that accepts connections is ready.")
	case u.Scheme != "" && u.Scheme != "http", u.Opaque != "", u.User != nil, u.Fragment != "", u.Scheme == "" && !strings.HasPrefix(text, "/"), u.Scheme == "" && u.Host != "":
		return r.wrong("http", "%q is no path or address", text).Hint(how)
	case !slices.Contains([]string{"", "localhost", "127.0.0.1", "::1"}, u.Hostname()):
		return r.wrong("http", "%q is another host, and only the container itself is asked", u.Hostname()).
			Hint("Leave the host out: http://:8080/path. For the header, write host.")
	}
	probe := engine.HTTPProbe{Port: 80, Path: u.RequestURI()}
	if err := r.httpPort(u.Port(), &probe); err != nil {
		return err
	}
	if r.has("status") {
		if probe.Status, err = r.whole("status", 200, 599); err != nil {
			return err
		}
	}
	if r.has("host") {
		if probe.Host, err = r.text("host"); err != nil {
			return err
		}
		if strings.ContainsFunc(probe.Host, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '/' }) {
			return r.wrong("host", "%q is no host", probe.Host)
		}
	}
	out.HTTP = &probe
	return nil
}

func (r *reading) httpPort(inAddress string, out *engine.HTTPProbe) error {
	key := "http"
	if inAddress != "" {
		n, err := strconv.ParseUint(inAddress, 10, 16)
		if err != nil || n == 0 {
			return r.wrong(key, "%s is not between 1 and 65535", inAddress)
		}
		out.Port = uint16(n)
	}
	if !r.has("port") {
		return nil
	}
	port, err := r.whole("port", 1, 65535)
	if err == nil && inAddress != "" && port != int(out.Port) {
		return r.wrong("port", "%d is not the %d of http", port, out.Port).Hint("Leave one of them out.")
	}
	out.Port = uint16(port)
	return err
}

// times reads when it is looked.
func (r *reading) times(out *engine.Healthcheck) error {
	for _, t := range []struct {
		key  string
		into *engine.Duration
		none bool // 0 is a value
	}{
		{"interval", &out.Interval, false},
		{"timeout", &out.Timeout, false},
		{"start_period", &out.StartPeriod, true},
		{"start_interval", &out.StartInterval, false},
	} {
		if !r.has(t.key) {
			continue
		}
		text := fmt.Sprint(r.given[t.key])
		if err := shape.CheckDuration(text); err != nil {
			return fault.BadValue(r.at(t.key), err)
		}
		d, err := str2duration.ParseDuration(text)
		if err != nil {
			return fault.BadValue(r.at(t.key), err)
		}
		if d < time.Millisecond && (d != 0 || !t.none) {
			return r.wrong(t.key, "%s is shorter than 1ms", text)
		}
		*t.into = engine.Duration(d)
	}
	if !r.has("retries") {
		return nil
	}
	n, err := r.whole("retries", 1, 1<<20)
	out.Retries = n
	return err
}

// whole reads a number, which is text where it comes from a variable.
func (r *reading) whole(key string, low, high int) (int, error) {
	n, err := strconv.Atoi(fmt.Sprint(r.given[key]))
	if err != nil || n < low || n > high {
		return 0, r.wrong(key, "%s is not a whole number between %d and %d", shown(r.given[key]), low, high)
	}
	return n, nil
}

func (r *reading) text(key string) (string, error) {
	text, ok := r.given[key].(string)
	if !ok || text == "" {
		return "", r.wrong(key, "%s is no text", shown(r.given[key]))
	}
	return text, nil
}

// shown is a value as it is named in an error.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return strconv.Quote(v)
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	default:
		return fmt.Sprint(v)
	}
}
