package etcd

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// truth is what a cluster holds, whether or not looking shows it. Etcd goes by it when a member starts. A walk carries
// it along by rules of its own (server/etcdserver/version/monitor.go, downgrade.go), and judges decisions by it even
// where a look shows less. Minor versions are numbers: 6 of "3.6.16"; 0 is none.
type truth struct {
	cluster   int               // what the members have agreed on
	downgrade int               // target of the downgrade that is enabled
	last      map[string]string // what each member with data ran last
	data      map[string]int    // what each member's data is of
	dirty     map[string]bool   // the member's log holds requests that 3.5 wrote
	beside    int               // voters that run and are not seen
	list      []facts.Listed    // the member list, which is told by a quorum; nil: it is as it is seen
	auth      facts.Auth        // users and roles, which are told by a quorum
	permits   bool              // auth is known
}

var inRelease = regexp.MustCompile(`/opt/clusterup/etcd/([0-9.]+)-[^/]*/etcd`)

// versionIn is the version of the etcd that is named first in a text.
func versionIn(text string) string {
	found := inRelease.FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}

func minorNo(version string) int {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(parts[1])
	return n
}

// patchNo is 16 of "3.6.16".
func patchNo(version string) int {
	parts := strings.Split(version, ".")
	n, _ := strconv.Atoi(parts[len(parts)-1])
	return n
}

// truthOf is the likeliest truth behind what is seen.
func truthOf(w Want, s facts.Snapshot) truth {
	t := truth{last: map[string]string{}, data: map[string]int{}, dirty: map[string]bool{}}
	if s.Auth != nil {
		t.auth, t.permits = *s.Auth, true
	}
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		if !host.Data.WAL {
			continue
		}
		switch {
		case host.Etcd != nil:
			t.last[m.Name] = host.Etcd.Version
			t.downgrade = max(t.downgrade, minorNo(host.Etcd.Downgrade))
			t.cluster = max(t.cluster, minorNo(host.Etcd.StorageVersion))
		case host.Process != nil:
			t.last[m.Name] = versionIn(host.Process.Args[0])
		default:
			t.last[m.Name] = versionIn(string(host.Files[UnitPath(w.Cluster)].Content))
		}
		t.dirty[m.Name] = minorNo(t.last[m.Name]) == 5 || host.V2Store != nil && !host.V2Store.Clean
	}
	if t.cluster = max(t.cluster, t.lowest()); t.cluster == 0 { // nobody knows
		t.cluster = minorNo(w.Cluster.Version)
	}
	for name, version := range t.last {
		if version == "" { // nobody knows: the one that makes most trouble
			version = fmt.Sprintf("3.%d.0", t.cluster)
			t.last[name] = version
		}
		t.data[name] = min(minorNo(version), t.cluster)
		if e := s.Hosts[name].Etcd; e != nil && e.StorageVersion != "" {
			t.data[name] = minorNo(e.StorageVersion)
		}
	}
	return t
}

// lowest is the oldest minor version that a member ran last; 0: there is no data.
func (t truth) lowest() int {
	low := 0
	for _, version := range t.last {
		if n := minorNo(version); n != 0 && (low == 0 || n < low) {
			low = n
		}
	}
	return low
}

func (t truth) clone() truth {
	t.last, t.data, t.dirty = maps.Clone(t.last), maps.Clone(t.data), maps.Clone(t.dirty)
	return t
}

// after is what a step makes of the truth; seen is what is seen after it.
func (t truth) after(seen facts.Snapshot, step plan.Step) truth {
	t = t.clone()
	if t.list != nil && seen.Members != nil {
		t.list = seen.Members
	}
	if !t.permits && seen.Auth != nil {
		t.auth, t.permits = *seen.Auth, true
	}
	switch step.Kind {
	case plan.PutRole, plan.PutUser, plan.SetPassword, plan.DropRole, plan.DropUser, plan.EnableAuth, plan.DisableAuth:
		t.auth = *seen.Auth
	case plan.EnableDowngrade:
		t.downgrade = minorNo(step.Version)
	case plan.CancelDowngrade:
		t.downgrade = 0
	case plan.AwaitVersion:
		return t.settled(seen)
	case plan.AwaitRaftSnapshot:
		t.dirty[step.Host] = false
	case plan.StartMember, plan.RestartMember:
		host := seen.Hosts[step.Host]
		if host.Process == nil {
			return t
		}
		was, known := t.last[step.Host]
		is := versionIn(host.Process.Args[0])
		t.last[step.Host] = is
		if !known {
			t.data[step.Host] = minorNo(is)
			t.cluster = max(t.cluster, t.lowest())
		}
		flushes := minorNo(was) == 6 && t.cluster == 6 && units.Flag(host.Process.Args, "snapshot-count") == "1"
		t.dirty[step.Host] = minorNo(is) == 5 || t.dirty[step.Host] && !flushes
	}
	return t
}

