package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// mount is a line of mountinfo, as proc(5) describes it.
type mount struct {
	point, fstype, super string
}

func parseMounts(mountinfo string) []mount {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var ms []mount
	for line := range strings.Lines(mountinfo) {
		pre, post, ok := strings.Cut(strings.TrimSpace(line), " - ")
		a, b := strings.Fields(pre), strings.Fields(post)
		if !ok || len(a) < 6 || len(b) < 3 {
			continue
		}
		ms = append(ms, mount{point: unescape.Replace(a[4]), fstype: b[0], super: b[2]})
	}
	return ms
}

// mountsBelow lists the mount points at and below dir, deepest last.
func mountsBelow(dir string) ([]string, error) {
	b, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	var points []string
	for _, m := range parseMounts(string(b)) {
		if m.point == dir || strings.HasPrefix(m.point, dir+"/") {
			points = append(points, m.point)
		}
	}
	slices.Sort(points)
	return points, nil
}

func mounted(dir string) (bool, error) {
	points, err := mountsBelow(dir)
	return slices.Contains(points, dir), err
}

func unmountBelow(dir string) error {
	points, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range slices.Backward(points) {
		if err := unmount(p); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", p, err))
		}
	}
	return errors.Join(errs...)
}

// removeTree deletes a directory that the lab made, and never what is mounted
// in it: it unmounts first and refuses as long as something is left.
func removeTree(dir string) error {
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || strings.Count(dir, "/") < 2 {
		return fmt.Errorf("remove %q: not a directory of a lab", dir)
	}
	if err := unmountBelow(dir); err != nil {
		return err
	}
	points, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	if len(points) > 0 {
		return fmt.Errorf("remove %s: still mounted: %s", dir, strings.Join(points, ", "))
	}
	for range 3 {
		if err = os.RemoveAll(dir); !errors.Is(err, syscall.ENOTEMPTY) {
			break // otherwise a last file came while it was being emptied
		}
	}
	return err
}
