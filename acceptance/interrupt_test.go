package acceptance

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestInterrupted ends runs in the middle, in every way that a run can end, and proves that the next one goes on from
// there.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t, "stop", hosts(3)...)
	inv := s.inventory(t, "prod")
	file := s.write(t, "prod.hcl", inv)
	bare := func(t *testing.T) {
		t.Helper()
		for _, name := range s.names() {
			if err := s.lab.Wipe(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.RemoveAll(filepath.Join(s.dir, ".clusterup")); err != nil {
			t.Fatal(err)
		}
	}
	signal := func(t *testing.T, p *process, sig syscall.Signal) {
		t.Helper()
		if err := p.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("locked", func(t *testing.T) {
		first := s.start(t, "apply", "--yes", file)
		first.await(t, "── prepare hosts")
		signal(t, first, syscall.SIGSTOP) // holds the lock, and does nothing
		s.run(t, "apply", "--yes", file).exits(t, 11).says(t, "etcd-1: …root@…clusterup apply",
			"--lock-wait")
		s.ok(t, "plan", file) // looking takes no lock
		second := s.start(t, "apply", "--yes", "--lock-wait=1m", file)
		second.await(t, "Plan: ")
		signal(t, first, syscall.SIGCONT)
		first.wait(t).exits(t, 0)
		second.wait(t).exits(t, 0)
		s.inSync(t, file, inv)
	})

	for name, at := range map[string]struct {
		stage string
		sig   syscall.Signal
		slow  bool // FAULTS=full tries it too
	}{
		"killed while it sends":              {"── prepare hosts", syscall.SIGKILL, false},
		"asked to stop while it sends":       {"── prepare hosts", syscall.SIGINT, true},
		"asked to stop amid the first start": {"── bootstrap", syscall.SIGINT, true},
		"terminated at birth":                {"record-birth/", syscall.SIGTERM, false},
	} {
		if at.slow && !whole() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			bare(t)
			p := s.start(t, "apply", "--yes", file)
			p.await(t, at.stage)
			signal(t, p, at.sig)
			ended := p.wait(t)
			if at.sig != syscall.SIGKILL {
				ended.exits(t, 130).says(t, "Stopped: ", runAgain)
			}
			s.ok(t, "apply", "--yes", file)
			s.inSync(t, file, inv)
		})
	}

	t.Run("power cut", func(t *testing.T) {
		if err := s.lab.PowerCut(t.Context(), "etcd-2"); err != nil {
			t.Fatal(err)
		}
		s.run(t, "apply", "--yes", file).exits(t, 12).says(t, "etcd-2: connect: ")
		s.run(t, "status", "--json", file).exits(t, 12).counts(t, 2, true)
		if err := s.lab.Boot(t.Context(), "etcd-2"); err != nil {
			t.Fatal(err)
		}
		s.ok(t, "apply", "--yes", file) // it came back by itself, or comes
		s.inSync(t, file, inv)
	})
}
