package apply

import (
	"context"
	"errors"
	"testing"
)

// A member's journal is explained and shortened within bounds, with any text in it.
func FuzzJournal(f *testing.F) {
	f.Add(`{"level":"fatal","msg":"discovery failed","error":"born.json","remote-peer-id":"1"}` + "\nStarting etcd\n")
	f.Add("goroutine 1 [running]:\nmain.main()\n\t/x.go:1\npanic: no space left on device\n")
	f.Add("no room to unpack the release on /opt: x\nbind: address already in use\nx509: certificate has expired\n")
	f.Fuzz(func(t *testing.T, journal string) {
		log := linesOf(journal)
		if why := Explain(log); why != nil && (why.Cause == "" || why.Remedy == "") {
			t.Errorf("%+v", why)
		}
		explain(stopSignatures, sinceStart(log))
		brief := Brief(log, 5)
		if len(brief) > 5 {
			t.Errorf("%d lines", len(brief))
		}
		for _, line := range brief {
			if len(line) > longText+50 {
				t.Errorf("a line of %d bytes", len(line))
			}
		}
	})
}

// says answers every script with one line.
type says string

func (s says) Hold(context.Context, string) (string, <-chan struct{}, func() error, error) {
	return string(s), make(chan struct{}), func() error { return nil }, nil
}

// One word of a host's answer means that the lock is held.
func FuzzLockAnswer(f *testing.F) {
	f.Add("held")
	f.Add("held ended {}")
	f.Add(`busy {"user":"ops","from":"laptop","pid":7,"since":"2026-11-28T12:00:00Z","doing":"apply"}`)
	f.Add(`busy {"pid":"x"}`)
	f.Fuzz(func(t *testing.T, line string) {
		before, _, _, err := acquireHost(t.Context(), says(line), "")
		if (err == nil) != (line == "held" || line == "held "+before) || err != nil && !errors.Is(err, ErrLocked) {
			t.Errorf("%q: %v", line, err)
		}
		if err != nil && len(err.Error()) > 8*maxOwner {
			t.Errorf("%d bytes", len(err.Error()))
		}
	})
}
