package remote

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

const (
	// noiseLimit is how much of what comes before a mark is kept, to explain a shell that runs nothing.
	noiseLimit = 4 << 10
	// restLimit is how many bytes may follow a mark on its line.
	restLimit = 16
)

// errMark means that a mark is followed by something that no frame says.
var errMark = errors.New("an answer that no shell gives")

// scanner reads what a host says between marks, which are random words of this run.
type scanner struct {
	r       io.Reader
	pending []byte // read, and not yet given
	err     error  // of r, once all of pending was given
	buf     []byte
}

// until writes what comes before a mark, and returns what follows it on its line. It blocks until then. The error is
// the writer's, or the reader's: io.EOF when the mark has not come.
func (s *scanner) until(mark string, w io.Writer) (rest string, err error) {
	for {
		at := bytes.Index(s.pending, []byte(mark))
		give := at
		if at < 0 {
			give = len(s.pending)
			if s.err == nil {
				give -= headOf(s.pending, mark)
			}
		}
		_, err := w.Write(s.pending[:give])
		s.pending = s.pending[give:]
		switch {
		case err != nil:
			return "", err
		case at >= 0:
			s.pending = s.pending[len(mark):]
			return s.line()
		case s.err != nil:
			return "", s.err
		}
		s.more()
	}
}

// headOf is how many bytes at the end of a text may be the beginning of a mark.
func headOf(text []byte, mark string) int {
	for n := min(len(mark)-1, len(text)); n > 0; n-- {
		if bytes.HasSuffix(text, []byte(mark[:n])) {
			return n
		}
	}
	return 0
}

// Read gives what comes after the marks that were waited for.
func (s *scanner) Read(b []byte) (int, error) {
	if len(s.pending) == 0 {
		return s.r.Read(b)
	}
	n := copy(b, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

// expect is until for a mark that has to be followed by one word.
func (s *scanner) expect(mark string, w io.Writer, word string) error {
	rest, err := s.until(mark, w)
	if err == nil && rest != word {
		return errMark
	}
	return err
}

// line is the rest of a line, without its end.
func (s *scanner) line() (string, error) {
	for {
		at := bytes.IndexByte(s.pending, '\n')
		switch {
		case at > restLimit, at < 0 && len(s.pending) > restLimit:
			return "", errMark
		case at >= 0:
			line := string(s.pending[:at])
			s.pending = s.pending[at+1:]
			return strings.TrimRight(line, "\r"), nil
		case s.err != nil:
			return "", s.err
		}
		s.more()
	}
}

func (s *scanner) more() {
	if s.buf == nil {
		s.buf = make([]byte, 32<<10)
	}
	var n int
	n, s.err = s.r.Read(s.buf)
	s.pending = append(bytes.Clone(s.pending), s.buf[:n]...)
}

// tail keeps the last bytes of what is written to it. The zero value keeps nothing.
type tail struct {
	limit int
	buf   []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - t.limit; over > t.limit { // not at each write
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	return string(t.buf[max(0, len(t.buf)-t.limit):])
}
