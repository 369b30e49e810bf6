package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine/keeper"
	"tiffin/engine/runtime/program"
)

// MaxKeptFiles is how many descriptors can be kept under one name.
const MaxKeptFiles = keeper.MaxFiles

// Keep lets the keeper keep descriptors under a name, in place of what it has under it: they stay open when the engine is
// lost, and the next one takes them. A keeper of an earlier version keeps nothing, and one that is lost neither.
func (k *Keeper) Keep(ctx context.Context, name string, files []*os.File) error {
	return k.settle(ctx, "keep", name, func(id keeper.ID) []byte { return keeper.Marshal(keeper.Keep{ID: id}) }, files)
}

// listeners is the revision of the protocol since which there is KeepListener.
const listeners = 2

// KeepListener is Keep for a listening socket of the engine's, the first of the files: the keeper starts an engine when
// somebody connects to it while there is none. A keeper of an earlier version keeps nothing: who connects is refused
// then, and does not wait for nobody.
func (k *Keeper) KeepListener(ctx context.Context, name string, files []*os.File) error {
	k.mu.Lock()
	revision := k.revision
	k.mu.Unlock()
	if revision < listeners {
		return nil
	}
	return k.settle(ctx, "keep", name, func(id keeper.ID) []byte { return keeper.Marshal(keeper.KeepListener{ID: id}) }, files)
}

// Forget lets the keeper close what it keeps under a name, and waits until it has.
func (k *Keeper) Forget(ctx context.Context, name string) error {
	return k.settle(ctx, "forget", name, func(id keeper.ID) []byte { return keeper.Marshal(keeper.Forget{ID: id}) }, nil)
}

func (k *Keeper) settle(ctx context.Context, what, name string, message func(keeper.ID) []byte, files []*os.File) error {
	id, err := keeper.ParseID(name)
	if err != nil {
		return fmt.Errorf("%s %q: %w", what, name, err)
	}
	done, err := k.ask(name, message(id), files)
	if done == nil || err != nil {
		return err
	}
	select {
	case errno := <-done:
		if errno != 0 {
			return fmt.Errorf("%s %q: the keeper: %w", what, name, errno)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %q: %w", what, name, ctx.Err())
	}
}

// ask sends a message that is answered by Settled; nil: there is nobody to answer. Questions are sent one at a time, for
// the answers to one name are told apart by their order.
func (k *Keeper) ask(name string, message []byte, files []*os.File) (<-chan syscall.Errno, error) {
	k.asking.Lock()
	defer k.asking.Unlock()
	fds := make([]int, len(files))
	for i, f := range files {
		var err error
		if fds[i], err = descriptor(f); err != nil {
			return nil, err
		}
	}
	done := make(chan syscall.Errno, 1)
	k.mu.Lock()
	if k.failure != nil || k.revision < 1 {
		k.mu.Unlock()
		return nil, nil
	}
	k.settling[name] = append(k.settling[name], done)
	k.mu.Unlock()
	err := k.sendRights(message, fds)
	if errors.Is(err, ErrKeeperLost) {
		return nil, nil
	}
	if err != nil { // not sent, and so not answered
		k.mu.Lock()
		defer k.mu.Unlock()
		k.settling[name] = slices.DeleteFunc(k.settling[name], func(c chan syscall.Errno) bool { return c == done })
	}
	return done, err
}

// settled hands an answer to the first who waits for one of that name.
func (k *Keeper) settled(m keeper.Settled) {
	name := m.ID.String()
	waiting := k.settling[name]
	if len(waiting) == 0 {
		return
	}
	waiting[0] <- syscall.Errno(m.Errno)
	if k.settling[name] = waiting[1:]; len(waiting) == 1 {
		delete(k.settling, name)
	}
}

// TakeKept returns what is kept under a name since an earlier engine. The files are the caller's to close.
func (k *Keeper) TakeKept(name string) []*os.File {
	k.mu.Lock()
	defer k.mu.Unlock()
	files := k.kept[name]
	delete(k.kept, name)
	return files
}

// Untaken are the names under which something is kept that nobody has taken.
func (k *Keeper) Untaken() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := make([]string, 0, len(k.kept))
	for name := range k.kept {
		names = append(names, name)
	}
	return names
}

// Revival is how a keeper starts an engine in place of one that was lost.
type Revival struct {
	Program *os.File // the engine's executable
	Args    []string
	Env     []string
	Log     *os.File // its standard output and error
	Delay   time.Duration
}

// Revive tells the keeper how to start an engine.
func (k *Keeper) Revive(r *Revival) error {
	c := &compiler{}
	executable, log := c.input("engine", r.Program), c.input("log", r.Log)
	null := c.Register("null")
	c.Call("begin a session", unix.SYS_SETSID)
	c.Call("open /dev/null", unix.SYS_OPENAT, program.Imm(unix.AT_FDCWD), c.Str("/dev/null"), program.Imm(unix.O_RDWR|unix.O_CLOEXEC), program.Imm(0)).
		Into(null)
	for fd, from := range []program.Reg{null, log, log} {
		c.Call("set a standard stream", unix.SYS_DUP3, from, program.Imm(fd), program.Imm(0))
	}
	c.Call("set the signal mask", unix.SYS_RT_SIGPROCMASK, program.Imm(unix.SIG_SETMASK), c.Bytes(words(0)), program.Imm(0), program.Imm(8))
	c.Call("execute the engine", unix.SYS_EXECVEAT, executable, c.Str(""), c.Ptrs(r.Args), c.Ptrs(r.Env), program.Imm(unix.AT_EMPTY_PATH))
	p, err := c.Program()
	if err != nil {
		return err
	}
	blob, err := memoryFile(p.Encode())
	if err != nil {
		return err
	}
	defer closeAll(blob)
	m := keeper.Revive{Delay: uint32(r.Delay.Milliseconds()), Inputs: uint8(len(c.inputs))}
	return k.send(keeper.Marshal(m), append([]*os.File{blob}, c.inputs...))
}

// Leave says that the engine ends of its own will, so that the keeper starts no other.
func (k *Keeper) Leave() {
	_ = k.send(keeper.Marshal(keeper.Leave{}), nil) // a keeper that is lost starts none
}
