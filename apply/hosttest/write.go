package hosttest

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/units"
)

type file = units.File

// writes: each file is there with its owner and mode, also where another was, and nothing else is.
func writes(t *testing.T, s Subject) {
	secret := s.file("key", 0o600, "secret")
	secret.Secret = true
	put := func(files ...file) {
		t.Helper()
		if err := s.Host.Write(t.Context(), files); err != nil {
			t.Error(err)
		}
	}
	put()
	s.hasOnly(t)
	put(s.file("empty", 0o644, ""), secret, s.file("it's a file $x", 0o750, "a\x00b\r\n"))
	s.has(t, "empty", 0o644, "")
	s.has(t, "key", 0o600, "secret")
	s.has(t, "it's a file $x", 0o750, "a\x00b\r\n")
	put(s.file("empty", 0o644, "no more"), secret)
	s.has(t, "empty", 0o644, "no more")
	put(s.file("empty", 0o600, "no more")) // its mode alone
	s.has(t, "empty", 0o600, "no more")
	s.hasOnly(t, "empty", "it's a file $x", "key")
}

// writeFails: of several files none is written when one cannot be.
func writeFails(t *testing.T, s Subject) {
	if err := s.Host.Write(t.Context(), []file{s.file("first", 0o644, "as it was")}); err != nil {
		t.Fatal(err)
	}
	open, relative := s.file("open", 0o644, "secret"), s.file("x", 0o644, "x")
	open.Secret, relative.Path = true, "x"
	for what, second := range map[string]file{
		"missing directory": s.file("nowhere/file", 0o644, "x"), "secret for all to read": open, "relative path": relative,
		"one path twice": s.file("first", 0o644, "other"),
	} {
		s.fails(t, what, s.Host.Write(t.Context(), []file{s.file("first", 0o644, "new"), second}))
		s.has(t, "first", 0o644, "as it was")
	}
	s.hasOnly(t, "first")
}

// upload is a file to stream, and how often it was read.
type upload struct {
	apply.Upload
	opened *int
}

func (s Subject) upload(name, data string) upload {
	opened := new(int)
	up := apply.Upload{Path: s.path(name), Size: int64(len(data)), SHA256: sum(data)}
	up.Open = func() (io.ReadCloser, error) {
		*opened++
		return io.NopCloser(strings.NewReader(data)), nil
	}
	return upload{up, opened}
}

// uploads: the file is there, for root alone; what is there already is not sent; progress ends with all of it.
func uploads(t *testing.T, s Subject) {
	for name, data := range map[string]string{"small": "data", "large": strings.Repeat("0123456789abcdef", 80<<10)} {
		up := s.upload(name, data)
		var done, total int64
		if err := s.Host.Upload(t.Context(), up.Upload, func(d, all int64) { done, total = d, all }); err != nil {
			t.Fatal(err)
		}
		s.has(t, name, 0o600, data)
		if done != up.Size || total != up.Size || *up.opened == 0 {
			t.Errorf("%s: progress ends with %d of %d, want %d; read %d times", name, done, total, up.Size, *up.opened)
		}
		again := s.upload(name, data)
		if err := s.Host.Upload(t.Context(), again.Upload, nil); err != nil {
			t.Fatal(err)
		}
		if s.has(t, name, 0o600, data); *again.opened > 0 {
			t.Errorf("%s: sent again", name)
		}
		if err := s.Host.Upload(t.Context(), s.upload(name, data+" of late").Upload, nil); err != nil {
			t.Fatal(err)
		}
		s.has(t, name, 0o600, data+" of late")
	}
	s.hasOnly(t, "large", "small")
}

// uploadFails: nothing that differs from what was announced comes to lie there, and what was there stays.
func uploadFails(t *testing.T, s Subject) {
	if err := s.Host.Upload(t.Context(), s.upload("there", "as it was").Upload, nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the archive cannot be read")
	for _, name := range []string{"there", "new"} {
		for what, change := range map[string]func(*apply.Upload){
			"digest":     func(u *apply.Upload) { u.SHA256 = sum("other") },
			"too short":  func(u *apply.Upload) { u.Size, u.SHA256 = u.Size+1, sum("data.") },
			"directory":  func(u *apply.Upload) { u.Path = s.path("nowhere/file") },
			"unreadable": func(u *apply.Upload) { u.Open = func() (io.ReadCloser, error) { return nil, broken } },
		} {
			up := s.upload(name, "data").Upload
			change(&up)
			err := s.Host.Upload(t.Context(), up, nil)
			if s.fails(t, what, err); what == "unreadable" && !errors.Is(err, broken) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	s.has(t, "there", 0o600, "as it was")
	s.hasOnly(t, "there")
}
