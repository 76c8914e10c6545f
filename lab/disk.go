package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// LimitedDisk puts a file system of its own, of size bytes (at least 1 MiB), at an absolute path of a host that is up;
// what was there is covered. It can be filled up, and it is there again after Boot.
func (l *Lab) LimitedDisk(ctx context.Context, host, path string, size int64) error {
	if err := checkPath("path", path); err != nil {
		return fmt.Errorf("add disk to %s: %w", host, err)
	}
	pid, err := l.Leader(host)
	if err != nil {
		return err
	}
	err = l.change(ctx, host, func(s site, h *hostState) error {
		d := disk{Path: filepath.Clean(path), Name: strconv.Itoa(len(h.Disks) + 1)}
		if err := s.makeDisk(ctx, d, size); err != nil {
			return err
		}
		if _, err := run(ctx, "", append(enter(pid), "mkdir", "-p", d.Path)...); err != nil {
			return err
		}
		h.Disks = append(h.Disks, d)
		return mountInto(pid, s.point(d), d.Path)
	})
	if err != nil {
		return fmt.Errorf("add disk to %s: %w", host, err)
	}
	return nil
}

func (s site) makeDisk(ctx context.Context, d disk, size int64) error {
	image := s.image(d)
	if err := removeTree(s.point(d)); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(image), os.WriteFile(image, nil, 0o600), os.Truncate(image, size)); err != nil {
		return err
	}
	if _, err := run(ctx, "", "mkfs.ext4", "-q", "-F", "-m", "0", image); err != nil {
		return err
	}
	return s.mountDisk(ctx, d)
}

// mountDisk mounts the image beside the root, from where the host gets it. The loop device goes away with the mount.
func (s site) mountDisk(ctx context.Context, d disk) error {
	if err := os.MkdirAll(s.point(d), 0o755); err != nil {
		return err
	}
	if ok, err := mounted(s.point(d)); ok || err != nil {
		return err
	}
	_, err := run(ctx, "", "mount", "-o", "loop", s.image(d), s.point(d))
	return err
}

// SlowDisk lets all of a host's processes together write only so many times a second to the machine's disk; 0 lifts it.
// It holds until the host goes down, and not for disks of LimitedDisk.
func (l *Lab) SlowDisk(host string, writesPerSecond int64) error {
	s, c, _, err := l.running(host)
	if err != nil {
		return err
	}
	dev, err := wholeDisk(s.dir)
	if err != nil {
		return fmt.Errorf("find the disk below %s: %w", s.dir, err)
	}
	for _, h := range c.all {
		name, value := h.writeLimit(writesPerSecond)
		if name == "" {
			continue
		}
		file := filepath.Join(h.path, c.path, name)
		if err := os.WriteFile(file, []byte(dev+" "+value), 0); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("slow down the disk of %s: this kernel has no cgroup controller for disks", host)
}

// writeLimit is the file and the setting that limit writes, where h can do that.
func (h hierarchy) writeLimit(perSecond int64) (name, value string) {
	switch {
	case h.v2 && perSecond == 0:
		return "io.max", "wiops=max"
	case h.v2:
		return "io.max", fmt.Sprintf("wiops=%d", perSecond)
	case slices.Contains(h.opts, "blkio"):
		return "blkio.throttle.write_iops_device", strconv.FormatInt(perSecond, 10)
	}
	return "", ""
}

// wholeDisk is the MAJOR:MINOR of the disk that holds path, not of a partition.
func wholeDisk(path string) (string, error) {
	dev, err := deviceOf(path)
	if err != nil {
		return "", err
	}
	at, err := filepath.EvalSymlinks(filepath.Join("/sys/dev/block", dev))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(at, "partition")); err == nil {
		at = filepath.Dir(at)
	}
	b, err := os.ReadFile(filepath.Join(at, "dev"))
	return strings.TrimSpace(string(b)), err
}
