package runtime

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkCycle is the life of a container with the default profile, from the mount of its root to the removal of its
// cgroup, and reports where the time goes.
func BenchmarkCycle(b *testing.B) {
	bench := newBench(b)
	dirs := layers(b, "upper", "work")
	spec := testSpec(b, "true")
	path := testCgroupPath(b, bench.host.Cgroups)
	parts := map[string][]time.Duration{}
	for b.Loop() {
		t0 := time.Now()
		root, err := MountOverlay([]string{bench.lower}, dirs[0], dirs[1])
		if err != nil {
			b.Fatal(err)
		}
		cgroup, _, err := bench.host.Cgroups.Create(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		p, _, err := bench.host.Start(b.Context(), bench.keeper, &Container{ID: "cycle", Spec: spec, Rootfs: root, Cgroup: cgroup})
		if err != nil {
			b.Fatal(err)
		}
		t2 := time.Now()
		if _, err := p.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
		p.Drop()
		t3 := time.Now()
		closeAll(root)
		if err := cgroup.Destroy(b.Context()); err != nil {
			b.Fatal(err)
		}
		t4 := time.Now()
		for name, d := range map[string]time.Duration{
			"prepare": t1.Sub(t0), "start": t2.Sub(t1), "wait": t3.Sub(t2), "destroy": t4.Sub(t3), "cycle": t4.Sub(t0),
		} {
			parts[name] = append(parts[name], d)
		}
	}
	// Medians: one container is what is measured, not what else the machine has to do.
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
