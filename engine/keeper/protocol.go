//nolint:gosec // G103: messages are laid out in memory as they are sent.
package keeper

import (
	"errors"
	"unsafe"
)

// The protocol between an engine and a keeper: one message a datagram on a
// SOCK_SEQPACKET socket, descriptors beside it by SCM_RIGHTS.
//
//	engine → keeper                      keeper → engine
//	Hello                                Ready + [pidfd of the keeper],
//	                                     State + [pidfd, console, held…] …,
//	                                     Kept + [descriptors…] …, StateEnd
//	Run + [program, cgroup, log,         Started + [pidfd, console] …and later Exited,
//	       pumps…, hold…, inputs…]       or Failed
//	Drop                                 –
//	Keep + [descriptors…]                Settled
//	KeepListener + [listener, …]         Settled
//	Forget                               Settled
//	Revive + [program, inputs…]          –
//	Leave                                –
//	Close                                –
//
// Every message is eight bytes {version, kind, 0…}, then the fields of its type as
// they lie in memory: little endian, no gaps. A longer message than expected is read
// as far as it is known, an unknown kind is skipped: so both sides can be newer.
const (
	Version = 1

	// MaxDescriptors is the most that go with one message, see SCM_MAX_FD in unix(7).
	MaxDescriptors = 253
	// MaxHold is the most descriptors that are kept for one process.
	MaxHold = 64
	// MaxProcesses is how many processes one keeper has at most, ended ones that the
	// engine has not dropped among them.
	MaxProcesses = 4096

	// MaxKept is how many names descriptors can be kept under, MaxFiles how many
	// there can be under each.
	MaxKept  = 4096
	MaxFiles = 16

	// Revision counts what was added to the protocol; a keeper says in its [Ready]
	// how far it knows it. 1: Keep, Forget, Revive, Leave. 2: KeepListener.
	Revision = 2

	prefixSize = 8
	// maxMessage is more than the longest message that is known.
	maxMessage = 256
)

// ErrMessage says that a datagram is not the message that it should be.
var ErrMessage = errors.New("not a message of the keeper's protocol")

// Kind says what a message is.
type Kind uint8

// The kinds of messages, engine to keeper from 1, keeper to engine from 65.
const (
	KindHello Kind = iota + 1
	KindRun
	KindDrop
	KindClose
	KindKeep
	KindForget
	KindRevive
	KindLeave
	KindKeepListener
)

// See the engine's kinds.
const (
	KindReady Kind = iota + 65
	KindState
	KindStateEnd
	KindStarted
	KindFailed
	KindExited
	KindKept
	KindSettled
)

// Process says what a process is to a container.
type Process uint8

// The two kinds of processes: the first of a container, which is cloned into its
// namespaces, and one that its program makes join them (and then clones itself with
// CLONE_PARENT, reports the pid and exits).
const (
	Init Process = 1
	Exec Process = 2
)

// Phase is how far a process has come.
type Phase uint8

// The phases. A process that has ended stays until it is dropped.
const (
	Starting Phase = 1 // forked, not yet executed
	Running  Phase = 2
	Ended    Phase = 3
)

// RunFlags are the options of a [Run].
type RunFlags uint8

// TTY says that the one pump is not a pipe but a unix socket, on which the child
// sends the master of its terminal before it executes.
const TTY RunFlags = 1 << 0

// Tethered says that the process is nothing without the engine that asked for it: it
// is killed when that engine is lost.
const Tethered RunFlags = 1 << 1

// NoStep is the step of a [Failed] whose child was not even started.
const NoStep = ^uint32(0)

// Hello asks for a [Ready], a [State] for each process, a [Kept] for each name and a [StateEnd]. That is all there
// is: what an earlier engine has asked for and was not read before it was replaced is
// never done.
type Hello struct{}

// Run starts a process. Its descriptors come in this order: the encoded program (a
// file); Cgroup times the directory of the v2 cgroup to be born in; Log times the
// directory to write the log in; Pumps read ends of stdout and stderr, or with TTY
// one socket; Hold descriptors to keep until the process is dropped; and all that
// remain are the program's inputs.
//
// A console is read by the keeper only when there is a log; without one it is the
// engine's to read.
type Run struct {
	ID          ID
	CloneFlags  uint64 // of program.NamespaceFlags; zero for an Exec
	LogMaxSize  uint64 // bytes after which the log goes on in a new file; 0 is never
	LogMaxFiles uint32 // files kept, the current one among them; 0 is 1
	Process     Process
	Flags       RunFlags
	Cgroup      uint8 // 0 or 1
	Log         uint8 // 0 or 1
	Pumps       uint8 // 0 to 2
	Hold        uint8 // 0 to MaxHold
	_           [6]uint8
}

// Drop says that the engine has recorded the exit of the process: the keeper
// forgets it, its exit record and all that it holds for it. A process that is still
// Starting is killed instead, and [Failed] with ECANCELED says when it is gone; of one
// that is Running, nothing is dropped.
type Drop struct{ ID ID }

// Close asks the keeper to end as soon as it has no process.
type Close struct{}

// Keep gives descriptors to be kept under a name, in place of those that were kept
// under it: sockets that must not close while no engine runs.
type Keep struct{ ID ID }

