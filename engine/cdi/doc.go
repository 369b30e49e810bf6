// Package cdi gives containers the devices that vendors describe.
//
// This is the Container Device Interface. A vendor's tool (nvidia-ctk cdi generate) writes files to /etc/cdi and
// /var/run/cdi, each of which says what a
// container needs for a device: nodes, mounts, variables, groups, hooks. A device is asked for by its name, or as a GPU,
// for which the name is found as Docker does.
//
// Reading order: name.go (pure: requests → names), registry.go (the files; what they change of an OCI spec).
package cdi
