package etcd

import (
	"cmp"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/units"
)

// VerbRecover is the command that makes a cluster from what a lost quorum has left.
const VerbRecover = "recover"

// NextRecover is Next for a cluster that has lost its quorum for good. All hosts are marked, and all members stop; then
// a snapshot is taken of a copy of the data of each member that has its own, and the cluster is restored from the one
// that has come furthest, see NextRestore: one of these, or one that was saved before.
func NextRecover(w Want, s facts.Snapshot) (*plan.Stage, error) {
	r := newRecovery(w, s)
	if r.over() {
		return Next(w, s)
	}
	if refusals := r.refusals(); len(refusals) > 0 {
		return nil, &plan.Refused{Refusals: refusals}
	}
	if r.was.want.Restore.Snapshot.SHA256 != "" {
		return NextRestore(r.was.want, s)
	}
	for _, next := range []func() (*plan.Stage, error){r.mark, r.stop, r.salvage} {
		if stage, err := next(); stage != nil || err != nil {
			return stage, err
		}
	}
	return nil, nil
}

// recovery is a recovery as it stands: a restore whose snapshot may have to be made first.
type recovery struct{ restoring }

func newRecovery(w Want, s facts.Snapshot) recovery {
	restoration := *w.Restore
	w.Restore = &restoration
	r := recovery{newRestore(w, s)}
	if found, ok := r.source(); ok {
		restoration.Snapshot, restoration.Size = found, max(found.Size, r.most())
		r.restoring = newRestore(w, s)
	}
	return r
}

// source is the snapshot that the cluster is to be restored from: the one that a mark names; else, once each member
// that has its data was salvaged, the one that has come furthest, of these and of those that were saved before. False:
// it is not made yet, or not there.
func (r recovery) source() (facts.SavedSnapshot, bool) {
	saved := r.was.seen.Operator.Snapshots
	if r.under.SHA256 != "" {
		i := slices.IndexFunc(saved, func(one facts.SavedSnapshot) bool { return one.SHA256 == r.under.SHA256 })
		if i < 0 {
			return facts.SavedSnapshot{}, false
		}
		return saved[i], true
	}
	var best facts.SavedSnapshot
	for _, m := range r.survivors() {
		one, ok := r.salvaged(m.Name)
		if !ok {
			return facts.SavedSnapshot{}, false
		}
		if best.SHA256 == "" || one.Revision > best.Revision {
			best = one
		}
	}
	for _, one := range saved { // a survivor may have been down for long
		if one.ClusterID == r.was.clusterID && one.Damage == "" && (best.SHA256 == "" || one.Revision > best.Revision) {
			best = one
		}
	}
	return best, best.SHA256 != ""
}

// survivors are the members that are seen to have the data of the cluster that has lost its quorum.
func (r recovery) survivors() []inventory.Member {
	var found []inventory.Member
	r.was.Each(func(m inventory.Member, host facts.Host) {
		if host.Data.WAL && host.Data.ClusterID == r.was.clusterID && !r.has(host) {
			found = append(found, m)
		}
	})
	return found
}

// salvaged is the snapshot that this recovery has taken of a member's data.
func (r recovery) salvaged(member string) (facts.SavedSnapshot, bool) {
	saved := r.was.seen.Operator.Snapshots
	i := slices.IndexFunc(saved, func(one facts.SavedSnapshot) bool {
		return one.Member == member && one.Salvage == r.was.want.Token
	})
	if i < 0 {
		return facts.SavedSnapshot{}, false
	}
	return saved[i], true
}

// most is the size of the largest database that a member has told of.
func (r recovery) most() int64 {
	size := int64(0)
	r.was.Each(func(_ inventory.Member, host facts.Host) {
		if host.Etcd != nil {
			size = max(size, host.Etcd.DBSize)
		}
	})
	return size
}

