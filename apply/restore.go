package apply

import (
	"context"
	_ "embed"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/shellword"
	"github.com/clusterup/clusterup/units"
)

// mark is the mark of a restore, in a directory that may not be there yet.
func (r *Run) mark(step plan.Step) Part {
	dir := etcd.ConfigDir(r.Want.Cluster)
	mark := *step.Restoring
	if mark.Begun.IsZero() {
		mark.Begun = r.Now()
	}
	return Part{
		Before: makeDirs([]plan.Path{
			{Path: path.Dir(dir), Owner: "root", Group: "root", Mode: 0o755},
			{Path: dir, Owner: "root", Group: "root", Mode: 0o755},
		}),
		Files: []units.File{units.Mark(dir, mark)},
	}
}

// restoreData streams the snapshot into a script that makes the member's data from it with etcd's own tool, which
// checks the digest at its end.
func (r *Run) restoreData(ctx context.Context, host Host, step plan.Step) error {
	snapshot, err := r.Operator.Snapshot(ctx, step.Restore.SHA256)
	if err != nil {
		return err
	}
	progress := func(done, total int64) {
		r.emit(Event{
			Type: StepProgress, Step: step.ID(), Kind: string(step.Kind), Host: step.Host, Done: done, Total: total,
		})
	}
	r.swapped.Store(true)
	// Another file may have come to lie under its name meanwhile.
	input := Archive{Input: snapshot}.only(step.Restore.SHA256)
	return host.Feed(ctx, restoreScript(*step.Restore, snapshot.Size), input, progress)
}

func restoreScript(r plan.Restore, size int64) string {
	return fmt.Sprintf("set -eu\ndata=%s wal=%s owner=%s etcdutl=%s size=%d\nset -- %s\n",
		shellword.Quote(r.DataDir), shellword.Quote(r.WALDir), shellword.Quote(r.User+":"+r.User),
		shellword.Quote(path.Join(r.BinDir, "etcdutl")), size, shellword.Join([]string{
			"--name", r.Name, "--initial-cluster", strings.Join(r.InitialCluster, ","),
			"--initial-cluster-token", r.Token, "--initial-advertise-peer-urls", r.PeerURL,
			"--bump-revision", strconv.FormatUint(r.BumpRevision, 10), "--mark-compacted",
		})) + restoreShell
}

//go:embed restore.sh
var restoreShell string

// unmark takes the marks away, for good.
func unmark(paths []plan.Path) string {
	names := namesOf(paths)
	return fmt.Sprintf("rm -f %s && sync %s\n", shellword.Join(names), shellword.Quote(path.Dir(names[0])))
}
