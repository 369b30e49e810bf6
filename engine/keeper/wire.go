//nolint:gosec // G103: the kernel is given addresses.
package keeper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlSize is room for the control message of MaxDescriptors descriptors.
const controlSize = unix.SizeofCmsghdr + 4*MaxDescriptors + 4

// wire is the memory for messages on their way.
type wire struct {
	in, out   [maxMessage]byte
	control   [controlSize / 8]uint64 // aligned
	files     [MaxDescriptors]int32   // that came with the last message; 0 when taken
	count     int                     // of files
	truncated bool                    // there were more files than we could take
}

// receive reads the next message and its descriptors. The message is valid until
// the next one; descriptors that nobody takes are to be closed by closeFiles.
func (w *wire) receive(from file) ([]byte, syscall.Errno) {
	iov := unix.Iovec{Base: &w.in[0], Len: uint64(len(w.in))}
	msg := unix.Msghdr{
		Iov:        &iov,
		Iovlen:     1,
		Control:    (*byte)(unsafe.Pointer(&w.control)),
		Controllen: uint64(unsafe.Sizeof(w.control)),
	}
	n, _, e := syscall.RawSyscall(unix.SYS_RECVMSG, uintptr(from), uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if e != 0 {
		return nil, e
	}
	w.count = 0
	w.truncated = msg.Flags&unix.MSG_CTRUNC != 0
	w.parse(msg.Controllen)
	return w.in[:n], 0
}

// parse finds the descriptors in the control messages, of which there are size bytes.
func (w *wire) parse(size uint64) {
	control := unsafe.Slice((*byte)(unsafe.Pointer(&w.control)), unsafe.Sizeof(w.control))
	control = control[:min(size, uint64(len(control)))]
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		if h.Len < unix.SizeofCmsghdr || h.Len > uint64(len(control)) {
			return
		}
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_RIGHTS {
			for at := uint64(unix.SizeofCmsghdr); at+4 <= h.Len && w.count < len(w.files); at += 4 {
				w.files[w.count] = *(*int32)(unsafe.Pointer(&control[at]))
				w.count++
			}
		}
		control = control[min((h.Len+7)&^7, uint64(len(control))):]
	}
}

// take makes the i-th descriptor that came the caller's.
func (w *wire) take(i int) file {
	f := file(w.files[i])
	w.files[i] = 0
	return f
}

// closeFiles closes the descriptors that nobody has taken.
func (w *wire) closeFiles() {
	for i := range w.count {
		f := w.take(i)
		f.close()
	}
	w.count = 0
}

// send sends a message and descriptors of which it keeps its own.
func (w *wire) send(to file, b []byte, files []file) syscall.Errno {
	iov := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	msg := unix.Msghdr{Iov: &iov, Iovlen: 1}
	if len(files) > 0 {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&w.control))
		h.Level, h.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
		h.Len = uint64(unix.SizeofCmsghdr + 4*len(files))
		copy(unsafe.Slice((*file)(unsafe.Pointer(&w.control[unix.SizeofCmsghdr/8])), MaxDescriptors), files)
		msg.Control = (*byte)(unsafe.Pointer(h))
		msg.Controllen = h.Len
	}
	_, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(to), uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return e
}