// salvage takes snapshots of what members have, one after the other, while none runs.
func (r recovery) salvage() (*plan.Stage, error) {
	var steps []plan.Step
	for _, m := range r.survivors() {
		if _, done := r.salvaged(m.Name); done {
			continue
		}
		salvage, version := r.copyOf(m)
		steps = append(steps, plan.Step{
			Kind: plan.SalvageMember, Host: m.Name, Version: version, Salvage: salvage,
			Why: "etcd starts on a copy of its data, alone, and gives a snapshot of it; the data itself is not touched",
		})
	}
	stage := plan.SideBySide("take snapshots of what is left", "no member runs", steps)
	if stage != nil {
		stage.Width = 1
	}
	return stage, nil
}

// copyOf is how etcd runs on a copy of a member's data: as the member did, but as the only one, on loopback.
func (r recovery) copyOf(m inventory.Member) (*plan.Salvage, string) {
	host := r.was.seen.Hosts[m.Name]
	bin := r.was.unitBin(host)
	if bin.version == "" {
		release, _ := r.was.release(host)
		bin.dir, bin.version = BinDir(release), release.Version
	}
	c := r.was.want.Cluster
	as := r.was.unitMember(m, bin)
	// ports of its own, so that no client takes it for a member, nor one salvage for another
	at := slices.IndexFunc(c.Members, func(other inventory.Member) bool { return other.Name == m.Name })
	client := urlOf(c.TLS.Clients, "127.0.0.1", salvagePort+2*at)
	peer := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(salvagePort+2*at+1))
	as.DataDir, as.WALDir = plan.Placeholder, ""
	as.TokenKey = "" // only root comes, by its certificate
	as.ListenClient, as.AdvertiseClient = []string{client}, []string{client}
	as.ListenPeer, as.AdvertisePeer = []string{peer}, []string{peer}
	as.InitialCluster = []units.Peer{{Name: m.Name, URL: peer}}
	as.ListenMetrics, as.PeerTrust, as.PeerCRL, as.AutoCompaction, as.State = "", "", "", 0, "existing"
	if flag := units.Flag(r.was.starts(host), "trusted-ca-file"); flag != "" { // the one that lies there
		as.ClientTrust = flag
	}
	lies := r.was.settled(m, host)
	return &plan.Salvage{
		Args: append(units.Args(as), "--force-new-cluster=true"), Endpoint: client, DataDir: lies.DataDir, WALDir: walDir(lies),
		User: c.User, Unit: c.UnitName + "-salvage", Token: r.was.want.Token,
	}, bin.version
}

// salvagePort is the first of the ports on loopback at which etcd runs on copies.
const salvagePort = 42379

// refusals are the reasons not to recover: above all, that the quorum is not lost.
func (r recovery) refusals() []plan.Refusal {
	if r.begun && r.under.Verb != VerbRecover {
		return plan.OneRefusal(plan.Restoring, "", "go on with it: "+resume(r.under),
			"a restore of the snapshot of revision %d was begun%s, and has not ended", r.under.Revision, by(r.under))
	}
	if found := r.needless(); len(found) > 0 {
		return found
	}
	dark := r.unseen()
	if len(dark) > 0 {
		return dark
	}
	if found := append(r.twins(), r.strangers()...); len(found) > 0 {
		return found
	}
	if r.was.want.Restore.Snapshot.SHA256 != "" {
		return nil // NextRestore says what stands against it
	}
	switch {
	case r.under.SHA256 != "":
		return plan.OneRefusal(plan.Restoring, "",
			fmt.Sprintf("bring it there from the machine where the recovery was begun; or restore from another one: "+
				"clusterup snapshot restore FILE INVENTORY --accept=%s", plan.OtherSnapshot),
			"the snapshot that the recovery has made of a member's data is not in the operator directory: its sha256 is %s",
			r.under.SHA256)
	case len(r.survivors()) == 0:
		return plan.OneRefusal(plan.DataLost, "",
			"bring a disk or a snapshot back: clusterup snapshot restore FILE INVENTORY makes the cluster from one",
			"no host has the data of cluster %s, and there is no snapshot of it in the operator directory", r.was.clusterID)
	}
	return r.unsalvageable()
}

