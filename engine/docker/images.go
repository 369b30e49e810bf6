package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/image"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/docker/filter"
	"tiffin/engine/docker/shape"
)

func (s *Server) imageRoutes() {
	s.handle("GET /images/json", s.listImages)
	s.stream("POST /images/create", s.createImage)
	s.stream("POST /images/load", s.loadImages)
	s.handle("POST /images/prune", s.pruneImages)
	s.stream("GET /images/get", func(w http.ResponseWriter, r *http.Request) error {
		return s.saveImages(w, r, r.URL.Query()["names"])
	})
	// Names of images have slashes: the mux finds no end to them.
	s.stream("GET /images/{rest...}", s.readImage)
	s.stream("POST /images/{rest...}", s.changeImage)
	s.handle("DELETE /images/{rest...}", s.removeImage)
	s.handle("GET /distribution/{rest...}", s.distribution)
	s.handle("POST /auth", s.auth)
	s.handle("POST /commit", s.commit)
}

var errNoPage = engine.Problem(engine.ErrNotFound, errors.New("page not found"))

// nameAndVerb splits what follows /images/: library/busybox/json is the image library/busybox.
func nameAndVerb(rest string) (name, verb string) {
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		return "", rest
	}
	return rest[:i], rest[i+1:]
}

func (s *Server) readImage(w http.ResponseWriter, r *http.Request) error {
	name, verb := nameAndVerb(r.PathValue("rest"))
	switch {
	case name == "":
		return errNoPage
	case verb == "json":
		return answer(w, r, name, s.inspectImage)
	case verb == "history":
		return answer(w, r, name, s.imageHistory)
	case verb == "get":
		return s.saveImages(w, r, []string{name})
	case verb == "attestations":
		return unsupported("reading attestations")
	default:
		return errNoPage
	}
}

func (s *Server) changeImage(w http.ResponseWriter, r *http.Request) error {
	name, verb := nameAndVerb(r.PathValue("rest"))
	switch {
	case name == "":
		return errNoPage
	case verb == "tag":
		if err := s.tagImage(r, name); err != nil {
			return err
		}
		w.WriteHeader(http.StatusCreated)
		return nil
	case verb == "push":
		return s.pushImage(w, r, name)
	default:
		return errNoPage
	}
}

func answer(w http.ResponseWriter, r *http.Request, name string, do func(*http.Request, string) (any, error)) error {
	body, err := do(r, name)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}

func (s *Server) inspectImage(r *http.Request, name string) (any, error) {
	platform, err := platformParameter(r)
	if err != nil {
		return nil, err
	}
	withManifests := flag(r, "manifests")
	if withManifests && platform != "" {
		return nil, invalid("conflicting options: manifests and platform options cannot both be set")
	}
	img, more, err := s.imageDetails(r.Context(), name, platform)
	if err != nil {
		return nil, err
	}
	out := shape.InspectImage(&img, &more)
	if withManifests {
		users, err := s.users(r.Context())
		if err != nil {
			return nil, err
		}
		out.Manifests = shape.ManifestsOfImage(&more, users.of)
	}
	return out, nil
}

func (s *Server) imageDetails(ctx context.Context, name, platform string) (img engine.Image, more call.ImageDetails, err error) {
	if img, err = s.b.ImageFor(ctx, name, platform); err == nil {
		more, err = s.b.ImageDetails(ctx, name, platform)
	}
	if platform != "" && errors.Is(err, engine.ErrNotFound) {
		if _, other := s.b.Image(ctx, name); other == nil {
			// Docker's words; ours, which name the platforms that are here, come behind them.
			return img, more, engine.Problem(engine.ErrNotFound, fmt.Errorf("image with reference %s was found but does not provide the specified platform (%s): %w", name, platform, err))
		}
	}
	return img, more, noSuchImage(name, err)
}

func (s *Server) imageHistory(r *http.Request, name string) (any, error) {
	platform, err := platformParameter(r)
	if err != nil {
		return nil, err
	}
	img, more, err := s.imageDetails(r.Context(), name, platform)
	return shape.HistoryOfImage(&img, &more), err
}

// users are the containers of images.
type users map[string][]string

func (u users) of(imageID string) []string { return u[imageID] }

