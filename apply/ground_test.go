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

// Write puts files in place, all or none, and runs scripts before and then.
func (g *Ground) Write(ctx context.Context, before string, files []units.File, then string) error {
	if before != "" {
		if _, err := g.Script(ctx, before); err != nil {
			return err
		}
	}
	if err := g.put(ctx, files); err != nil || then == "" {
		return err
	}
	_, err := g.Script(ctx, then)
	return err
}

func (g *Ground) put(ctx context.Context, files []units.File) error {
	if err := context.Cause(ctx); err != nil {
		return g.named(err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		switch {
		case !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || seen[f.Path]:
			return g.named(fmt.Errorf("%q is no path, or named twice", f.Path))
		case f.Secret && f.Mode&0o007 != 0:
			return g.named(fmt.Errorf("%s is secret, and mode %04o lets everybody at it", f.Path, f.Mode))
		case !g.IsDir(path.Dir(f.Path)):
			return g.named(fmt.Errorf("%s: there is no such directory", path.Dir(f.Path)))
		}
		seen[f.Path] = true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range files {
		if _, exists := g.files[f.Path]; f.New && exists {
			return g.named(fmt.Errorf("%s is there already", f.Path))
		}
	}
	if g.files == nil {
		g.files = map[string]units.File{}
	}
	for _, f := range files {
		g.files[f.Path] = f
	}
	return nil
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
