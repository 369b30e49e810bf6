package shape

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/docker/go-units"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/blkiodev"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
)

// What becomes of a field that a client sets.
type becomes int

const (
	shown    becomes = iota // what is asked for is what inspect shows
	changed                 // it is carried out, and inspect shows it in another form
	refused                 // by its name
	without                 // it has no meaning for an engine on Linux, or is the client's own
	ofImages                // clients send back what an inspected image or container has
)

type asked struct {
	value any
	fate  becomes
	why   string
}

// hostConfig says what becomes of each field of HostConfig and Resources. A field that a
// new version of the API has must be put here, and with it into Ask or its refusals.
func hostConfig() map[string]asked {
	throttle := []*blkiodev.ThrottleDevice{{Path: "/dev/sda", Rate: 5}}
	list := []string{"one", "two"}
	pairs := map[string]string{"a.b": "1"}
	return map[string]asked{
		"Binds":           {[]string{"/src:/dst:ro,rslave", "vol:/v:rw,nocopy"}, shown, ""},
		"ContainerIDFile": {"id", without, "the client writes it"},
		"LogConfig":       {container.LogConfig{Type: "local", Config: map[string]string{"max-size": "1m"}}, shown, ""},
		"NetworkMode":     {container.NetworkMode("host"), shown, ""},
		"PortBindings": {network.PortMap{network.MustParsePort("80/tcp"): {
			{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: "8080"}, {HostPort: "9000-9005"},
		}}, shown, ""},
		"RestartPolicy": {container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3}, shown, ""},
		"AutoRemove":    {true, shown, ""},
		"VolumeDriver":  {"nfs", refused, ""},
		"VolumesFrom":   {list, shown, ""},
		"ConsoleSize":   {[2]uint{24, 80}, without, "the first resize says it, before the process has begun"},
		"Annotations":   {pairs, shown, ""},
		"CapAdd":        {list, shown, ""}, "CapDrop": {list, shown, ""},
		"CgroupnsMode": {container.CgroupnsMode("host"), shown, ""},
		"DNS":          {[]netip.Addr{netip.MustParseAddr("192.0.2.1")}, shown, ""},
		"DNSOptions":   {list, shown, ""}, "DNSSearch": {list, shown, ""},
		"ExtraHosts":  {[]string{"a:192.0.2.1", "b:2001:db8::1"}, shown, ""},
		"GroupAdd":    {list, shown, ""},
		"IpcMode":     {container.IpcMode("shareable"), shown, ""},
		"Cgroup":      {container.CgroupSpec("container:x"), refused, ""},
		"Links":       {[]string{"db:database"}, changed, "inspect has the names of both: TestLinks"},
		"OomScoreAdj": {100, shown, ""},
		"PidMode":     {container.PidMode("host"), shown, ""},
		"Privileged":  {true, shown, ""}, "ReadonlyRootfs": {true, shown, ""},
		"PublishAllPorts": {true, changed, "the ports that it comes to are among PortBindings"},
		"SecurityOpt":     {[]string{"no-new-privileges"}, shown, ""},
		"StorageOpt":      {map[string]string{"size": "1G"}, refused, ""},
		"Tmpfs":           {map[string]string{"/t": "size=1m,mode=700"}, shown, ""},
		"UTSMode":         {container.UTSMode("host"), shown, ""}, "UsernsMode": {container.UsernsMode("host"), shown, ""},
		"ShmSize": {int64(1 << 20), shown, ""}, "Sysctls": {pairs, shown, ""}, "Runtime": {"runc", shown, ""},
		"Umask":     {new(uint32(0o27)), shown, ""},
		"Isolation": {container.IsolationHyperV, refused, ""},
		"Mounts": {[]mount.Mount{
			{Type: "bind", Source: "/a", Target: "/b", ReadOnly: true, BindOptions: &mount.BindOptions{Propagation: "rshared", NonRecursive: true}},
			{Type: "volume", Source: "v", Target: "/c", VolumeOptions: &mount.VolumeOptions{NoCopy: true, Subpath: "s"}},
			{Type: "image", Source: "i", Target: "/d", ImageOptions: &mount.ImageOptions{Subpath: "s"}},
			{Type: "tmpfs", Target: "/e", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 5, Mode: 0o700}},
		}, shown, ""},
		"MaskedPaths": {list, refused, ""}, "ReadonlyPaths": {list, refused, ""},
		"Init": {new(true), shown, ""},

		"CPUShares": {int64(7), shown, ""}, "Memory": {int64(64 << 20), shown, ""}, "NanoCPUs": {int64(5e8), shown, ""},
		"CgroupParent": {"/p", shown, ""}, "BlkioWeight": {uint16(300), shown, ""},
		"BlkioWeightDevice":  {[]*blkiodev.WeightDevice{{Path: "/dev/sda", Weight: 200}}, shown, ""},
		"BlkioDeviceReadBps": {throttle, shown, ""}, "BlkioDeviceWriteBps": {throttle, shown, ""},
		"BlkioDeviceReadIOps": {throttle, shown, ""}, "BlkioDeviceWriteIOps": {throttle, shown, ""},
		"CPUPeriod": {int64(1000), shown, ""}, "CPUQuota": {int64(500), shown, ""},
		"CPURealtimePeriod": {int64(1000), shown, ""}, "CPURealtimeRuntime": {int64(500), shown, ""},
		"CpusetCpus": {"0-1", shown, ""}, "CpusetMems": {"0", shown, ""},
		"Devices":           {[]container.DeviceMapping{{PathOnHost: "/dev/null", PathInContainer: "/dev/n", CgroupPermissions: "r"}}, shown, ""},
		"DeviceCgroupRules": {[]string{"c 1:3 r"}, shown, ""},
		"DeviceRequests":    {[]container.DeviceRequest{{Driver: "nvidia", Count: -1}}, refused, "in dockerd's words for a driver that it does not have"},
		"MemoryReservation": {int64(32 << 20), shown, ""}, "MemorySwap": {int64(-1), shown, ""},
		"MemorySwappiness": {new(int64(10)), shown, ""}, "OomKillDisable": {new(true), shown, ""}, "PidsLimit": {new(int64(100)), shown, ""},
		"Ulimits":  {[]*units.Ulimit{{Name: "nofile", Soft: 10, Hard: 20}}, shown, ""},
		"CPUCount": {int64(1), refused, ""}, "CPUPercent": {int64(1), refused, ""},
		"IOMaximumIOps": {uint64(1), refused, ""}, "IOMaximumBandwidth": {uint64(1), refused, ""},
	}
}

