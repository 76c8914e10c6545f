package view

import (
	"slices"
	"strings"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// alarmed notes the alarms that the member has raised. They make a healthy member unhealthy.
func (m *memberStatus) alarmed(alarms []etcd.Alarm) {
	for _, alarm := range alarms {
		if !slices.Contains(alarm.Members, m.Member) {
			continue
		}
		m.Alarms = append(m.Alarms, alarm.Type)
		if m.State == "healthy" {
			m.State, m.Problem = "unhealthy", alarm.Text
		}
	}
}

// ails says whether a member has a problem that the texts about the whole cluster, such as alarms, do not tell already.
func (m memberStatus) ails(said []string) bool {
	return m.Problem != "" && m.State != "unknown" &&
		!slices.ContainsFunc(said, func(text string) bool { return strings.HasPrefix(text, m.Problem) })
}

func textsOf(alarms []etcd.Alarm) []string {
	var texts []string
	for _, alarm := range alarms {
		texts = append(texts, alarm.Text)
	}
	return texts
}

// blocking is the refusal if it keeps apply from doing anything, else nil: a refusal for dark hosts alone does not.
func blocking(refused *plan.Refused) *plan.Refused {
	if refused != nil && (refused.Beside || refused.Only(plan.Unreachable)) {
		return nil
	}
	return refused
}

// unappliable removes "clusterup apply" as a remedy, since a refusal keeps apply from doing anything. That refusal has
// a remedy of its own, which comes first.
func unappliable(findings []Finding) {
	for i, f := range findings {
		if f.Do == "clusterup apply" && f.Kind != "refused" && f.Kind != "alarm" {
			findings[i].Do = ""
		}
	}
}

// cure is what to do about a member that is not healthy: apply, if that would change anything there; else to read its
// journal. It is "" while apply is refused: the refusal has a remedy of its own.
func (m memberStatus) cure(refused *plan.Refused) string {
	switch {
	case blocking(refused) != nil:
		return ""
	case len(m.PendingChanges) > 0:
		return "clusterup apply"
	case refused != nil && len(refused.Waits) > 0: // the member may be among what waits
		return ""
	}
	return "the journal of its unit on the host says why: journalctl -n 100 -u " + m.unit
}
