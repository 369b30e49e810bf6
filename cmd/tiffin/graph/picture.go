package graph

import (
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
)

// Kind is what a node stands for.
type Kind string

// The kinds of nodes.
const (
	Service Kind = "service"
	Network Kind = "network"
	Volume  Kind = "volume"
	Port    Kind = "port"
)

// Node is a thing in a Picture.
type Node struct {
	Kind Kind
	Name string
	// Lines are said of it below its name: an image, a driver.
	Lines []string
}

// id names a node among all of a Picture.
func (n *Node) id() string { return string(n.Kind) + " " + n.Name }

// Edge leads from a node to another, both by their place in the Picture.
type Edge struct {
	From, To int
	Label    string
	// Strong is an order of starts; the others say what is shared or opened.
	Strong bool
}

// Picture is what is drawn of a Stack.
type Picture struct {
	Title string
	Nodes []Node
	Edges []Edge
}

// Options say what is drawn beside the services and their dependencies.
type Options struct{ Networks, Volumes, Ports, Images bool }

// From makes the Picture of a Stack.
func From(stack *engine.Stack, o Options) Picture {
	p := painter{Picture: Picture{Title: stack.Name}, places: map[string]int{}}
	for i := range stack.Services {
		p.service(&stack.Services[i], o)
	}
	for i := range stack.Services {
		p.dependencies(&stack.Services[i])
	}
	if o.Networks {
		for i := range stack.Services {
			p.networks(stack, &stack.Services[i])
		}
	}
	if o.Volumes {
		for i := range stack.Services {
			p.volumes(&stack.Services[i])
		}
	}
	if o.Ports {
		for i := range stack.Services {
			p.ports(&stack.Services[i])
		}
	}
	return p.Picture
}

// painter fills a Picture.
type painter struct {
	Picture
	places map[string]int // of nodes, by id
}

// node returns the place of a node, which is added when it is new.
func (p *painter) node(n Node) int {
	if at, there := p.places[n.id()]; there {
		return at
	}
	p.Nodes = append(p.Nodes, n)
	p.places[n.id()] = len(p.Nodes) - 1
	return len(p.Nodes) - 1
}

func (p *painter) edge(e Edge) {
	if !slices.Contains(p.Edges, e) {
		p.Edges = append(p.Edges, e)
	}
}

func (p *painter) service(svc *engine.Service, o Options) {
	n := Node{Kind: Service, Name: svc.Name}
	if svc.Scale != 1 {
		n.Lines = append(n.Lines, fmt.Sprintf("× %d", svc.Scale))
	}
	if o.Images {
		n.Lines = append(n.Lines, svc.Container.Image)
	}
	p.node(n)
}

func (p *painter) dependencies(svc *engine.Service) {
	from := p.places["service "+svc.Name]
	for _, d := range svc.DependsOn {
		to, there := p.places["service "+d.Service]
		if !there { // an optional one that no profile enables
			continue
		}
		label := ""
		if d.Condition != engine.ConditionStarted {
			label = strings.ReplaceAll(strings.TrimPrefix(string(d.Condition), "service_"), "_", " ")
		}
		p.edge(Edge{From: from, To: to, Label: label, Strong: true})
	}
}

func (p *painter) networks(stack *engine.Stack, svc *engine.Service) {
	from := p.places["service "+svc.Name]
	for _, e := range svc.Container.Endpoints {
		n := Node{Kind: Network, Name: e.Network}
		if spec, ok := stack.Network(e.Network); ok {
			n.Lines = networkLines(spec)
		}
		p.edge(Edge{From: from, To: p.node(n), Label: strings.Join(e.Aliases, ", ")})
	}
}

func networkLines(spec *engine.NetworkSpec) []string {
	var lines []string
	if d := spec.Driver; d != "" && d != "bridge" {
		lines = append(lines, d)
	}
	if spec.External {
		lines = append(lines, "external")
	}
	if spec.Internal {
		lines = append(lines, "internal")
	}
	for _, pool := range spec.Pools {
		if pool.Subnet.IsValid() {
			lines = append(lines, pool.Subnet.String())
		}
	}
	return lines
}

func (p *painter) volumes(svc *engine.Service) {
	from := p.places["service "+svc.Name]
	for _, m := range svc.Container.Mounts {
		if m.Type != engine.MountVolume || m.Source == "" {
			continue
		}
		label := m.Target
		if m.ReadOnly {
			label += " (ro)"
		}
		p.edge(Edge{From: from, To: p.node(Node{Kind: Volume, Name: m.Source}), Label: label})
	}
}

func (p *painter) ports(svc *engine.Service) {
	to := p.places["service "+svc.Name]
	for _, b := range svc.Container.Ports {
		label := fmt.Sprint(b.ContainerPort)
		if b.Protocol != "" && b.Protocol != "tcp" {
			label += "/" + b.Protocol
		}
		p.edge(Edge{From: p.node(Node{Kind: Port, Name: hostSide(b)}), To: to, Label: label})
	}
}

// hostSide is where the host listens: 127.0.0.1:8080, or "any port".
func hostSide(b engine.PortBinding) string {
	port := "any port"
	switch {
	case b.HostPortEnd > b.HostPort:
		port = fmt.Sprintf("%d-%d", b.HostPort, b.HostPortEnd)
	case b.HostPort != 0:
		port = fmt.Sprint(b.HostPort)
	}
	if b.HostIP.IsValid() && !b.HostIP.IsUnspecified() {
		host := b.HostIP.String()
		if b.HostIP.Is6() {
			host = "[" + host + "]"
		}
		port = host + ":" + port
	}
	return port
}
