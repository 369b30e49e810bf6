package arch

import (
	"maps"
	"slices"
	"testing"
)

// allowed is the whole map: a package, and the packages of ours that it may import. A package may stand here
// before it is built.
var allowed = map[string][]string{
	"cmd/tiffin": {
		"cmd/tiffin/addresses",
		"cmd/tiffin/apisocket", "cmd/tiffin/archives",
		"cmd/tiffin/bridge",
		"cmd/tiffin/buildcache",
		"cmd/tiffin/builds",
		"cmd/tiffin/caller",
		"cmd/tiffin/commit", "cmd/tiffin/complete",
		"cmd/tiffin/copies",
		"cmd/tiffin/format",
		"cmd/tiffin/graph",
		"cmd/tiffin/hostrun",
		"cmd/tiffin/lines", "cmd/tiffin/menu",
		"cmd/tiffin/networks",
		"cmd/tiffin/progress",
		"cmd/tiffin/publish", "cmd/tiffin/secrets", "cmd/tiffin/stats", "cmd/tiffin/timings",
		"cmd/tiffin/providers",
		"cmd/tiffin/trial",
		"cmd/tiffin/watch",
		"engine",
		"engine/call",
		"engine/api",
		"engine/archive",
		"engine/builder/client",
		"engine/daemon",
		"engine/docker",
		"engine/image/credentials",
		"engine/plan",
		"engine/socket",
		"project",
		"project/develop",
		"project/provider",
	},
	"cmd/tiffin/caller":    {"cmd/tiffin/progress", "cmd/tiffin/remote", "engine", "engine/call", "engine/api", "engine/image/credentials", "project", "project/suggest"},
	"cmd/tiffin/archives":  {"cmd/tiffin/caller", "cmd/tiffin/progress", "engine", "engine/builder/change", "engine/call", "engine/plan"},
	"cmd/tiffin/addresses": {"engine"},
	"cmd/tiffin/apisocket": {"engine"},
	"cmd/tiffin/bridge": {
		"cmd/tiffin/caller", "cmd/tiffin/copies", "cmd/tiffin/format", "engine", "engine/api", "engine/call", "engine/plan", "project",
	},
	"cmd/tiffin/buildcache": {"cmd/tiffin/builds", "cmd/tiffin/caller", "cmd/tiffin/format", "engine", "engine/builder/client"},
	"cmd/tiffin/builds":     {"cmd/tiffin/progress", "engine", "engine/builder/client", "engine/plan"},
	"cmd/tiffin/commit":     {"cmd/tiffin/caller", "engine", "engine/call", "engine/plan"},
	"cmd/tiffin/complete":   {"engine", "engine/call", "engine/api"},
	"cmd/tiffin/copies":     {"engine", "engine/archive", "engine/call"},
	"cmd/tiffin/format":     {"cmd/tiffin/progress", "engine"},
	"cmd/tiffin/graph":      {"engine"},
	"cmd/tiffin/hostrun":    {"engine"},
	"cmd/tiffin/lines":      {"engine", "engine/call"},
	"cmd/tiffin/menu":       {"cmd/tiffin/caller", "cmd/tiffin/progress"},
	"cmd/tiffin/networks":   {"cmd/tiffin/format", "engine", "engine/call", "engine/api", "engine/plan"},
	"cmd/tiffin/progress":   {"engine"},
	"cmd/tiffin/publish":    {"cmd/tiffin/caller", "engine", "engine/call", "engine/image/artifact", "engine/image/credentials", "engine/plan", "project", "project/publication"},
	"cmd/tiffin/providers":  {"engine", "project/provider"},
	"cmd/tiffin/remote":     {"engine", "engine/image/artifact"},
	"cmd/tiffin/stats":      {"cmd/tiffin/caller", "cmd/tiffin/format", "cmd/tiffin/progress", "engine", "engine/api", "engine/call"},
	"cmd/tiffin/timings":    {"cmd/tiffin/format", "engine"},
	"cmd/tiffin/secrets":    {"cmd/tiffin/caller", "cmd/tiffin/format", "engine", "engine/call"},
	"cmd/tiffin/trial":      {"cmd/tiffin/addresses", "cmd/tiffin/caller", "cmd/tiffin/hostrun", "engine", "engine/call", "engine/lease"},
	"cmd/tiffin/watch":      {"engine", "engine/tree", "project/develop"},
	"cmd/tiffin-keeper":     {"engine/keeper"},

	"project": {
		"engine", "engine/logs/option",
		"project/attribute", "project/consistent", "project/develop", "project/device", "project/envfile", "project/explain", "project/fault", "project/hash", "project/instance", "project/job", "project/paths", "project/provider", "project/publication", "project/ready", "project/shape", "project/suggest", "project/variables",
	},
	"project/attribute":   {"project/fault"},
	"project/consistent":  {"engine", "project/fault", "project/shape", "project/suggest"},
	"project/develop":     {"engine"},
	"project/device":      {"engine", "project/fault"},
	"project/envfile":     nil,
	"project/explain":     {"project/variables"},
	"project/fault":       {"engine", "project/shape"},
	"project/hash":        {},
	"project/job":         {"engine", "engine/cron", "project/fault"},
	"project/instance":    {},
	"project/paths":       {},
	"project/publication": {"engine", "project/paths"},
	"project/ready":       {"engine", "project/fault", "project/shape", "project/suggest"},
	"project/shape":       {},
	"project/suggest":     {},
	"project/variables":   {},
	"project/provider":    {},

	"engine":         {"healthcheck"},
	"engine/call":    {"engine"},
	"engine/archive": {"engine", "engine/call"},
	"engine/api":     {"engine", "engine/call", "engine/lease", "engine/plan"},
	"engine/docker": {
		"engine", "engine/builder/change", "engine/builder/client", "engine/call", "engine/daemon/events", "engine/docker/classic", "engine/docker/filter", "engine/docker/shape", "engine/plan",
	},
	"engine/docker/classic": {"engine", "engine/builder/client", "engine/call", "engine/docker/filter"},
	"engine/docker/filter":  {"engine"},
	"engine/docker/shape":   {"engine", "engine/call", "engine/logs/option"},
	"engine/lease":          {"engine", "engine/call"},
	"engine/plan":           {"engine", "engine/call"},
	"engine/schedule":       {"engine", "engine/call", "engine/cron", "engine/state"},
	"engine/daemon": {
		"engine",
		"engine/builder", "engine/call", "engine/cdi", "engine/container", "engine/daemon/events", "engine/daemon/images", "engine/daemon/single",
		"engine/daemon/storage", "engine/image", "engine/network", "engine/ocispec", "engine/output", "engine/plan", "engine/runtime",
		"engine/schedule", "engine/secret", "engine/settings", "engine/state", "engine/supervisor", "engine/volume",
	},
	"engine/cdi":            {"engine"},
	"engine/daemon/events":  {"engine"},
	"engine/daemon/storage": {"engine", "engine/container", "engine/volume"},
	"engine/daemon/images":  {"engine", "engine/call", "engine/daemon/events", "engine/image", "engine/image/registry"},
	"engine/daemon/single":  {"engine", "engine/archive", "engine/builder/change", "engine/call", "engine/container", "engine/daemon/events"},
	"engine/secret":         {"engine", "engine/state"},
	"engine/settings":       {"engine"},
	"engine/output":         {"engine", "engine/call", "engine/container", "engine/logs"},
	"engine/socket":         {"engine", "engine/settings"},
	"engine/container": {
		"dns", "engine",
		"engine/call", "engine/cdi", "engine/image", "engine/logs", "engine/logs/option", "engine/network", "engine/ocispec", "engine/probe", "engine/runtime", "engine/runtime/hook", "engine/secret", "engine/stub", "engine/supervisor", "engine/tree", "engine/usage", "engine/volume", "healthcheck",
	},
	"engine/builder":           {"engine", "engine/call", "engine/image"},
	"engine/builder/change":    {"engine"},
	"engine/builder/client":    {"engine", "engine/call"},
	"engine/image":             {"engine", "engine/call", "engine/image/layer", "engine/image/registry"},
	"engine/image/credentials": {"engine", "engine/call"},
	"engine/tree":              {"engine"},
	"engine/image/artifact":    {"engine", "engine/call", "engine/image/registry"},
	"engine/image/layer":       {"engine"},
	"engine/image/registry":    {"engine", "engine/call"},
	"engine/network": {
		"dns",
		"engine",
		"engine/network/ipam",
		"engine/network/names",
		"engine/network/nft",
		"engine/network/option",
		"engine/network/relay",
		"engine/network/router",
		"engine/network/shortcut",
	},
	"engine/network/ipam":     {"engine"},
	"engine/network/names":    {"dns"},
	"engine/network/option":   {"engine"},
	"engine/network/router":   {"engine/network/nft"},
	"engine/network/shortcut": {"engine"},
	"engine/ocispec":          {"engine", "engine/call"},
	"engine/probe":            {"engine"},
	"engine/usage":            {"engine/call", "engine/runtime"},
	"engine/supervisor":       {"engine", "engine/runtime", "healthcheck"},
	"engine/volume":           {"engine"},
	"engine/stub":             {"engine"},
	"engine/logs":             {"engine/logs/frame"},
	"engine/keeper":           {"engine/logs/frame", "engine/runtime/program"},
	"engine/runtime":          {"engine/keeper", "engine/runtime/hook", "engine/runtime/program", "engine/runtime/seccomp"},

	// The ground floor imports nothing of ours.
	"dns":                    nil,
	"healthcheck":            nil,
	"engine/cron":            nil,
	"engine/state":           nil,
	"engine/logs/frame":      nil,
	"engine/logs/option":     nil,
	"engine/network/nft":     nil,
	"engine/network/relay":   nil,
	"engine/runtime/hook":    nil,
	"engine/runtime/program": nil,
	"engine/runtime/seccomp": nil,
	"engine/runtime/seccomp/internal/gensyscalls": nil,
}

