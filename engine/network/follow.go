package network

import (
	"errors"
	"os"

	"tiffin/engine/network/nft"
)

// follow watches what others do to nftables while we have a table. A Shared one can be
// flushed by everybody, with all others (nft flush ruleset, the reload of a firewall),
// and the ways through other people's firewalls go with theirs.
func (f *firewall) follow() error {
	if f.written == (f.watching != nil) {
		return nil
	}
	if !f.written {
		w := f.watching
		f.watching = nil
		return w.Close()
	}
	w, err := f.watch()
	if err != nil { // the table does without
		f.log.Warn("changes of the host's firewall are not seen", "reason", err)
		return nil
	}
	f.watching = w
	f.following.Go(func() { f.hear(w) })
	return nil
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
func (f *firewall) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watching == nil {
		return nil
	}
	w := f.watching
	f.watching = nil
	return w.Close()
}
