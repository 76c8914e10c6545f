package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/view"
)

// found are the findings of a check, a line each, with what there is to do about them.
func (a *aging) found(w etcd.Want) []string {
	a.t.Helper()
	p, err := etcd.Build(w, a.seen)
	var refused *plan.Refused
	if err != nil && !errors.As(err, &refused) {
		a.t.Fatal(err)
	}
	result := a.session.looked(p, a.seen, refused).Check()
	if result.OK == (!p.Empty() || refused != nil || len(a.seen.Alarms) > 0) {
		a.t.Errorf("all is well: %v, with %d stages and %v", result.OK, len(p.Stages), refused)
	}
	var lines []string
	for _, f := range result.Findings {
		lines = append(lines, strings.TrimPrefix(fmt.Sprintf("%s: %s [%s] → %s", f.Host, f.Text, f.Kind, f.Do), ": "))
	}
	return lines
}

// until does what is wanted until a step of that kind is the next.
func (a *aging) until(w etcd.Want, kind plan.Kind) {
	a.t.Helper()
	for range 100 {
		stage, err := etcd.Next(w, a.seen)
		if err != nil || stage == nil {
			a.t.Fatalf("no %s: %v", kind, err)
		}
		if slices.ContainsFunc(stage.Steps, func(s plan.Step) bool { return s.Kind == kind }) {
			return
		}
		a.seen = etcd.Simulate(w, a.seen, *stage)
	}
}

