package etcd

import (
	"github.com/clusterup/clusterup/inventory"
)

// Alike groups the names of members that have a word in common, in the order of the inventory. An empty word is none.
func Alike(members []inventory.Member, word func(name string) string) [][]string {
	by := map[string][]string{}
	var words []string
	for _, m := range members {
		w := word(m.Name)
		if w == "" {
			continue
		}
		if by[w] = append(by[w], m.Name); len(by[w]) == 2 {
			words = append(words, w)
		}
	}
	var groups [][]string
	for _, w := range words {
		groups = append(groups, by[w])
	}
	return groups
}
