package etcd

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// standing is a way in which a member may stand, with what its host and the member list have then.
type standing struct {
	name   string
	class  Class
	host   func(*stage, int) facts.Host // nil: it has none that the inventory knows
	listed func(*stage, int) *facts.Listed
	absent bool // in the inventory
	serves bool // a voter that runs, seen or not
	able   bool // a voter that is seen to run, or can be started
	// what is refused as long as nobody consents, and what is refused all the same; "": nothing
	without, always plan.RefusalKind
}

// stage has the hosts of a cluster's members at several times, from which mixtures are put together.
type stage struct {
	w                               Want
	whole, bare, prepared, learning facts.Snapshot
	voters, learners                []facts.Listed
}

func newStage(t *testing.T, n int) *stage {
	t.Helper()
	w := wanted(t, n)
	g := &stage{w: w, whole: settled(t, w), bare: bare(w)}
	g.voters = slices.Clone(g.whole.Members)
	g.prepared, g.learning = g.bare, g.bare
	g.learners = slices.Clone(g.voters)
	if n == 1 {
		return g // nobody would add it
	}
	for i, m := range w.Cluster.Members {
		s := change(g.whole, m.Name, func(h *facts.Host) { *h = g.bare.Hosts[m.Name] })
		s.Members = slices.Delete(slices.Clone(g.voters), i, i+1)
		for range 20 {
			next, err := Next(w, s)
			if err != nil || next == nil {
				t.Fatal(next, err)
			}
			s = Simulate(w, s, *next)
			if next.Name == "prepare hosts" {
				g.prepared = change(g.prepared, m.Name, func(h *facts.Host) { *h = s.Hosts[m.Name] })
			}
			if next.Name == "start members" {
				break
			}
		}
		g.learning = change(g.learning, m.Name, func(h *facts.Host) { *h = s.Hosts[m.Name] })
		at := slices.IndexFunc(s.Members, func(l facts.Listed) bool { return l.Learner })
		g.learners[i] = s.Members[at]
	}
	return g
}

func (g *stage) of(s facts.Snapshot, i int) facts.Host {
	return copyHost(s.Hosts[g.w.Cluster.Members[i].Name])
}

// lies is a host of a Snapshot, changed.
func lies(from func(*stage) facts.Snapshot, does ...func(*facts.Host)) func(*stage, int) facts.Host {
	return func(g *stage, i int) facts.Host {
		host := g.of(from(g), i)
		for _, do := range does {
			do(&host)
		}
		return host
	}
}

var (
	asWhole = func(g *stage) facts.Snapshot { return g.whole }
	asBare  = func(g *stage) facts.Snapshot { return g.bare }
)

func darkly(h *facts.Host) {
	*h = facts.Host{Machine: facts.Machine{Name: h.Name, Unreachable: "no route to host"}}
}

func asVoter(g *stage, i int) *facts.Listed { return &g.voters[i] }

func asLearner(g *stage, i int) *facts.Listed { return &g.learners[i] }

// unpublished is an entry that nobody has started yet.
func unpublished(of func(*stage, int) *facts.Listed) func(*stage, int) *facts.Listed {
	return func(g *stage, i int) *facts.Listed {
		entry := *of(g, i)
		entry.Name, entry.ClientURLs = "", nil
		return &entry
	}
}

// elsewhere is a voter that the inventory does not have.
func elsewhere(_ *stage, i int) *facts.Listed {
	at := "10.9.0.1" + string(rune('1'+i))
	return &facts.Listed{
		ID: facts.ID(900 + i), Name: "old-" + string(rune('1'+i)), PeerURLs: []string{"https://" + at + ":2380"},
		ClientURLs: []string{"https://" + at + ":2379"},
	}
}

// staled has been stopped, and put back to an older copy of its data.
func staled(h *facts.Host) {
	stop(h)
	marker := "/etc/etcd/prod/born.json"
	born, _ := units.ParseBirth(h.Files[marker].Content)
	born.Created = time.Date(2026, 11, 29, 21, 4, 7, 0, time.UTC)
	file := h.Files[marker]
	file.Content = units.Birth("/etc/etcd/prod", born).Data
	h.Files[marker] = file
	const newest = "0000000000000001-0000000000000064.wal"
	h.Data.Log = &facts.Log{
		Noted:  fmt.Sprintf("%s %s %s 800", born.MemberID, born.Created.Format(time.RFC3339), newest),
		Newest: newest, Feeds: 799,
	}
}

const (
	unstarted   = "a voter, not started"
	markerAlone = "removed, a marker alone"
	darkLearner = "a learner, dark"
	resettled   = "running, with its data elsewhere than it is to be"
)

// settledElsewhere has a member with its data where the inventory does not want it any more.
func settledElsewhere(h *facts.Host) {
	const unit, marker = "/etc/systemd/system/etcd-prod.service", "/etc/etcd/prod/born.json"
	for _, name := range []string{unit, marker} {
		file := h.Files[name]
		file.Content = bytes.ReplaceAll(file.Content, []byte("/var/lib/etcd-prod"), []byte("/srv/etcd"))
		h.Files[name] = file
	}
	process := *h.Process
	process.Args = units.Command(h.Files[unit].Content)
	h.Process, h.Data.Dir, h.Place = &process, "/srv/etcd", &facts.Data{}
	h.Files["/srv/etcd"] = h.Files["/var/lib/etcd-prod"]
	delete(h.Files, "/var/lib/etcd-prod")
}

