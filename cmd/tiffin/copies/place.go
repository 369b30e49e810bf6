package copies

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"tiffin/engine"
	"tiffin/engine/call"
)

// End is one end of a copy.
type End struct {
	Service string // "" at the caller's
	Path    string
}

// Stream says that the end is a tar stream.
func (e End) Stream() bool { return e.Service == "" && e.Path == "-" }

// ParseEnd reads SERVICE:PATH or PATH. A path with a colon in it begins with / or with a dot.
func ParseEnd(arg string) End {
	service, inside, ok := strings.Cut(arg, ":")
	if !ok || filepath.IsAbs(arg) || strings.HasPrefix(arg, ".") {
		return End{Path: arg}
	}
	return End{service, inside}
}

// ParseEnds reads both ends of a copy; one of them is in a service.
func ParseEnds(from, to string) (source, target End, err error) {
	source, target = ParseEnd(from), ParseEnd(to)
	switch {
	case source.Service != "" && target.Service != "":
		err = engine.Hint(invalid(errors.New("copying between services is not supported")), "copy to a local folder first, and from there")
	case source.Service == "" && target.Service == "":
		err = engine.Hint(invalid(errors.New("unknown copy direction")), "name a service in one of the paths: SERVICE:PATH")
	case source.Path == "" || target.Path == "":
		err = invalid(errors.New("copy: a path is empty"))
	}
	return source, target, err
}

func invalid(err error) error { return engine.Problem(engine.ErrInvalid, err) }

// Contents says that a path means what is in a folder, not the folder: it ends in /. or is a root.
func Contents(name string) bool {
	return name == "." || strings.HasSuffix(name, "/.") || path.Clean(name) == "/"
}

// Folder says that a path is meant to be a folder's.
func Folder(name string) bool { return Contents(name) || strings.HasSuffix(name, "/") }

// Name is what a copy of a path is called in a stream.
func Name(source string) string {
	if Contents(source) {
		return "."
	}
	return path.Base(path.Clean(source))
}

// CheckSource refuses a source that is not what its path says.
func CheckSource(source string, at *call.FileStat) error {
	switch {
	case at.Missing:
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("%s: no such file or directory", source))
	case Folder(source) && !at.Mode.IsDir():
		return invalid(fmt.Errorf("%s: not a directory", source))
	default:
		return nil
	}
}

// Place says in which folder a copy of source goes, and what it is called there, when target is the path that was asked for
// and there is what is at it.
func Place(source string, from *call.FileStat, target string, there *call.FileStat) (folder, name string, err error) {
	switch {
	case there.Missing && !from.Mode.IsDir() && Folder(target):
		return "", "", engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("%s: no such directory", target)),
			"make it first, or leave out the slash")
	case there.Missing: // a folder is made there, with the source's contents
		return path.Dir(there.Path), path.Base(there.Path), nil
	case there.Mode.IsDir():
		return there.Path, Name(source), nil
	case Folder(target):
		return "", "", invalid(fmt.Errorf("%s: not a directory", target))
	case from.Mode.IsDir():
		return "", "", invalid(fmt.Errorf("cannot copy a directory to the file %s", target))
	default:
		return path.Dir(there.Path), path.Base(there.Path), nil
	}
}