func (s *Server) users(ctx context.Context) (users, error) {
	list, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	out := users{}
	for i := range list {
		out[list[i].ImageID] = append(out[list[i].ImageID], list[i].ID)
	}
	return out, nil
}

// targets lists images as Docker does: one for all platforms that a name points to, the host's own if it is there. The
// newest is the first.
func (s *Server) targets(ctx context.Context) ([]engine.Image, error) {
	list, err := s.b.Images(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	list = slices.DeleteFunc(list, func(img engine.Image) bool {
		again := img.Digest != "" && seen[img.Digest]
		seen[img.Digest] = true
		return again
	})
	slices.SortStableFunc(list, func(a, b engine.Image) int { return shape.NewestFirst(&a, &b) })
	return list, nil
}

// imageFilters are those of GET /images/json.
var imageFilters = []string{"before", "dangling", "label", "label!", "reference", "since", "until"}

func (s *Server) listImages(r *http.Request) (any, error) {
	args, err := filter.Parse(r.URL.Query().Get("filters"), imageFilters...)
	if err != nil {
		return nil, err
	}
	if pattern := r.URL.Query().Get("filter"); pattern != "" { // before 1.41
		args["reference"] = map[string]bool{pattern: true}
	}
	ctx := r.Context()
	pick, err := s.imagePicker(ctx, args)
	if err != nil {
		return nil, err
	}
	list, err := s.targets(ctx)
	if err != nil {
		return nil, err
	}
	users, err := s.users(ctx)
	if err != nil {
		return nil, err
	}
	var sharing *shape.Sharing
	if flag(r, "shared-size") {
		found, err := s.sharing(ctx)
		if err != nil {
			return nil, err
		}
		sharing = &found
	}
	out := []shape.ImageSummary{}
	for i := range list {
		img := list[i]
		if !pick(&img) {
			continue
		}
		line := shape.SummaryOfImage(&img, len(users.of(img.ID)))
		if sharing != nil {
			line.SharedSize = sharing.Shared[img.ID]
		}
		if flag(r, "manifests") {
			more, err := s.b.ImageDetails(ctx, img.ID, "")
			if err != nil {
				continue // it was removed meanwhile
			}
			line.Descriptor, line.Manifests = &more.Target, shape.ManifestsOfImage(&more, users.of)
		}
		out = append(out, line)
	}
	return out, nil
}

// sharing looks what each image's files take, those for other platforms too. Images that are removed meanwhile take nothing.
func (s *Server) sharing(ctx context.Context) (shape.Sharing, error) {
	list, err := s.b.Images(ctx)
	if err != nil {
		return shape.Sharing{}, err
	}
	trees := map[string][]call.ImageTree{}
	for i := range list {
		more, err := s.b.ImageDetails(ctx, list[i].ID, "")
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return shape.Sharing{}, err
		}
		trees[list[i].ID] = more.Trees
	}
	return shape.ShareTrees(trees), nil
}

// imagePicker makes the filters into a question. It leaves an image only the names that were asked for.
func (s *Server) imagePicker(ctx context.Context, args filter.Args) (func(*engine.Image) bool, error) {
	dangling, err := args.Bool("dangling", false)
	if err != nil {
		return nil, err
	}
	var after, before time.Time
	for name, limit := range map[string]*time.Time{"since": &after, "before": &before} {
		for _, ref := range args.Values(name) {
			img, err := s.b.Image(ctx, ref)
			if err != nil {
				return nil, noSuchImage(ref, err)
			}
			*limit = img.Created
		}
	}
	if args.Has("until") {
		limit, err := until(args)
		if err != nil {
			return nil, err
		}
		if before.IsZero() || limit.Before(before) {
			before = limit
		}
	}
	for _, pattern := range args.Values("reference") {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, invalid("invalid filter 'reference=%s': %w", pattern, err)
		}
	}
	return func(img *engine.Image) bool {
		return args.Labels(img.Labels) && (!args.Has("dangling") || dangling == (len(img.Names) == 0)) &&
			(after.IsZero() || img.Created.After(after)) && (before.IsZero() || img.Created.Before(before)) && named(img, args)
	}, nil
}