const (
	maxFileLines    = 500
	maxPackageLines = 5000
)

// tighter budgets are for the two rooms that would otherwise grow to hold everything.
var tighter = map[string]int{
	"engine":        1500,
	"engine/daemon": 3500,
}

func TestEachFileKeepsToTheMapAndTheRules(t *testing.T) {
	for _, f := range productFiles(t) {
		imports, known := allowed[f.pkg]
		if !known {
			t.Errorf("%s: package %s is not on the map in tests/arch/house_test.go", f.path, f.pkg)
		}
		complaints := slices.Concat(
			forbiddenImports(f, imports), initFunctions(f), forbiddenPrograms(f), tooLong(f, maxFileLines))
		for _, c := range complaints {
			t.Errorf("%s: %s", f.path, c)
		}
	}
}

func TestEachPackageSaysWhatItIsAndKeepsItsBudget(t *testing.T) {
	packages := map[string][]file{}
	for _, f := range productFiles(t) {
		packages[f.pkg] = append(packages[f.pkg], f)
	}
	for _, pkg := range slices.Sorted(maps.Keys(packages)) {
		if c := packageDoc(packages[pkg]); c != "" {
			t.Errorf("%s: %s", pkg, c)
		}
		lines := 0
		for _, f := range packages[pkg] {
			lines += f.lines
		}
		budget := maxPackageLines
		if b, ok := tighter[pkg]; ok {
			budget = b
		}
		if lines > budget {
			t.Errorf("%s: %d lines, at most %d: split it", pkg, lines, budget)
		}
	}
}

func TestTheMapNamesNoRoomThatItDoesNotHave(t *testing.T) {
	for pkg, imports := range allowed {
		for _, to := range imports {
			if _, ok := allowed[to]; !ok {
				t.Errorf("%s may import %s, which is not on the map", pkg, to)
			}
		}
	}
	for pkg := range tighter {
		if _, ok := allowed[pkg]; !ok {
			t.Errorf("a budget for %s, which is not on the map", pkg)
		}
	}
}
