package docker

import (
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

func (s *Server) systemRoutes() {
	s.stream("GET /_ping", s.ping)
	s.handle("GET /version", s.version)
	s.handle("GET /info", s.info)
	s.stream("GET /events", s.events)
}

// ping says what a client has to know before its first call. It answers HEAD, too.
func (s *Server) ping(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Builder-Version", "2") // BuildKit
	h.Set("Swarm", "inactive")
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if r.Method == http.MethodHead {
		h.Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	_, err := w.Write([]byte("OK"))
	return err
}

func (s *Server) version(*http.Request) (any, error) {
	kernel := kernelVersion()
	return system.VersionResponse{
		Platform: system.PlatformInfo{Name: "Tiffin"}, Version: s.cfg.Version, APIVersion: MaxVersion, MinAPIVersion: MinVersion,
		Os: runtime.GOOS, Arch: runtime.GOARCH, GoVersion: runtime.Version(), KernelVersion: kernel,
		Components: []system.ComponentVersion{{Name: "Engine", Version: s.cfg.Version, Details: map[string]string{
			"ApiVersion": MaxVersion, "MinAPIVersion": MinVersion, "Os": runtime.GOOS, "Arch": runtime.GOARCH,
			"GoVersion": runtime.Version(), "KernelVersion": kernel, "Experimental": "false",
		}}},
	}, nil
}

func kernelVersion() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func (s *Server) info(r *http.Request) (any, error) {
	list, err := s.all(r.Context())
	if err != nil {
		return nil, err
	}
	images, err := s.b.Images(r.Context())
	if err != nil {
		return nil, err
	}
	name, _ := os.Hostname() // a host without a name has the empty one
	v2 := unifiedCgroups()
	out := system.Info{
		ID: name, Name: name, Images: len(images), ServerVersion: s.cfg.Version,
		// Clients look here for whether images are kept as registries have them.
		Driver: "overlayfs", DriverStatus: [][2]string{{"driver-type", "io.containerd.snapshotter.v1"}},
		Plugins: system.PluginsInfo{
			Volume: []string{"local"}, Network: []string{"bridge", "host", "ipvlan", "macvlan", "null"}, Log: []string{"json-file", "local", "none"},
		},
		MemoryLimit: true, SwapLimit: true, CPUCfsPeriod: true, CPUCfsQuota: true, CPUShares: true, CPUSet: true, PidsLimit: true,
		IPv4Forwarding: true, OomKillDisable: !v2, NFd: -1, NGoroutines: runtime.NumGoroutine(), SystemTime: time.Now().Format(time.RFC3339Nano),
		LoggingDriver: "json-file", CgroupDriver: "cgroupfs", CgroupVersion: map[bool]string{true: "2", false: "1"}[v2],
		KernelVersion: kernelVersion(), OperatingSystem: osName(), OSType: runtime.GOOS, Architecture: machine(),
		IndexServerAddress: "https://index.docker.io/v1/", RegistryConfig: &registry.ServiceConfig{IndexConfigs: map[string]*registry.IndexInfo{}},
		NCPU: runtime.NumCPU(), MemTotal: totalMemory(), DockerRootDir: s.cfg.DataRoot, Labels: []string{},
		Runtimes: map[string]system.RuntimeWithStatus{"tiffin": {}}, DefaultRuntime: "tiffin",
		Swarm: swarm.Info{LocalNodeState: swarm.LocalNodeStateInactive}, LiveRestoreEnabled: true, InitBinary: "tiffin",
		SecurityOptions: []string{"name=seccomp,profile=builtin"}, CDISpecDirs: []string{}, Warnings: []string{},
	}
	if v2 {
		out.SecurityOptions = append(out.SecurityOptions, "name=cgroupns")
	}
	count(&out, list)
	return out, nil
}

func count(out *system.Info, list []engine.Container) {
	for i := range list {
		out.Containers++
		switch st := list[i].State.Status; {
		case st == engine.StatusPaused:
			out.ContainersPaused++
		case st.Alive() || st == engine.StatusRestarting:
			out.ContainersRunning++
		default:
			out.ContainersStopped++
		}
	}
}

func unifiedCgroups() bool {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return err == nil
}

// osName is what /etc/os-release calls the host.
func osName() string {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "Linux"
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			if name, err := strconv.Unquote(value); err == nil {
				return name
			}
			return value
		}
	}
	return "Linux"
}

func machine() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return runtime.GOARCH
	}
	return unix.ByteSliceToString(u.Machine[:])
}

func totalMemory() int64 {
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) != nil {
		return 0
	}
	return int64(si.Totalram) * int64(si.Unit)
}
