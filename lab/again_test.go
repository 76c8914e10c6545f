package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestAgain kills hosts and boots them, on the disk they had or a new one, while their connections are open and their
// disks are busy. LAB_ROUNDS says how often, LAB_LOAD how many processes keep the machine busy beside, LAB_LABS how
// many labs do it side by side.
func TestAgain(t *testing.T) {
	for range setting(t, "LAB_LOAD", 0) {
		busy := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
		if err := busy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = busy.Wait() }) // by then the context has ended
	}
	for i := range setting(t, "LAB_LABS", 1) {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			again(t, testLab(t, Options{Name: fmt.Sprintf("again-%d", i), Count: 3}))
		})
	}
}

// again has every host go its own way.
func again(t *testing.T, l *Lab) {
	rounds := setting(t, "LAB_ROUNDS", 2)
	var wg sync.WaitGroup
	for i, h := range l.Hosts() {
		wg.Go(func() {
			for round := range rounds {
				began := time.Now()
				if err := restart(t, l, i, round); err != nil {
					t.Errorf("round %d of %s: %v", round, h.Name, err)
					return
				}
				t.Logf("round %d of %s: %.1f s", round, h.Name, time.Since(began).Seconds())
			}
		})
	}
	wg.Wait()
}

// busyScript opens connections that stay, and writes to the disk.
const busyScript = `
for i in 1 2 3 4; do bash -c 'exec 3<>/dev/tcp/%s/22; cat <&3' >/dev/null 2>&1 & done
dd if=/dev/zero of=/var/tmp/x bs=1M count=32 conv=fsync 2>/dev/null
wait
`

func restart(t *testing.T, l *Lab, i, round int) error {
	t.Helper()
	host, peer := l.Hosts()[i], l.Hosts()[(i+1)%len(l.Hosts())]
	conn, err := l.DialContext(t.Context(), "tcp", host.IPv4.String()+":22")
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := l.Exec(t.Context(), host.Name, "systemd-run", "-q", "bash", "-c",
		fmt.Sprintf(busyScript, peer.IPv4)); err != nil {
		return err
	}
	if err := l.LimitedDisk(t.Context(), host.Name, "/srv/disk", 4<<20); err != nil {
		return err
	}
	if round%3 == i {
		if err := l.Cable(t.Context(), host.Name, false); err != nil {
			return err
		}
	}
	if round%4 != 3 {
		return l.Wipe(t.Context(), host.Name)
	}
	if err := l.PowerCut(t.Context(), host.Name); err != nil {
		return err
	}
	return l.Boot(t.Context(), host.Name)
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
