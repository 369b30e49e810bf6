package explain

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"tiffin/project/variables"
)

// Project is what is explained, and with what.
type Project struct {
	// Config is the mapping of the project in canonical form.
	Config *yaml.Node
	// Files are those that are merged, the last word first.
	Files []*File
	// Bases are the services that others extend.
	Bases map[Service]Service
	// Given are values that no Compose file gives, by their path: the name of the project, and what env files hold.
	Given map[string]Origin
	// Variable says where a variable is set that the file sees.
	Variable func(f *File, name string) Place
}

// File is one Compose file.
type File struct {
	Name string // as it is shown
	// Docs are the mappings of its documents.
	Docs []*yaml.Node
	// Lookup finds the variables that it sees.
	Lookup func(name string) (string, bool)
}

// Service is one in a file.
type Service struct {
	File *File
	Name string
}

// Place is a line of a file, or something else that has a name.
type Place struct {
	// From is environment, default (written into the file), unset, a flag, or "" for a line.
	From string `json:"from,omitempty"`
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

func (p Place) String() string {
	if p.File == "" {
		return p.From
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Unset is the From of a variable that has no value.
const Unset = "unset"

// Origin is where a value comes from.
type Origin struct {
	Place

	Variables []Variable `json:"variables,omitempty"`
}

// Variable is one that a value has in it.
type Variable struct {
	Name string `json:"name"`
	Place
}

// Default is the origin of what nobody said.
var Default = Origin{Place: Place{From: "default"}}

func (o Origin) String() string {
	var out strings.Builder
	out.WriteString(o.Place.String())
	for _, v := range o.Variables {
		out.WriteString(", $" + v.Name)
		switch v.From {
		case Unset:
			out.WriteString(" is not set")
		case "default":
			out.WriteString(" default in file")
		default:
			out.WriteString(" from " + v.String())
		}
	}
	return out.String()
}

// Value is a value of the project, at the end of a path.
type Value struct {
	Path   []string
	Node   *yaml.Node
	Origin Origin
}

// Values are all values of the project, in the order of the canonical form.
func (p *Project) Values() []Value {
	var out []Value
	p.walk(p.Config, nil, nil, &out)
	return out
}

// walk goes down to the values. nodes are those on the way, one for each step of path: items of lists are recognized by
// what they are.
func (p *Project) walk(node *yaml.Node, path []string, nodes []*yaml.Node, out *[]Value) {
	if len(node.Content) == 0 {
		*out = append(*out, Value{path, node, p.origin(path, nodes)})
		return
	}
	for i, child := range node.Content {
		step := strconv.Itoa(i)
		if node.Kind == yaml.MappingNode {
			if i%2 == 0 {
				continue
			}
			step = node.Content[i-1].Value
		}
		p.walk(child, append(path[:len(path):len(path)], step), append(nodes[:len(nodes):len(nodes)], child), out)
	}
}

func (p *Project) origin(path []string, nodes []*yaml.Node) Origin {
	if len(path) == 1 && path[0] == "name" {
		if o, ok := p.Given["name"]; ok {
			return o
		}
	}
	for _, f := range p.Files {
		if o, end := p.inFile(f, path, nodes, nil); end {
			return o
		}
	}
	if o, ok := p.Given[Key(path)]; ok {
		return o
	}
	return Default
}

// Key is a path as one text.
func Key(path []string) string { return strings.Join(path, ".") }

// inFile looks into a file, and into what its service extends. end says that there is no need to look further.
func (p *Project) inFile(f *File, path []string, nodes []*yaml.Node, been []Service) (o Origin, end bool) {
	for _, doc := range slices.Backward(f.Docs) {
		s := search{file: f}
		hit := s.find(doc, path, nodes, "")
		if hit != nil {
			return p.of(f, hit, path), true
		}
		if s.cut {
			return Default, true
		}
	}
	if len(path) < 3 || path[0] != "services" {
		return Origin{}, false
	}
	at := Service{f, path[1]}
	base, ok := p.Bases[at]
	for _, b := range been {
		ok = ok && b != at
	}
	if !ok {
		return Origin{}, false
	}
	there := append([]string{"services", base.Name}, path[2:]...)
	return p.inFile(base.File, there, nodes, append(been, at))
}

// of is the origin of a value that was found.
func (p *Project) of(f *File, h *hit, path []string) Origin {
	o := Origin{Place: Place{File: f.Name, Line: h.at.Line}}
	for _, name := range used(f, h.value) {
		o.Variables = append(o.Variables, Variable{name.name, p.placeOf(f, name)})
	}
	if h.inherits {
		name := path[len(path)-1]
		_, set := f.Lookup(name)
		o.Variables = append(o.Variables, Variable{name, p.placeOf(f, use{name: name, set: set})})
	}
	return o
}

func (p *Project) placeOf(f *File, u use) Place {
	switch {
	case u.set:
		return p.Variable(f, u.name)
	case u.fallback:
		return Place{From: "default"}
	default:
		return Place{From: Unset}
	}
}

// use is a variable in a text.
type use struct {
	name          string
	set, fallback bool
}

// used are the variables that decided what a text is, each once.
func used(f *File, node *yaml.Node) []use {
	if node == nil || node.Kind != yaml.ScalarNode || !strings.Contains(node.Value, "$") {
		return nil
	}
	var out []use
	expansion := variables.Expansion{
		Lookup: func(name string) (string, bool) {
			value, ok := f.Lookup(name)
			for _, u := range out {
				if u.name == name {
					return value, ok
				}
			}
			// An empty one that has a default may as well not be there.
			u := use{name: name, set: ok && (value != "" || !strings.Contains(node.Value, name+":-"))}
			u.fallback = !u.set && (strings.Contains(node.Value, name+":-") || strings.Contains(node.Value, name+"-"))
			out = append(out, u)
			return value, ok
		},
	}
	_, _ = expansion.Expand(node.Value) // a text that makes no sense was refused before
	return out
}
