package project

import (
	"tiffin/project/publication"
	"tiffin/project/variables"
)

// Publication is what a registry gets of the project.
//
// Errors: engine.ErrInvalid for files that are too large or that cannot be read.
func (p *Project) Publication(env publication.EnvFiles) (*publication.Publication, error) {
	var main []publication.File
	for _, src := range p.texts.all[:p.texts.main] {
		main = append(main, publication.File{Path: src.path, Content: src.content})
	}
	expand := variables.Expansion{Lookup: p.Lookup}
	return publication.Of(main, publication.Site{
		Dir: p.site.dir, Expand: expand.Expand, Show: p.texts.show,
		Read: func(path string) ([]byte, error) { return p.texts.slurp(path, nil) },
	}, env)
}
