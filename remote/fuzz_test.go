package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// The text between two marks is given whole, what comes after them is the next script's, and the noise that is kept is
// bounded, whatever a host says, and in whatever pieces.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("Welcome!\n"), []byte("answer\n"), []byte(" e0\n"), []byte("m b\n"))
	f.Add([]byte("half a line"), []byte("no end"), []byte(" e255\r\n"), []byte{})
	f.Add(bytes.Repeat([]byte("x"), 20*noiseLimit), []byte{0}, bytes.Repeat([]byte("9"), 2*restLimit), []byte("0123"))
	f.Fuzz(func(t *testing.T, noise, answer, end, rest []byte) {
		const mark = "0123456789abcdef01234567"
		said := bytes.Join([][]byte{noise, []byte(mark + " b\n"), answer, []byte(mark), end, rest}, nil)
		for name, r := range map[string]io.Reader{
			"whole":        bytes.NewReader(said),
			"halves":       iotest.HalfReader(bytes.NewReader(said)),
			"with the end": iotest.DataErrReader(bytes.NewReader(said)),
		} {
			s := &scanner{r: r}
			before := &tail{limit: noiseLimit}
			err := s.expect(mark, before, " b")
			if n := len(before.buf); n > 2*noiseLimit+len(s.buf) {
				t.Errorf("%s: %d bytes of noise are kept", name, n)
			}
			if bytes.Contains(noise, []byte(mark)) || bytes.Contains(answer, []byte(mark)) {
				continue
			}
			var got bytes.Buffer
			word, ended := s.until(mark, &got)
			if err != nil || !bytes.Equal(got.Bytes(), answer) {
				t.Errorf("%s: %q, want %q, %v", name, got.Bytes(), answer, err)
			}
			line, after, whole := bytes.Cut(append(bytes.Clone(end), rest...), []byte("\n"))
			if !whole || len(line) > restLimit {
				if ended == nil || word != "" {
					t.Errorf("%s: %q, %v", name, word, ended)
				}
				continue
			}
			left, err := io.ReadAll(s)
			if word != string(bytes.TrimRight(line, "\r")) || ended != nil || err != nil || !bytes.Equal(left, after) {
				t.Errorf("%s: %q, %v, then %q, %v", name, word, ended, left, err)
			}
		}
	})
}

// A file of a Put that failed is explained in words of one line, or not at all, whatever the host answers.
func FuzzPutAnswers(f *testing.F) {
	f.Add("E 0 write /dev/sda1 100 100 0 100% /")
	f.Add("E 1 digest 0123")
	f.Add("E 0 owner chown: invalid user \x1b[2K")
	f.Fuzz(func(t *testing.T, line string) {
		p := &putting{files: []File{{Path: "/a", Content: []byte("a")}, {Path: "/b"}}}
		err := p.explain(&Host{cfg: Config{Name: "etcd-1"}}, line, &Error{Stderr: line})
		if err != nil && (strings.ContainsAny(err.Error(), "\x1b\n\r") || len(err.Error()) > 2*errorLimit) {
			t.Errorf("%q", err)
		}
	})
}

// An error's text is one line without control characters, whatever is in it.
func FuzzErrorText(f *testing.F) {
	f.Add("ssh: disconnect\n\x1b[2K", "a\n\u009bb\xff")
	f.Fuzz(func(t *testing.T, cause, stderr string) {
		text := (&Error{Host: "etcd-1", Op: "connect", Err: fmt.Errorf("x: %w", errors.New(cause)), Stderr: stderr}).Error()
		steers := func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
		if strings.ContainsFunc(text, steers) || len(text) > errorLimit+2*causeLimit {
			t.Errorf("%d bytes, %q", len(text), text)
		}
	})
}
