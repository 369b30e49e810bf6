package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
)

// bbolt maps its file into memory and believes what it finds there: a flipped bit in
// one of its pages can end the whole process, at open or any time later. So before it
// may have a file, survey walks all of it, with every offset checked. It only reads.
//
// A file is pages of one size. The first two are metas, written in turn, of which the
// newer one counts; they name the root of a tree of leaf and branch pages. A value of
// a leaf may be a bucket: the root of another tree, or, when that is small, its only
// page at once. Numbers are in the machine's own order.
const (
	pageHeader  = 16 // id u64, flags u16, count u16, overflow u32
	elementSize = 16 // branch: pos u32, ksize u32, id u64; leaf: flags, pos, ksize, vsize u32
	bucketSize  = 16 // root u64, sequence u64

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01

	metaSize    = 64 // after the page header, with the checksum
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	noFreelist  = ^uint64(0)

	maxPageSize = 1 << 20
	maxDepth    = 32 // of a tree, and of buckets in buckets
)

// errBroken says that bbolt cannot be given a file.
var errBroken = errors.New("file is damaged")

// survey returns the records in a file and what is wrong with it: nil when bbolt may
// have it. Of a file that is damaged the records are those that can be found; where
// the newest state has gaps, that before the last change fills them.
func survey(file []byte) ([]entry, error) {
	metas := findMetas(file)
	if len(metas) == 0 {
		return nil, fmt.Errorf("%w: it has no valid head", errBroken)
	}
	newest := newWalker(file, metas[0])
	newest.tree(metas[0].root, place{})
	newest.kinds()
	newest.freelist(metas[0].freelist)
	if newest.problem == nil && len(metas) == 2 {
		return newest.entries, nil
	}
	if newest.problem == nil {
		newest.fail("one of its two heads is not valid")
		return newest.entries, newest.problem
	}
	var older []entry
	if len(metas) == 2 {
		w := newWalker(file, metas[1])
		w.tree(metas[1].root, place{})
		if w.kinds(); w.problem == nil {
			older = w.entries
		}
	}
	return append(older, newest.entries...), newest.problem // the last one of a key wins
}

type meta struct {
	pageSize, root, freelist, high, txid uint64
}

// findMetas returns the valid metas, the newest first.
func findMetas(file []byte) []meta {
	var metas []meta
	take := func(at uint64) {
		if m, ok := readMeta(file, at); ok && !slices.Contains(metas, m) && at%m.pageSize == 0 {
			metas = append(metas, m)
		}
	}
	take(0)
	for size := uint64(1024); size <= maxPageSize; size *= 2 {
		take(size)
	}
	slices.SortFunc(metas, func(a, b meta) int {
		if a.txid > b.txid {
			return -1
		}
		return 1
	})
	return metas[:min(2, len(metas))]
}

func readMeta(file []byte, at uint64) (meta, bool) {
	if at+pageHeader+metaSize > uint64(len(file)) {
		return meta{}, false
	}
	b := file[at+pageHeader:][:metaSize]
	u32, u64 := binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // it never fails
	m := meta{pageSize: uint64(u32(b[8:])), root: u64(b[16:]), freelist: u64(b[32:]), high: u64(b[40:]), txid: u64(b[48:])}
	valid := u32(b) == metaMagic && u32(b[4:]) == metaVersion && u64(b[56:]) == sum.Sum64()
	return m, valid && m.pageSize >= 1024 && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0
}

// place is where in the tree of buckets something is.
type place struct {
	path  [2]string // names of the buckets around
	depth int
}

// walker goes through a tree, over what is damaged.
type walker struct {
	file    []byte
	meta    meta
	seen    map[uint64]bool
	entries []entry
	problem error // the first one
}

func newWalker(file []byte, m meta) *walker {
	w := &walker{file: file, meta: m, seen: map[uint64]bool{}}
	if m.high > uint64(len(file))/m.pageSize {
		w.fail("it ends before its last page")
	}
	return w
}

func (w *walker) fail(format string, args ...any) {
	if w.problem == nil {
		w.problem = fmt.Errorf("%w: %s", errBroken, fmt.Sprintf(format, args...))
	}
}

// page returns a page with its overflow, if it is one and was not met before.
func (w *walker) page(id uint64) []byte {
	size := w.meta.pageSize
	if id < 2 || id >= w.meta.high || (id+1)*size > uint64(len(w.file)) {
		w.fail("there is no page %d", id)
		return nil
	}
	header := w.file[id*size:][:pageHeader]
	pages := 1 + uint64(binary.NativeEndian.Uint32(header[12:]))
	if binary.NativeEndian.Uint64(header) != id || pages > w.meta.high-id || (id+pages)*size > uint64(len(w.file)) {
		w.fail("page %d is not what it should be", id)
		return nil
	}
	for p := id; p < id+pages; p++ {
		if w.seen[p] {
			w.fail("page %d is used twice", p)
			return nil
		}
	}
	for p := id; p < id+pages; p++ {
		w.seen[p] = true
	}
	return w.file[id*size : (id+pages)*size]
}

func (w *walker) tree(id uint64, at place) {
	w.subtree(id, at, 0)
}

