package image

import (
	"context"
	"fmt"
	"slices"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image/registry"
)

// Details tells of an image what nobody needs who but runs it. They are read each time.
//
// Errors: as for Resolve.
func (s *Store) Details(ctx context.Context, ref, platform string) (call.ImageDetails, error) {
	ctx = within(ctx)
	m, err := s.find(ctx, ref, platform)
	if err != nil {
		return call.ImageDetails{}, err
	}
	out := call.ImageDetails{Target: m.record.target}
	if out.Sent, err = s.saved(ctx, m); err != nil {
		return out, err
	}
	b := &bundle{}
	if b.manifest, err = s.manifestOf(ctx, m); err != nil {
		return out, err
	}
	if err := s.readBundle(ctx, b); err != nil {
		return out, err
	}
	top, err := s.rootfsOf(ctx, b.parts.Config.Digest)
	if err != nil {
		return out, err
	}
	if out.Trees, err = s.trees(ctx, top); err != nil {
		return out, err
	}
	out.Author, out.History = b.config.Author, historyOf(&b.config, out.Trees)
	if n := len(out.History); n > 0 {
		out.Comment = out.History[n-1].Comment
	}
	out.Manifests, err = s.manifests(ctx, m)
	return out, err
}

// trees lists the snapshots that a root filesystem consists of.
func (s *Store) trees(ctx context.Context, top string) ([]call.ImageTree, error) {
	var out []call.ImageTree
	for key := top; key != ""; {
		info, err := s.snapshots.Stat(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", key, err)
		}
		usage, err := s.snapshots.Usage(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("size of layer %s: %w", key, err)
		}
		out = append(out, call.ImageTree{Key: key, Size: engine.Bytes(usage.Size)})
		key = info.Parent
	}
	slices.Reverse(out)
	return out, nil
}

// historyOf gives each step that made a layer the size of it. Builds may stack fewer trees than there are layers: then
// nobody knows which is whose.
func historyOf(c *configFile, trees []call.ImageTree) []call.HistoryStep {
	known := len(trees) == len(c.RootFS.DiffIDs)
	out := make([]call.HistoryStep, 0, len(c.History))
	layer := 0
	for _, h := range c.History {
		step := call.HistoryStep{CreatedBy: h.CreatedBy, Comment: h.Comment, Empty: h.EmptyLayer}
		if h.Created != nil {
			step.Created = *h.Created
		}
		if !h.EmptyLayer {
			if known && layer < len(trees) {
				step.Size = trees[layer].Size
			}
			layer++
		}
		out = append(out, step)
	}
	return out
}

// manifests lists what the image's names point to.
func (s *Store) manifests(ctx context.Context, m match) ([]call.ImageManifest, error) {
	target := m.record.target
	listed := []ocispec.Descriptor{target}
	if images.IsIndexType(target.MediaType) {
		idx, err := s.localIndex(ctx, target)
		if err != nil {
			return nil, err
		}
		listed = idx.Manifests
	}
	here, err := s.variants(ctx, target)
	if err != nil {
		return nil, err
	}
	out := make([]call.ImageManifest, 0, len(listed))
	for _, d := range listed {
		one := call.ImageManifest{Descriptor: d}
		if isAttestation(d) {
			one.Attests = d.Annotations["vnd.docker.reference.digest"]
		}
		if d.Platform != nil {
			one.Platform = *d.Platform
		}
		one.Available, one.Content = s.present(ctx, d)
		for _, v := range here {
			if v.manifest == d.Digest {
				one.Image, one.Unpacked, one.Platform = v.image.ID, v.image.Size, v.platform
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// present tells how much of a manifest is here, and whether that is all.
func (s *Store) present(ctx context.Context, d ocispec.Descriptor) (bool, engine.Bytes) {
	b, m, err := s.localManifest(ctx, d)
	if err != nil {
		return false, 0
	}
	all, size := true, engine.Bytes(len(b))
	for _, part := range partsOf(m) {
		info, err := s.content.Info(ctx, part.Digest)
		if err != nil {
			all = false
			continue
		}
		size += engine.Bytes(info.Size)
	}
	return all, size
}

// Remote asks a registry about an image; nothing of it is kept.
//
// Errors: as for Pull.
func (s *Store) Remote(ctx context.Context, ref string, auth registry.Auth) (call.RemoteImage, error) {
	named, err := parseName(ref)
	if err != nil {
		return call.RemoteImage{}, err
	}
	p := &pull{store: s, ref: ref, named: named, remote: s.registry.Resolver(auth)}
	out, err := p.remoteImage(within(ctx))
	if err != nil {
		return out, p.explain(err)
	}
	return out, nil
}

func (p *pull) remoteImage(ctx context.Context) (out call.RemoteImage, err error) {
	if out.Descriptor, err = p.resolve(ctx); err != nil {
		return out, err
	}
	b, err := p.document(ctx, out.Descriptor)
	if err != nil {
		return out, err
	}
	if images.IsIndexType(out.Descriptor.MediaType) {
		idx, err := parseIndex(b, out.Descriptor.MediaType)
		if err != nil {
			return out, err
		}
		for _, d := range idx.Manifests {
			if d.Platform != nil {
				out.Platforms = append(out.Platforms, *d.Platform)
			}
		}
		return out, nil
	}
	m, err := parseManifest(b, out.Descriptor.MediaType)
	if err != nil {
		return out, err
	}
	if b, err = p.document(ctx, bare(m.Config)); err != nil {
		return out, err
	}
	c, err := parseConfig(b, len(m.Layers))
	out.Platforms = []ocispec.Platform{platforms.Normalize(c.Platform)}
	return out, err
}

// Login tries credentials at a registry.
//
// Errors: engine.ErrDenied when it wants others; engine.ErrUnavailable.
func (s *Store) Login(ctx context.Context, host string, auth call.RegistryAuth) (identity string, err error) {
	return s.registry.Login(ctx, host, auth)
}

// Tags lists the tags that a registry has of a repository.
//
// Errors: as for Pull.
func (s *Store) Tags(ctx context.Context, repository string, auth registry.Auth) ([]string, error) {
	named, err := parseName(repository)
	if err != nil {
		return nil, err
	}
	tags, err := s.registry.Tags(ctx, reference.Domain(named), reference.Path(named), auth)
	if err != nil {
		return nil, registry.Pull.Explain(repository, reference.Domain(named), err)
	}
	return tags, nil
}

// platformOf reads the platform of an image that is made here.
func platformOf(text string) (ocispec.Platform, error) {
	if text == "" {
		return platforms.DefaultSpec(), nil
	}
	p, err := platforms.Parse(text)
	if err != nil {
		return p, engine.Problem(engine.ErrInvalid, fmt.Errorf("platform %q: %w", text, err))
	}
	return p, nil
}
