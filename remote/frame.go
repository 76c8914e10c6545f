package remote

import (
	"bytes"
	"io"
	"sync"
)

// noiseLimit is how much of what comes before the marks is kept, to explain a shell that runs nothing.
const noiseLimit = 4 << 10

// frameReader gives what a host says after the last of its marks. Before them, login shells print what they like.
type frameReader struct {
	r     io.Reader
	marks []string

	mu      sync.Mutex // for found and before
	found   int
	before  tail
	pending []byte // read, and not yet given
}

func (f *frameReader) Read(p []byte) (int, error) {
	for f.seen() < len(f.marks) {
		if err := f.search(); err != nil {
			return 0, err
		}
	}
	if len(f.pending) > 0 {
		n := copy(p, f.pending)
		f.pending = f.pending[n:]
		return n, nil
	}
	return f.r.Read(p)
}

// search reads on until the next line is whole, and looks whether it is the next mark.
func (f *frameReader) search() error {
	for {
		if i := bytes.IndexByte(f.pending, '\n'); i >= 0 {
			f.line(f.pending[:i])
			f.pending = f.pending[i+1:]
			return nil
		}
		buf := make([]byte, noiseLimit)
		n, err := f.r.Read(buf)
		f.pending = append(f.pending, buf[:n]...)
		if len(f.pending) > 16*noiseLimit { // one endless line is noise
			f.pending = f.pending[len(f.pending)-noiseLimit:]
		}
		if err != nil && bytes.IndexByte(f.pending, '\n') < 0 { // else it comes again after the lines
			f.line(f.pending)
			f.pending = nil
			return err
		}
	}
}

func (f *frameReader) line(line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Noise without a line end may stand right before the mark.
	if f.found < len(f.marks) && bytes.HasSuffix(bytes.TrimRight(line, "\r"), []byte(f.marks[f.found])) {
		f.found++
		f.before = tail{}
		return
	}
	f.before.limit = noiseLimit
	f.before.Write(append(line, '\n')) //nolint:errcheck // it keeps, it cannot fail
}

// seen is how many of the marks have come.
func (f *frameReader) seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found
}

// noise is what came since the last mark that was seen, before the next.
func (f *frameReader) noise() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.before.String()
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
