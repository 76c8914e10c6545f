package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/clusterup/clusterup/apply"
)

// recorded runs a run with the view listening, and writes its entry. A run that changes nothing leaves none.
func (s *session) recorded(command string, changes bool, run *apply.Run, do func() (apply.Result, error)) error {
	emit, end := s.console.Events()
	var mu sync.Mutex
	steps := []string{}
	run.Emit = func(e apply.Event) {
		if e.Type == apply.StepDone {
			mu.Lock()
			steps = append(steps, e.Step)
			mu.Unlock()
		}
		emit(e)
	}
	compare(run)
	began := s.Now()
	if changes { // so that a run that is killed leaves its line too
		s.console.Intact = false
		s.note(s.entry(run.ID, command, began, nil, nil))
	}
	result, err := do()
	end()
	if !changes {
		return err
	}
	if err == nil {
		s.console.Finished(command, result, s.Now().Sub(began))
	}
	slices.Sort(steps)
	s.note(s.entry(run.ID, command, began, steps, err))
	return err
}

// entry describes a run: one that has just begun where steps is nil.
func (s *session) entry(id, command string, began time.Time, steps []string, err error) apply.Entry {
	owner := s.Owner(command)
	e := apply.Entry{
		Run: id, Time: began.UTC().Truncate(time.Second), Seconds: s.Now().Sub(began).Seconds(), User: owner.User,
		From:    owner.From,
		Command: owner.Doing + s.console.told, Version: version(), Etcd: s.Cluster.Version, Steps: steps, Outcome: "done",
	}
	switch {
	case err != nil:
		e.Outcome, e.Error = fmt.Sprintf("exit %d", s.console.Advice.ExitCode(err)), err.Error()
	case steps == nil:
		e.Outcome, e.Steps = apply.NotFinished, []string{}
	}
	return e
}

// note writes an entry. A run does not fail for its journal.
func (s *session) note(e apply.Entry) {
	if err := s.Note(e); err != nil {
		s.console.Say("note: the journal was not written: %v", err)
	}
}
