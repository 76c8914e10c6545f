package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Every host has its own cgroup in every hierarchy. Without it, the systemd of every host would share one tree with the
// others and with the machine; and it says which processes are the lab's, whatever crashed in between.

// hierarchy is one mounted cgroup file system.
type hierarchy struct {
	path string // mount point
	v2   bool
	opts []string // version 1: its controllers, or name=systemd
}

func hierarchies() ([]hierarchy, error) {
	b, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	var hs []hierarchy
	for _, m := range parseMounts(string(b)) {
		if m.fstype == "cgroup" || m.fstype == "cgroup2" {
			hs = append(hs, hierarchy{path: m.point, v2: m.fstype == "cgroup2", opts: strings.Split(m.super, ",")})
		}
	}
	return hs, nil
}

// trackers are the hierarchies in which systemd keeps its units' processes.
func trackers(hs []hierarchy) []hierarchy {
	return slices.DeleteFunc(slices.Clone(hs), func(h hierarchy) bool {
		return !h.v2 && !slices.Contains(h.opts, "name=systemd")
	})
}

// slot is where a host's processes live: the same relative path in every hierarchy.
type slot struct {
	all  []hierarchy
	path string // clusterup-lab/NAME/HOST
}

// labs is the cgroup of all labs.
const labs = "clusterup-lab"

func newSlot(lab, host string) (slot, error) {
	hs, err := hierarchies()
	return slot{all: hs, path: filepath.Join(labs, lab, host)}, err
}

// make creates the cgroups and returns the cgroup.procs files that a process writes itself into to enter them.
func (s slot) make() (procs []string, err error) {
	for range 10 {
		procs, err = s.makeOnce()
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		// Another lab has just taken away what both lie in, because it was empty.
	}
	return procs, err
}

func (s slot) makeOnce() ([]string, error) {
	var procs []string
	for _, h := range s.all {
		dir := h.path
		for part := range strings.SplitSeq(s.path, "/") {
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, fmt.Errorf("make cgroup: %w", err)
			}
			if err := h.prepare(dir); err != nil {
				return nil, fmt.Errorf("prepare cgroup %s: %w", dir, err)
			}
			if part == labs {
				h.weigh(dir)
			}
		}
		procs = append(procs, filepath.Join(dir, "cgroup.procs"))
	}
	return procs, nil
}

// weigh gives the hosts of all labs together as much of the processors as several processes: with what a cgroup has by
// default they would get no more than one, and three compilers beside them would keep them from answering in time. What
// cannot be set does no harm.
func (h hierarchy) weigh(dir string) {
	if h.v2 {
		_ = os.WriteFile(filepath.Join(dir, "cpu.weight"), []byte("400"), 0)
	} else if slices.Contains(h.opts, "cpu") {
		_ = os.WriteFile(filepath.Join(dir, "cpu.shares"), []byte("4096"), 0)
	}
}

// prepare makes a fresh cgroup usable: a cpuset of version 1 starts empty and
// takes no process, and in version 2 the parent hands its controllers on.
func (h hierarchy) prepare(dir string) error {
	if h.v2 {
		parent := filepath.Dir(dir)
		b, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for c := range strings.FieldsSeq(string(b)) {
			// Refused where a process sits in the parent: then the hosts do without that limit.
			_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+c), 0)
		}
		return nil
	}
	if !slices.Contains(h.opts, "cpuset") {
		return nil
	}
	for _, f := range []string{"cpuset.cpus", "cpuset.mems", "cpus", "mems"} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(dir), f))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the names depend on how it was mounted
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0); err != nil {
			return err
		}
	}
	return nil
}

// pids returns the live processes of the host, sorted; none is not an error.
func (s slot) pids() []int {
	seen := map[int]bool{}
	for _, h := range trackers(s.all) {
		_ = filepath.WalkDir(filepath.Join(h.path, s.path), func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir // gone meanwhile
			}
			if !d.IsDir() {
				return nil
			}
			b, _ := os.ReadFile(filepath.Join(p, "cgroup.procs"))
			for f := range strings.FieldsSeq(string(b)) {
				if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
					seen[pid] = true
				}
			}
			return nil
		})
	}
	var pids []int
	for pid := range seen {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// has says whether pid is a process of the host right now.
func (s slot) has(pid int) bool { return slices.Contains(s.pids(), pid) }

// remove takes the empty cgroups away, and those above them that are then empty.
func (s slot) remove() error {
	var errs []error
	for _, h := range s.all {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(h.path, s.path), func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, p)
			}
			return nil
		})
		for _, d := range slices.Backward(dirs) {
			if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		for p := filepath.Dir(s.path); p != "."; p = filepath.Dir(p) {
			if os.Remove(filepath.Join(h.path, p)) != nil {
				break // another host's or another lab's
			}
		}
	}
	return errors.Join(errs...)
}