// settled is what the leader does by itself every few seconds, once it reaches all members.
func (t truth) settled(seen facts.Snapshot) truth {
	t = t.clone()
	running, low, high := 0, 99, 0
	for _, host := range seen.Hosts {
		if host.Process == nil || host.Etcd == nil || host.Etcd.Leader == 0 {
			continue
		}
		running++
		low, high = min(low, minorNo(host.Etcd.Version)), max(high, minorNo(host.Etcd.Version))
	}
	all := running == len(seen.Hosts)
	switch {
	case running <= len(seen.Hosts)/2:
		return t
	case t.downgrade != 0:
		t.cluster = t.downgrade
		if all && low == t.downgrade && high == t.downgrade {
			t.downgrade = 0
		}
	case all && low > t.cluster:
		t.cluster = low
	}
	for name, host := range seen.Hosts {
		if host.Process != nil && host.Etcd != nil && minorNo(host.Etcd.Version) >= 6 {
			t.data[name] = t.cluster
		}
	}
	return t
}

// tells says that a quorum of the voters runs, and one of them is seen to serve.
func (t truth) tells(hosts map[string]facts.Host) bool {
	voters, running, serves := 0, t.beside, false
	for _, entry := range t.list {
		if entry.Learner {
			continue
		}
		voters++
		for _, host := range hosts {
			if host.Process != nil && host.Data.MemberID == entry.ID {
				running++
				serves = serves || host.Reads
			}
		}
	}
	return serves && running > voters/2
}

// published is a member list after those that run have published where clients reach them.
func published(list []facts.Listed, hosts map[string]facts.Host) []facts.Listed {
	list = slices.Clone(list)
	for i, entry := range list {
		for name, host := range hosts {
			if host.Process != nil && host.Data.MemberID == entry.ID && entry.Name == "" {
				list[i].Name, list[i].ClientURLs = name, []string{"https://" + name + ":2379"}
			}
		}
	}
	return list
}

// shown is what a look at members with this truth shows.
func (t truth) shown(s facts.Snapshot) facts.Snapshot {
	s.Hosts = maps.Clone(s.Hosts)
	if s.Members == nil && t.list != nil && t.tells(s.Hosts) {
		s.Members = published(t.list, s.Hosts)
	}
	if t.permits {
		s.Auth = nil
		for _, host := range s.Hosts {
			if host.Reads {
				s.Auth = &t.auth
			}
		}
	}
	for name, host := range s.Hosts {
		host.InUse = inUse(host)
		s.Hosts[name] = host
		if host.Etcd == nil || !host.Data.WAL || host.Data.ClusterID != host.Etcd.ClusterID {
			continue
		}
		status := *host.Etcd
		if status.StorageVersion, status.Downgrade = "", ""; minorNo(status.Version) >= 6 {
			status.StorageVersion = "3." + strconv.Itoa(t.data[name]) + ".0"
			if t.downgrade != 0 {
				status.Downgrade = "3." + strconv.Itoa(t.downgrade) + ".0"
			}
		}
		if minorNo(status.Version) == 6 {
			host.V2Store = &facts.V2Store{Clean: !t.dirty[name], Text: "requests of etcd 3.5"}
		}
		host.Etcd = &status
		s.Hosts[name] = host
	}
	return s
}

// inUse are the releases that units of a host name; they are told where there are more than two.
func inUse(host facts.Host) []string {
	there := 0
	for name, file := range host.Files {
		if path.Dir(name) == facts.ReleaseDir && file.Kind == facts.Dir {
			there++
		}
	}
	if there <= 2 {
		return nil
	}
	var used []string
	for name, file := range host.Files {
		if path.Ext(name) != ".service" {
			continue
		}
		if named := inRelease.FindString(string(file.Content)); named != "" {
			used = append(used, path.Dir(named))
		}
	}
	slices.Sort(used)
	return used
}
