package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"tiffin/engine/keeper"
)

// Keeper is the engine's end of one keeper: the process that is the parent of a project's containers.
//
// One goroutine reads what the keeper says and hands it to those who wait: the starter of a process, the Process itself.
// It ends when the connection does, by Close or because the keeper has ended.
type Keeper struct {
	conn  *net.UnixConn
	pid   int
	pidfd *os.File

	revision uint8 // of the protocol, that it knows

	asking sync.Mutex // see ask

	mu        sync.Mutex
	processes map[string]*Process
	starting  map[string]*starting
	kept      map[string][]*os.File           // of an earlier engine, until they are taken
	settling  map[string][]chan syscall.Errno // by name, in the order of the questions
	failure   error                           // why nothing can be started any more

	lost     chan struct{} // closed when the reader has ended
	cleanups sync.WaitGroup
}

// starting is a process that the keeper has been asked for.
type starting struct {
	answer    chan answer // of one
	abandoned bool        // nobody waits for it any more
}

// answer is what came of a request.
type answer struct {
	process *Process
	step    uint32
	errno   syscall.Errno
	err     error // the keeper was lost
}

// connect begins the conversation: it asks for all that the keeper has and waits until it has been told.
func connect(ctx context.Context, conn *net.UnixConn) (*Keeper, error) {
	k := &Keeper{
		conn: conn, processes: map[string]*Process{}, starting: map[string]*starting{}, kept: map[string][]*os.File{},
		settling: map[string][]chan syscall.Errno{}, lost: make(chan struct{}),
	}
	told := make(chan struct{})
	go k.read(told)
	err := k.send(keeper.Marshal(keeper.Hello{}), nil)
	if err == nil {
		select {
		case <-told:
			return k, nil
		case <-k.lost:
			err = k.failure
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return nil, errors.Join(err, k.Close())
}

// Pid is the keeper's process id.
func (k *Keeper) Pid() int { return k.pid }

// Lost is closed when the keeper is gone or has taken another engine for its own.
func (k *Keeper) Lost() <-chan struct{} { return k.lost }

// Processes are those that the keeper has and that have not been dropped, in no order.
func (k *Keeper) Processes() []*Process {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []*Process
	for _, p := range k.processes {
		list = append(list, p)
	}
	return list
}

// Close ends the conversation, and waits for the reader. The keeper and its processes stay.
func (k *Keeper) Close() error {
	err := k.conn.Close()
	<-k.lost
	k.cleanups.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	closeAll(k.pidfd)
	k.pidfd = nil
	for name, files := range k.kept {
		closeAll(files...)
		delete(k.kept, name)
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Shutdown asks the keeper to end as soon as it has no process, and waits until it has.
func (k *Keeper) Shutdown(ctx context.Context) error {
	if err := k.send(keeper.Marshal(keeper.Close{}), nil); err != nil {
		return err
	}
	select {
	case <-k.lost:
		return k.Close()
	case <-ctx.Done():
		return fmt.Errorf("wait for keeper %d to end: %w", k.pid, ctx.Err())
	}
}

// send sends a message, and descriptors for a process: they become blocking, as programs expect of their streams.
func (k *Keeper) send(message []byte, files []*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	return k.sendRights(message, fds)
}

func (k *Keeper) sendRights(message []byte, fds []int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := k.conn.WriteMsgUnix(message, rights, nil); err != nil {
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, net.ErrClosed) {
			err = ErrKeeperLost
		}
		return fmt.Errorf("tell keeper %d: %w", k.pid, err)
	}
	return nil
}

// descriptor is the number of an open file. Its Fd would make it blocking, and with it all copies: a socket that others
// wait on would then keep a thread of theirs each.
func descriptor(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var number int
	err = raw.Control(func(fd uintptr) { number = int(fd) })
	return number, err
}

// read is the life of the reader.
func (k *Keeper) read(told chan<- struct{}) {
	defer close(k.lost)
	message, control := make([]byte, 512), make([]byte, unix.CmsgSpace(4*keeper.MaxDescriptors))
	for {
		n, oobn, _, _, err := k.conn.ReadMsgUnix(message, control)
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			k.fail(err)
			return
		}
		files := receivedFiles(control[:oobn])
		if kind, _ := keeper.KindOf(message[:n]); kind == keeper.KindStateEnd {
			close(told)
		}
		closeAll(k.hear(message[:n], files)...)
	}
}

func receivedFiles(control []byte) []*os.File {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "from the keeper"))
		}
	}
	return files
}