// standings are all classes, each as a member may come to be of it.
var standings = []standing{
	{name: "running", class: ClassRunning, host: lies(asWhole), listed: asVoter, serves: true, able: true},
	{name: "stopped", class: ClassStopped, host: lies(asWhole, stop), listed: asVoter, able: true},
	{
		name: resettled, class: ClassRunning, host: lies(asWhole, settledElsewhere), listed: asVoter,
		serves: true, able: true, without: plan.DataMoved,
	},
	{name: "bare", class: ClassNeverStarted, host: lies(asBare)},
	{
		name: "prepared", class: ClassNeverStarted,
		host: lies(func(g *stage) facts.Snapshot { return g.prepared }),
	},
	{name: "dark", class: ClassDark, host: lies(asWhole, darkly), listed: asVoter, serves: true, always: plan.Unreachable},
	{name: "dark, and dead", class: ClassDark, host: lies(asWhole, darkly), listed: asVoter, always: plan.Unreachable},
	{name: "wiped", class: ClassWiped, host: lies(asWhole, wipe), listed: asVoter, without: plan.DataLost},
	{name: "wiped with its marker", class: ClassWiped, host: lies(asBare), listed: asVoter, without: plan.DataLost},
	{name: "foreign", class: ClassForeign, host: lies(asBare, func(h *facts.Host) {
		h.Data = facts.Data{Exists: true, WAL: true, ClusterID: 7, MemberID: 8}
	}), always: plan.ForeignData},
	{name: "foreign, and listed", class: ClassForeign, host: lies(asWhole, stop, func(h *facts.Host) {
		h.Data.MemberID = 8
	}), listed: asVoter, always: plan.ForeignData},
	{name: "removed", class: ClassRemoved, host: lies(asWhole, stop), without: plan.NeedsConsent},
	{name: markerAlone, class: ClassRemoved, host: lies(asWhole, wipe)},
	{name: "a learner, not started", class: ClassHalfJoined, host: lies(asBare), listed: unpublished(asLearner)},
	{
		name: "a learner, started and dead", class: ClassHalfJoined,
		host:   lies(func(g *stage) facts.Snapshot { return g.learning }, stop),
		listed: unpublished(asLearner),
	},
	{
		name: "a learner that has lost its disk", class: ClassHalfJoined,
		host:   lies(func(g *stage) facts.Snapshot { return g.learning }, wipe),
		listed: unpublished(asLearner),
	},
	{
		name: "a learner, running", class: ClassRunning,
		host: lies(func(g *stage) facts.Snapshot { return g.learning }), listed: asLearner,
	},
	{name: darkLearner, class: ClassDark, host: lies(asBare, darkly), listed: asLearner, always: plan.Unreachable},
	{name: unstarted, class: ClassHalfJoined, host: lies(asBare), listed: unpublished(asVoter), able: true},
	{name: "unexpected", class: ClassUnexpected, listed: elsewhere, serves: true, without: plan.Membership},
	{name: "unexpected, and dead", class: ClassUnexpected, listed: elsewhere, without: plan.Membership},
	{
		name: "absent, running", class: ClassRunning, host: lies(asWhole), listed: asVoter, absent: true,
		serves: true, able: true,
	},
	{name: "absent, stopped", class: ClassStopped, host: lies(asWhole, stop), listed: asVoter, absent: true, able: true},
	{name: "absent, wiped", class: ClassWiped, host: lies(asWhole, wipe), listed: asVoter, absent: true},
	{
		name: "absent, dark", class: ClassDark, host: lies(asWhole, darkly), listed: asVoter, absent: true,
		without: plan.Unreachable,
	},
	{name: "absent, left with data", class: ClassRemoved, host: lies(asWhole, stop), absent: true},
	{name: "absent, left and clean", class: ClassNeverStarted, host: lies(asBare), absent: true},
	{name: "absent, foreign", class: ClassForeign, host: lies(asBare, func(h *facts.Host) {
		h.Data = facts.Data{Exists: true, WAL: true, ClusterID: 7, MemberID: 8}
	}), absent: true, always: plan.ForeignData},
	{name: "stale", class: ClassStale, host: lies(asWhole, staled), listed: asVoter, without: plan.DataLost},
	{name: "absent, stale", class: ClassStale, host: lies(asWhole, staled), listed: asVoter, absent: true},
}

// mixture is members that stand in several ways at once.
type mixture struct {
	of       []standing
	w        Want // nothing is consented to but downtime
	seen     facts.Snapshot
	list     []facts.Listed
	consents []plan.Risk
	voters   int
	able     int
	beside   int // voters that run and are not seen
	quorum   bool
	lost     bool // of the voters that may be brought to serve, too few are left
}

