package remote

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pkg/sftp"
)

// Where distributions keep OpenSSH's sftp-server: Debian; Fedora and others; Arch, SUSE and Alpine; Gentoo.
var usualSFTP = []string{
	"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server",
	"/usr/lib/ssh/sftp-server", "/usr/lib64/ssh/sftp-server", "/usr/lib/misc/sftp-server", "/usr/lib64/misc/sftp-server",
}

// sftpLane is one SFTP session.
type sftpLane struct {
	r      *running
	client *sftp.Client
	stop   func() bool
}

// openSFTP starts sftp-server as an ordinary command, because that works under sudo, and behind login shells that
// print, where the subsystem does not. Nil means that there is none.
func (h *Host) openSFTP(ctx context.Context) *sftpLane {
	paths := h.dialer.sftpPaths
	if paths == nil {
		paths = usualSFTP
	}
	token, err := h.dialer.token()
	if err != nil {
		return nil
	}
	r, err := h.exec(ctx, "open sftp", commandLine(token+"-0", h.cfg.Sudo), token, spare)
	if err != nil {
		return nil
	}
	words := make([]string, len(paths))
	for i, path := range paths {
		words[i] = Quote(path)
	}
	program, err := oneLine(fmt.Sprintf("umask 077; echo %s-1; echo %s-1 >&2; for p in %s; do [ ! -x \"$p\" ] || exec \"$p\"; done; exit 127",
		token, token, strings.Join(words, " ")))
	lane := &sftpLane{r: r, stop: context.AfterFunc(ctx, func() { r.s.Close() })}
	if err == nil {
		_, err = io.WriteString(r.stdin, guard+"\n"+program+"\n")
	}
	if err != nil {
		lane.close()
		return nil
	}
	go io.Copy(io.Discard, r.stderr) //nolint:errcheck // sftp-server says what matters in its answers
	lane.client, err = sftp.NewClientPipe(r.stdout, r.stdin, sftp.UseConcurrentWrites(true))
	if err != nil {
		lane.close()
		return nil
	}
	return lane
}

// write fills an existing file from an offset. Writes overlap, so what stands there after an error may have holes.
func (l *sftpLane) write(temp string, offset int64, r io.Reader) error {
	f, err := l.client.OpenFile(temp, os.O_WRONLY)
	if err != nil {
		return err
	}
	if _, err = f.Seek(offset, io.SeekStart); err == nil {
		_, err = f.ReadFromWithConcurrency(r, 0)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// close ends the session; a nil lane has none.
func (l *sftpLane) close() {
	if l == nil {
		return
	}
	if l.client != nil {
		l.client.Close() //nolint:errcheck // all files are closed; the digests are checked
	}
	l.stop()
	l.r.close()
}
