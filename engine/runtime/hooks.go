package runtime

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/hook"
	"tiffin/engine/runtime/program"
)

// turns is the engine's end of a container's start that stops at the turns of its hooks. The program writes a byte at
// each turn, and goes on when it is answered.
type turns struct {
	conn      *net.UnixConn
	container hook.Container
	failed    chan error
}

// openTurns makes what a container with hooks needs; nil for one without. The program's end is owned by o.
func (o *opened) openTurns() (*turns, error) {
	if o.Spec.Hooks == nil {
		return nil, nil //nolint:nilnil // most have none
	}
	if o.Bundle == "" {
		return nil, fmt.Errorf("hooks without a bundle: %w", ErrInvalid)
	}
	if err := o.Bundle.Write(o.Spec); err != nil {
		return nil, fmt.Errorf("write the bundle for hooks: %w", err)
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	o.turns = o.own(theirs)
	// The kernel says with each message who sent it: the process is known by nobody yet.
	if err := unix.SetsockoptInt(int(ours.Fd()), unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		closeAll(ours)
		return nil, fmt.Errorf("socket for hooks: %w", err)
	}
	conn, err := packetConn(ours)
	if err != nil {
		return nil, err
	}
	return &turns{
		conn: conn, failed: make(chan error, 1), container: hook.Container{ID: o.ID, Bundle: o.Bundle, Spec: o.Spec},
	}, nil
}

// atTurns are the hooks at each stop of the program, in their order.
func atTurns() [][]hook.Turn {
	return [][]hook.Turn{{hook.CreateRuntime, hook.CreateContainer}, {hook.StartContainer}}
}

// serve runs hooks until the program has passed all turns, one has failed, or conn is closed.
func (t *turns) serve(ctx context.Context) {
	defer close(t.failed)
	for _, list := range atTurns() {
		pid, err := t.wait()
		if err != nil {
			return // the program ended before, and the keeper tells why
		}
		t.container.Pid = pid
		for _, turn := range list {
			if err := t.container.Run(ctx, turn); err != nil {
				t.failed <- err
				_ = t.conn.Close() // which the program sees
				return
			}
		}
		if _, err := t.conn.Write([]byte{1}); err != nil {
			return
		}
	}
}

// wait waits for the program to come to a turn.
func (t *turns) wait() (pid int, err error) {
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	n, oobn, _, _, err := t.conn.ReadMsgUnix(b[:], oob)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || n == 0 || len(messages) == 0 {
		return 0, unix.EPIPE
	}
	who, err := unix.ParseUnixCredentials(&messages[0])
	if err != nil {
		return 0, err
	}
	return int(who.Pid), nil
}

// end ends serve, and says which hook failed.
func (t *turns) end() error {
	t.close()
	return <-t.failed
}

func (t *turns) close() {
	if t != nil {
		_ = t.conn.Close() // nothing is lost
	}
}

// turn stops the program until the engine has run the hooks that are due.
func (c *compiler) turn(socket program.Reg, label string) {
	if socket == none {
		return
	}
	answer, on := c.Register("answer"), c.Target()
	c.Call(label, unix.SYS_WRITE, socket, c.Str("1"), program.Imm(1))
	c.Call(label, unix.SYS_READ, socket, c.Scratch(1), program.Imm(1)).Into(answer)
	c.JumpEqual(answer, 1, on)
	c.Fail(label, unix.ECANCELED)
	c.Place(on)
}

// stage attaches the root filesystem in the bundle, where hooks find it, with the host's files around it.
func (c *compiler) stage(root program.Reg, b hook.Bundle) {
	c.root = root
	c.Call("attach the root filesystem", unix.SYS_MOVE_MOUNT,
		root, c.Str(""), program.Imm(unix.AT_FDCWD), c.Str(b.Rootfs()), program.Imm(unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// hooked is Start for a container with hooks: send, while t serves.
func (r *request) hooked(ctx context.Context, k *Keeper, t *turns) (*Process, []string, error) {
	go t.serve(ctx)
	p, err := r.send(ctx, k)
	if failed := t.end(); failed != nil {
		err = failed
	}
	if err != nil {
		return nil, nil, err
	}
	t.container.Pid = p.Pid()
	var warnings []string
	if err := t.container.Each(ctx, hook.Poststart); err != nil {
		warnings = append(warnings, err.Error())
	}
	return p, warnings, nil
}

// Stopped runs the poststop hooks of a container that has ended, if it has any.
func Stopped(ctx context.Context, id string, b hook.Bundle) error {
	spec, err := b.Read()
	if spec == nil || err != nil {
		return err
	}
	c := hook.Container{ID: id, Bundle: b, Spec: spec}
	return c.Each(ctx, hook.Poststop)
}
