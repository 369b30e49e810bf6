package stats

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"tiffin/engine"
	"tiffin/engine/call"
)

// row is a container as docker stats has it; the fields are the keys of its JSON, in their order.
type row struct {
	BlockIO   string
	CPUPerc   string
	Container string
	ID        string
	MemPerc   string
	MemUsage  string
	Name      string
	NetIO     string
	PIDs      string
}

// headings are docker's, for `table {{.CPUPerc}}`.
var headings = map[string]string{
	"BlockIO": "BLOCK I/O", "CPUPerc": "CPU %", "Container": "CONTAINER", "ID": "CONTAINER ID", "MemPerc": "MEM %",
	"MemUsage": "MEM USAGE / LIMIT", "Name": "NAME", "NetIO": "NET I/O", "PIDs": "PIDS",
}

// unknown is what docker shows for what it has not seen yet.
const unknown = "--"

// rowOf is what happened between two answers; before is nil for a container that was not in the first one.
func rowOf(before, now *call.Stats, full bool) row { //nolint:revive // the value of --no-trunc
	id := now.ID
	if !full {
		id = engine.ShortID(id)
	}
	received, sent := traffic(now)
	read, written := transfer(now)
	used := memory(now)
	return row{
		ID: id, Container: id, Name: now.Name,
		CPUPerc:  cpu(before, now),
		MemUsage: units.BytesSize(float64(used)) + " / " + units.BytesSize(float64(now.Memory.Limit)),
		MemPerc:  percent(float64(used), float64(now.Memory.Limit)),
		NetIO:    size(received) + " / " + size(sent),
		BlockIO:  size(read) + " / " + size(written),
		PIDs:     strconv.FormatUint(now.Pids.Current, 10),
	}
}

func size(n uint64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

func percent(part, whole float64) string {
	if whole <= 0 {
		return "0.00%"
	}
	return fmt.Sprintf("%.2f%%", 100*part/whole)
}

// cpu is the part of one processor that was used; all of two are 200 %. Of a container that was started anew meanwhile the
// counters began again.
func cpu(before, now *call.Stats) string {
	switch {
	case !now.Running:
		return "0.00%"
	case before == nil || !before.Running || now.CPU.Total < before.CPU.Total:
		return unknown
	default:
		return percent(float64(now.CPU.Total-before.CPU.Total), float64(now.Read.Sub(before.Read)))
	}
}

// memory is what docker shows as used: cache that nobody uses is not.
func memory(s *call.Stats) uint64 {
	if s.Memory.InactiveFile < s.Memory.Usage {
		return s.Memory.Usage - s.Memory.InactiveFile
	}
	return s.Memory.Usage
}

func traffic(s *call.Stats) (received, sent uint64) {
	for _, i := range s.Networks {
		received += i.RxBytes
		sent += i.TxBytes
	}
	return received, sent
}

func transfer(s *call.Stats) (read, written uint64) {
	for _, b := range s.Block {
		switch {
		case strings.EqualFold(b.Op, "read"):
			read += b.Bytes
		case strings.EqualFold(b.Op, "write"):
			written += b.Bytes
		}
	}
	return read, written
}

// rowsOf are the rows of an answer, with the one before it.
func rowsOf(before, now []call.Stats, full bool) []row {
	known := make(map[string]*call.Stats, len(before))
	for i := range before {
		known[before[i].ID] = &before[i]
	}
	rows := make([]row, len(now))
	for i := range now {
		rows[i] = rowOf(known[now[i].ID], &now[i], full)
	}
	return rows
}
