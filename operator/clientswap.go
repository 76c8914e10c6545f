package operator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/clusterup/clusterup/durable"
)

// ClientSet is what a client is to have, in PEM.
type ClientSet struct {
	Cert, Key []byte // nil: the pair stays as it is, and CA alone is replaced
	CA        []byte // the CAs to trust
	PKCS12    []byte // all of it in one file; nil: there is none
	Serial    string // of the certificate, lower-case hexadecimal
}

// swap changes what lies in a directory. It stays within that directory whatever links lie there: the directory may be
// that of the client's user, and the run root's.
type swap struct {
	ClientFiles
	root *os.Root
}

func (f ClientFiles) swap(do func(swap) error) error {
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return do(swap{f, root})
}

// Prepare makes sure that a set can be put there, before anything is signed, and removes what a run that was killed has
// left. The directory must be locked, here and for Put.
func (f ClientFiles) Prepare() error {
	return f.swap(func(s swap) error {
		if err := s.sweep(); err != nil {
			return err
		}
		trial := s.pairs() + "/trial"
		return errors.Join(s.write(trial, nil, s.like(f.Name+"-key.pem")), s.root.Remove(trial))
	})
}

// Put replaces what the client has. Owners and modes of files stay as they are; where there was none it is 0600. At any
// moment the names of certificate and key stand for one pair, if they did before. Before anything is replaced it notes
// that somebody is to be told, see Told.
func (f ClientFiles) Put(set ClientSet) error {
	return f.swap(func(s swap) error {
		if err := s.note(); err != nil {
			return err
		}
		if err := s.file("ca.pem", set.CA); err != nil || set.Cert == nil {
			return err
		}
		if err := s.adopt(); err != nil {
			return err
		}
		return s.pair(set)
	})
}

// adopt makes links of plain files: both names go on standing for the pair that lies there.
func (s swap) adopt() error {
	plain := false
	for _, link := range s.links(false) {
		info, err := s.root.Lstat(link[0])
		if err != nil {
			return nil //nolint:nilerr // there is no pair that somebody could rely on
		}
		plain = plain || info.Mode().IsRegular()
	}
	if !plain {
		return nil
	}
	cert, errCert := clientFile(s.root, s.Name+".pem")
	key, errKey := clientFile(s.root, s.Name+"-key.pem")
	ca, errCA := clientFile(s.root, "ca.pem")
	if err := errors.Join(errCert, errKey, errCA); err != nil {
		return err
	}
	if err := s.pair(ClientSet{Cert: cert, Key: key, CA: ca, Serial: "before"}); err != nil {
		return err
	}
	return s.sweep() // what a run has left that was killed right here
}

// pair puts a pair into a directory of its own, and swaps the link.
func (s swap) pair(set ClientSet) (err error) {
	dir, err := s.room(set.Serial)
	if err != nil {
		return err
	}
	defer func() {
		if at, readErr := s.root.Readlink(s.live()); err != nil && (readErr != nil || at != filepath.Base(dir)) {
			err = errors.Join(err, s.clear(dir))
		}
	}()
	files := []struct {
		name, like string
		data       []byte
	}{
		{"key.pem", s.Name + "-key.pem", set.Key},
		{"cert.pem", s.Name + ".pem", set.Cert},
		{"ca.pem", "ca.pem", set.CA},
		{"pair.p12", s.Name + ".p12", set.PKCS12},
	}
	for _, file := range files {
		if file.data == nil {
			continue
		}
		if err := s.write(dir+"/"+file.name, file.data, s.like(file.like)); err != nil {
			return err
		}
	}
	if err := s.sync(dir, s.pairs()); err != nil {
		return err
	}
	if err := s.link(filepath.Base(dir), s.live()); err != nil {
		return err
	}
	for _, link := range s.links(set.PKCS12 != nil) {
		if at, err := s.root.Readlink(link[0]); err == nil && at == link[1] {
			continue
		}
		if err := s.link(link[1], link[0]); err != nil {
			return err
		}
	}
	return nil
}