// subtree returns the first key below a page.
func (w *walker) subtree(id uint64, at place, depth int) (first []byte) {
	page := w.page(id)
	if page == nil {
		return nil
	}
	switch flags := binary.NativeEndian.Uint16(page[8:]); {
	case flags == leafPage:
		return w.leaf(page, at)
	case flags == branchPage && depth < maxDepth:
		return w.branch(page, at, depth)
	default:
		w.fail("page %d is no part of a tree", id)
		return nil
	}
}

// elements checks the table of a page and calls each with the element's bytes and those that belong to it.
func (w *walker) elements(page []byte, each func(element, data []byte)) {
	count := int(binary.NativeEndian.Uint16(page[10:]))
	if pageHeader+count*elementSize > len(page) {
		w.fail("a page has no room for its %d elements", count)
		return
	}
	for i := range count {
		from := pageHeader + i*elementSize
		each(page[from:][:elementSize], page[from:])
	}
}

// slice takes size bytes at pos, counted from the element.
func (w *walker) slice(data []byte, pos, size uint64) []byte {
	if pos < elementSize || pos+size > uint64(len(data)) {
		w.fail("an element leads out of its page")
		return nil
	}
	return data[pos:][:size:size]
}

// branch checks a branch: it names each of its pages by the first key there. bbolt
// relies on that when it writes.
func (w *walker) branch(page []byte, at place, depth int) (first []byte) {
	keys := w.keys()
	w.elements(page, func(element, data []byte) {
		key := w.slice(data, uint64(binary.NativeEndian.Uint32(element)), uint64(binary.NativeEndian.Uint32(element[4:])))
		keys.next(key)
		if below := w.subtree(binary.NativeEndian.Uint64(element[8:]), at, depth+1); !bytes.Equal(key, below) {
			w.fail("a branch has another name than what is on it")
		}
	})
	if keys.first == nil {
		w.fail("a branch has no leaves")
	}
	return keys.first
}

func (w *walker) leaf(page []byte, at place) (first []byte) {
	keys := w.keys()
	w.elements(page, func(element, data []byte) {
		pos, ksize := uint64(binary.NativeEndian.Uint32(element[4:])), uint64(binary.NativeEndian.Uint32(element[8:]))
		key := w.slice(data, pos, ksize)
		value := w.slice(data, pos+ksize, uint64(binary.NativeEndian.Uint32(element[12:])))
		keys.next(key)
		switch flags := binary.NativeEndian.Uint32(element); {
		case len(key) == 0 || value == nil:
			w.fail("a record has no name")
		case flags == bucketFlag:
			w.bucket(string(key), value, at)
		case flags == 0 && at.depth == len(at.path):
			w.entries = append(w.entries, entry{at.path[0], at.path[1], string(key), bytes.Clone(value)})
		default:
			w.fail("a record is where there is none")
		}
	})
	return keys.first
}

// keys checks that those of a page ascend.
type keys struct {
	*walker
	first, last []byte
}

func (w *walker) keys() *keys { return &keys{walker: w} }

func (k *keys) next(key []byte) {
	if k.first == nil {
		k.first = key
	} else if bytes.Compare(k.last, key) >= 0 {
		k.fail("a page is not in order")
	}
	k.last = key
}

func (w *walker) bucket(name string, value []byte, at place) {
	if len(value) < bucketSize || at.depth == len(at.path) {
		w.fail("a bucket is where there is none")
		return
	}
	at.path[at.depth] = name
	at.depth++
	root, page := binary.NativeEndian.Uint64(value), value[bucketSize:]
	switch {
	case root != 0:
		w.tree(root, at)
	case len(page) >= pageHeader && binary.NativeEndian.Uint16(page[8:]) == leafPage:
		w.leaf(page, at)
	default:
		w.fail("a bucket has no content")
	}
}

// kinds checks the names of the buckets, which no checksum of their own covers: a kind of
// which no record is whole was called otherwise, and is left out.
func (w *walker) kinds() {
	whole := map[string]bool{}
	for i := range w.entries {
		e := &w.entries[i]
		if e.part != recordsBucket && e.part != damagedBucket {
			w.fail("it has records in a part %q", e.part)
			e.part = recordsBucket
		}
		_, err := decode(e.kind, e.key, e.value)
		whole[e.kind] = whole[e.kind] || e.part == damagedBucket || !errors.Is(err, ErrDamaged)
	}
	w.entries = slices.DeleteFunc(w.entries, func(e entry) bool {
		if !whole[e.kind] {
			w.fail("no record of kind %q is whole", e.kind)
		}
		return !whole[e.kind]
	})
}

// freelist checks that no page is both free and in use: bbolt would write over it.
func (w *walker) freelist(id uint64) {
	if id == noFreelist {
		return
	}
	page := w.page(id)
	if page == nil {
		return
	}
	count, ids := uint64(binary.NativeEndian.Uint16(page[10:])), page[pageHeader:]
	if count == 0xFFFF && len(ids) >= 8 {
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if binary.NativeEndian.Uint16(page[8:]) != freelistPage || count > uint64(len(ids)/8) {
		w.fail("the list of free pages is none")
		return
	}
	for i := range count {
		free := binary.NativeEndian.Uint64(ids[i*8:])
		if free < 2 || free >= w.meta.high || w.seen[free] {
			w.fail("page %d is not free", free)
			return
		}
		w.seen[free] = true
	}
}
