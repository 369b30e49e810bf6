package main

import (
	"os"
	"os/signal"
	"syscall"
)

// commandPid is the command that the reaper serves. The container's program has made it as the second process of
// the namespace, before the first one executed this.
const commandPid = 2

// reap is the life of PID 1 of a container that is to have an init: it hands signals on to the command and buries
// orphans. When the command ends, so does the reaper, and with it the container. It returns the exit code.
func reap() int {
	signals := make(chan os.Signal, 128)
	signal.Notify(signals)
	// It waits for this before it is executed: from then on signals are expected to come through.
	_ = syscall.Kill(commandPid, syscall.SIGUSR1)
	for {
		// First of all, since the command may have ended before anybody listened.
		if code, ended := bury(); ended {
			return code
		}
		for s := <-signals; s != syscall.SIGCHLD; s = <-signals {
			forward(s)
		}
	}
}

// forward hands a signal on, unless it is meant for this process: Go's scheduler sends itself SIGURG, and a process in
// the background gets the other two for touching the terminal.
func forward(s os.Signal) {
	switch s {
	case syscall.SIGURG, syscall.SIGTTIN, syscall.SIGTTOU:
	default:
		_ = syscall.Kill(commandPid, s.(syscall.Signal)) // it may have ended
	}
}

// bury waits for all that has ended, and tells whether the command has, and with which exit code.
func bury() (code int, ended bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil || pid == 0:
			return code, ended
		case pid == commandPid:
			code, ended = exitCode(status), true
		}
	}
}

// exitCode is a status as shells tell it.
func exitCode(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
