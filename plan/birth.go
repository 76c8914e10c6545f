package plan

import (
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/units"
)

// recordBirth writes the markers, once every member takes part. From then on the units say "existing", which prepare sees to, and a
// host that loses its data is not started without them.
func (v view) recordBirth() (*Stage, error) {
	var steps []Step
	v.hosts(func(m inventory.Member, host facts.Host) {
		if _, ok := v.births[m.Name]; ok || !v.serves(host) {
			return
		}
		steps = append(steps, Step{
			Kind: RecordBirth, Host: m.Name, Why: "the member is part of the cluster now",
			Birth: &units.Born{
				Cluster: v.want.Cluster.Name, Member: m.Name, Token: v.token,
				ClusterID: host.Etcd.ClusterID.String(), MemberID: host.Etcd.MemberID.String(),
				DataDir: m.DataDir, WALDir: walDir(m), User: v.want.Cluster.User,
			},
		})
	})
	if len(steps) == 0 {
		return nil, nil
	}
	return &Stage{
		Name: "record the birth of the cluster", Gate: "these members serve linearizable reads in one cluster",
		Width: len(steps), Steps: steps,
	}, nil
}
