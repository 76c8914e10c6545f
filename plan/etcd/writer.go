package etcd

import (
	"fmt"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// writerOf is the clusterup that wrote a member's unit or birth marker; of the two, the one of the newer form. Form is
// 1 where a file does not say it, and 0 where there is neither file.
func (v view) writerOf(m inventory.Member, host facts.Host) units.Writer {
	var writer units.Writer
	unit := host.Files[UnitPath(v.want.Cluster)].Content
	if units.Flag(v.starts(host), "data-dir") != "" {
		writer = units.WriterOf(unit)
		writer.Form = max(writer.Form, 1)
	}
	if born, ok := v.births[m.Name]; ok && max(born.Form, 1) > writer.Form {
		writer = units.Writer{Form: max(born.Form, 1), Version: born.WrittenBy}
	}
	return writer
}

// older is law 15: an older clusterup would put back what a newer one wrote for reasons that it does not know.
func (v view) older(m inventory.Member, host facts.Host) []plan.Refusal {
	writer := v.writerOf(m, host)
	if writer.Form <= units.Form {
		return nil
	}
	return plan.OneRefusal(plan.OlderClusterup, m.Name,
		"use that version of clusterup, or a newer one; this one may look: status and check",
		"its unit or birth marker was written by a newer clusterup (%s) than this one (%s)", writer, v.self())
}

// allOlder are the refusals of older for all hosts.
func (v view) allOlder() []plan.Refusal {
	var found []plan.Refusal
	v.Each(func(m inventory.Member, host facts.Host) { found = append(found, v.older(m, host)...) })
	return found
}

func (v view) self() units.Writer { return units.Writer{Form: units.Form, Version: v.want.Writer} }

// newerNotes say what this clusterup changes by itself, because an older one wrote it in another form.
func (v view) newerNotes() []string {
	var by *units.Writer
	v.Each(func(m inventory.Member, host facts.Host) {
		if writer := v.writerOf(m, host); by == nil && writer.Form > 0 && writer.Form < units.Form {
			by = &writer
		}
	})
	if by == nil {
		return nil
	}
	return []string{fmt.Sprintf(
		"an older clusterup (%s) wrote units and birth markers than this one (%s): they are written anew, "+
			"and a member restarts only where its step says why", by, v.self())}
}
