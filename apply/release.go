package apply

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/plan"
)

// installRelease sends the archive once and unpacks it on the host, where every binary is checked against the digest
// that the archive was verified with here.
func (r *Run) installRelease(ctx context.Context, host Host, step plan.Step) error {
	archive, err := r.Operator.Archive(ctx, *step.Release)
	if err != nil {
		return err
	}
	dir := plan.BinDir(*step.Release)
	cluster := r.Want.Cluster.Name
	archive.Path = dir + archiveSuffix(cluster)
	progress := func(done, total int64) {
		r.emit(Event{
			Type: StepProgress, Step: step.ID(), Kind: string(step.Kind), Host: step.Host, Done: done, Total: total,
		})
	}
	if err := host.Upload(ctx, archive, progress); err != nil {
		return err
	}
	_, err = host.Script(ctx, unpackRelease(*step.Release, dir, cluster))
	return err
}

// archiveSuffix follows a release's directory in the name under which a run uploads its archive. The cluster's name is
// in it because two clusters on one host may install the same release at the same moment, while the lock keeps runs for
// one cluster apart. Neither a directory nor a cluster has a "_" in its name.
func archiveSuffix(cluster string) string { return "_" + cluster + ".tar.gz" }

// removeUploads removes what was ever uploaded for a cluster to the folder of releases, whole, in part, or under a
// temporary name.
func removeUploads(root, cluster string) string {
	any := quote(root) + "/*" + quote(archiveSuffix(cluster))
	return "rm -f " + any + " " + any + ".????????.part " + any + ".????????????????????????.tmp"
}

// unpackRelease takes the binaries out of a cluster's archive, checks them, and moves them to where they belong: the
// whole directory at once when it is new, else file by file. Scripts for several clusters take turns; whoever finds the
// right binaries there takes them as they are. What earlier runs have left goes: directories that nobody is at any
// more, and uploads for this cluster.
func unpackRelease(r plan.Release, dir, cluster string) string {
	var sums strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Binaries)) {
		fmt.Fprintf(&sums, "%s  %s\n", r.Binaries[name], name)
	}
	return fmt.Sprintf(`set -eu
dir=%s archive=%s inside=%s
sums() {
  cat <<'SUMS'
%sSUMS
}
remove_uploads() {
  %s
}
`, quote(dir), quote(dir+archiveSuffix(cluster)), quote("etcd-v"+r.Version+"-linux-"+r.Arch), sums.String(), removeUploads(path.Dir(dir), cluster)) +
		unpackScript
}

//go:embed unpack.sh
var unpackScript string