// needless refuses to recover a cluster that has its quorum, or may yet have it.
func (r recovery) needless() []plan.Refusal {
	v := r.was
	if !r.begun && !v.formed {
		return plan.OneRefusal(plan.NoCluster, "",
			"clusterup apply makes it; clusterup snapshot restore FILE INVENTORY makes it from a snapshot",
			"the hosts have nothing of a cluster %s", v.want.Cluster.Name)
	}
	serving := v.Which(func(_ inventory.Member, host facts.Host) bool { return v.reads(host) && !r.has(host) })
	if len(serving) > 0 {
		remedy := "clusterup status shows what is wrong; clusterup member replace NAME INVENTORY replaces a member that is lost"
		if r.begun {
			remedy = fmt.Sprintf("the recovery is not needed any more: on each host, rm -f %s; then clusterup apply", r.markPath())
		}
		return plan.OneRefusal(plan.QuorumAtRisk, "", remedy,
			"the quorum is not lost: %s served a linearizable read just now", plan.Enumerate(serving))
	}
	// Where nobody tells the list, those that were given up count as voters, too.
	has, voters := len(r.survivors()), len(v.voters())
	if v.seen.Members == nil {
		voters = max(voters, v.want.Restore.all)
	}
	if quorum := voters/2 + 1; has >= quorum && !r.begun {
		return plan.OneRefusal(plan.QuorumAtRisk, "",
			"clusterup apply starts them; clusterup status shows why they do not serve; where a start fails for good on the data "+
				"of one, put that aside by hand, and recover then",
			"the quorum is not lost: %d of %d voters have their data, and a quorum is %d", has, voters, quorum)
	}
	return nil
}

// unsalvageable: etcd reads data with the minor version that wrote it.
func (r recovery) unsalvageable() []plan.Refusal {
	var found []plan.Refusal
	for _, m := range r.survivors() {
		host := r.was.seen.Hosts[m.Name]
		is := r.was.unitBin(host)
		if _, there := host.Binaries[is.path("etcd")]; is.version != "" && !there {
			found = append(found, plan.Refuse(plan.Unsuitable, m.Name,
				"put it back there: the release archive unpacks into it", "%s, with which its member ran last, is not there",
				path.Join(is.dir, "etcd")))
		}
		if wanted := r.was.want.Cluster.Version; is.version != "" && !version.SameMinor(is.version, wanted) {
			found = append(found, plan.Refuse(plan.SnapshotUnfit, m.Name,
				fmt.Sprintf("set version in the inventory to a release of %s, recover, and upgrade then", version.Minor(is.version)),
				"its data is of etcd %s, and the inventory wants %s: data is restored with the minor version that wrote it",
				is.version, cmp.Or(wanted, "none")))
		}
	}
	return found
}

// Evidence is what a cluster without a quorum has left.
type Evidence struct {
	Hosts  []HostEvidence       `json:"hosts"`            // in the order of the inventory
	Newest *facts.SavedSnapshot `json:"newest,omitempty"` // of its snapshots; nil: there is none
}

// HostEvidence is what one host has to show.
type HostEvidence struct {
	Member string `json:"member"`
	Class  Class  `json:"class"`
	Data   bool   `json:"data"` // of this cluster
	// of raft's log, as far as the member knows it to be committed; zero: it could not be asked
	Index uint64 `json:"raft_index,omitempty"`
	Term  uint64 `json:"raft_term,omitempty"`
}

// EvidenceOf says what is left.
func EvidenceOf(w Want, s facts.Snapshot) Evidence {
	v := newView(w, s)
	var found Evidence
	v.Everyone(func(m inventory.Member, host facts.Host) {
		one := HostEvidence{
			Member: m.Name, Class: v.class(m, host), Data: host.Data.WAL && host.Data.ClusterID == v.clusterID,
		}
		if host.Etcd != nil {
			one.Index, one.Term = host.Etcd.Index, host.Etcd.Term
		}
		found.Hosts = append(found.Hosts, one)
	})
	for _, one := range s.Operator.Snapshots {
		if one.ClusterID == v.clusterID && one.Damage == "" {
			found.Newest = &one
		}
	}
	return found
}
