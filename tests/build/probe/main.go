// Command probe does inside a container or a RUN step what busybox cannot.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const usage = "usage: probe tar | setcap FILE | keys | descriptors | exchange A B ROUNDS"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	switch name, args := args[0], args[1:]; {
	case name == "tar" && len(args) == 0:
		return writeTree(os.Stdout)
	case name == "setcap" && len(args) == 1:
		return setCapability(args[0])
	case name == "keys" && len(args) == 0:
		return countKeys()
	case name == "descriptors" && len(args) == 0:
		return listDescriptors()
	case name == "exchange" && len(args) == 3:
		return exchange(args[0], args[1], args[2])
	default:
		return errors.New(usage)
	}
}

// setCapability gives a file CAP_NET_BIND_SERVICE, see capabilities(7).
func setCapability(name string) error {
	const revision2, effective = 0x02000000, 1
	value := binary.LittleEndian.AppendUint32(nil, revision2|effective)
	value = binary.LittleEndian.AppendUint32(value, 1<<unix.CAP_NET_BIND_SERVICE)
	value = append(value, make([]byte, 12)...)
	return unix.Setxattr(name, "security.capability", value, 0)
}

// countKeys asks the agent at SSH_AUTH_SOCK how many keys it has, see draft-ietf-sshm-ssh-agent.
func countKeys() error {
	const requestIdentities, identitiesAnswer = 11, 12
	conn, err := new(net.Dialer).DialContext(context.Background(), "unix", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte{0, 0, 0, 1, requestIdentities}); err != nil {
		return err
	}
	answer := make([]byte, 9) // length, type, count
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if answer[4] != identitiesAnswer {
		return fmt.Errorf("answer %d of the agent", answer[4])
	}
	fmt.Println("keys:", binary.BigEndian.Uint32(answer[5:]))
	return nil
}

// listDescriptors prints what this process was given beside the standard streams. What Go's runtime opens for itself is
// left out.
func listDescriptors() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		own := slices.Contains([]string{"0", "1", "2"}, e.Name()) || strings.HasPrefix(target, "anon_inode:[event") ||
			strings.HasPrefix(target, "/sys/fs/cgroup/") && strings.HasPrefix(path.Base(target), "cpu.")
		if err != nil || own {
			continue // the one that the folder was read with is closed
		}
		fmt.Println("descriptor", e.Name(), target)
	}
	return nil
}

// exchange swaps two names, an even number of times.
func exchange(a, b, rounds string) error {
	n, err := strconv.Atoi(rounds)
	if err != nil {
		return err
	}
	for range 2 * n {
		if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
			return fmt.Errorf("exchange %s and %s: %w", a, b, err)
		}
	}
	return nil
}
