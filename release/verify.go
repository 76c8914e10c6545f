package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/clusterup/clusterup/download"
)

// rules is the generation of the checks in inspect. Raise it when they become stricter or find more: records of older
// generations are then not believed.
const rules = 3

// record is what verifying an archive found, kept so that the next run need not read the archive.
type record struct {
	Rules int    `json:"rules"`
	File  fileID `json:"file"`
	Archive
}

// fileID changes whenever a file's bytes do, short of someone who sets the clock back. Times are in nanoseconds.
type fileID struct {
	Size  int64  `json:"size"`
	Inode uint64 `json:"inode"`
	Mtime int64  `json:"mtime"`
	Ctime int64  `json:"ctime"`
}

// openRegular opens a file and says which one it is. It refuses pipes and devices instead of waiting for them.
func openRegular(path string) (*os.File, fileID, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileID{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fileID{}, errors.Join(&os.PathError{Op: "stat", Path: path, Err: err}, f.Close())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fileID{}, errors.Join(&os.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")},
			f.Close())
	}
	return f, fileID{Size: st.Size, Inode: st.Ino, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano()}, nil
}

// verified returns the archive at path, which errors call what, as a release of n with the digest want, if one is
// known. It reads the archive only when the record at recordPath ("": none) is not of this very file. A record that
// cannot be written costs time, never success: a cache may be read-only.
func verified(path, what, recordPath string, n name, want digest) (*Archive, error) {
	f, id, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("open the release archive: %w; check its permissions", err)
	}
	defer f.Close()
	mismatch := func(a *Archive, is string) error {
		if want.Hex == "" || a.SHA256 == want.Hex {
			return nil
		}
		return &mismatchError{What: what, Want: want.Hex, Got: a.SHA256, Source: want.Source, Is: is}
	}
	if a := recorded(path, recordPath, n, id); a != nil {
		return a, mismatch(a, "")
	}
	a := &Archive{Version: n.version, Arch: n.arch, Path: path, Size: id.Size, id: id}
	if a.SHA256, err = hashOf(f); err != nil {
		return nil, fmt.Errorf("read the release archive: %w; check the disk", err)
	}
	head := make([]byte, 512)
	read, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the release archive: %w; check the disk", err)
	}
	is := download.Instead(head[:read])
	if err := mismatch(a, is); err != nil {
		return nil, err
	}
	if is != "" {
		return nil, archiveError(what, fmt.Errorf("it is %s", is))
	}
	if a.Binaries, a.Folder, err = inspect(io.NewSectionReader(f, 0, id.Size), n, defaultLimits); err != nil {
		return nil, archiveError(what, err)
	}
	_ = writeRecord(recordPath, a)
	return a, nil
}

// recorded returns the archive at path if the record speaks of the file id as a release of n, else nil.
func recorded(path, recordPath string, n name, id fileID) *Archive {
	var r record
	text, err := os.ReadFile(recordPath)
	if err != nil || json.Unmarshal(text, &r) != nil {
		return nil
	}
	for _, p := range programs {
		if !digestForm.MatchString(r.Binaries[p].SHA256) {
			return nil
		}
	}
	if r.Rules != rules || r.Folder == "" || r.Version != n.version || r.Arch != n.arch || r.File != id ||
		!digestForm.MatchString(r.SHA256) {
		return nil
	}
	r.Path, r.Size, r.id = path, id.Size, id
	return &r.Archive
}

func writeRecord(path string, a *Archive) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(record{rules, a.id, *a}, "", "  ")
	if err != nil {
		return err
	}
	return write(path, append(text, '\n'), 0o600)
}
