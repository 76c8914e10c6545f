package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// boundTo is the consent that a member is replaced, bound to the ID that the cluster lists.
func boundTo(s facts.Snapshot, name string) plan.Risk {
	at := slices.IndexFunc(s.Members, func(l facts.Listed) bool { return l.Name == name })
	return plan.Bound(plan.Replace(name), s.Members[at].ID.String())
}

// A member that cannot be looked at may be well: a consent to its loss that does not name its ID removes nobody, and
// the plan says which one does. One that was seen to be lost is replaced by name, and by its own ID, and by no other.
func TestConsentNamesTheMember(t *testing.T) {
	w := wanted(t, 3)
	whole := settled(t, w)
	dark, wiped := change(whole, "etcd-2", darkly), change(whole, "etcd-2", wipe)
	gone := change(whole, "etcd-2", stop)
	gone.Members = slices.DeleteFunc(slices.Clone(whole.Members), func(l facts.Listed) bool { return l.Name == "etcd-2" })
	former := whole
	former.Members = append(slices.Clone(whole.Members), facts.Listed{
		ID: 0xabc, Name: "old", PeerURLs: []string{"https://10.0.0.19:2380"}, ClientURLs: []string{"https://10.0.0.19:2379"},
	})
	byName, byID, other := plan.Replace("etcd-2"), boundTo(whole, "etcd-2"), plan.Bound(plan.Replace("etcd-2"), "abc")
	for name, test := range map[string]struct {
		seen  facts.Snapshot
		given plan.Risk
		does  string // the first step of its kind; "": nothing is done
		says  string // what is said instead
	}{
		"dark, by name":         {dark, byName, "", "--accept=" + string(byID)},
		"dark, by another's ID": {dark, other, "", "--accept=" + string(byID)},
		"dark, by its ID":       {dark, byID, "remove-member/etcd-2", ""},
		"dark, by nothing":      {dark, plan.Downtime, "", ""},
		"wiped, by name":        {wiped, byName, "remove-member/etcd-2", ""},
		"wiped, by its ID":      {wiped, byID, "remove-member/etcd-2", ""},
		"wiped, by another's":   {wiped, other, "", "--accept=" + string(byName)},
		"removed, by name":      {gone, byName, "move-aside/etcd-2", ""},
		"removed, by its ID":    {gone, byID, "move-aside/etcd-2", ""},
		"removed, by another's": {gone, other, "", "--accept=" + string(byName)},
		"not ours, by name":     {former, plan.Remove("old"), "", "--accept=remove:old@abc"},
		"not ours, by its ID":   {former, plan.Remove("abc"), "remove-member/old", ""},
		"not ours, by both":     {former, plan.Bound(plan.Remove("old"), "abc"), "remove-member/old", ""},
		"not ours, another's":   {former, plan.Bound(plan.Remove("old"), "abd"), "", "--accept=remove:old@abc"},
	} {
		p, err := Build(agreed(w, test.given), test.seen)
		var said strings.Builder
		for _, wait := range p.Waits {
			said.WriteString(wait.String() + "\n")
		}
		for _, r := range plan.RefusalsOf(err) {
			said.WriteString(r.Remedy + "\n")
		}
		ids := stepIDs(p)
		if test.does == "" && len(ids) > 0 || test.does != "" && !slices.Contains(ids, test.does) {
			t.Errorf("%s: %v", name, ids)
		}
		if !strings.Contains(said.String(), test.says) || test.says == "" && strings.Contains(said.String(), "--accept") {
			t.Errorf("%s: it says %q, want %q", name, said.String(), test.says)
		}
	}
}
