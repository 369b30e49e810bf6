// Package runtime creates, enters, signals and ends OCI containers.
//
// Its input is an OCI runtime spec in memory and open descriptors; it knows nothing of images, services or networks.
//
// Reading order: cgroup_tree.go (where the host's hierarchies are), cgroup.go (one container's control group),
// cgroup_resources.go (limits), cgroup_events.go (freeze, kill, wait), cgroup_stats.go (counters, out of memory).
package runtime
