package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"tiffin/engine/keeper"
)

// Output is what becomes of a process's output and what is kept beside it.
type Output struct {
	// Log is the directory in which the keeper writes what the process prints; nil means that nobody keeps it.
	Log      *os.File
	MaxSize  int64 // bytes after which the log goes on in a new file; 0 is never
	MaxFiles int   // files kept, the current one among them
	// Hold are descriptors for the keeper to keep until the process is dropped, and to hand to a later engine.
	Hold []*os.File
}

// Start starts a container's first process. It returns when the command has been executed, or with the step that
// could not be done. The warnings name what the spec asks for and this host cannot do.
func (h *Host) Start(ctx context.Context, k *Keeper, c *Container) (*Process, []string, error) {
	id, err := keeper.ParseID(c.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("start container %q: %w", c.ID, err)
	}
	streams, err := openStreams(c.Stdio, c.Output, c.Spec.Process.Terminal)
	if err != nil {
		return nil, nil, fmt.Errorf("start container: %w", err)
	}
	defer streams.Close()
	c = withStdio(c, streams)
	o, err := h.open(c)
	if err != nil {
		return nil, nil, err
	}
	defer o.Close()
	o.console = streams.console
	turns, err := o.openTurns()
	if err != nil {
		return nil, nil, err
	}
	defer turns.close()
	program, err := h.compile(o)
	if err != nil {
		return nil, nil, err
	}
	r := request{id: id, program: program, streams: streams, output: c.Output, unified: o.entry.unified}
	if c.Tethered {
		r.flags = keeper.Tethered
	}
	if turns != nil {
		p, warnings, err := r.hooked(ctx, k, turns)
		return p, append(program.warnings, warnings...), err
	}
	p, err := r.send(ctx, k)
	return p, program.warnings, err
}

func withStdio(c *Container, s *streams) *Container {
	copied := *c
	copied.Stdio = s.stdio
	return &copied
}

// Exec starts another process in a running container, see Start.
func (h *Host) Exec(ctx context.Context, k *Keeper, e *Exec) (*Process, []string, error) {
	id, err := keeper.ParseID(e.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("exec %q: %w", e.ID, err)
	}
	streams, err := openStreams(e.Stdio, e.Output, e.Process.Terminal)
	if err != nil {
		return nil, nil, fmt.Errorf("exec: %w", err)
	}
	defer streams.Close()
	copied := *e
	copied.Stdio = streams.stdio
	o, err := h.openExec(&copied)
	if err != nil {
		return nil, nil, err
	}
	defer o.Close()
	o.console = streams.console
	program, err := h.compileExec(o)
	if err != nil {
		return nil, nil, err
	}
	r := request{id: id, program: program, streams: streams, output: e.Output, unified: o.entry.unified}
	p, err := r.send(ctx, k)
	if errors.Is(err, unix.EBUSY) && r.unified != nil {
		leaf, leafErr := e.Cgroup.leaf(e.Pidfd)
		if leafErr != nil {
			return nil, nil, errors.Join(err, leafErr)
		}
		defer closeAll(leaf)
		r.unified = leaf
		p, err = r.send(ctx, k)
	}
	return p, program.warnings, err
}

// streams are the ends of pipes and sockets that Start has made: the process's and the keeper's.
type streams struct {
	stdio   Stdio
	console *os.File   // the process's end
	pumps   []*os.File // the keeper's
	owned   []*os.File
}

func (s *streams) Close() { closeAll(s.owned...) }

// openStreams completes what the caller gave: a stream that is to go to the log becomes a pipe, and a terminal takes a
// socket by which the process sends it.
func openStreams(given Stdio, out Output, terminal bool) (*streams, error) {
	s := &streams{stdio: given}
	var err error
	switch {
	case terminal:
		err = s.openConsole()
	case out.Log != nil:
		err = s.openPipes()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *streams) openConsole() error {
	processes, keepers, err := socketPair()
	if err != nil {
		return err
	}
	s.stdio = Stdio{}
	s.console, s.pumps, s.owned = processes, []*os.File{keepers}, []*os.File{processes, keepers}
	return nil
}

func (s *streams) openPipes() error {
	for _, stream := range []**os.File{&s.stdio.Stdout, &s.stdio.Stderr} {
		if *stream != nil {
			return fmt.Errorf("a stream of one's own beside a log: %w", ErrInvalid)
		}
		read, write, err := patientPipe()
		if err != nil {
			return err
		}
		s.owned = append(s.owned, read, write)
		*stream = write
		s.pumps = append(s.pumps, read)
	}
	return nil
}

// patientPipe makes a pipe whose writers do not get SIGPIPE when the reader dies: their end is also open for reading. They write on until the
// pipe is full and wait for the next reader.
func patientPipe() (read, write *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	read = os.NewFile(uintptr(fds[0]), "pipe")
	defer func() { err = errors.Join(err, unix.Close(fds[1])) }()
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fds[1]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open pipe again: %w", err), read.Close())
	}
	return read, os.NewFile(uintptr(fd), "pipe"), nil
}

// request is what the keeper is asked to start.
type request struct {
	id      keeper.ID
	program *compiled
	streams *streams
	output  Output
	unified *os.File
	flags   keeper.RunFlags
}

func (r *request) send(ctx context.Context, k *Keeper) (*Process, error) {
	blob, err := memoryFile(r.program.program.Encode())
	if err != nil {
		return nil, err
	}
	defer closeAll(blob)
	m := keeper.Run{
		ID: r.id, Process: keeper.Init, CloneFlags: r.program.flags, Flags: r.flags,
		LogMaxSize: uint64(max(r.output.MaxSize, 0)), LogMaxFiles: uint32(max(r.output.MaxFiles, 0)),
		Pumps: uint8(len(r.streams.pumps)), Hold: uint8(len(r.output.Hold)),
	}
	if r.program.indirect {
		m.Process = keeper.Exec
	}
	files := []*os.File{blob}
	if r.unified != nil {
		m.Cgroup, files = 1, append(files, r.unified)
	}
	if r.output.Log != nil {
		m.Log, files = 1, append(files, r.output.Log)
	}
	if r.streams.console != nil {
		m.Flags |= keeper.TTY
	}
	files = append(files, r.streams.pumps...)
	files = append(files, r.output.Hold...)
	files = append(files, r.program.inputs...)
	if len(files) > keeper.MaxDescriptors || len(r.output.Hold) > keeper.MaxHold {
		return nil, fmt.Errorf("%d descriptors, more than %d: fewer mounts are needed: %w", len(files), keeper.MaxDescriptors, ErrInvalid)
	}
	return r.result(k.run(ctx, m, files))
}

func (r *request) result(a answer) (*Process, error) {
	switch {
	case a.err != nil:
		return nil, a.err
	case a.process != nil:
		return a.process, nil
	case a.step != keeper.NoStep:
		return nil, explain(r.program.program.Label(a.step), r.program.command, a.errno)
	case a.errno == unix.EEXIST:
		return nil, ErrExists
	case a.errno == unix.ECHILD:
		return nil, fmt.Errorf("the process was killed on its way: %w", ErrNotRunning)
	default:
		return nil, fmt.Errorf("the keeper forks: %w", a.errno)
	}
}

func memoryFile(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "program")
	if _, err := f.Write(content); err != nil {
		return nil, errors.Join(fmt.Errorf("fill memory file: %w", err), f.Close())
	}
	return f, nil
}
