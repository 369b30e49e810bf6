package runtime

import (
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// BenchmarkCycle is the life of a container with the default profile, from the mount of its root to the removal of its
// cgroup, and reports where the time goes.
func BenchmarkCycle(b *testing.B) {
	b.Run("network of its own", func(b *testing.B) { benchmarkCycle(b, testSpec(b, "true")) })
	b.Run("network of the host", func(b *testing.B) {
		s := testSpec(b, "true")
		s.Linux.Sysctl = nil
		s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
			return n.Type == specs.NetworkNamespace
		})
		benchmarkCycle(b, s)
	})
}

func benchmarkCycle(b *testing.B, spec *specs.Spec) {
	b.Helper()
	bench := newBench(b)
	dirs := layers(b, "upper", "work")
	path := testCgroupPath(b, bench.host.Cgroups)
	parts := map[string][]time.Duration{}
	for b.Loop() {
		at := []time.Time{time.Now()}
		lap := func() { at = append(at, time.Now()) }
		root, err := MountOverlay([]string{bench.lower}, dirs[0], dirs[1])
		if err != nil {
			b.Fatal(err)
		}
		cgroup, _, err := bench.host.Cgroups.Create(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		lap()
		p, _, err := bench.host.Start(b.Context(), bench.keeper, &Container{ID: "cycle", Spec: spec, Rootfs: root, Cgroup: cgroup})
		if err != nil {
			b.Fatal(err)
		}
		lap()
		if _, err := p.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
		p.Drop()
		lap()
		closeAll(root)
		if err := cgroup.Destroy(b.Context()); err != nil {
			b.Fatal(err)
		}
		lap()
		for i, name := range []string{"prepare", "start", "wait", "destroy"} {
			parts[name] = append(parts[name], at[i+1].Sub(at[i]))
		}
		parts["cycle"] = append(parts["cycle"], at[4].Sub(at[0]))
	}
	// Medians and minima: one container is what is measured, not what else the machine has to do.
	for name, list := range parts {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds()), name+"-µs")
		b.ReportMetric(float64(list[0].Microseconds()), name+"-min-µs")
	}
}

// BenchmarkCompile is what the engine does before the keeper is asked: paths opened, the program composed and encoded.
func BenchmarkCompile(b *testing.B) {
	bench := newBench(b)
	x := bench.box("true")
	for b.Loop() {
		o, err := bench.host.open(&x.Container)
		if err != nil {
			b.Fatal(err)
		}
		c, err := bench.host.compile(o)
		if err != nil {
			b.Fatal(err)
		}
		c.program.Encode()
		o.Close()
	}
}