// KeepListener is a [Keep] whose first descriptor is a listening socket of the engine's: a
// connection that comes to it when the engine has said [Leave] has one started as [Revive] says.
type KeepListener struct{ ID ID }

// Forget says that what is kept under a name is needed no more.
type Forget struct{ ID ID }

// Settled says that a [Keep] or a [Forget] has been done: that what was kept before is
// closed, and a port can be bound again. With an errno nothing is kept: ENOSPC there are
// too many names, EINVAL too many descriptors, EMFILE the keeper can have no more.
type Settled struct {
	ID    ID
	Errno uint32
	_     [4]uint8
}

// Kept tells what is kept under a name.
type Kept struct {
	ID    ID
	Files uint8
	_     [7]uint8
}

// Revive says how to start an engine: a program and its inputs, as in [Run]. It is done
// when the engine is lost, unless it has said [Leave], and as long as there is a process
// that is not [Tethered]; again and again, more and more seldom, until one has come.
type Revive struct {
	Delay  uint32 // milliseconds before the first try, in which another keeper may do it
	Inputs uint8
	_      [3]uint8
}

// Leave says that the engine ends of its own will: it is not to be revived, unless somebody
// connects; see [KeepListener].
type Leave struct{}

// Ready begins the answer to a [Hello]. The descriptor is the keeper's pidfd.
type Ready struct {
	Pid      int32
	Revision uint8
	_        [3]uint8
}

// State tells about one process. Pidfd, Console and Hold are how many descriptors of
// each kind came along, in this order.
type State struct {
	ID        ID
	StartedAt int64  // Unix nanoseconds
	EndedAt   int64  // Unix nanoseconds, when Ended
	Lost      uint64 // bytes of output that the log has not taken
	Pid       int32  // 0 when not known yet
	Status    uint32 // wait status, when Ended
	Process   Process
	Phase     Phase
	Pidfd     uint8
	Console   uint8
	Hold      uint8
	_         [3]uint8
}

// StateEnd ends the answer to a [Hello].
type StateEnd struct{}

// Started says that the program has come to execve. The descriptors are the pidfd
// and, with TTY, the console.
type Started struct {
	ID        ID
	StartedAt int64 // Unix nanoseconds
	Pid       int32
	Console   uint8 // 0 or 1
	_         [3]uint8
}

// Failed says that a step of the program could not be done, or with [NoStep] that
// the process could not be made: EEXIST the ID is taken, ENOSPC there are too many
// processes, EINVAL the message or the program is wrong, EMFILE the keeper has no more
// descriptors, ECHILD the process was killed on its way, ECANCELED by [Drop], else as
// clone3 says. The process is gone.
type Failed struct {
	ID    ID
	Step  uint32
	Errno uint32
}

// Exited says that the process has ended and that its exit record is on disk and
// its output in the log.
type Exited struct {
	ID      ID
	EndedAt int64  // Unix nanoseconds
	Status  uint32 // wait status
	_       [4]uint8
}

type message interface {
	Hello | Run | Drop | Close | Keep | KeepListener | Forget | Revive | Leave |
		Ready | State | StateEnd | Started | Failed | Exited | Kept | Settled
	kind() Kind
}

func (Hello) kind() Kind    { return KindHello }
func (Run) kind() Kind      { return KindRun }
func (Drop) kind() Kind     { return KindDrop }
func (Close) kind() Kind    { return KindClose }
func (Keep) kind() Kind     { return KindKeep }
func (Forget) kind() Kind   { return KindForget }
func (Revive) kind() Kind   { return KindRevive }
func (Leave) kind() Kind    { return KindLeave }
func (Ready) kind() Kind    { return KindReady }
func (State) kind() Kind    { return KindState }
func (StateEnd) kind() Kind { return KindStateEnd }
func (Started) kind() Kind  { return KindStarted }
func (Failed) kind() Kind   { return KindFailed }
func (Exited) kind() Kind   { return KindExited }
func (Kept) kind() Kind     { return KindKept }
func (Settled) kind() Kind  { return KindSettled }

func (KeepListener) kind() Kind { return KindKeepListener }

// Marshal returns m as it is sent.
func Marshal[M message](m M) []byte {
	return append([]byte(nil), put(new([maxMessage]byte), &m)...)
}

// Unmarshal reads a message whose kind is M's.
func Unmarshal[M message](b []byte) (M, error) {
	var m M
	if k, err := KindOf(b); err != nil || k != m.kind() || len(b) < prefixSize+int(unsafe.Sizeof(m)) {
		return m, ErrMessage
	}
	copy(bytesOf(&m), b[prefixSize:])
	return m, nil
}

// KindOf tells the kind of a message, which may be an unknown one.
func KindOf(b []byte) (Kind, error) {
	if len(b) < prefixSize || b[0] != Version {
		return 0, ErrMessage
	}
	return Kind(b[1]), nil
}

// put writes m to buf and returns what was written.
func put[M message](buf *[maxMessage]byte, m *M) []byte {
	clear(buf[:prefixSize])
	buf[0], buf[1] = Version, byte((*m).kind())
	return buf[:prefixSize+copy(buf[prefixSize:], bytesOf(m))]
}

// bytesOf is the memory of m, which holds no pointers.
func bytesOf[M message](m *M) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(m)), unsafe.Sizeof(*m))
}
