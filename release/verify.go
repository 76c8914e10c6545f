package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// rules is the generation of the checks in inspect. Raise it when they become stricter or find more: records of older
// generations are then not believed.
const rules = 3

// record is what verifying an archive found, kept so that the next run need not read the archive.
type record struct {
	Rules    int               `json:"rules"`
	Version  string            `json:"version"`
	Arch     string            `json:"arch"`
	SHA256   string            `json:"sha256"`
	File     fileID            `json:"file"`
	Folder   string            `json:"folder"`
	Binaries map[string]Binary `json:"binaries"`
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
		return nil, fileID{}, errors.Join(&os.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}, f.Close())
	}
	return f, fileID{Size: st.Size, Inode: st.Ino, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano()}, nil
}

// verified returns the archive at path as a release of n with the digest want, if one is known. It reads the archive only when
// the record at recordPath ("": none) is not of this very file. A record that cannot be written costs time, never success:
// a cache may be read-only.
func verified(path, recordPath string, n name, want digest) (*Archive, error) {
	f, id, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("open the release archive: %w; check its permissions", err)
	}
	defer f.Close()
	if a := recorded(path, recordPath, n, id); a != nil {
		if err := matches(a, want); err != nil {
			return nil, err
		}
		return a, nil
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
	is := instead(head[:read])
	if err := matches(a, want); err != nil {
		if mismatch := (*mismatchError)(nil); errors.As(err, &mismatch) {
			mismatch.Is = is
		}
		return nil, err
	}
	if is != "" {
		return nil, archiveError(path, fmt.Errorf("it is %s", is))
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the release archive: %w; check the disk", err)
	}
	if a.Binaries, a.Folder, err = inspect(f, n, defaultLimits); err != nil {
		return nil, archiveError(path, err)
	}
	_ = writeRecord(recordPath, newRecord(a))
	return a, nil
}

func matches(a *Archive, want digest) error {
	if want.hex != "" && a.SHA256 != want.hex {
		return &mismatchError{What: a.Path, Want: want.hex, Got: a.SHA256, Source: want.source}
	}
	return nil
}

func newRecord(a *Archive) record {
	return record{Rules: rules, Version: a.Version, Arch: a.Arch, SHA256: a.SHA256, File: a.id, Folder: a.Folder, Binaries: a.Binaries}
}

// recorded returns the archive at path if the record speaks of the file id as a release of n, else nil.
func recorded(path, recordPath string, n name, id fileID) *Archive {
	if recordPath == "" {
		return nil
	}
	text, err := os.ReadFile(recordPath)
	if err != nil {
		return nil
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return nil
	}
	for _, p := range programs {
		if !digestForm.MatchString(r.Binaries[p].SHA256) {
			return nil
		}
	}
	if r.Rules != rules || r.Folder == "" || r.Version != n.version || r.Arch != n.arch || r.File != id || !digestForm.MatchString(r.SHA256) {
		return nil
	}
	return &Archive{
		Version: n.version, Arch: n.arch, Path: path, SHA256: r.SHA256, Size: id.Size, Folder: r.Folder, Binaries: r.Binaries, id: id,
	}
}

func writeRecord(path string, r record) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return write(path, append(text, '\n'), 0o600)
}

// archiveError puts the path, and the entry where one is to blame, on what reading an archive says.
func archiveError(path string, err error) error {
	var entry *entryError
	if errors.As(err, &entry) {
		return &ArchiveError{Path: path, Entry: entry.entry, Err: entry.err}
	}
	return &ArchiveError{Path: path, Err: err}
}