// hear takes in one message, and returns the descriptors that it has no use for.
func (k *Keeper) hear(message []byte, files []*os.File) (rest []*os.File) {
	kind, err := keeper.KindOf(message)
	if err != nil {
		return files
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch kind {
	case keeper.KindReady:
		if m, err := keeper.Unmarshal[keeper.Ready](message); err == nil {
			k.pid, k.revision = int(m.Pid), m.Revision
			k.pidfd, files = take(files)
		}
	case keeper.KindState:
		if m, err := keeper.Unmarshal[keeper.State](message); err == nil {
			return k.adopt(m, files)
		}
	case keeper.KindStarted:
		if m, err := keeper.Unmarshal[keeper.Started](message); err == nil {
			return k.started(m, files)
		}
	case keeper.KindFailed:
		if m, err := keeper.Unmarshal[keeper.Failed](message); err == nil {
			k.failed(m)
		}
	case keeper.KindExited:
		if m, err := keeper.Unmarshal[keeper.Exited](message); err == nil {
			k.exited(m)
		}
	case keeper.KindKept:
		if m, err := keeper.Unmarshal[keeper.Kept](message); err == nil {
			k.kept[m.ID.String()], files = files, nil
		}
	case keeper.KindSettled:
		if m, err := keeper.Unmarshal[keeper.Settled](message); err == nil {
			k.settled(m)
		}
	default: // read has seen StateEnd; others may come from a younger keeper
	}
	return files
}

// take returns the first file and the others.
func take(files []*os.File) (first *os.File, rest []*os.File) {
	if len(files) == 0 {
		return nil, nil
	}
	return files[0], files[1:]
}

// adopt takes over a process that an earlier engine has started.
func (k *Keeper) adopt(m keeper.State, files []*os.File) (rest []*os.File) {
	var pidfd, console *os.File
	if m.Pidfd > 0 {
		pidfd, files = take(files)
	}
	if m.Console > 0 {
		console, files = take(files)
	}
	held := min(int(m.Hold), len(files))
	p := newProcess(k, m.ID.String())
	p.begin(m.Pid, m.StartedAt, pidfd, console)
	p.hold, files = files[:held:held], files[held:]
	k.processes[p.ID] = p
	if m.Phase == keeper.Ended {
		p.end(m.Status, m.EndedAt)
	}
	return files
}

func (k *Keeper) started(m keeper.Started, files []*os.File) (rest []*os.File) {
	id := m.ID.String()
	p := k.processes[id] // an engine before us may have asked for it
	if p == nil {
		p = newProcess(k, id)
		k.processes[id] = p
	}
	var pidfd, console *os.File
	pidfd, files = take(files)
	if m.Console > 0 {
		console, files = take(files)
	}
	p.begin(m.Pid, m.StartedAt, pidfd, console)
	if s := k.starting[id]; s != nil && s.abandoned {
		p.abandon()
	}
	k.answer(id, answer{process: p})
	return files
}

// failed also ends what an engine before us has asked for.
func (k *Keeper) failed(m keeper.Failed) {
	id := m.ID.String()
	if p := k.processes[id]; p != nil {
		delete(k.processes, id)
		p.end(exitFailed, 0)
	}
	k.answer(id, answer{step: m.Step, errno: syscall.Errno(m.Errno)})
}

// answer tells the starter of a process what came of it.
func (k *Keeper) answer(id string, a answer) {
	if s := k.starting[id]; s != nil {
		delete(k.starting, id)
		s.answer <- a
	}
}

func (k *Keeper) exited(m keeper.Exited) {
	if p := k.processes[m.ID.String()]; p != nil {
		p.end(m.Status, m.EndedAt)
	}
}

// fail tells all who wait that the keeper does not answer any more.
func (k *Keeper) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failure = ErrKeeperLost
	if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		k.failure = fmt.Errorf("%w: %w", ErrKeeperLost, err)
	}
	for id := range k.starting {
		k.answer(id, answer{err: k.failure})
	}
	for name, waiting := range k.settling {
		for _, w := range waiting {
			close(w) // with the keeper its descriptors are gone, too
		}
		delete(k.settling, name)
	}
}

// run asks for a process and waits for the answer. When ctx ends first, the process is killed, whether it has begun or
// not; nobody waits for that.
func (k *Keeper) run(ctx context.Context, m keeper.Run, files []*os.File) answer {
	id := m.ID.String()
	s := &starting{answer: make(chan answer, 1)}
	k.mu.Lock()
	if k.failure != nil {
		defer k.mu.Unlock()
		return answer{err: k.failure}
	}
	if k.starting[id] != nil || k.processes[id] != nil {
		defer k.mu.Unlock()
		return answer{err: ErrExists}
	}
	k.starting[id] = s
	k.mu.Unlock()
	if err := k.send(keeper.Marshal(m), files); err != nil {
		k.mu.Lock()
		delete(k.starting, id)
		k.mu.Unlock()
		return answer{err: err}
	}
	select {
	case a := <-s.answer:
		return a
	case <-ctx.Done():
	}
	k.mu.Lock()
	s.abandoned = true
	answered := len(s.answer) > 0
	k.mu.Unlock()
	if answered { // at the same moment
		return <-s.answer
	}
	_ = k.send(keeper.Marshal(keeper.Drop{ID: m.ID}), nil)
	return answer{err: ctx.Err()}
}
