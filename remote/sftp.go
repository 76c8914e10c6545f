package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/pkg/sftp"

	"github.com/clusterup/clusterup/shellword"
)

// Where distributions keep OpenSSH's sftp-server: Debian; Fedora and others; Arch, SUSE and Alpine; Gentoo.
var usualSFTP = []string{
	"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server",
	"/usr/lib/ssh/sftp-server", "/usr/lib64/ssh/sftp-server", "/usr/lib/misc/sftp-server", "/usr/lib64/misc/sftp-server",
}

// aside takes secret content past a sudo that logs what it is given to read: the user that logs in puts it into a
// directory of its own, in memory, from where the script of a Put takes it. Elsewhere it does nothing.
func (h *Host) aside(ctx context.Context, p *putting) error {
	if !h.cfg.Sudo {
		return nil
	}
	logged, err := h.logs(ctx)
	if err != nil || !logged {
		return err
	}
	dir := "/run/clusterup-" + p.token
	// A run that lost its connection has left its directory there. It is over after an hour.
	const over = "find /run -maxdepth 1 -name 'clusterup-????????????????????????' -mmin +60 -exec rm -rf {} +\n"
	word := shellword.Quote(dir)
	script := over + "mkdir -m 0700 -- " + word + ` && chown -- "${SUDO_UID:?}:${SUDO_GID:?}" ` + word
	if err := h.run(ctx, command{op: "put files", script: script, stdout: &limited{limit: saysLimit}}); err != nil {
		return err
	}
	p.aside = dir
	if err := h.sftp(ctx, p, dir); err != nil {
		if left := h.unaside(ctx, p); left != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w; and %s was left there: %w", err, dir, left)
		}
		return err
	}
	return nil
}

// unaside removes what aside has put there.
func (h *Host) unaside(ctx context.Context, p *putting) error {
	if p.aside == "" {
		return nil
	}
	ctx = Checked(context.WithoutCancel(ctx), func() error { return nil }) // it is ours, whoever holds the lock now
	_, err := h.Script(ctx, "rm -rf -- "+shellword.Quote(p.aside))
	return err
}

// logs says whether sudo logs what the shells of this host read. Every shell says so when it is ready.
func (h *Host) logs(ctx context.Context) (bool, error) {
	if h.logged.Load() == nil {
		if err := h.run(ctx, command{op: "put files", script: ":", stdout: &limited{limit: saysLimit}}); err != nil {
			return false, err
		}
	}
	return *h.logged.Load(), nil
}

// sftp starts sftp-server as an ordinary command of the user, because that works behind login shells that print, where
// the subsystem does not.
func (h *Host) sftp(ctx context.Context, p *putting, dir string) error {
	login := h.dialer.token()
	sh, err := h.exec(ctx, "open sftp", login, commandLine(login, false), staying)
	if err != nil {
		return err
	}
	defer sh.close()
	defer context.AfterFunc(ctx, func() { sh.s.Close() })()
	paths := h.dialer.sftpPaths
	if paths == nil {
		paths = usualSFTP
	}
	sh.mark = h.dialer.token()
	text := fmt.Sprintf(`umask 077; echo "%s r"; for p in %s; do [ ! -x "$p" ] || exec "$p"; done; exit 127`, sh.mark,
		shellword.Join(paths))
	err = sh.send([]byte(program(text)))
	if err == nil {
		_, err = sh.becomeReady()
	}
	var client *sftp.Client
	if err == nil {
		client, err = sftp.NewClientPipe(sh.stdout, sh.stdin)
	}
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return h.fail("put files", nil, context.Cause(ctx))
		case sh.s.conn.dead():
			return h.fail("put files", ErrLost, err)
		}
		return h.fail("put files", ErrSudo, fmt.Errorf("sudo logs its input, which would be private keys, "+
			"and there is no SFTP server to send them by: %w", err)).
			advise(sudoers(h.cfg.User, "exempt it from that log", "Defaults:%s !log_input"))
	}
	defer client.Close()
	for i, f := range p.files {
		if f.Secret {
			if err := place(client, dir+"/"+strconv.Itoa(i), f.Content); err != nil {
				return h.fail("put "+f.Path, errFile, err)
			}
		}
	}
	return nil
}

func place(client *sftp.Client, path string, content []byte) error {
	f, err := client.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
