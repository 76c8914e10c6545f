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
	var lines []string
	for _, f := range a.checked(w).Findings {
		lines = append(lines, strings.TrimPrefix(fmt.Sprintf("%s: %s [%s] → %s", f.Host, f.Text, f.Kind, f.Do), ": "))
	}
	return lines
}

// kinds are those of the findings of a check, with their hosts.
func (a *aging) kinds(w etcd.Want) []string {
	a.t.Helper()
	var kinds []string
	for _, f := range a.checked(w).Findings {
		kinds = append(kinds, strings.TrimPrefix(f.Host+": "+f.Kind, ": "))
	}
	return kinds
}

func (a *aging) checked(w etcd.Want) view.Checked {
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
	return result
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

// do checks that a finding sends to all of some commands or paths.
func do(t *testing.T, f view.Finding, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(f.Do, text) {
			t.Errorf("%s [%s] sends to %q, want %q in it", f.Text, f.Kind, f.Do, text)
		}
	}
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
			same(t, within.kinds(a.want), "rotation")
			result := within.checked(a.want)
			do(t, result.Findings[0], "clusterup apply")
			if want := []trust.Rotation{{Role: "peer", From: 1, To: 2, Phase: phase}}; !slices.Equal(result.Rotations, want) {
				t.Errorf("rotations %+v, want %+v", result.Rotations, want)
			}
			within.host("etcd-2", func(h *facts.Host) {
				h.Process, h.Etcd, h.Reads, h.Unit.Active = nil, nil, false, "inactive"
			})
			found := within.found(a.want)
			starts := func(line string) bool { return strings.HasPrefix(line, "etcd-2: start-member: ") }
			if !slices.Contains(within.kinds(a.want), "rotation") || !slices.ContainsFunc(found, starts) {
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
	same(t, a.kinds(a.want), "drift")
	do(t, a.checked(a.want).Findings[0], "clusterup apply")

	a.host("etcd-1", func(h *facts.Host) {
		*h = facts.Host{Machine: facts.Machine{Name: h.Name, Unreachable: "etcd-1: no answer in time"}}
	})
	same(t, a.kinds(a.want), "etcd-1: unreachable", "etcd-2: unhealthy", "etcd-3: unhealthy", "waits")
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
	for cause, way := range map[error]string{pki.ErrNoCA: "ca/", pki.ErrSealed: "CLUSTERUP_IDENTITY"} {
		a := newAging(t, "")
		muted := fmt.Errorf("mint a client certificate: %w", cause)
		for name := range a.seen.Hosts {
			a.host(name, func(h *facts.Host) { h.Etcd, h.Reads, h.EtcdError = nil, false, "mint a client certificate" })
		}
		l := a.session.looked(plan.Plan{}, a.seen, nil)
		l.Muted, l.Unmute = muted, mutedRemedy(muted)
		result := l.Check()
		if len(result.Findings) != 1 || result.Unknown != 3 || result.OK {
			t.Fatalf("%v: %d are not known: %+v", cause, result.Unknown, result.Findings)
		}
		f := result.Findings[0]
		if f.Kind != "unknown" || f.Host != "" || !strings.Contains(f.Text, "etcd-1, etcd-2, etcd-3") ||
			!strings.Contains(f.Text, cause.Error()) {
			t.Errorf("%v: %+v", cause, f)
		}
		do(t, f, way)
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
	if len(result.Findings) != 1 {
		t.Fatalf("%+v", result.Findings)
	}
	do(t, result.Findings[0], "clusterup cert issue app prod.hcl --out DIR", "web",
		"clusterup rotate ca --client prod.hcl")
	waits := regexp.MustCompile(`(?m)^Rotation of the client CA, 1 → 2: .*trust.*leaves.*clusterup rotate ca --client`)
	if text := a.status(plan.Plan{}, nil); !waits.MatchString(text) {
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
		`peer CA 2: 3650 days; .*etcd-1 and etcd-3.*etcd-2`,
		`Rotation of the peer CA, 1 → 2: phase trust.*etcd-2`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	p, err := etcd.Build(a.want, a.seen)
	var refused *plan.Refused
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	result := a.session.looked(p, a.seen, refused).Check()
	if f := result.Findings[len(result.Findings)-1]; f.Kind != "rotation" {
		t.Errorf("%+v", f)
	} else {
		do(t, f, "clusterup apply", "etcd-2")
	}
}
