package plan

import (
	"cmp"
	"path"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/units"
)

// placeholder stands in shown plans for what only an apply makes: the token, and CAs that do not exist yet.
const placeholder = "(made by apply)"

// view is what Next knows: what is wanted, what was seen, and what follows from the two about the cluster's identity.
type view struct {
	want Want
	seen facts.Snapshot

	token     string   // of the cluster that is, or of the bootstrap under way, or of the one to come
	clusterID facts.ID // of the cluster that is, or will be
	formed    bool     // at least one birth marker: the cluster exists, and its configuration says "existing"
	started   bool     // a bootstrap is under way: at least one host holds its data, and none a birth marker
	births    map[string]units.Born

	low, high string // the oldest and newest version of members with data; empty: there is none
	target    string // the version that all members are to reach next
	downgrade string // target of the downgrade that is enabled, "3.5.0"; empty: none that a member speaks of

	heartbeat, election time.Duration // see timing
}

func newView(w Want, s facts.Snapshot) view {
	v := identify(w, s)
	v.low, v.high = v.versions()
	v.target = v.route()[0]
	v.heartbeat, v.election = v.timing()
	v.hosts(func(_ inventory.Member, host facts.Host) {
		if host.Etcd != nil && host.Etcd.Downgrade != "" {
			v.downgrade = host.Etcd.Downgrade
		}
	})
	return v
}

// identify finds out which cluster this is: from birth markers if there are any, else from the units of a bootstrap under way.
func identify(w Want, s facts.Snapshot) view {
	v := view{want: w, seen: s, births: map[string]units.Born{}}
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		if file, ok := host.Files[v.birthPath()]; ok {
			born, err := units.ParseBirth(file.Content)
			if err == nil {
				v.births[m.Name] = born
			}
		}
	}
	for _, m := range w.Cluster.Members {
		if born, ok := v.births[m.Name]; ok {
			v.formed, v.token = true, born.Token
			_ = v.clusterID.UnmarshalText([]byte(born.ClusterID)) // ParseBirth has checked it
			return v
		}
	}
	v.token = v.tokenUnderWay()
	v.clusterID = clusterID(w.Cluster, v.token)
	for _, m := range w.Cluster.Members {
		data := s.Hosts[m.Name].Data
		v.started = v.started || data.WAL && data.ClusterID == v.clusterID
	}
	return v
}

// tokenUnderWay is the token of a bootstrap that was begun: that of a host with data, else of any, else a new one.
func (v view) tokenUnderWay() string {
	found := ""
	for _, m := range v.want.Cluster.Members {
		host := v.seen.Hosts[m.Name]
		token := unitToken(host, UnitPath(v.want.Cluster))
		if token != "" && (found == "" || host.Data.WAL) {
			found = token
		}
		if host.Data.WAL && token != "" {
			break
		}
	}
	return cmp.Or(found, v.want.Token, placeholder)
}

// unitToken is the bootstrap token in a host's unit file, "" if there is none.
func unitToken(host facts.Host, unitPath string) string {
	return flagOf(words(host.Files[unitPath].Content), "initial-cluster-token")
}

func (v view) birthPath() string { return path.Join(ConfigDir(v.want.Cluster), "born.json") }

// release is the one that all members are to reach next, for a host's architecture.
func (v view) release(host facts.Host) (Release, bool) {
	r, ok := v.want.Releases[v.target+"/"+host.Arch]
	return r, ok
}

// hosts calls each member's host, in the order of the inventory.
func (v view) hosts(each func(inventory.Member, facts.Host)) {
	for _, m := range v.want.Cluster.Members {
		each(m, v.seen.Hosts[m.Name])
	}
}
