package etcd

import (
	"github.com/clusterup/clusterup/inventory"
)

// Alike groups the names of members for which word returns the same text, such as one machine ID. Names in a group are
// in the order of the inventory. A member that is alone with its word, or has an empty one, is in no group.
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
