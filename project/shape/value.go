package shape

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/format"
	"github.com/docker/go-units"
	"github.com/mattn/go-shellwords"
	"github.com/xhit/go-str2duration/v2"
)

// ValueError is what is not right with a value, and how it is to be written.
type ValueError struct{ Text, Tip string }

func (m *ValueError) Error() string { return m.Text }

// checks says for attributes what their text has to be. The schema knows the kinds of
// values only, and compose-go finds out after the places are lost.
func checks() map[string]func(string) error {
	out := map[string]func(string) error{}
	for _, row := range []struct {
		check func(string) error
		names string
	}{
		{checkPort, "ports.[]"},
		{checkPublished, "ports.[].published expose.[]"},
		{checkTarget, "ports.[].target"},
		{checkAddress, "ports.[].host_ip"},
		{checkVolume, "volumes.[]"},
		{checkCommand, "command entrypoint"},
		{checkVariable, "environment.[]"},
		{checkDevice, "devices.[]"},
		{checkHost, "extra_hosts.[]"},
		{checkMask, "umask"},
		{checkMode, "configs.[].mode secrets.[].mode"},
		{checkWhole, "healthcheck.retries deploy.replicas scale blkio_config.weight deploy.restart_policy.max_attempts"},
		{checkInteger, "ulimits.* ulimits.*.soft ulimits.*.hard deploy.resources.limits.pids cpu_count cpu_shares pids_limit"},
		{checkMicroseconds, "cpu_period cpu_quota cpu_rt_period cpu_rt_runtime"},
		{checkOOM, "oom_score_adj"},
		{checkKey, "build.ssh.[]"},
		{checkAttestation, "build.provenance build.sbom"},
		{checkNumber, "cpus cpu_percent deploy.resources.limits.cpus deploy.resources.reservations.cpus"},
		{CheckDuration, "stop_grace_period pull_refresh_after " +
			"healthcheck.interval healthcheck.timeout healthcheck.start_period healthcheck.start_interval " +
			"deploy.restart_policy.delay deploy.restart_policy.window deploy.update_config.delay " +
			"deploy.update_config.monitor deploy.rollback_config.delay deploy.rollback_config.monitor"},
		{checkBytes, "mem_limit mem_reservation memswap_limit mem_swappiness shm_size build.shm_size " +
			"deploy.resources.limits.memory deploy.resources.reservations.memory volumes.[].tmpfs.size " +
			"blkio_config.device_read_bps.[].rate blkio_config.device_write_bps.[].rate " +
			"blkio_config.device_read_iops.[].rate blkio_config.device_write_iops.[].rate"},
	} {
		for name := range strings.FieldsSeq(row.names) {
			for _, parent := range []string{"services.*.", "services.*.pre_start.[].", "jobs.*."} {
				out[parent+name] = row.check
			}
		}
	}
	return out
}

// CheckDuration checks for what Compose calls a duration: Go's, with days and weeks.
func CheckDuration(text string) error {
	if _, err := str2duration.ParseDuration(text); err != nil {
		return &ValueError{strconv.Quote(text) + " is not a duration", "Write it as 10s, 1m30s or 500ms."}
	}
	return nil
}

func checkBytes(text string) error {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return nil
	}
	if _, err := units.RAMInBytes(text); err != nil {
		return &ValueError{strconv.Quote(text) + " is not a size", "Write it as 64m, 1.5g or a number of bytes."}
	}
	return nil
}

func checkInteger(text string) error {
	if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		return &ValueError{strconv.Quote(text) + " is not a whole number", ""}
	}
	return nil
}

// Microseconds reads the times of the CPU controller: a number of microseconds, or a duration as the specification has
// them in its examples.
func Microseconds(text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	d, err := str2duration.ParseDuration(text)
	if err != nil {
		return 0, &ValueError{strconv.Quote(text) + " is neither a whole number nor a duration", "Write it in microseconds, 100000, or as 100ms."}
	}
	return d.Microseconds(), nil
}

func checkMicroseconds(text string) error {
	_, err := Microseconds(text)
	return err
}

func checkOOM(text string) error {
	if n, err := strconv.Atoi(text); err != nil || n < -1000 || n > 1000 {
		return &ValueError{strconv.Quote(text) + " is not between -1000 and 1000", ""}
	}
	return nil
}

func checkWhole(text string) error {
	if n, err := strconv.ParseInt(text, 10, 32); err != nil || n < 0 {
		return &ValueError{strconv.Quote(text) + " is not a whole number from 0 up", ""}
	}
	return nil
}

func checkNumber(text string) error {
	if f, err := strconv.ParseFloat(text, 32); err != nil || f != f || f < 0 {
		return &ValueError{strconv.Quote(text) + " is not a number from 0 up", "Write it as 2 or 0.5."}
	}
	return nil
}

func checkMask(text string) error {
	if n, err := strconv.ParseUint(text, 0, 32); err != nil || n > 0o777 {
		return &ValueError{strconv.Quote(text) + " is no umask", "Write it in octal: \"0022\"."}
	}
	return nil
}

// checkMode lets a decimal number pass: YAML has read 0440 as 288 by then.
func checkMode(text string) error {
	if n, err := strconv.ParseUint(text, 10, 32); err != nil || n > 7777 {
		return &ValueError{strconv.Quote(text) + " are no permission bits", "Write the mode in octal: 0440."}
	}
	return nil
}

func checkCommand(text string) error {
	if _, err := shellwords.Parse(text); err != nil {
		return &ValueError{"the command line has a quote or bracket that does not close", "Write it as a list: [\"sh\", \"-c\", \"…\"]."}
	}
	return nil
}

