package network

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"tiffin/engine/network/nft"
	"tiffin/engine/network/router"
)

// entry is an element of one of the sets of our table, and who wants it there: the
// same may be wanted by several.
type entry struct {
	set string
	nft.Element
	owner string
}

// member is an element in the table.
type member struct {
	nft.Element
	owners map[string]bool
}

// firewall holds our table in the kernel at what is wanted of it. There is a table as
// long as it has an element.
type firewall struct {
	conn *nft.Conn
	name string
	own  nft.Ownership

	// The table is watched as long as there is one.
	watch     func() (*nft.Watch, error)
	others    func() // told when somebody else's rules have changed
	following *sync.WaitGroup
	log       *slog.Logger
	watching  *nft.Watch
	legacy    *router.LegacyWatch // nil when there is none to be had

	mu      sync.Mutex
	written bool                         // by us, and not removed since
	wanted  map[string]map[string]member // by set, and by the element's text
}

func newFirewall(conn *nft.Conn, name string) *firewall {
	return &firewall{conn: conn, name: name, own: nft.Owned, wanted: map[string]map[string]member{}}
}

// set makes these entries, and no others, the content of the table, and writes it whole.
func (f *firewall) set(entries []entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted = map[string]map[string]member{}
	f.note(entries)
	return f.write()
}

// add adds entries; those that are there already may be named again.
func (f *firewall) add(entries ...entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(entries)
	if !f.written {
		return f.write()
	}
	var b nft.Batch
	for set, elements := range bySet(entries) {
		b.AddElements(f.head(), set, elements)
	}
	return f.apply(&b)
}

// remove takes entries out that nobody else wants; those that are not there may be named.
func (f *firewall) remove(entries ...entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	entries = slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return !f.forget(e) })
	if !f.written || len(f.wanted) == 0 {
		return f.write()
	}
	var b nft.Batch
	for set, elements := range bySet(entries) {
		b.RemoveElements(f.head(), set, elements)
	}
	return f.apply(&b)
}

func (f *firewall) note(entries []entry) {
	for _, e := range entries {
		if f.wanted[e.set] == nil {
			f.wanted[e.set] = map[string]member{}
		}
		m, there := f.wanted[e.set][e.String()]
		if !there {
			m = member{e.Element, map[string]bool{}}
			f.wanted[e.set][e.String()] = m
		}
		m.owners[e.owner] = true
	}
}

// forget says whether an entry is wanted by nobody any more.
func (f *firewall) forget(e entry) bool {
	m, there := f.wanted[e.set][e.String()]
	if !there {
		return false
	}
	if delete(m.owners, e.owner); len(m.owners) > 0 {
		return false
	}
	if delete(f.wanted[e.set], e.String()); len(f.wanted[e.set]) == 0 {
		delete(f.wanted, e.set)
	}
	return true
}

// apply carries out a change. When somebody has removed the table, or something in it,
// it is written whole.
func (f *firewall) apply(b *nft.Batch) error {
	err := f.conn.Apply(b)
	if errors.Is(err, unix.ENOENT) {
		return f.write()
	}
	return err
}

// write puts the whole table in the place of the one that is there.
func (f *firewall) write() error {
	if len(f.wanted) > 0 {
		f.follow() // first: nobody touches the table unseen
	}
	err := f.replace()
	if f.own == nft.Owned && errors.Is(err, unix.EOPNOTSUPP) { // before Linux 6.9
		f.own = nft.Shared
		err = f.replace()
	}
	if err != nil {
		return fmt.Errorf("write the nftables table %s: %w", f.name, err)
	}
	if f.written = len(f.wanted) > 0; !f.written {
		f.endWatch()
	}
	return nil
}

func (f *firewall) replace() error {
	err := error(unix.ENOENT)
	// Somebody else may remove or make it between the look and the change.
	for range 5 {
		err = f.replaceOnce()
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	return err
}

func (f *firewall) replaceOnce() error {
	there, err := f.conn.Has(f.head())
	if err != nil {
		return err
	}
	elements := map[string][]nft.Element{}
	for set, members := range f.wanted {
		for _, text := range slices.Sorted(maps.Keys(members)) {
			elements[set] = append(elements[set], members[text].Element)
		}
	}
	var b nft.Batch
	if there {
		b.RemoveTable(f.head())
	}
	if len(elements) > 0 {
		b.AddTable(table(f.name, elements), f.own)
	}
	return f.conn.Apply(&b)
}

// head is the table as a name only.
func (f *firewall) head() *nft.Table { return &nft.Table{Family: nft.Inet, Name: f.name} }

func bySet(entries []entry) map[string][]nft.Element {
	sets := map[string][]nft.Element{}
	for _, e := range entries {
		sets[e.set] = append(sets[e.set], e.Element)
	}
	return sets
}

func named(set, ifname, owner string) entry {
	return entry{set, nft.Element{Key: []nft.Value{nft.Ifname(ifname)}}, owner}
}
