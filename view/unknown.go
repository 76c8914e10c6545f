package view

import "slices"

// reason is why members are unknown; members with the same text share one.
type reason struct {
	members []string
	text    string
}

func reasons(members []memberStatus) []reason {
	var found []reason
	for _, m := range members {
		if m.State != "unknown" {
			continue
		}
		at := slices.IndexFunc(found, func(r reason) bool { return r.text == m.Problem })
		if at < 0 {
			found, at = append(found, reason{text: m.Problem}), len(found)
		}
		found[at].members = append(found[at].members, m.Member)
	}
	return found
}
