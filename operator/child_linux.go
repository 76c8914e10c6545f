package operator

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// apart keeps a process out of this one's session, so that neither Ctrl-C nor the end of a terminal reaches it.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// child starts a process that the kernel kills when this one ends, however it ends, and tells of its end.
func child(cmd *exec.Cmd) (ended <-chan error, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	began, end := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the kernel means the thread that started it
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		began <- err
		if err == nil {
			end <- cmd.Wait()
		}
	}()
	return end, <-began
}

// dialIn reaches a Unix socket in a directory whose path may be too long for one.
func dialIn(dir, socket string) (net.Conn, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()                                                        // it only stood for the path
	return (&net.Dialer{}).Dial("unix", fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socket)) //nolint:noctx // on this machine
}
