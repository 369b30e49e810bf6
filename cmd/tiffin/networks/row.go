package networks

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
)

// Row is a network as ls shows it, by docker's names.
type Row struct {
	CreatedAt string
	Driver    string
	ID        string
	IPv4      string
	IPv6      string
	Internal  string
	Labels    string
	Name      string
	Scope     string

	labels map[string]string
}

// Label is the value of a label, for templates.
func (r Row) Label(name string) string { return r.labels[name] }

// scope is how far a network reaches: never beyond the host.
const scope = "local"

// RowOf shows a network; full says that IDs are not cut.
func RowOf(n *engine.Network, full FullIDs) Row {
	id := n.ID
	if !full {
		id = engine.ShortID(id)
	}
	labels := n.Labels()
	return Row{
		CreatedAt: n.Created.Format("2006-01-02 15:04:05.999999999 -0700 MST"), Driver: Driver(n), ID: id,
		IPv4: strconv.FormatBool(has4(n)), IPv6: strconv.FormatBool(n.Spec.EnableIPv6), Internal: strconv.FormatBool(n.Spec.Internal),
		Labels: join(labels), Name: n.Spec.Name, Scope: scope, labels: labels,
	}
}

// FullIDs says that identifiers are shown whole (--no-trunc).
type FullIDs bool

func join(labels map[string]string) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, key+"="+labels[key])
	}
	return strings.Join(words, ",")
}

func has4(n *engine.Network) bool {
	if len(n.Pools) == 0 {
		return !n.Spec.DisableIPv4
	}
	return slices.ContainsFunc(n.Pools, func(p engine.Pool) bool { return p.Subnet.Addr().Is4() })
}

// Driver is that of a network, by docker's name.
func Driver(n *engine.Network) string {
	switch d := n.Spec.Driver; d {
	case "", "default":
		return "bridge"
	case "none":
		return "null"
	default:
		return d
	}
}

// Columns are the headings and cells of a table.
func Columns(rows []Row) (headings []string, cells [][]string) {
	for _, r := range rows {
		cells = append(cells, []string{r.ID, r.Name, r.Driver, r.Scope})
	}
	return []string{"NETWORK ID", "NAME", "DRIVER", "SCOPE"}, cells
}
