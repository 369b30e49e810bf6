package network

import (
	"errors"
	"io"
	"os"

	"tiffin/engine/network/nft"
	"tiffin/engine/network/router"
)

// follow watches what others do to nftables while we have a table. A Shared one can be
// flushed by everybody, with all others (nft flush ruleset, the reload of a firewall),
// and the ways through other people's firewalls go with theirs.
func (f *firewall) follow() {
	if f.watching != nil {
		return
	}
	w, err := f.watch()
	if err != nil { // the table does without
		f.log.Warn("changes of the host's firewall are not seen", "reason", err)
		return
	}
	f.watching = w
	f.following.Go(func() { f.hear(w) })
	if f.legacy, err = router.WatchLegacy(); err != nil {
		f.log.Warn("changes of iptables-legacy are not seen", "reason", err)
		f.legacy = nil
		return
	}
	legacy := f.legacy
	f.following.Go(func() { f.hearLegacy(legacy) })
}

// endWatch does not wait: the kernel takes some 20 ms to let go.
func (f *firewall) endWatch() {
	if f.watching == nil {
		return
	}
	ending := []io.Closer{f.watching}
	if f.legacy != nil {
		ending = append(ending, f.legacy)
	}
	f.watching, f.legacy = nil, nil
	f.following.Go(func() {
		for _, w := range ending {
			_ = w.Close() // nothing was written to it
		}
	})
}

// hear ends when the watch is closed.
func (f *firewall) hear(w *nft.Watch) {
	for {
		changes, err := w.Next()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			f.log.Warn("changes of the host's firewall are no longer seen", "reason", err)
			return
		}
		if err := f.mend(w, changes); err != nil {
			f.log.Warn("the rules of the networks are not whole", "reason", err)
		}
		f.others()
	}
}

// hearLegacy ends when the watch is closed.
func (f *firewall) hearLegacy(w *router.LegacyWatch) {
	for {
		err := w.Next()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			f.log.Warn("changes of iptables-legacy are no longer seen", "reason", err)
			return
		}
		f.others()
	}
}

// mend writes the table anew when somebody else has touched it.
func (f *firewall) mend(w *nft.Watch, changes nft.Changes) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watching != w || !changes.Missed && !changes.Tables[nft.TableName{Family: nft.Inet, Name: f.name}] {
		return nil
	}
	return f.write()
}

// close ends the watch. The table stays.
func (f *firewall) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endWatch()
}