// room makes a directory for a pair, which is like the one around it.
func (s swap) room(serial string) (string, error) {
	around, err := s.root.Stat(".")
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		dir := s.pairs() + "/" + serial
		if n > 1 {
			dir = fmt.Sprintf("%s-%d", dir, n)
		}
		if err := s.mkdir(dir, around); !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
}

// sweep makes the directory of pairs, and removes from it whatever is not in use.
func (s swap) sweep() error {
	around, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	if err := s.mkdir(s.pairs(), around); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := s.root.Open(s.pairs())
	if err != nil {
		return err
	}
	entries, err := dir.ReadDir(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return err
	}
	live, _ := s.root.Readlink(s.live()) // there may be none
	for _, entry := range entries {
		name := s.pairs() + "/" + entry.Name()
		if name == s.live() || name == s.changed() || entry.Name() == live {
			continue
		}
		if err := s.clear(name); err != nil {
			return err
		}
	}
	return nil
}

// note says in a file that somebody is to be told.
func (s swap) note() error {
	return s.file(s.changed(), []byte("The reload command has not been run for the last change yet.\n"))
}

// file puts data in the place of a file that is replaced alone.
func (s swap) file(name string, data []byte) error {
	if there, err := clientFile(s.root, name); err == nil && string(there) == string(data) {
		return nil
	}
	trial := s.pairs() + "/new"
	if err := s.clear(trial); err != nil {
		return err
	}
	if err := s.write(trial, data, s.like(name)); err != nil {
		return err
	}
	return s.rename(trial, name)
}

// link puts a symbolic link in the place of whatever has its name.
func (s swap) link(target, name string) error {
	trial := s.pairs() + "/link"
	if err := s.clear(trial); err != nil {
		return err
	}
	if err := s.Step("before link " + filepath.Base(name)); err != nil {
		return err
	}
	if err := s.root.Symlink(target, trial); err != nil {
		return err
	}
	return s.rename(trial, name)
}

func (s swap) rename(from, to string) error {
	if err := s.Step("before rename to " + filepath.Base(to)); err != nil {
		return err
	}
	if err := s.root.Rename(from, to); err != nil {
		return err
	}
	return s.sync(filepath.Dir(to))
}

// write makes a file that is on the disk when it returns, with the owner and mode of another one; nil: 0600.
func (s swap) write(name string, data []byte, like fs.FileInfo) error {
	if err := s.Step("before write " + filepath.Base(name)); err != nil {
		return err
	}
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && like != nil {
		err = resemble(f, like)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// mkdir makes a directory with the owner and mode of another one.
func (s swap) mkdir(name string, like fs.FileInfo) error {
	if err := s.Step("before mkdir"); err != nil {
		return err
	}
	if err := s.root.Mkdir(name, 0o700); err != nil {
		return err
	}
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(resemble(f, like), f.Close())
}

// resemble gives a file the owner and mode of another one.
func resemble(f *os.File, like fs.FileInfo) error {
	is, err := f.Stat()
	if err != nil {
		return err
	}
	mine, wanted := is.Sys().(*syscall.Stat_t), like.Sys().(*syscall.Stat_t)
	if mine.Uid != wanted.Uid || mine.Gid != wanted.Gid {
		if err := f.Chown(int(wanted.Uid), int(wanted.Gid)); err != nil {
			return fmt.Errorf("keep the owner of %s, user %d and group %d: %w: run it as root, or as that user",
				like.Name(), wanted.Uid, wanted.Gid, err)
		}
	}
	return f.Chmod(like.Mode().Perm())
}

// like is the file that a name stands for; nil: there is none. What was made halfway is like its other half.
func (s swap) like(name string) fs.FileInfo {
	for _, name := range []string{name, s.Name + "-key.pem", s.Name + ".pem"} {
		if info, err := s.root.Stat(name); err == nil && info.Mode().IsRegular() {
			return info
		}
	}
	return nil
}

func (s swap) clear(name string) error {
	if err := s.Step("before clear"); err != nil {
		return err
	}
	return s.root.RemoveAll(name)
}

func (s swap) sync(dirs ...string) error {
	for _, dir := range dirs {
		if err := durable.SyncDir(filepath.Join(s.Dir, dir)); err != nil {
			return err
		}
	}
	return nil
}
