package call

import "time"

// StatsRequest asks what containers use at this moment. The answer is for all of them, in one round trip: who wants
// rates asks twice.
type StatsRequest struct {
	// Containers are IDs or names, and instead of List.
	Containers []string    `json:",omitempty"`
	List       ListRequest `json:",omitzero"`
	// Details asks for Memory.Details, which is most of an answer.
	Details bool `json:",omitempty"`
}

// Stats are the counters of one container, as they were at Read. All but its names and Read are zero when it does not
// run. Times are in nanoseconds, sizes in bytes.
type Stats struct {
	ID      string
	Name    string
	Service string    `json:",omitempty"`
	Running bool      `json:",omitempty"`
	Read    time.Time `json:",omitzero"`

	CPU    CPUStats    `json:",omitzero"`
	Memory MemoryStats `json:",omitzero"`
	Pids   PidsStats   `json:",omitzero"`
	Block  []BlockStat `json:",omitempty"`
	// Networks are the interfaces of its network namespace but for loopback, by name; none are the host's.
	Networks map[string]InterfaceStats `json:",omitempty"`
}

// CPUStats are times of processors, since the container and the machine were started.
type CPUStats struct {
	Total  uint64   `json:",omitempty"`
	User   uint64   `json:",omitempty"`
	System uint64   `json:",omitempty"`
	PerCPU []uint64 `json:",omitempty"` // cgroup v1 alone counts them
	// Host is what all processors of the machine had to do, being idle included; Online is how many they are.
	Host   uint64 `json:",omitempty"`
	Online int    `json:",omitempty"`

	Periods          uint64 `json:",omitempty"`
	ThrottledPeriods uint64 `json:",omitempty"`
	ThrottledTime    uint64 `json:",omitempty"`
}

// MemoryStats are sizes of memory.
type MemoryStats struct {
	Usage uint64 `json:",omitempty"`
	Max   uint64 `json:",omitempty"` // of Usage so far
	// Limit is the container's, or what the machine has.
	Limit uint64 `json:",omitempty"`
	// InactiveFile is the part of Usage that is cache which nobody has used for a while.
	InactiveFile uint64 `json:",omitempty"`
	FailCount    uint64 `json:",omitempty"` // how often the limit was hit
	// Details are the kernel's own figures, by its names, if they were asked for.
	Details map[string]uint64 `json:",omitempty"`
}

// PidsStats count processes and threads.
type PidsStats struct {
	Current uint64 `json:",omitempty"`
	Limit   uint64 `json:",omitempty"` // 0: none
}

// BlockStat counts one kind of operation on one block device.
type BlockStat struct {
	Major, Minor uint64
	Op           string // read, write, and on v1 their sums
	Bytes        uint64 `json:",omitempty"`
	Operations   uint64 `json:",omitempty"`
}

// InterfaceStats are the counters of a network interface.
type InterfaceStats struct {
	RxBytes   uint64 `json:",omitempty"`
	RxPackets uint64 `json:",omitempty"`
	RxErrors  uint64 `json:",omitempty"`
	RxDropped uint64 `json:",omitempty"`
	TxBytes   uint64 `json:",omitempty"`
	TxPackets uint64 `json:",omitempty"`
	TxErrors  uint64 `json:",omitempty"`
	TxDropped uint64 `json:",omitempty"`
}