// named keeps the names that fit a pattern, and says whether there are any.
func named(img *engine.Image, args filter.Args) bool {
	if !args.Has("reference") {
		return true
	}
	unfit := func(text string) bool {
		ref, err := reference.ParseNormalizedNamed(text)
		return err != nil || !slices.ContainsFunc(args.Values("reference"), func(pattern string) bool {
			ok, err := reference.FamiliarMatch(pattern, ref)
			return err == nil && ok
		})
	}
	img.Names = slices.DeleteFunc(slices.Clone(img.Names), unfit)
	img.Digests = slices.DeleteFunc(slices.Clone(img.Digests), unfit)
	return len(img.Names)+len(img.Digests) > 0
}

// nameOf joins a repository and a tag or digest of the query.
func nameOf(repository, tag string) string {
	switch {
	case tag == "":
		return repository
	case strings.Contains(tag, ":"): // a digest
		return repository + "@" + tag
	default:
		return repository + ":" + tag
	}
}

func (s *Server) tagImage(r *http.Request, name string) error {
	q := r.URL.Query()
	if strings.Contains(q.Get("tag"), ":") {
		return invalid("invalid tag format")
	}
	if _, err := reference.ParseNormalizedNamed(q.Get("repo")); err != nil {
		return engine.Problem(engine.ErrInvalid, err)
	}
	return noSuchImage(name, s.b.TagImage(r.Context(), name, nameOf(q.Get("repo"), q.Get("tag"))))
}

// removeImage needs no word about parents: images have none here, and noprune says nothing.
func (s *Server) removeImage(r *http.Request) (any, error) {
	name := r.PathValue("rest")
	if strings.TrimSpace(name) == "" {
		return nil, invalid("image name cannot be blank")
	}
	if texts := r.URL.Query()["platforms"]; len(texts) > 0 {
		return s.removePlatforms(r, name, texts)
	}
	lines, err := s.b.RemoveImage(context.WithoutCancel(r.Context()), name, call.ForceRemove(flag(r, "force")))
	return removed(lines), noSuchImage(name, err)
}

func (s *Server) removePlatforms(r *http.Request, name string, texts []string) (any, error) {
	var wanted []string
	for _, text := range texts {
		platform, err := platformOf(text)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, platform)
	}
	if _, err := s.b.Image(r.Context(), name); err != nil {
		return nil, noSuchImage(name, err)
	}
	lines, err := s.b.RemovePlatforms(context.WithoutCancel(r.Context()), name, wanted)
	return removed(lines), err
}

func unsupported(what string) error {
	return engine.Problem(engine.ErrUnsupported, errors.New(what+" is not supported by tiffin"))
}

func removed(lines []string) []image.DeleteResponse {
	out := []image.DeleteResponse{}
	for _, line := range lines {
		if id, ok := strings.CutPrefix(line, "Deleted: "); ok {
			out = append(out, image.DeleteResponse{Deleted: id})
		} else {
			out = append(out, image.DeleteResponse{Untagged: strings.TrimPrefix(line, "Untagged: ")})
		}
	}
	return out
}

// pruneImages removes images that no container was made of: those without names, or all with dangling=false.
func (s *Server) pruneImages(r *http.Request) (any, error) {
	args, err := filter.Parse(r.URL.Query().Get("filters"), "dangling", "label", "label!", "until")
	if err != nil {
		return nil, err
	}
	dangling, err := args.Bool("dangling", true)
	if err != nil {
		return nil, err
	}
	before, err := until(args)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	list, err := s.targets(ctx)
	if err != nil {
		return nil, err
	}
	users, err := s.users(ctx)
	if err != nil {
		return nil, err
	}
	had, err := s.sharing(ctx)
	if err != nil {
		return nil, err
	}
	report := image.PruneReport{}
	for i := range list {
		img := &list[i]
		hasName := len(img.Names)+len(img.Digests) > 0
		if dangling && hasName || len(users.of(img.ID)) > 0 || !args.Labels(img.Labels) || !img.Created.Before(before) {
			continue
		}
		if lines, err := s.b.RemoveImage(ctx, img.ID, true); err == nil { // or it is used by now
			report.ImagesDeleted = append(report.ImagesDeleted, removed(lines)...)
		}
	}
	has, err := s.sharing(ctx)
	if err != nil {
		return nil, err
	}
	report.SpaceReclaimed = uint64(max(had.Total-has.Total, 0))
	s.pruned(engine.EventImage, report.SpaceReclaimed)
	return report, nil
}