// config says what becomes of each field of Config.
func config() map[string]asked {
	list := []string{"one", "two"}
	return map[string]asked{
		"Hostname": {"h", shown, ""}, "Domainname": {"d.example", shown, ""}, "User": {"1:2", shown, ""},
		"AttachStdin": {true, without, "the client's own: what it attaches to"}, "AttachStdout": {true, without, "see AttachStdin"},
		"AttachStderr": {true, without, "see AttachStdin"},
		"ExposedPorts": {network.PortSet{network.MustParsePort("80/tcp"): {}}, shown, ""},
		"Tty":          {true, shown, ""}, "OpenStdin": {true, shown, ""}, "StdinOnce": {true, shown, ""},
		"Env": {[]string{"A=b"}, shown, ""}, "Cmd": {list, shown, ""}, "Entrypoint": {list, shown, ""},
		"Healthcheck": {&container.HealthConfig{Test: []string{"CMD", "x"}, Interval: 1e9, Timeout: 2e9, StartPeriod: 3e9, StartInterval: 4e9, Retries: 5}, shown, ""},
		"ArgsEscaped": {true, without, "for Windows"},
		"Image":       {"img", shown, ""}, "WorkingDir": {"/w", shown, ""},
		"Volumes":         {map[string]struct{}{"/v": {}}, shown, ""},
		"NetworkDisabled": {true, changed, "is the network mode none"},
		"OnBuild":         {list, ofImages, ""}, "Shell": {list, ofImages, ""},
		"Labels": {map[string]string{"a": "b"}, shown, ""}, "StopSignal": {"SIGINT", shown, ""}, "StopTimeout": {new(7), shown, ""},
	}
}

// fields are the names of the exported fields of a struct, those of embedded ones in their place.
func fields(of reflect.Type) []string {
	var out []string
	for _, f := range reflect.VisibleFields(of) {
		if f.IsExported() && !f.Anonymous {
			out = append(out, f.Name)
		}
	}
	return out
}

