package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
)

// standing is one member in the table of member list, and one object with --json.
type standing struct {
	Type     string         `json:"type"`             // "standing"
	Member   string         `json:"member,omitempty"` // empty: it is not in the inventory, and has not started yet
	ID       facts.ID       `json:"id,omitempty"`
	Class    etcd.Class     `json:"class"`
	Role     string         `json:"role,omitempty"` // leader, follower, learner; empty: it is not listed, or no leader is known
	Listed   bool           `json:"listed"`
	Leaves   bool           `json:"to_leave,omitempty"` // the inventory says so
	PeerURLs []string       `json:"peer_urls"`
	Problem  string         `json:"problem,omitempty"`
	Hearsay  *facts.Hearsay `json:"cluster_says,omitempty"` // of a member whose host is dark

	left bool // nothing of it is there any more
}

// standings are all members as they stand.
func (l Look) standings() []standing {
	var all []standing
	members := etcd.Members(l.Want, l.Seen)
	led := slices.ContainsFunc(members, func(one etcd.Standing) bool { return one.Leader })
	for _, one := range members {
		s := standing{
			Type: "standing", Member: one.Name, ID: one.ID, Class: one.Class, Listed: one.Listed, Leaves: one.Absent,
			PeerURLs: one.PeerURLs, Problem: one.Ailment, left: one.Left,
		}
		switch {
		case !one.Listed:
		case one.Learner:
			s.Role = "learner"
		case one.Leader:
			s.Role = "leader"
		case led:
			s.Role = "follower"
		}
		if one.Class == etcd.ClassDark {
			host := l.Seen.Hosts[one.Name]
			s.Problem = strings.TrimPrefix(cmp.Or(host.Unasked, host.Unreachable), one.Name+": ")
		}
		if said, ok := l.Heard[one.Name]; ok {
			s.Hearsay = &said
		}
		all = append(all, s)
	}
	return all
}

// ShowMembers shows how all members stand that are wanted or listed.
func (c *Console) ShowMembers(l Look) {
	all := l.standings()
	if c.JSON {
		for _, s := range all {
			c.Object(s)
		}
		return
	}
	table := c.Table("MEMBER", "ID", "CLASS", "ROLE", "PEER URLS")
	for _, s := range all {
		table.Row(cmp.Or(s.Member, "-"), cmp.Or(s.ID.String(), "-"), s.class(), cmp.Or(s.Role, "-"),
			strings.Join(s.PeerURLs, ","))
	}
	_ = table.End()
	for _, s := range all {
		name := cmp.Or(s.Member, s.ID.String())
		for _, text := range []string{s.Problem, meant[s.Class]} {
			if text != "" {
				fprintf(c.Out, "%s: %s\n", name, text)
			}
		}
		if s.Hearsay != nil {
			fprintf(c.Out, "%s: %s\n", name, hearsayText(*s.Hearsay))
		}
	}
	if l.Muted != nil {
		fprintf(c.Out, "no member could be asked who is one: %s\n", l.Muted)
	}
}

func (s standing) class() string {
	switch {
	case s.left:
		return "left"
	case s.Leaves:
		return fmt.Sprintf("%s, to leave", s.Class)
	}
	return string(s.Class)
}

// meant says of classes that want doing something about what they are.
var meant = map[etcd.Class]string{
	etcd.ClassStale:      "its data is older than when it stopped last, so it must not start with it",
	etcd.ClassWiped:      "it has served, and its data is gone",
	etcd.ClassForeign:    "its host holds data of another cluster, or of another member",
	etcd.ClassRemoved:    "its host holds what a member has left that is not listed any more",
	etcd.ClassHalfJoined: "it is listed, and has never said where it serves",
	etcd.ClassUnexpected: "the cluster lists it, and it is not in the inventory",
}
