package plan

import "github.com/clusterup/clusterup/facts"

// Members are members with what was seen of their hosts. Decisions loop over them through these quantifiers alone.
// Nothing is known of a dark host, so its zero value decides nothing: "for all" is false of it, and "there is one" is
// true (law 11).
type Members[M any] struct {
	List  []M // in the order of the inventory
	Name  func(M) string
	Hosts map[string]facts.Host // by name
}

// Everyone calls do for all members, dark ones too. It is for reports, and for what does not depend on looking at a
// host.
func (ms Members[M]) Everyone(do func(M, facts.Host)) {
	for _, m := range ms.List {
		do(m, ms.Hosts[ms.Name(m)])
	}
}

// Each calls do for the members that are not dark, in the order of the inventory.
func (ms Members[M]) Each(do func(M, facts.Host)) {
	ms.Everyone(func(m M, host facts.Host) {
		if !host.Dark() {
			do(m, host)
		}
	})
}

// All says that something is known to hold for every member: false as soon as one is dark.
func (ms Members[M]) All(is func(M, facts.Host) bool) bool {
	return !ms.May(func(m M, host facts.Host) bool { return !is(m, host) })
}

// May says that something may hold for a member: true as soon as one is dark.
func (ms Members[M]) May(is func(M, facts.Host) bool) bool {
	return len(ms.Dark()) > 0 || ms.Known(is)
}

// Known says that something was seen to hold for a member. Dark ones count for nothing, either way.
func (ms Members[M]) Known(is func(M, facts.Host) bool) bool {
	return len(ms.Which(is)) > 0
}

// Which names the members of which something was seen to hold, in the order of the inventory.
func (ms Members[M]) Which(is func(M, facts.Host) bool) []string {
	var names []string
	ms.Each(func(m M, host facts.Host) {
		if is(m, host) {
			names = append(names, ms.Name(m))
		}
	})
	return names
}

// Dark are the members whose hosts could not be looked at, in the order of the inventory.
func (ms Members[M]) Dark() []string {
	var names []string
	ms.Everyone(func(m M, host facts.Host) {
		if host.Dark() {
			names = append(names, ms.Name(m))
		}
	})
	return names
}
