package apply

import (
	"context"
	"fmt"
	"sync"
)

// seamed is a host whose every action has a name: the step's, and behind a # what is done, numbered within the step.
type seamed struct {
	Host
	run  *Run
	step string

	mu    sync.Mutex
	count map[string]int
}

// seamed is host itself outside tests of faults.
func (r *Run) seamed(host Host, step string) Host {
	if r.Seam == nil || host == nil {
		return host
	}
	return &seamed{Host: host, run: r, step: step, count: map[string]int{}}
}

// around is an action of the step, numbered among those of its kind.
func (s *seamed) around(kind string, do func() error) error {
	s.mu.Lock()
	s.count[kind]++
	name := fmt.Sprintf("%s#%s-%d", s.step, kind, s.count[kind])
	s.mu.Unlock()
	return s.run.action(name, do)
}

// action calls the seam right before and right after something is done.
func (r *Run) action(name string, do func() error) error {
	if err := r.seam("before " + name); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return r.seam("after " + name)
}

func (s *seamed) Script(ctx context.Context, script string) (out []byte, err error) {
	err = s.around("script", func() error {
		out, err = s.Host.Script(ctx, script)
		return err
	})
	return out, err
}

func (s *seamed) Feed(ctx context.Context, script string, input Input, progress func(done, total int64)) error {
	return s.around("feed", func() error { return s.Host.Feed(ctx, script, input, progress) })
}