// host changes what was seen of one.
func (a *aging) host(name string, change func(*facts.Host)) {
	hosts := map[string]facts.Host{}
	for is, host := range a.seen.Hosts {
		if is == name {
			change(&host)
		}
		hosts[is] = host
	}
	a.seen.Hosts = hosts
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// An interrupted rotation is one finding. The steps that it still has to do are none; other steps are.
func TestCheckWithinARotation(t *testing.T) {
	a := newAging(t, "")
	rotate := etcd.RotateCA(a.want, a.seen, []string{"peer"}, "")
	for kind, phase := range map[plan.Kind]string{
		plan.WriteTrust: "trust", plan.IssueLeaf: "leaves",
		plan.RetireCA: "drop",
	} {
		t.Run(phase, func(t *testing.T) {
			within := *a
			within.t = t
			within.until(rotate, kind)
			unfinished := "the rotation of the peer CA, 1 → 2, was not finished: phase " + phase +
				" [rotation] → clusterup apply"
			same(t, within.found(a.want), unfinished)
			within.host("etcd-2", func(h *facts.Host) {
				h.Process, h.Etcd, h.Reads, h.Unit.Active = nil, nil, false, "inactive"
			})
			found := within.found(a.want)
			if !slices.Contains(found, unfinished) ||
				!slices.Contains(found, "etcd-2: start-member: not running [drift] → clusterup apply") {
				t.Errorf("with a member down: %q", found)
			}
		})
	}
	t.Run("begins", func(t *testing.T) {
		due := *a
		due.t = t
		due.seen.Taken = due.seen.Operator.CAs[0].NotAfter.Add(-60 * 24 * time.Hour)
		for _, line := range due.found(a.want) {
			if strings.Contains(line, "retire-ca") || strings.Contains(line, "restart-member") {
				t.Errorf("a consequence of a rotation that is due: %s", line)
			}
		}
	})
}

// Before the first apply a check has one finding.
func TestCheckBeforeTheFirstApply(t *testing.T) {
	a := newAging(t, "")
	for name := range a.seen.Hosts {
		a.host(name, func(h *facts.Host) {
			*h = facts.Host{Machine: facts.Machine{
				Name: name, Arch: "amd64", Systemd: 252,
				Rooms: map[string]facts.Room{"data": {Dir: "/var/lib", Size: 1 << 40, Free: 1 << 40}},
			}}
		})
	}
	a.seen.Members, a.seen.Operator = nil, facts.Operator{}
	same(t, a.found(a.want), "there is no cluster prod yet [drift] → clusterup apply makes it")

	a.host("etcd-1", func(h *facts.Host) {
		*h = facts.Host{Machine: facts.Machine{Name: h.Name, Unreachable: "etcd-1: no answer in time"}}
	})
	same(t, a.found(a.want), "etcd-1: no answer in time [unreachable] → ",
		"etcd-2: absent [unhealthy] → ", "etcd-3: absent [unhealthy] → ",
		"the bootstrap waits for etcd-1: every host is needed before there is a cluster, since one that is not seen may hold data [waits] → ")
}

// A member behind an sshd that forwards no connections is not known to be ill.
func TestCheckWithoutForwarding(t *testing.T) {
	a := newAging(t, "")
	a.host("etcd-2", func(h *facts.Host) {
		h.Etcd, h.Reads, h.EtcdError, h.Unasked = nil, false, "dial: prohibited", "its member cannot be asked"
		h.Err = &remote.Error{Host: "etcd-2", Err: facts.ErrNoForwarding, Remedy: "set AllowTcpForwarding"}
	})
	same(t, a.found(a.want), "etcd-2: its member cannot be asked [unknown] → set AllowTcpForwarding")
	if text := a.status(plan.Plan{}, nil); !regexp.MustCompile(`(?m)^etcd-2 .* unknown `).MatchString(text) {
		t.Errorf("status says\n%s", text)
	}
	if err := a.session.Unreached(a.seen); view.Advice(operator.Advice).ExitCode(err) != view.ExitUnreachable {
		t.Errorf("exit code %d", view.Advice(operator.Advice).ExitCode(err))
	}
}

// Members that could not be asked for want of a CA are not known to be ill, and no metric says so.
func TestCheckOfMembersThatCannotBeAsked(t *testing.T) {
	for cause, do := range map[error]string{
		pki.ErrNoCA:   "put ca/ back from the backup of the operator directory",
		pki.ErrSealed: "name a file with the private key of a recipient: in CLUSTERUP_IDENTITY, or as identity_file in the inventory",
	} {
		a := newAging(t, "")
		muted := fmt.Errorf("mint a client certificate: %w", cause)
		for name := range a.seen.Hosts {
			a.host(name, func(h *facts.Host) { h.Etcd, h.Reads, h.EtcdError = nil, false, "mint a client certificate" })
		}
		l := a.session.looked(plan.Plan{}, a.seen, nil)
		l.Muted, l.Unmute = muted, mutedRemedy(muted)
		result := l.Check()
		want := []view.Finding{{
			Type: "finding", Kind: "unknown",
			Text: "etcd-1, etcd-2, etcd-3 could not be asked: mint a client certificate: " + cause.Error(), Do: do,
		}}
		if !slices.Equal(result.Findings, want) || result.Unknown != 3 || result.OK {
			t.Errorf("%v: %d are not known: %+v", cause, result.Unknown, result.Findings)
		}
		metrics := string(result.Metrics())
		if strings.Contains(metrics, "clusterup_member_healthy{") ||
			!strings.Contains(metrics, `clusterup_findings{cluster="prod",kind="unknown"} 1`) {
			t.Errorf("%v: metrics\n%s", cause, metrics)
		}
	}
}

// Where a rotation waits for clients, they are named.
func TestCheckWhileARotationWaits(t *testing.T) {
	a := newAging(t, "")
	a.issue("app")
	a.issue("web")
	a.apply(etcd.RotateCA(a.want, a.seen, []string{"client"}, trust.HoldTrust))
	result := a.session.looked(plan.Plan{}, a.seen, nil).Check()
	const do = "clusterup cert issue app prod.hcl --out DIR, and likewise for web; then clusterup rotate ca --client prod.hcl"
	if len(result.Findings) != 1 || result.Findings[0].Do != do {
		t.Errorf("%+v", result.Findings)
	}
	const waits = "Rotation of the client CA, 1 → 2: paused after trust; next: leaves; clusterup rotate ca --client goes on with it\n"
	if text := a.status(plan.Plan{}, nil); !strings.Contains(text, waits) {
		t.Errorf("status says\n%s", text)
	}
}

// While a host is down, status does not claim to know who trusts a CA, how far a rotation is, or that an apply would go
// on with it.
func TestStatusOfARotationWithAHostDown(t *testing.T) {
	a := newAging(t, "")
	a.until(etcd.RotateCA(a.want, a.seen, []string{"peer"}, ""), plan.IssueLeaf)
	a.host("etcd-2", func(h *facts.Host) {
		*h = facts.Host{Machine: facts.Machine{Name: h.Name, Unreachable: "etcd-2: no answer in time"}}
	})
	text := a.status(plan.Plan{}, nil)
	for _, want := range []string{
		"peer CA 2: 3650 days; trusted by etcd-1 and etcd-3; of etcd-2 it is not known\n",
		"Rotation of the peer CA, 1 → 2: phase trust, as far as hosts answer; it waits for etcd-2\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	p, err := etcd.Build(a.want, a.seen)
	var refused *plan.Refused
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	result := a.session.looked(p, a.seen, refused).Check()
	if f := result.Findings[len(result.Findings)-1]; f.Kind != "rotation" ||
		f.Do != "clusterup apply, when etcd-2 can be looked at" {
		t.Errorf("%+v", f)
	}
}
