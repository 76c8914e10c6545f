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

// Whatever comes before the marks, in whatever pieces, what follows them is given whole, and what is kept of it is bounded.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("Welcome!\n"), []byte("stty: not a terminal\r\n"), []byte("answer\n"))
	f.Add([]byte("half a line"), []byte("m-0"), []byte("m-1\nm-0\n"))
	f.Add(bytes.Repeat([]byte("x"), 20*noiseLimit), []byte{0}, []byte{})
	f.Fuzz(func(t *testing.T, noise, more, answer []byte) {
		said := bytes.Join([][]byte{noise, []byte("m-0\n"), more, []byte("m-1\n"), answer}, nil)
		for name, r := range map[string]io.Reader{
			"whole":        bytes.NewReader(said),
			"halves":       iotest.HalfReader(bytes.NewReader(said)),
			"with the end": iotest.DataErrReader(bytes.NewReader(said)),
		} {
			frame := &frameReader{r: r, marks: []string{"m-0", "m-1"}}
			got, err := io.ReadAll(frame)
			if err != nil || frame.seen() == 2 && !bytes.HasSuffix(said, got) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			forged := bytes.Contains(noise, []byte("m-")) || bytes.Contains(more, []byte("m-"))
			if !forged && !bytes.Equal(got, answer) {
				t.Errorf("%s: %q, want %q", name, got, answer)
			}
			if n := len(frame.noise()); n > 2*noiseLimit {
				t.Errorf("%s: %d bytes of noise are kept", name, n)
			}
		}
	})
}

// Whatever a host answers to an upload, what is sent stays within the files, and an answer out of turn ends it.
func FuzzPutAnswers(f *testing.F) {
	f.Add("N 0 tmp 0 1000 /\nS 1\n.\nC 0\n")
	f.Add("N 0 part 4194304 - /a b\nB 0 01 23\nL 1\n.\nN 0 tmp 0 1 /\n")
	f.Add("E 0 nospace 12 /\nE 1 digest\nE 0 nodir \x1b[2K\n")
	f.Fuzz(func(t *testing.T, said string) {
		p := &putting{
			h: &Host{cfg: Config{Name: "etcd-1"}}, token: "t", need: map[int]*need{}, looked: make(chan struct{}),
			files: []File{
				{Path: "/a", Size: 8 << 20, SHA256: strings.Repeat("a", 64)}, {Path: "/b", Size: 1, SHA256: strings.Repeat("b", 64)},
			},
		}
		answers, host := io.Pipe()
		go func() {
			_, err := io.WriteString(host, said)
			host.CloseWithError(err)
		}()
		p.listen(answers)
		answers.Close()
		<-p.looked
		for i, n := range p.need {
			if n != nil && (n.have < 0 || n.have > p.files[i].Size || n.avail < 0 || !strings.HasPrefix(n.temp, p.files[i].Path+".")) {
				t.Errorf("file %d: %+v", i, n)
			}
		}
		if len(p.errs) > errsLimit+1 || len(p.changed) > len(p.files) {
			t.Errorf("%d errors, %d files changed", len(p.errs), len(p.changed))
		}
		for _, err := range p.errs {
			if strings.ContainsAny(err.Error(), "\x1b\n\r") || len(err.Error()) > 2*errorLimit {
				t.Errorf("%q", err)
			}
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
