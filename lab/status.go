package lab

import (
	"context"
	"strings"

	"golang.org/x/sync/errgroup"
)

// HostStatus is how a host does.
type HostStatus struct {
	Host
	Up     bool     `json:"up"`
	Leader int      `json:"leader,omitempty"` // the process ID of its PID 1 on this machine; 0 when down
	System string   `json:"system,omitempty"` // what systemctl is-system-running says; "" when down
	Failed []string `json:"failed,omitempty"` // units that make the system "degraded"
}

// Status looks at every host, in the order of Hosts, and changes nothing.
func (l *Lab) Status(ctx context.Context) ([]HostStatus, error) {
	sites := l.sites()
	all := make([]HostStatus, len(sites))
	var g errgroup.Group
	for i, s := range sites {
		g.Go(func() (err error) {
			all[i], err = s.status(ctx)
			return err
		})
	}
	return all, g.Wait()
}

func (s site) status(ctx context.Context) (HostStatus, error) {
	st := HostStatus{Host: s.Host}
	c, err := s.slot()
	if err != nil {
		return st, err
	}
	if st.Leader = s.leader(c); st.Leader == 0 {
		return st, nil
	}
	st.Up = true
	// It exits with 1 unless the word is "running"; the word is what counts.
	word, err := run(ctx, "", append(enter(st.Leader), "systemctl", "is-system-running")...)
	if st.System = strings.TrimSpace(string(word)); st.System == "" {
		return st, err
	}
	if st.System != "degraded" {
		return st, nil
	}
	out, err := run(ctx, "", append(enter(st.Leader), "systemctl", "list-units", "--failed", "--plain", "--no-legend",
		"--full")...)
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 0 {
			st.Failed = append(st.Failed, f[0])
		}
	}
	return st, err
}
