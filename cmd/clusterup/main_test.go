package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A run that hangs, and so takes no notice of the first two signals, is killed by the third.
func TestThirdSignalKills(t *testing.T) {
	if os.Getenv("CLUSTERUP_TEST_HANG") != "" {
		heed(func() { fmt.Println("first") }, func() { fmt.Println("second") })
		fmt.Println("ready")
		select {} // hangs
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestThirdSignalKills$")
	cmd.Env = append(os.Environ(), "CLUSTERUP_TEST_HANG=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", err)
	}
}
