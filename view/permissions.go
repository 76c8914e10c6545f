package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// permissionStatus is how etcd's permissions stand.
type permissionStatus struct {
	Wanted  bool  `json:"wanted"`            // the inventory has them on
	Enabled *bool `json:"enabled,omitempty"` // nil: no member that serves has told
	// those that there are; zero where they are not compared with the inventory
	Users int `json:"users,omitempty"`
	Roles int `json:"roles,omitempty"`
	// what the inventory has not, in words
	Stray          []string `json:"stray,omitempty"`
	PendingChanges []string `json:"pending_changes,omitempty"`
}

// permissions are nil where nobody wants any, and none are known to be on.
func (l Look) permissions() *permissionStatus {
	is := etcd.Permissions(l.Want, l.Seen)
	if !is.Wanted && !is.Enabled {
		return nil
	}
	status := &permissionStatus{Wanted: is.Wanted, Users: is.Users, Roles: is.Roles, Stray: is.Stray}
	if is.Known {
		status.Enabled = &is.Enabled
	}
	for _, stage := range l.Plan.Stages {
		for _, step := range stage.Steps {
			if ofPermissions(step) {
				status.PendingChanges = append(status.PendingChanges, clusterChange(step))
			}
		}
	}
	return status
}

// ofPermissions says that a step concerns users, roles or permissions of the cluster, and not the member that is asked.
func ofPermissions(step plan.Step) bool {
	return step.Role != nil || step.User != nil || step.Kind == plan.EnableAuth || step.Kind == plan.DisableAuth
}

// clusterChange is a step in words that concerns the cluster, and not the member that is asked.
func clusterChange(step plan.Step) string {
	text := string(step.Kind)
	switch {
	case step.Role != nil:
		text += " " + facts.Shown(step.Role.Name)
	case step.User != nil:
		text += " " + facts.Shown(step.User.Name)
	case step.Pool != nil:
		text += " " + step.Pool.Balancer
	}
	return text + ": " + step.Why
}

// word says whether they are on.
func (p *permissionStatus) word() string {
	switch {
	case p.Enabled == nil:
		return "not known"
	case *p.Enabled:
		return "on"
	}
	return "off"
}

// mostShown is how many changes, or things that the inventory has not, people are shown one by one.
const mostShown = 20

// show says in a line how they stand, and what is to change.
func (p *permissionStatus) show(out io.Writer) {
	if p == nil {
		return
	}
	text := p.word()
	if p.Users+p.Roles > 0 {
		text += fmt.Sprintf("; %s, %s", Plural(p.Users, "user"), Plural(p.Roles, "role"))
	}
	fprintf(out, "Permissions: %s.\n", text)
	for _, change := range p.PendingChanges[:min(len(p.PendingChanges), mostShown)] {
		fprintf(out, "permissions: %s\n", change)
	}
	if left := len(p.PendingChanges) - mostShown; left > 0 {
		fprintf(out, "permissions: %s more\n", Plural(left, "change"))
	}
}

// strays are findings about what the inventory has not.
func (l Look) strays() []Finding {
	var found []Finding
	is := etcd.Permissions(l.Want, l.Seen)
	stray := is.Stray
	if len(is.Observer) > 0 {
		text, do := etcd.ObserverPower(is.Observer)
		found = append(found, Finding{Type: "finding", Kind: "permissions", Text: text, Do: do})
	}
	if is.Gaps != "" {
		found = append(found, Finding{
			Type: "finding", Kind: "permissions", Text: is.Gaps, Do: "upgrade to a newer patch of etcd: clusterup upgrade --to=VERSION " + l.File,
		})
	}
	add := func(text string) {
		found = append(found, Finding{
			Type: "finding", Kind: "permissions", Text: text,
			Do: "write it into the block auth; or: clusterup apply --accept=" + string(plan.DropGrants) + " " + l.File,
		})
	}
	for _, one := range stray[:min(len(stray), mostShown)] {
		add("etcd has what the block auth has not: " + one)
	}
	if left := stray[min(len(stray), mostShown):]; len(left) > 0 {
		add(fmt.Sprintf("etcd has %d more that the block auth has not: %s, …", len(left),
			strings.Join(left[:min(len(left), 3)], "; ")))
	}
	return found
}
