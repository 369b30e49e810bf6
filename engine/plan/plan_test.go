package plan

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestStepsAsText(t *testing.T) {
	t.Parallel()
	p := &Plan{
		Steps: []Step{
			{Seq: 1, Kind: PullImage, Name: "img", Cause: "not there"},
			{Seq: 2, Kind: StartContainer, Name: "demo-a-1", After: []Edge{{Seq: 1}}},
			{Seq: 3, Kind: Await, Name: "demo-a-1", Cause: "for b", Condition: engine.ConditionHealthy, Optional: true, After: []Edge{{Seq: 2}}},
			{Seq: 4, Kind: Await, Name: "demo-a-1", Condition: engine.ConditionCompleted},
			{Seq: 5, Kind: Await, Name: "demo-a-1", Condition: engine.ConditionStarted},
			{Seq: 6, Kind: Await, Name: "demo-a-1", Condition: ConditionReady},
			{Seq: 7, Kind: Await, Name: "demo-a-1", Condition: "of_a_later_version"},
			{Seq: 8, Kind: StopContainer, Name: "demo-b-1", Cause: "orphan", After: []Edge{{Seq: 2}, {Seq: 3, Optional: true}}},
		},
		Warnings: []string{"mind the gap"},
	}
	const want = `#1 pull image img (not there)
#2 start container demo-a-1 after #1
#3 await demo-a-1 healthy (for b, optional) after #2
#4 await demo-a-1 completed
#5 await demo-a-1 started
#6 await demo-a-1 running or healthy
#7 await demo-a-1 of_a_later_version
#8 stop container demo-b-1 (orphan) after #2 #3?
warning: mind the gap
`
	if diff := cmp.Diff(want, p.String()); diff != "" {
		t.Error(diff)
	}
	if p.Empty() || !(&Plan{Warnings: p.Warnings}).Empty() {
		t.Error("a plan is empty when there is nothing to do")
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, &back); diff != "" {
		t.Error(diff)
	}
}

func TestThen(t *testing.T) {
	t.Parallel()
	step := func(seq int, name string, after ...Edge) Step {
		return Step{Seq: seq, Kind: PullImage, Name: name, After: after}
	}
	first := &Plan{Steps: []Step{step(1, "a"), step(2, "b", Edge{Seq: 1}), step(3, "c")}, Warnings: []string{"one"}}
	second := &Plan{
		Steps:    []Step{step(1, "x"), step(2, "y", Edge{Seq: 1}), step(3, "z", Edge{Seq: 1, Optional: true})},
		Warnings: []string{"two"},
	}
	const want = `#1 pull image a
#2 pull image b after #1
#3 pull image c
#4 pull image x after #2 #3
#5 pull image y after #4
#6 pull image z after #2 #3 #4?
warning: one
warning: two
`
	if diff := cmp.Diff(want, Then(first, second).String()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(second, Then(&Plan{}, second)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(first, Then(first, &Plan{})); diff != "" {
		t.Error(diff)
	}
}

func TestFinishPutsStepsInOrder(t *testing.T) {
	t.Parallel()
	var b builder
	last := b.add(Step{Kind: StartContainer, Name: "last"})
	b.add(Step{Kind: StartContainer, Name: "alone"}).after(nil)
	first := b.add(Step{Kind: StartContainer, Name: "first"})
	last.after(last, nil, first, first)
	last.wait(prior{node: first, optional: true})
	p, err := b.finish()
	compare(t, `#1 start container first
#2 start container last after #1
#3 start container alone
`, p, err)
}

func TestFinishFindsStepsThatWaitForEachOther(t *testing.T) {
	t.Parallel()
	var b builder
	x := b.add(Step{Kind: StopContainer, Name: "x"})
	y := b.add(Step{Kind: StartContainer, Name: "y"}, x)
	x.after(y)
	_, err := b.finish()
	if !errors.Is(err, engine.ErrInvalid) {
		t.Fatal(err)
	}
	const want = "invalid: steps wait for each other: stop container x → start container y → stop container x"
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestDependsOnLabel(t *testing.T) {
	t.Parallel()
	deps := []engine.Dependency{healthy("db"), restarting(started("cache")), completed("migrate")}
	const label = "db:service_healthy:false,cache:service_started:true,migrate:service_completed_successfully:false"
	if got := DependsOnLabel(deps); got != label {
		t.Errorf("label %q", got)
	}
	if diff := cmp.Diff(deps, parseDependsOn(label)); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]int{"": 0, ",": 0, "db": 0, "db:x": 0, ":x:true": 0, "db:x:true:y": 0, "a:b:c,db:service_started:true": 2} {
		if got := parseDependsOn(text); len(got) != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestSectionsByTheirNamesInComposeFiles(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"Image": "image", "Cmd": "command", "Env": "environment", "TTY": "tty", "OpenStdin": "stdin_open", "StopTimeout": "stop_grace_period",
		"Mounts": "volumes", "Files": "configs and secrets", "Endpoints": "networks", "DNS": "dns", "DNSSearch": "dns_search", "DNSOptions": "dns_opt",
		"PidMode": "pid", "IpcMode": "ipc", "UtsMode": "uts", "CgroupMode": "cgroup", "NetworkMode": "network_mode", "UsernsMode": "userns_mode",
		"Log": "logging", "CapAdd": "cap_add", "DeviceCgroupRules": "device_cgroup_rules", "ReadOnly": "read_only", "ContainerName": "container_name",
	} {
		if got := sectionName(field); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
}
