package option

import (
	"errors"
	"strconv"
	"strings"
)

// VLAN are the options of macvlan and ipvlan, as the kernel numbers them.
type VLAN struct {
	Mode uint32
	Flag uint16 // ipvlan only
}

// The modes of macvlan (linux/if_link.h, enum macvlan_mode).
const (
	macvlanPrivate  = 1
	macvlanVEPA     = 2
	macvlanBridge   = 4
	macvlanPassthru = 8
)

var macvlanModes = map[string]uint32{
	"": macvlanBridge, "bridge": macvlanBridge, "private": macvlanPrivate, "vepa": macvlanVEPA, "passthru": macvlanPassthru,
}

// The modes and flags of ipvlan (linux/if_link.h); without flag the links of a parent
// reach each other.
const ipvlanL2 = 0

var (
	ipvlanModes = map[string]uint32{"": ipvlanL2, "l2": ipvlanL2, "l3": 1, "l3s": 2}
	ipvlanFlags = map[string]uint16{"": 0, "bridge": 0, "private": 1, "vepa": 2}
)

func (o *Network) macvlan(key, value string) (known bool, err error) {
	switch key {
	case "macvlan_mode":
		mode, ok := macvlanModes[value]
		if !ok {
			err = errors.New("the modes are bridge, private, vepa and passthru")
		}
		o.VLAN.Mode = mode
	case "parent":
		o.Parent, err = value, parentName(value)
	default:
		return false, nil
	}
	return true, err
}

func (o *Network) ipvlan(key, value string) (known bool, err error) {
	switch key {
	case "ipvlan_mode":
		mode, ok := ipvlanModes[value]
		if !ok {
			err = errors.New("the modes are l2, l3 and l3s")
		}
		o.VLAN.Mode = mode
	case "ipvlan_flag":
		flag, ok := ipvlanFlags[value]
		if !ok {
			err = errors.New("the flags are bridge, private and vepa")
		}
		o.VLAN.Flag = flag
	case "parent":
		o.Parent, err = value, parentName(value)
	default:
		return false, nil
	}
	return true, err
}

// parentName checks the name of a parent; none is one of ours.
func parentName(name string) error {
	if name == "" {
		return nil
	}
	if name == "lo" {
		return errors.New("the loopback interface cannot be a parent")
	}
	return interfaceName(name)
}

// Tagged reads the name of a VLAN's link, eth0.10, as Docker does: what is above it, and
// its number.
func Tagged(parent string) (above string, number uint16, ok bool) {
	i := strings.LastIndexByte(parent, '.')
	if i <= 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(parent[i+1:], 10, 16)
	if err != nil || n < 1 || n > 4094 {
		return "", 0, false
	}
	return parent[:i], uint16(n), true
}

// Passes says that a macvlan is its parent under another name.
func (v VLAN) Passes(driver string) bool { return driver == "macvlan" && v.Mode == macvlanPassthru }

// Routes says that an ipvlan carries packets of IP only: there is no gateway to ask for,
// and all that leaves goes to the parent.
func (v VLAN) Routes(driver string) bool { return driver == "ipvlan" && v.Mode != ipvlanL2 }
