package container

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
)

// clockTicks is USER_HZ, which is 100 on all architectures that Linux has today.
const clockTicks = 100

// Top lists the processes of a container as `ps -ef` does; with other options the host's ps
// does, see topOf.
//
// Errors: engine.ErrConflict when it does not run.
func (c *Container) Top(ctx context.Context, args []string) (*call.Top, error) {
	r := c.running()
	if r == nil {
		return nil, engine.Problem(engine.ErrConflict, fmt.Errorf("container %s is not running", c.Name()))
	}
	pids, err := r.cgroup.Pids()
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && strings.Join(args, " ") != "-ef" {
		return topOf(ctx, args, pids)
	}
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	top := &call.Top{Titles: []string{"UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"}}
	for _, pid := range pids {
		if row, err := processRow(pid, boot); err == nil { // else it has ended meanwhile
			top.Processes = append(top.Processes, row)
		}
	}
	return top, nil
}

func bootTime() (time.Time, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, fmt.Errorf("read boot time: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "btime "); ok {
			s, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return time.Unix(s, 0), err
		}
	}
	return time.Time{}, fmt.Errorf("read boot time: /proc/stat has no btime")
}

// processRow reads one process, see proc(5).
func processRow(pid int, boot time.Time) ([]string, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return nil, err
	}
	info, err := os.ReadFile(dir + "/status")
	if err != nil {
		return nil, err
	}
	command, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return nil, err
	}
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	if open < 0 || end < open || len(fields) < 20 {
		return nil, fmt.Errorf("malformed %s/stat", dir)
	}
	ticks := number(fields[11]) + number(fields[12])
	started := boot.Add(time.Duration(number(fields[19])) * time.Second / clockTicks)
	elapsed := max(time.Since(started), time.Second)
	cpu := time.Duration(ticks) * time.Second / clockTicks
	name := string(bytes.TrimSpace(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
	if name == "" {
		name = "[" + string(text[open+1:end]) + "]"
	}
	return []string{
		userName(string(info)), strconv.Itoa(pid), fields[1], strconv.Itoa(int(100 * cpu / elapsed)),
		started.Local().Format("15:04"), terminalName(number(fields[4])), clock(cpu), name,
	}, nil
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // the kernel wrote it
	return n
}

func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

func terminalName(dev int64) string {
	major, minor := dev>>8&0xfff, dev&0xff|dev>>12&0xfff00
	if major >= 136 && major <= 143 {
		return fmt.Sprintf("pts/%d", minor)
	}
	return "?"
}

// userName is the host's name for the process's user, as docker top shows it.
func userName(status string) string {
	for line := range strings.Lines(status) {
		if v, ok := strings.CutPrefix(line, "Uid:"); ok {
			id := strings.Fields(v)[0]
			if u, err := user.LookupId(id); err == nil {
				return u.Username
			}
			return id
		}
	}
	return "?"
}
