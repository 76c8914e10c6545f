package apply

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/shellword"
)

// salvage has etcd run on a copy of the member's data, and saves a snapshot of that. The process and the copy are taken
// away again; a run that is killed leaves them to the next one, and systemd ends the process after an hour.
func (r *Run) salvage(ctx context.Context, host Host, step plan.Step) error {
	s := *step.Salvage
	_, err := host.Script(ctx, salvageScript(s))
	if err == nil {
		err = r.Operator.Salvage(ctx, step.Host, s.Endpoint, s.Token)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if _, errEnd := host.Script(ending, salvageEnd(s)); err == nil {
		err = errEnd
	}
	return err
}

func salvageScript(s plan.Salvage) string {
	args := make([]string, 0, len(s.Args))
	for _, arg := range s.Args {
		args = append(args, strings.ReplaceAll(arg, plan.Placeholder, "@COPY@"))
	}
	return fmt.Sprintf("set -eu\ndata=%s wal=%s user=%s unit=%s\nset -- %s\n", shellword.Quote(s.DataDir),
		shellword.Quote(s.WALDir), shellword.Quote(s.User), shellword.Quote(s.Unit), shellword.Join(args)) + salvageShell
}

//go:embed salvage.sh
var salvageShell string

func salvageEnd(s plan.Salvage) string {
	return fmt.Sprintf(`set -eu
systemctl stop %s 2>/dev/null || :
for copy in %s/.clusterup-restore-??????; do
  [ ! -d "$copy" ] || rm -rf "$copy"
done
`, shellword.Quote(s.Unit+".service"), shellword.Quote(s.DataDir))
}
