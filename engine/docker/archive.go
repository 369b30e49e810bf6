package docker

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
	"tiffin/engine/call"
)

func (s *Server) archiveRoutes() {
	s.stream("HEAD /containers/{id}/archive", s.statArchive)
	s.stream("GET /containers/{id}/archive", s.getArchive)
	s.handle("PUT /containers/{id}/archive", s.putArchive)
	s.stream("GET /containers/{id}/export", s.export)
}

// statHeader carries what is at a path, as base64 of JSON.
const statHeader = "X-Docker-Container-Path-Stat"

// pathStat looks at a path of a container: at a link itself, not at what it leads to, unless
// the path says by its end that it means a folder.
func (s *Server) pathStat(r *http.Request) (*call.FileRequest, string, error) {
	where := r.URL.Query().Get("path")
	if where == "" {
		return nil, "", invalid("missing parameter: path")
	}
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, "", err
	}
	req := &call.FileRequest{Container: c.ID, Path: path.Join("/", where), Name: path.Base(where)}
	req.Follow = strings.HasSuffix(where, "/") || req.Name == "."
	if req.Path == "/" {
		req.Name = "." // its own name would be /, which says nothing
	}
	found, err := s.b.StatFile(r.Context(), req)
	switch {
	case found.Missing, errors.Is(err, engine.ErrNotFound): // or the folder it would be in
		return nil, "", errNoFile(where, r.PathValue("id"))
	case err != nil:
		return nil, "", err
	case req.Follow && !found.Mode.IsDir():
		return nil, "", invalid("not a directory")
	}
	target := found.Target
	if target != "" { // clients go on with where it leads to in the end
		end, err := s.b.StatFile(r.Context(), &call.FileRequest{Container: c.ID, Path: req.Path, Follow: true})
		if err == nil {
			target = end.Path
		}
	}
	text, err := json.Marshal(container.PathStat{
		Name: path.Base(path.Join("/", where)), Size: found.Size, Mode: found.Mode, Mtime: found.Modified, LinkTarget: target,
	})
	return req, base64.StdEncoding.EncodeToString(text), err
}

func (s *Server) statArchive(w http.ResponseWriter, r *http.Request) error {
	_, stat, err := s.pathStat(r)
	if err != nil {
		return err
	}
	w.Header().Set(statHeader, stat)
	w.WriteHeader(http.StatusOK)
	return nil
}

func errNoFile(where, ref string) error {
	return engine.Problem(engine.ErrNotFound, fmt.Errorf("Could not find the file %s in container %s", where, ref)) //nolint:staticcheck // Docker's text
}

func (s *Server) getArchive(w http.ResponseWriter, r *http.Request) error {
	req, stat, err := s.pathStat(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set(statHeader, stat)
	return s.b.ReadFiles(r.Context(), req, w)
}

func (s *Server) putArchive(r *http.Request) (any, error) {
	where := r.URL.Query().Get("path")
	if where == "" {
		return nil, invalid("missing parameter: path")
	}
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	folder, err := s.b.StatFile(r.Context(), &call.FileRequest{Container: c.ID, Path: path.Join("/", where), Follow: true})
	switch {
	case folder.Missing, errors.Is(err, engine.ErrNotFound):
		return nil, errNoFile(where, r.PathValue("id"))
	case err != nil:
		return nil, err
	case !folder.Mode.IsDir():
		return nil, invalid("extraction point is not a directory")
	}
	plain, err := unzipped(r.Body)
	if err != nil {
		return nil, err
	}
	return status{code: http.StatusOK}, s.b.WriteFiles(r.Context(), &call.WriteRequest{
		Container: c.ID, Folder: folder.Path, Owners: true,
	}, plain)
}

// unzipped unpacks a stream that is compressed with gzip; others are left as they are.
func unzipped(body io.Reader) (io.Reader, error) {
	in := bufio.NewReader(body)
	head, err := in.Peek(2)
	if err != nil || head[0] != 0x1f || head[1] != 0x8b {
		return in, nil //nolint:nilerr // who reads it finds out
	}
	plain, err := gzip.NewReader(in)
	if err != nil {
		return nil, invalid("unpack the archive: %w", err)
	}
	return plain, nil
}

func (s *Server) export(w http.ResponseWriter, r *http.Request) error {
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-tar")
	return s.b.Export(r.Context(), c.ID, w)
}