func checkVariable(text string) error {
	name, _, _ := strings.Cut(text, "=")
	switch {
	case name == "":
		return &ValueError{strconv.Quote(text) + " has no variable name", "Write NAME=value."}
	case strings.TrimRight(name, " \t") != name:
		return &ValueError{"environment variable " + strconv.Quote(name) + " is declared with a trailing space", "Write NAME=value, without spaces around =."}
	}
	return nil
}

func checkKey(text string) error {
	if id, _, ok := strings.Cut(text, "="); text != "default" && (!ok || id == "") {
		return &ValueError{strconv.Quote(text) + " has no id and path", "Write default for your agent, or id=path."}
	}
	return nil
}

func checkAttestation(text string) error {
	if IsBool(text) {
		return nil
	}
	for field := range strings.SplitSeq(text, ",") {
		if i := strings.Index(field, "="); i <= 0 {
			return &ValueError{strconv.Quote(text) + " is neither a truth value nor key=value", "Say true, false or mode=max."}
		}
	}
	return nil
}

func checkHost(text string) error {
	if i := strings.IndexAny(text, "=:"); i <= 0 {
		return &ValueError{strconv.Quote(text) + " has no name and address", "Write name=address, or name=host-gateway for the host."}
	}
	return nil
}

func checkVolume(text string) error {
	if _, err := format.ParseVolume(text); err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner
		}
		return &ValueError{fmt.Sprintf("%q is not a mount: %s", text, err), "Write [source:]target[:options], such as data:/var/lib/data:ro."}
	}
	return nil
}

func checkDevice(text string) error {
	if strings.Count(text, ":") > 2 {
		return &ValueError{strconv.Quote(text) + " is not a device", "Write host[:container[:permissions]], such as /dev/fuse:/dev/fuse:rwm."}
	}
	return nil
}

func checkAddress(text string) error {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err != nil || ip.Zone() != "" {
		return &ValueError{strconv.Quote(text) + " is not an IP address", ""}
	}
	return nil
}

func checkTarget(text string) error {
	if n, err := strconv.ParseUint(text, 10, 16); err != nil || n == 0 {
		return &ValueError{strconv.Quote(text) + " is not a port", "A port is a number between 1 and 65535."}
	}
	return nil
}

// checkPublished accepts 80, 8000-8010 and, for expose, a protocol after it.
func checkPublished(text string) error {
	numbers, _, _ := strings.Cut(text, "/")
	_, _, err := ParsePorts(numbers)
	return err
}

// checkPort parses the short form: [address:][host:]container[/protocol].
func checkPort(text string) error {
	rest, protocol, hasProtocol := strings.Cut(text, "/")
	switch strings.ToLower(protocol) {
	case "tcp", "udp", "sctp":
	default:
		if hasProtocol {
			return &ValueError{fmt.Sprintf("%q: there is no protocol %q", text, protocol), "Say tcp, udp or sctp."}
		}
	}
	host, container := "", rest
	if i := strings.LastIndex(rest, ":"); i >= 0 {
		host, container = rest[:i], rest[i+1:]
	}
	from, to, err := ParsePorts(container)
	switch {
	case err != nil:
		return err
	case from == 0:
		return checkTarget(container)
	case host != "" && checkAddress(host) == nil && !strings.HasSuffix(host, ":"):
		return &ValueError{strconv.Quote(text) + " has no host port after the address", "Write " + host + "::" + container + " for any port."}
	}
	if i := strings.LastIndex(host, ":"); i >= 0 {
		if err := checkBrackets(host[:i], text); err != nil {
			return err
		}
		host = host[i+1:]
	}
	if host == "" {
		return nil
	}
	hostFrom, hostTo, err := ParsePorts(host)
	if err != nil {
		return err
	}
	if from != to && hostTo-hostFrom != to-from {
		return &ValueError{fmt.Sprintf("%q: the two ranges are not of the same length", text), ""}
	}
	return nil
}

// checkBrackets checks the address before a port: brackets keep its colons apart from the port's.
func checkBrackets(address, whole string) error {
	inner := strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	if err := checkAddress(inner); err != nil {
		return err
	}
	if strings.ContainsAny(inner, "[]") || address != inner && address != "["+inner+"]" || strings.Contains(inner, ":") && address == inner {
		return &ValueError{strconv.Quote(whole) + " has an IPv6 address without its brackets", "Write [::1]:8080:80."}
	}
	return nil
}

// maxPorts bounds the ports that one entry stands for.
const maxPorts = 4096

// ParsePorts parses 80 or 8000-8010.
func ParsePorts(text string) (from, to int, err error) {
	a, b, isRange := strings.Cut(text, "-")
	if !isRange {
		b = a
	}
	first, err1 := strconv.ParseUint(a, 10, 16)
	last, err2 := strconv.ParseUint(b, 10, 16)
	if err1 != nil || err2 != nil || last < first {
		return 0, 0, &ValueError{
			strconv.Quote(text) + " is not a port",
			"Write [address:][host:]container[/protocol], with ports or ranges between 1 and 65535.",
		}
	}
	if first == 0 && last != 0 {
		return 0, 0, &ValueError{strconv.Quote(text) + " begins with 0, which is any port and no range", "Leave the host's port out for any free one."}
	}
	if last-first >= maxPorts {
		return 0, 0, &ValueError{fmt.Sprintf("%s are more than %d ports", text, maxPorts), "Publish fewer, or use network_mode: host."}
	}
	return int(first), int(last), nil
}
