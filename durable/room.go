package durable

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// Room is how many bytes this user may still write to the file system of a directory; of one that does not tell its
// size, such as a tmpfs without a limit, as many as there can be.
func Room(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if st.Blocks == 0 || st.Bsize <= 0 {
		return math.MaxInt64, nil
	}
	block := uint64(st.Bsize) //nolint:gosec // never negative, and of another type elsewhere

	return int64(min(st.Bavail, math.MaxInt64/block) * block), nil //nolint:gosec // it fits now
}
