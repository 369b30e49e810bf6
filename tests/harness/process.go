package harness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Process is a process of the machine.
type Process struct {
	Pid, Parent int
	Started     uint64 // in clock ticks since boot: with the pid, it names a process for good
	Command     string
}

func (p Process) String() string { return fmt.Sprintf("%s (pid %d)", p.Command, p.Pid) }

// allProcesses reads /proc; who ends meanwhile is left out, and so are the kernel's threads.
func allProcesses() []Process {
	var all []Process
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			all = append(all, p)
		}
	}
	return all
}

func readProcess(pid int) (Process, bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Process{}, false
	}
	// The name is in brackets and may hold anything; see proc_pid_stat(5) for the fields behind it.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return Process{}, false
	}
	fields := strings.Fields(string(stat[end+1:]))
	const state, parent, started = 0, 1, 19
	if len(fields) <= started || fields[state] == "X" {
		return Process{}, false
	}
	p := Process{Pid: pid, Command: string(stat[open+1 : end])}
	p.Parent, _ = strconv.Atoi(fields[parent])
	p.Started, _ = strconv.ParseUint(fields[started], 10, 64)
	const kthreadd = 2
	if p.Pid == kthreadd || p.Parent == kthreadd {
		return Process{}, false
	}
	if fields[state] == "Z" {
		p.Command += " <defunct>"
	} else if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(line) > 0 {
		p.Command = strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
	}
	return p, true
}

// Processes are those of these roots: the engine and its commands by their environment, the keepers by the sockets that
// they hold, the containers by their control group, and the children of all of them.
func (e *Tiffin) Processes() []Process {
	all := allProcesses()
	sockets := socketsBelow(e.Run)
	ours := map[int]bool{}
	for _, p := range all {
		ours[p.Pid] = p.Pid != os.Getpid() && (e.inEnvironment(p.Pid) || e.inGroup(p.Pid) || holds(p.Pid, e, sockets))
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !ours[p.Pid] && ours[p.Parent] {
				ours[p.Pid], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(all, func(p Process) bool { return !ours[p.Pid] })
}

func (e *Tiffin) inEnvironment(pid int) bool {
	env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return bytes.Contains(append([]byte{0}, env...), []byte("\x00TIFFIN_RUN_ROOT="+e.Run+"\x00"))
}

func (e *Tiffin) inGroup(pid int) bool {
	groups, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return bytes.Contains(groups, []byte("/tiffin-"+e.key()))
}

// holds tells whether a process has a file below the roots open, or one of the sockets.
func holds(pid int, e *Tiffin, sockets map[string]bool) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(f os.DirEntry) bool {
		target, _ := os.Readlink(filepath.Join(dir, f.Name()))
		return sockets[target] || below(e.Run, target) || below(e.Data, target)
	})
}

// socketsBelow are the unix sockets bound below a folder, as they stand in /proc/PID/fd.
func socketsBelow(dir string) map[string]bool {
	sockets := map[string]bool{}
	table, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line) // address, counts, protocol, flags, type, state, inode, path
		if len(fields) == 8 && below(dir, fields[7]) {
			sockets["socket:["+fields[6]+"]"] = true
		}
	}
	return sockets
}

func below(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}
