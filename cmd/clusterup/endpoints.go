package main

import (
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
)

// sameList says whether a run has left it as it was who is a member, and where clients reach them. A cluster that was
// made just now has no list from before to differ from.
func sameList(before, after []facts.Listed) bool {
	return before == nil || after == nil || slices.EqualFunc(before, after, func(a, b facts.Listed) bool {
		return a.ID == b.ID && a.Learner == b.Learner && slices.Equal(a.ClientURLs, b.ClientURLs)
	})
}

// endpoints are where clients reach the members that are wanted and have a vote.
func (s *session) endpoints(seen facts.Snapshot) []string {
	list := etcd.Listed(s.wanted(), seen)
	var urls []string
	for _, m := range s.Cluster.Present() {
		if entry, ok := list[m.Name]; ok && !entry.Learner {
			urls = append(urls, etcd.ClientURL(s.Cluster, m))
		}
	}
	return urls
}
