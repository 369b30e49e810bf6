package router

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// firewalld rejects what no zone of its own lets through, by a last rule in its chain. It
// has to be told, as Docker and Podman do: our bridges are in the zone that trusts its
// interfaces. That is kept at a reload, and gone with firewalld.
const (
	firewalldTable = "firewalld" // of nftables
	firewalldName  = "org.fedoraproject.FirewallD1"
	firewalldPath  = "/org/fedoraproject/FirewallD1"
	firewalldZone  = firewalldName + ".zone."
	trusted        = "trusted"

	// It answers one at a time, and a reload of many rules takes seconds.
	firewalldTimeout = 15 * time.Second
)

// zones is how firewalld calls interfaces: a + stands for the rest of the name.
func zones(bridges []string) []string {
	var names []string
	for _, p := range passages(bridges, nil) {
		if prefix, pattern := strings.CutSuffix(p.from, "*"); pattern {
			names = append(names, prefix+"+")
		} else if p.from != "" {
			names = append(names, p.from)
		}
	}
	return names
}

func (r *Router) openFirewalld(how asking, bridges []string) (obstacles []string, err error) {
	want := zones(bridges)
	if r.cfg.LeaveFirewalls {
		if len(want) > 0 {
			obstacles = append(obstacles, firewalldObstacle(errors.New("the engine is set to leave it alone")))
		}
		return obstacles, nil
	}
	rec, err := r.readTrusted()
	if err != nil {
		return nil, err
	}
	if slices.Equal(rec, want) && (how == known || len(want) == 0) {
		return nil, nil
	}
	// Told first, done then: who comes after a crash takes back what was begun.
	if err := r.writeTrusted(union(rec, want)); err != nil {
		return nil, err
	}
	if err := tellFirewalld(rec, want); err != nil {
		if len(want) > 0 {
			obstacles = append(obstacles, firewalldObstacle(err))
		}
		return obstacles, nil
	}
	return nil, r.writeTrusted(want)
}

func firewalldObstacle(why error) string {
	return fmt.Sprintf("firewalld rejects what containers send to the outside (%v): "+
		"firewall-cmd --zone=%s --add-interface=%s+", why, trusted, BridgePrefix)
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// tellFirewalld adds and removes interfaces. Those that are there already may be added,
// and those that are not there removed.
func tellFirewalld(had, want []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), firewalldTimeout)
	defer cancel()
	address := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS")
	if address == "" {
		address = "unix:path=/run/dbus/system_bus_socket"
	}
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("connect to D-Bus: %w", err)
	}
	defer func() { _ = conn.Close() }() // all calls have been answered
	zone := conn.Object(firewalldName, firewalldPath)
	for _, name := range had {
		if !slices.Contains(want, name) {
			err := zone.CallWithContext(ctx, firewalldZone+"removeInterface", dbus.FlagNoAutoStart, trusted, name).Err
			if err != nil && !says(err, "UNKNOWN_INTERFACE") {
				return err
			}
		}
	}
	for _, name := range want {
		var there bool
		if err := zone.CallWithContext(ctx, firewalldZone+"queryInterface", dbus.FlagNoAutoStart, trusted, name).Store(&there); err != nil {
			return err
		}
		if there {
			continue
		}
		// An administrator may have put it into another zone: then that is where it is wanted.
		err := zone.CallWithContext(ctx, firewalldZone+"addInterface", dbus.FlagNoAutoStart, trusted, name).Err
		if err != nil && !says(err, "ZONE_CONFLICT") && !says(err, "ZONE_ALREADY_SET") && !says(err, "ALREADY_ENABLED") {
			return err
		}
	}
	return nil
}

// says tells whether an error of firewalld is of that kind: its text begins with it.
func says(err error, kind string) bool { return strings.Contains(err.Error(), kind) }

// trustedPath is beside the record, since it changes under another lock.
func (r *Router) trustedPath() string { return strings.TrimSuffix(r.path(), ".json") + ".trusted" }

func (r *Router) readTrusted() ([]string, error) {
	b, err := os.ReadFile(r.trustedPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what firewalld was told: %w", err)
	}
	return strings.Fields(string(b)), nil
}

func (r *Router) writeTrusted(names []string) error {
	if len(names) == 0 {
		if err := os.Remove(r.trustedPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("note what firewalld is told: %w", err)
		}
		return nil
	}
	if err := writeFile(r.trustedPath(), []byte(strings.Join(names, "\n"))); err != nil {
		return fmt.Errorf("note what firewalld is told: %w", err)
	}
	return nil
}
