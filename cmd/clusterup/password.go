package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/view"
)

// stdin is the file name that means standard input.
const stdin = "-"

// passwordSource says, before anything is done, why no password can be had; nil: one can.
func (c *console) passwordSource(file string) error {
	switch {
	case file == "" && !c.Terminal():
		return view.Misuse(errors.New(
			"there is no terminal to ask for the password on: --password-file FILE names a file with it (- is stdin)"))
	case file == stdin && c.Typed():
		return view.Misuse(errors.New(
			"--password-file -: stdin is a terminal, which would show what is typed; without this flag the password is asked for"))
	}
	return nil
}

// newPassword is the password to encrypt a file with: the first line of the password file, or, if none is named, what
// is typed twice.
func (c *console) newPassword(ctx context.Context, file, of string) (password string, err error) {
	if file == "" {
		password, err = c.typedTwice(ctx, of)
	} else {
		password, err = view.Awaited(ctx, c.Stop, func() (string, error) { return c.firstLine(file) })
	}
	if err == nil {
		err = pki.CheckPassword(password)
	}
	if err != nil {
		return "", fmt.Errorf("read the password of %s: %w", of, err)
	}
	return password, nil
}

func (c *console) typedTwice(ctx context.Context, of string) (string, error) {
	first, err := c.Secret(ctx, "New password of "+of+": ")
	if err != nil {
		return "", err
	}
	second, err := c.Secret(ctx, "Once more: ")
	if err != nil {
		return "", err
	}
	if string(first) != string(second) {
		return "", errors.New("the two passwords differ")
	}
	return string(first), nil
}

// firstLine reads a file that only its owner may read. No error shows its content.
func (c *console) firstLine(file string) (string, error) {
	in := c.In
	if file != stdin {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return "", err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return "", fmt.Errorf("%s has mode %04o, which lets others in: run chmod 0600 %s", file, mode, file)
		}
		in = f
	}
	lines := bufio.NewScanner(in)
	lines.Scan() // an empty file gives an empty password, which is refused later
	return lines.Text(), lines.Err()
}