func named(t *testing.T, of reflect.Type, table map[string]asked) {
	t.Helper()
	known := map[string]bool{}
	for _, name := range fields(of) {
		known[name] = true
		if _, ok := table[name]; !ok {
			t.Errorf("%s has a field %s: is it carried out, refused or without meaning?", of, name)
		}
	}
	for name := range table {
		if !known[name] {
			t.Errorf("%s has no field %s", of, name)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// check asks for one field, and compares what comes of it.
func check(t *testing.T, name string, a asked, req *CreateRequest, show func(*engine.Container) any) {
	t.Helper()
	before, err := Ask(req)
	if err != nil {
		t.Fatal(err)
	}
	set := reflect.ValueOf(req.Config).Elem()
	if req.HostConfig != nil {
		set = reflect.ValueOf(req.HostConfig).Elem()
	}
	set.FieldByName(name).Set(reflect.ValueOf(a.value))
	wish, err := Ask(req)
	if a.fate == refused {
		if !errors.Is(err, engine.ErrUnsupported) || a.why == "" && !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(name)) {
			t.Errorf("it is to be refused by its name: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Equal(before, wish, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
	switch a.fate {
	case without, ofImages:
		if !same {
			t.Errorf("it has a meaning: %s", asJSON(t, wish))
		}
	case changed:
		if same {
			t.Error("it changes nothing")
		}
	default:
		got := reflect.ValueOf(show(&engine.Container{Spec: wish.Spec})).Elem().FieldByName(name).Interface()
		if diff := cmp.Diff(asJSON(t, a.value), asJSON(t, got)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEachFieldOfHostConfigIsCarriedOutOrRefused(t *testing.T) {
	t.Parallel()
	named(t, reflect.TypeFor[container.HostConfig](), hostConfig())
	for name, a := range hostConfig() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := &CreateRequest{CreateRequest: container.CreateRequest{Config: &container.Config{Image: "x"}, HostConfig: &container.HostConfig{}}}
			check(t, name, a, req, func(c *engine.Container) any { return HostConfig(c) })
		})
	}
}

func TestEachFieldOfConfigIsCarriedOut(t *testing.T) {
	t.Parallel()
	named(t, reflect.TypeFor[container.Config](), config())
	for name, a := range config() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := &CreateRequest{CreateRequest: container.CreateRequest{Config: &container.Config{}}}
			check(t, name, a, req, func(c *engine.Container) any { return Config(c) })
		})
	}
}

// What clients of mounts can say, each by itself.
func TestEachOptionOfAMountIsCarriedOutOrRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		of   reflect.Type
		want []string
	}{
		"mount":   {reflect.TypeFor[mount.Mount](), strings.Fields("Type Source Target ReadOnly Consistency BindOptions VolumeOptions ImageOptions TmpfsOptions ClusterOptions")},
		"bind":    {reflect.TypeFor[mount.BindOptions](), strings.Fields("Propagation NonRecursive CreateMountpoint ReadOnlyNonRecursive ReadOnlyForceRecursive")},
		"volume":  {reflect.TypeFor[mount.VolumeOptions](), strings.Fields("NoCopy Labels Subpath DriverConfig")},
		"image":   {reflect.TypeFor[mount.ImageOptions](), strings.Fields("Subpath")},
		"tmpfs":   {reflect.TypeFor[mount.TmpfsOptions](), strings.Fields("SizeBytes Mode Options")},
		"network": {reflect.TypeFor[network.NetworkingConfig](), strings.Fields("EndpointsConfig")},
		"address": {reflect.TypeFor[network.EndpointIPAMConfig](), strings.Fields("IPv4Address IPv6Address LinkLocalIPs")},
	} {
		if diff := cmp.Diff(c.want, fields(c.of)); diff != "" {
			t.Errorf("%s has other fields: see what Ask makes of them: %s", name, diff)
		}
	}
	for name, m := range map[string]mount.Mount{
		"a bind that is made":      {Type: "bind", Source: "/a", Target: "/b", BindOptions: &mount.BindOptions{CreateMountpoint: true, ReadOnlyNonRecursive: true}},
		"read-only all the way":    {Type: "bind", Source: "/a", Target: "/b", ReadOnly: true, BindOptions: &mount.BindOptions{ReadOnlyForceRecursive: true}},
		"a tmpfs with options":     {Type: "tmpfs", Target: "/b", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 5, Options: [][]string{{"noexec"}, {"uid", "1"}}}},
		"a tmpfs with a mode only": {Type: "tmpfs", Target: "/b", TmpfsOptions: &mount.TmpfsOptions{Mode: 0o711}},
	} {
		w, err := Ask(&CreateRequest{CreateRequest: container.CreateRequest{
			Config: &container.Config{}, HostConfig: &container.HostConfig{Mounts: []mount.Mount{m}},
		}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(asJSON(t, []mount.Mount{m}), asJSON(t, HostConfig(&engine.Container{Spec: w.Spec}).Mounts)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