// mix puts members together; false: that is nothing that a cluster could come to.
func mix(stages map[int]*stage, of []standing, turned bool) (mixture, bool) {
	inventory := 0
	for _, is := range of {
		if is.host != nil {
			inventory++
		}
	}
	g := stages[inventory]
	if g == nil {
		return mixture{}, false
	}
	mixed := mixture{of: of, seen: g.whole}
	mixed.seen.Hosts = map[string]facts.Host{}
	var names []string
	present, ours, serves, i := 0, 0, 0, 0
	for at, is := range of {
		if is.listed != nil {
			index := i
			if is.host == nil {
				index = at
			}
			entry := *is.listed(g, index)
			mixed.list = append(mixed.list, entry)
			if !entry.Learner {
				mixed.voters++
				if is.host != nil && is.name != unstarted { // it may be what shows the cluster
					ours++
				}
				if is.able {
					mixed.able++
				}
				if is.serves {
					serves++
				}
				if is.serves && !is.able {
					mixed.beside++
				}
			}
			if is.host == nil {
				mixed.consents = append(mixed.consents, plan.Bound(plan.Remove(entry.Name), entry.ID.String()))
			}
		}
		if is.host == nil {
			continue
		}
		m := g.w.Cluster.Members[i]
		mixed.seen.Hosts[m.Name] = is.host(g, i)
		if is.absent {
			names = append(names, m.Name)
			mixed.consents = append(mixed.consents, plan.Remove(m.Name))
		} else {
			present++
			mixed.consents = append(mixed.consents, plan.Replace(m.Name))
			if is.listed != nil { // which holds in the dark, too
				mixed.consents = append(mixed.consents, plan.Bound(plan.Replace(m.Name), is.listed(g, i).ID.String()))
			}
		}
		i++
	}
	mixed.w = absent(g.w, names...)
	mixed.w.Accept = []plan.Risk{plan.Downtime}
	learners := slices.DeleteFunc(slices.Clone(mixed.list), func(l facts.Listed) bool { return !l.Learner })
	if present == 0 || ours == 0 || len(learners) > 1 {
		return mixture{}, false
	}
	mixed.quorum = serves > mixed.voters/2
	for _, is := range of {
		if is.name == unstarted && !mixed.quorum { // nobody tells that it is one
			mixed.able--
		}
	}
	mixed.lost = mixed.able <= mixed.voters/2
	mixed.seen = mixed.statuses(turned)
	return mixed, newView(mixed.w, mixed.seen).formed // else nobody could tell it from hosts that are new
}

// statuses are what members say of each other: with a quorum, seen or not, there is a leader, and the list is told.
func (m mixture) statuses(turned bool) facts.Snapshot {
	s := m.seen
	s.Members = m.list
	var leader facts.ID
	for _, one := range m.w.Cluster.Members {
		host := s.Hosts[one.Name]
		votes := slices.ContainsFunc(m.list, func(l facts.Listed) bool { return l.ID == host.Data.MemberID && !l.Learner })
		if host.Process != nil && votes && (leader == 0 || turned) {
			leader = host.Data.MemberID
		}
	}
	if !m.quorum {
		leader = 0
	}
	tells := false
	for name, host := range s.Hosts {
		if host.Process == nil {
			continue
		}
		s = change(s, name, func(h *facts.Host) {
			status := *h.Etcd
			status.Leader, status.Learner = leader, slices.ContainsFunc(m.list,
				func(l facts.Listed) bool { return l.Learner && l.ID == host.Data.MemberID })
			h.Etcd, h.Reads = &status, leader != 0 && !status.Learner
		})
		tells = tells || leader != 0
	}
	if !tells {
		s.Members = nil
	}
	return s
}

func (m mixture) String() string {
	all := make([]string, 0, len(m.of))
	for _, is := range m.of {
		all = append(all, is.name)
	}
	return strings.Join(all, " | ")
}

// has says whether one of its members stands so.
func (m mixture) has(name string) bool {
	return slices.ContainsFunc(m.of, func(is standing) bool { return is.name == name })
}

// reasons are the kinds of refusals that there may be, and whether there has to be one.
func (m mixture) reasons(agreed bool) (may map[plan.RefusalKind]bool, must bool) {
	may = map[plan.RefusalKind]bool{}
	for _, is := range m.of {
		for _, kind := range []plan.RefusalKind{is.always, is.without} {
			if kind != "" && !(agreed && kind == is.without) {
				may[kind], must = true, true
			}
		}
		if is.name == resettled && (len(m.w.Cluster.Present()) == 1 || !m.quorum) { // nobody else has its data, or tells
			may[plan.DataMoved] = true
		}
		if (is.name == markerAlone || is.name == darkLearner) && !m.quorum { // nobody tells that it has no vote
			may[plan.DataLost], may[plan.MixedData] = true, true
		}
	}
	if slices.ContainsFunc(m.of, func(is standing) bool { return is.class == ClassDark }) {
		may[plan.Unreachable] = true // it is named beside others
	}
	if m.lost {
		may[plan.DataLost], may[plan.MixedData], may[plan.QuorumAtRisk], may[plan.Unreachable] = true, true, true, true
	}
	return may, must
}
