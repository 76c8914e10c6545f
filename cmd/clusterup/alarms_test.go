package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

// full is a database that fills a quota of 8 GiB as given, in hundredths.
func (a *aging) full(used, file int64) {
	const quota = 8 << 30
	for name := range a.seen.Hosts {
		a.host(name, func(h *facts.Host) {
			status := *h.Etcd
			status.DBInUse, status.DBSize = quota*used/100, quota*file/100
			h.Etcd = &status
		})
	}
	a.seen.Alarms = []facts.Alarm{{Member: a.seen.Hosts["etcd-2"].Etcd.MemberID, Type: "NOSPACE"}}
}

const raisedIt = "etcd-2 has raised the alarm NOSPACE"

const disarm = "clusterup disarm INVENTORY"

// TestNoSpace: check, plan and status each name the one command that leads out of a full database.
func TestNoSpace(t *testing.T) {
	a := newAging(t, "")
	a.full(100, 100)
	lines := a.found(a.want)
	if len(lines) != 1 || !strings.HasPrefix(lines[0], raisedIt) || !strings.Contains(lines[0], " [alarm] → "+disarm) {
		t.Errorf("check finds\n%s", strings.Join(lines, "\n"))
	}
	p, err := etcd.Build(a.want, a.seen)
	if err != nil || !p.Empty() {
		t.Fatal(p.Stages, err)
	}
	for what, text := range map[string]string{"plan": a.planned(p), "status": a.status(p, nil)} {
		if strings.Count(text, raisedIt) != 1 || !strings.Contains(text, disarm) ||
			strings.Contains(text, "as the inventory says") {
			t.Errorf("%s says\n%s", what, text)
		}
	}
	a.seen.Alarms = nil
	a.full(50, 50)
	a.seen.Alarms = nil
	same(t, a.found(a.want))
}

// TestNoSpaceWithChanges has something to do besides: a larger quota goes through, and anything else waits for the
// alarm.
func TestNoSpaceWithChanges(t *testing.T) {
	a := newAging(t, "")
	changed := func(change func(*inventory.Etcd)) etcd.Want {
		w, cluster := a.want, *a.want.Cluster
		change(&cluster.Etcd)
		w.Cluster, a.session.Cluster = &cluster, &cluster
		return w
	}
	a.full(100, 100)
	w := changed(func(e *inventory.Etcd) { e.Flags = map[string]string{"max-request-bytes": "1048576"} })
	p, err := etcd.Build(w, a.seen)
	refused, ok := err.(*plan.Refused) //nolint:errorlint // Build gives it bare
	if !ok || !refused.Only(plan.Alarmed) || !strings.HasPrefix(refused.Refusals[0].Remedy, disarm) {
		t.Fatalf("another flag: %v", err)
	}
	if text := a.status(p, refused); strings.Count(text, raisedIt) != 1 {
		t.Errorf("status says\n%s", text)
	}
	if lines := a.found(w); !strings.HasPrefix(lines[0], raisedIt) ||
		strings.Count(strings.Join(lines, "\n"), raisedIt) != 1 {
		t.Errorf("check finds\n%s", strings.Join(lines, "\n"))
	}

	w = changed(func(e *inventory.Etcd) { e.QuotaBackendBytes = 16 << 30 })
	alarmed := a.checked(w).Findings[0]
	if alarmed.Kind != "alarm" {
		t.Errorf("%+v", alarmed)
	}
	do(t, alarmed, "clusterup apply")
	a.apply(w)
	lines := a.found(w)
	if len(lines) != 1 || !strings.Contains(lines[0], " → "+disarm) {
		t.Errorf("check finds\n%s", strings.Join(lines, "\n"))
	}
}

func (a *aging) planned(p plan.Plan) string {
	var out bytes.Buffer
	(&console{Console: &view.Console{Out: &out}}).ShowPlan(p, false, nil)
	return out.String()
}

func (a *aging) status(p plan.Plan, refused *plan.Refused) string {
	var out bytes.Buffer
	l := a.session.looked(p, a.seen, refused)
	l.Now = a.seen.Taken
	(&view.Console{Out: &out}).ShowStatus(l)
	return out.String()
}
