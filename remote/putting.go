package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// errHostEnded: the script is over, and its own end says why.
var errHostEnded = errors.New("the host ended the upload")

// putting is one Put under way.
type putting struct {
	h        *Host
	files    []File
	token    string
	in       *io.PipeWriter // the script's input
	progress func(done, total int64)
	looked   chan struct{} // closed when the script has looked at all files, or has ended

	// Written by listen: need and refused before looked is closed, the others until it returns.
	need    map[int]*need
	refused bool // nothing can be placed; errs or the end of the script say why
	errs    []error
	changed []string

	done, total int64
}

// need is a file that must be sent.
type need struct {
	temp   string   // where to
	have   int64    // bytes there already
	blocks []string // digests of them
	avail  int64    // bytes free
	mount  string
	offset int64 // where sending starts
}

// send waits until the script has looked, and then sends what is needed.
func (p *putting) send(ctx context.Context) error {
	select {
	case <-p.looked:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if p.refused {
		return errHostEnded
	}
	if err := p.room(); err != nil {
		return err
	}
	for i, n := range p.need {
		if err := p.resume(i, n); err != nil {
			return err
		}
		p.total += p.files[i].Size - n.offset
	}
	p.report(0)
	if err := p.sendAll(ctx); err != nil {
		return err
	}
	_, err := io.WriteString(p.in, ".\n")
	return p.writeError(err)
}

// room refuses before the first byte what cannot fit.
func (p *putting) room() error {
	wanted := map[string]int64{}
	for i := range p.files {
		if n := p.need[i]; n != nil {
			wanted[n.mount] += p.files[i].Size - n.have
			if wanted[n.mount] > n.avail {
				return p.noSpace(p.files[i].Path, n.mount, wanted[n.mount], n.avail)
			}
		}
	}
	return nil
}

// resume finds how much of what an earlier upload left is right. Concurrent writes leave holes, so only digests count.
func (p *putting) resume(i int, n *need) error {
	if len(n.blocks) == 0 {
		return nil
	}
	source, err := p.files[i].Open()
	if err != nil {
		return p.h.fail("read "+p.files[i].Path+" to send it", nil, err)
	}
	defer source.Close()
	for _, block := range n.blocks {
		sum := sha256.New()
		if _, err := io.CopyN(sum, source, resumeBlock); err != nil || hex.EncodeToString(sum.Sum(nil)) != block {
			return nil
		}
		n.offset += resumeBlock
	}
	return nil
}

// sendAll sends big files over SFTP where there is one, and the others through the script.
func (p *putting) sendAll(ctx context.Context) error {
	var lane *sftpLane
	defer func() { lane.close() }()
	tried := false
	for i := range p.files {
		n := p.need[i]
		if n == nil {
			continue
		}
		if p.files[i].Size >= bigFile && !tried {
			tried = true
			lane = p.h.openSFTP(ctx)
		}
		before := p.done
		if p.files[i].Size >= bigFile && lane != nil {
			err := p.source(i, n.offset, func(r io.Reader) error { return lane.write(n.temp, n.offset, r) })
			if err == nil {
				continue
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			// The script names better whatever SFTP stumbled over, or gets by.
			p.report(before - p.done)
		}
		if err := p.source(i, n.offset, func(r io.Reader) error { return p.stream(i, n.offset, r) }); err != nil {
			return err
		}
	}
	return nil
}

// source opens a file at an offset, with the progress told as it is read.
func (p *putting) source(i int, offset int64, use func(io.Reader) error) error {
	f := p.files[i]
	op := "read " + f.Path + " to send it"
	source, err := f.Open()
	if err != nil {
		return p.h.fail(op, nil, err)
	}
	defer source.Close()
	if offset > 0 {
		if _, err := io.CopyN(io.Discard, source, offset); err != nil {
			return p.h.fail(op, nil, err)
		}
	}
	r := &sourceReader{r: io.LimitReader(source, f.Size-offset), left: f.Size - offset, report: p.report}
	err = use(r)
	if r.err != nil {
		return p.h.fail(op, nil, r.err)
	}
	return err
}

// stream sends a file through the script's input.
func (p *putting) stream(i int, offset int64, r io.Reader) error {
	if _, err := fmt.Fprintf(p.in, "%d %d %d\n", i, offset, p.files[i].Size-offset); err != nil {
		return p.writeError(err)
	}
	buf := make([]byte, min(chunkSize, max(1, p.files[i].Size-offset)))
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if _, err := p.in.Write(buf[:n]); err != nil {
				return p.writeError(err)
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && n < len(buf):
			return nil
		case err != nil:
			return err
		}
	}
}

func (p *putting) writeError(err error) error {
	if err != nil && errors.Is(err, io.ErrClosedPipe) {
		return errHostEnded
	}
	return err
}

func (p *putting) report(n int64) {
	p.done += n
	if p.progress != nil {
		p.progress(p.done, p.total)
	}
}

// sourceReader tells a source that is shorter than it said from one that has ended.
type sourceReader struct {
	r      io.Reader
	left   int64
	report func(int64)
	err    error
}

func (s *sourceReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.left -= int64(n)
	if n > 0 {
		s.report(int64(n))
	}
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		s.err = err
	case s.left > 0:
		s.err = fmt.Errorf("it is %d bytes shorter than it said", s.left)
		err = s.err
	}
	return n, err
}
