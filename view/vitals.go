package view

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// showVitals says of learners how far behind they are, and of all members what they count of themselves.
func showVitals(out io.Writer, members []memberStatus) {
	var disks, changes []string
	for _, m := range members {
		if m.Behind != nil && *m.Behind > 0 {
			left := plural(int(min(*m.Behind, 1<<31)), "entry", "entries")
			fprintf(out, "%s: %s of raft's log left to apply\n", m.Member, left)
		}
		if m.Vitals == nil {
			continue
		}
		if m.Vitals.Fsyncs > 0 {
			took := time.Duration(m.Vitals.FsyncP99 * float64(time.Second)).Round(time.Millisecond)
			disks = append(disks, fmt.Sprintf("%s %s", m.Member, took))
		}
		changes = append(changes, fmt.Sprintf("%s %d", m.Member, m.Vitals.LeaderChanges))
	}
	if len(disks) > 0 {
		fprintf(out, "Until 99 of 100 writes to the log are on the disk: %s.\n", strings.Join(disks, ", "))
	}
	if len(changes) > 0 {
		fprintf(out, "Changes of the leader since each has started: %s.\n", strings.Join(changes, ", "))
	}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
