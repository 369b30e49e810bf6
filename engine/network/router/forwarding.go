package router

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	forward4 = "net/ipv4/ip_forward"
	forward6 = "net/ipv6/conf/all/forwarding"
)

// change is one of a kernel parameter.
type change struct{ Name, Was, Now string }

// missing are the changes that it takes to forward for a network.
func (r *Router) missing(n Need) ([]change, error) {
	var changes []change
	err := r.cfg.InHost(func() error {
		if n.IPv4 {
			now, err := ReadSysctl(forward4)
			if err != nil {
				return err
			}
			if now != "1" {
				changes = append(changes, change{forward4, now, "1"})
			}
		}
		if !n.IPv6 {
			return nil
		}
		now, err := ReadSysctl(forward6)
		if err == nil && now != "1" {
			changes = append(append(changes, advertisements()...), change{forward6, now, "1"})
		}
		return err
	})
	return changes, err
}

// advertisements are the changes for interfaces that live by router advertisements. A
// router does not listen to them, unless it is told to (accept_ra = 2).
func advertisements() []change {
	var changes []change
	confs, _ := filepath.Glob("/proc/sys/net/ipv6/conf/*/accept_ra") // the pattern is good
	for _, path := range confs {
		name := strings.TrimPrefix(path, "/proc/sys/")
		if now, err := ReadSysctl(name); err == nil && now == "1" {
			changes = append(changes, change{name, now, "2"})
		}
	}
	return changes
}

// note writes down what is about to be changed.
func (r *Router) note(rec record, news []change) (record, error) {
	links, err := r.cfg.Links()
	if err != nil {
		return rec, fmt.Errorf("list the host's interfaces: %w", err)
	}
	var names []string
	for _, l := range links {
		// A port of a bridge receives nothing by itself.
		if a := l.Attrs(); a.Name != "lo" && a.MasterIndex == 0 && !ours(l) {
			names = append(names, a.Name)
		}
	}
	for _, c := range news {
		switch c.Name {
		case forward4:
			rec.Links4 = names
		case forward6:
			rec.Links6 = names
		}
		rec.Sysctls = append(slices.DeleteFunc(rec.Sysctls, func(old change) bool { return old.Name == c.Name }), c)
	}
	return rec, r.write(rec)
}

func writeAll(changes []change) error {
	for _, c := range changes {
		if err := WriteSysctl(c.Name, c.Now); err != nil {
			return err
		}
	}
	return nil
}

func putAllBack(changes []change) error {
	var errs []error
	for _, c := range slices.Backward(changes) {
		errs = append(errs, putBack(c))
	}
	return errors.Join(errs...)
}

// putBack leaves alone what somebody else has changed since.
func putBack(c change) error {
	now, err := ReadSysctl(c.Name)
	if errors.Is(err, os.ErrNotExist) { // its interface is gone
		return nil
	}
	if err == nil && now == c.Now {
		err = WriteSysctl(c.Name, c.Was)
	}
	return err
}
