package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Blobs and records are on the disk before they count. The files of layers are not: to wait for them would double
// the time of a pull. So an image is published with a mark beside it, which goes when its files have been synced.
// A mark from before a reboot says that they may never have been written; its layers are unpacked again.
//
// The mark is a lease that holds nothing.
const (
	markPrefix = "unsynced "
	labelBoot  = "tiffin/boot"
	labelType  = "tiffin/type"
	labelSize  = "tiffin/size"
)

// mark says that the files of a manifest's layers are not on the disk yet.
func (s *Store) mark(ctx context.Context, manifest ocispec.Descriptor) error {
	_, err := s.leases.Create(ctx, leases.WithID(markPrefix+manifest.Digest.String()), leases.WithLabels(map[string]string{
		labelBoot: s.boot, labelType: manifest.MediaType, labelSize: strconv.FormatInt(manifest.Size, 10),
	}))
	if errdefs.IsAlreadyExists(err) {
		return nil // published twice, before the first was synced
	}
	return err
}

// syncLayers begins to write the files of all layers, and then takes the marks off.
func (s *Store) syncLayers(ctx context.Context, manifests ...digest.Digest) {
	ctx = context.WithoutCancel(ctx)
	s.syncs.Go(func() {
		if syncDisk(s.layersRoot()) != nil {
			return
		}
		for _, m := range manifests {
			// If it stays, the layers are unpacked once more than needed.
			_ = s.drop(ctx, lease{ID: markPrefix + m.String()})
		}
	})
}

// syncFolder writes a folder's list of names to the disk.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDisk writes what is not written yet to the disk that the folder is on.
func syncDisk(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// touch says, before the first layer is written to, that layers may not be on the disk; Close takes it back. Marks say
// the same of images. This is for what no image stands on yet: the layers of pulls that did not end, and of builds.
func (s *Store) touch() error {
	s.unsynced.Lock()
	defer s.unsynced.Unlock()
	if s.touched {
		return nil
	}
	// Half of it written says another boot, which is the safe side.
	if err := s.writeBoot(s.touchedFile()); err != nil {
		return err
	}
	s.touched = true
	return nil
}

// writeBoot writes a file with the ID of this boot to the disk.
func (s *Store) writeBoot(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s.boot)
	return errors.Join(err, f.Sync(), f.Close(), syncFolder(s.root))
}

// beginEpoch says that what builds held is gone, all at once.
func (s *Store) beginEpoch() error {
	err := s.writeBoot(s.epochFile())
	s.epoch = s.boot
	return err
}

func (s *Store) epochFile() string { return filepath.Join(s.root, "epoch") }

// readEpoch finds out when that was last; "" is never.
func (s *Store) readEpoch() error {
	text, err := os.ReadFile(s.epochFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	s.epoch = string(text)
	return err
}

func (s *Store) touchedFile() string { return filepath.Join(s.root, "unsynced") }

// untouch writes all layers to the disk.
func (s *Store) untouch() error {
	s.unsynced.Lock()
	defer s.unsynced.Unlock()
	if !s.touched {
		return nil
	}
	if err := syncDisk(s.layersRoot()); err != nil {
		return err
	}
	s.touched = false
	return os.Remove(s.touchedFile())
}

// forgetUnsynced lets go of all that no image stands on, if it may not have been written before a reboot. What was
// fetched for a pull goes too, and so does the builds' cache.
func (s *Store) forgetUnsynced(ctx context.Context) error {
	boot, err := os.ReadFile(s.touchedFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.touched = true; string(boot) == s.boot {
		return nil
	}
	// First, so that what others know of the layers cannot outlive them.
	if err := s.beginEpoch(); err != nil {
		return err
	}
	list, err := s.leases.List(ctx)
	if err != nil {
		return err
	}
	for _, l := range list {
		if strings.HasPrefix(l.ID, markPrefix) {
			continue
		}
		if err := s.drop(ctx, l); err != nil {
			return err
		}
	}
	if err := s.GC(ctx); err != nil {
		return err
	}
	return s.untouch()
}

// recover makes good what a power cut may have done to layers, and syncs what an engine before this one left.
func (s *Store) recover(ctx context.Context) error {
	if err := errors.Join(s.readEpoch(), s.forgetUnsynced(ctx)); err != nil {
		return fmt.Errorf("let go of layers that may be damaged since a reboot: %w", err)
	}
	list, err := s.leases.List(ctx)
	if err != nil {
		return err
	}
	for _, l := range list {
		name, ok := strings.CutPrefix(l.ID, markPrefix)
		if !ok {
			continue
		}
		if l.Labels[labelBoot] != s.boot {
			if err := s.unpackAgain(ctx, name, l.Labels); err != nil {
				return fmt.Errorf("unpack image %s again after a reboot: %w", name, err)
			}
		}
		s.syncLayers(ctx, digest.Digest(name))
	}
	return nil
}

// unpackAgain makes the layers of a manifest anew, from its blobs, in the places that they had; what a build had
// made of them is in other snapshots, which the image does not need any more.
func (s *Store) unpackAgain(ctx context.Context, manifest string, labels map[string]string) error {
	size, err := strconv.ParseInt(labels[labelSize], 10, 64)
	if err != nil {
		return err
	}
	b, err := s.localBundle(ctx, ocispec.Descriptor{MediaType: labels[labelType], Digest: digest.Digest(manifest), Size: size})
	if errdefs.IsNotFound(err) {
		return nil // removed since
	}
	if err != nil {
		return err
	}
	b.again = true
	if err := s.unpackHere(ctx, b, newLayerLines(func(engine.Progress) {}, "", b)); err != nil {
		return err
	}
	if b.rootfs() == "" {
		return nil
	}
	return s.label(ctx, b.parts.Config.Digest, map[string]string{labelRootfs: b.rootfs()})
}

// bootID tells one boot of the host from another.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(b))
	if id == "" {
		return "", errors.New("the kernel has no boot ID")
	}
	return id, nil
}
