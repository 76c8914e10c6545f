package apply

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/clusterup/clusterup/units"
)

// Ground is what all fake hosts have in common, and hosttest holds it to what real ones do: files, scripts, and what
// is held.
type Ground struct {
	Name  string
	IsDir func(dir string) bool // nil: there are no directories
	// Runs is what scripts do with their input; the error does not name the host.
	Runs func(ctx context.Context, script string, input []byte) (out string, err error)

	mu    sync.Mutex
	files map[string]units.File
	held  []*held
}

// held is a script that stays.
type held struct {
	lost chan struct{}
	once sync.Once
}

func (h *held) end() { h.once.Do(func() { close(h.lost) }) }

// named names the host in an error.
func (g *Ground) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", g.Name, err)
}

// Script runs one.
func (g *Ground) Script(ctx context.Context, script string) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, g.named(err)
	}
	out, err := g.Runs(ctx, script, nil)
	if err != nil {
		return nil, g.named(err)
	}
	return []byte(out), nil
}

// Write does parts.
func (g *Ground) Write(ctx context.Context, parts ...Part) (done, failed int, err error) {
	return g.write(ctx, parts, func(_ int, script string) error {
		if script == "" {
			return nil
		}
		_, err := g.Script(ctx, script)
		return err
	}, func(int) error { return nil })
}

// write puts files in place, part by part, once all of them fit; placed is called for each part before its last script.
func (g *Ground) write(ctx context.Context, parts []Part, run func(part int, script string) error,
	placed func(part int) error,
) (done, failed int, err error) {
	var files []units.File
	for i, part := range parts {
		if err := run(i, part.Before); err != nil {
			return 0, i, err
		}
		files = append(files, part.Files...)
	}
	if of, err := g.fits(ctx, files); err != nil {
		for len(parts[failed].Files) <= of {
			of -= len(parts[failed].Files)
			failed++
		}
		return 0, failed, err
	}
	for i, part := range parts {
		g.put(part.Files)
		if err := placed(i); err != nil {
			return i, i, err
		}
		if err := run(i, part.Then); err != nil {
			return i, i, err
		}
	}
	return len(parts), len(parts), nil
}

// fits says whether all files can be put, and of which one the error is.
func (g *Ground) fits(ctx context.Context, files []units.File) (of int, err error) {
	if err := context.Cause(ctx); err != nil {
		return 0, g.named(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	seen := map[string]bool{}
	for i, f := range files {
		_, exists := g.files[f.Path]
		switch {
		case !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || seen[f.Path]:
			return i, g.named(fmt.Errorf("%q is no path, or named twice", f.Path))
		case f.Secret && f.Mode&0o007 != 0:
			return i, g.named(fmt.Errorf("%s is secret, and mode %04o lets everybody read it", f.Path, f.Mode))
		case !g.IsDir(path.Dir(f.Path)):
			return i, g.named(fmt.Errorf("%s: there is no such directory", path.Dir(f.Path)))
		case f.New && exists:
			return i, g.named(fmt.Errorf("%s is there already", f.Path))
		}
		seen[f.Path] = true
	}
	return 0, nil
}

func (g *Ground) put(files []units.File) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.files == nil {
		g.files = map[string]units.File{}
	}
	for _, f := range files {
		g.files[f.Path] = f
	}
}

// Feed runs a script with an input.
func (g *Ground) Feed(ctx context.Context, script string, input Input, progress func(done, total int64)) error {
	if err := context.Cause(ctx); err != nil {
		return g.named(err)
	}
	content, err := input.Open()
	if err != nil {
		return g.named(err)
	}
	defer content.Close()
	data, err := io.ReadAll(content)
	if err == nil && int64(len(data)) != input.Size {
		err = fmt.Errorf("%d bytes came, and %d were announced", len(data), input.Size)
	}
	if err != nil {
		return g.named(err)
	}
	if progress != nil {
		progress(input.Size, input.Size)
	}
	_, err = g.Runs(ctx, script, data)
	return g.named(err)
}

// Hold takes the first line of a script for what a script says that stays.
func (g *Ground) Hold(ctx context.Context, script string) (string, <-chan struct{}, func() error, error) {
	out, err := g.Script(ctx, script)
	if err != nil {
		return "", nil, nil, err
	}
	line, _, said := strings.Cut(string(out), "\n")
	if !said {
		return "", nil, nil, g.named(io.ErrUnexpectedEOF)
	}
	h := &held{lost: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = append(g.held, h)
	return line, h.lost, func() error { h.end(); return nil }, nil
}

// Cut ends what is held.
func (g *Ground) Cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.held {
		h.end()
	}
	g.held = nil
}

// Files are all that were put here.
func (g *Ground) Files() []units.File {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []units.File
	for _, f := range g.files {
		f.Data = bytes.Clone(f.Data)
		all = append(all, f)
	}
	return all
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
