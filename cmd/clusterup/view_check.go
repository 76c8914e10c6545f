package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

func newCheck(c *console) *cobra.Command {
	var flags clusterFlags
	var prometheus string
	cmd := &cobra.Command{
		Use:   "check INVENTORY",
		Short: "Say whether anything wants doing: drift, health, what is about to expire; for cron and CI",
		Long: "check looks at everything and changes nothing. It exits with 0 when all is well, with 3 when something wants doing, and with 12 when\n" +
			"not every host could be looked at. When it could not look at all: 1 where the operator directory cannot be read or the file for Prometheus\n" +
			"not written, 2 for mistakes in the command line, 10 for mistakes in the inventory, and 130 when it was interrupted.",
		Args: oneInventory("one inventory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.json = flags.json
			s, err := c.open(args[0], flags)
			if err != nil {
				return err
			}
			defer s.close()
			ctx, cancel := c.untilStopped(cmd.Context())
			defer cancel()
			return s.check(ctx, prometheus)
		},
	}
	flags.hostFlags(cmd)
	cmd.Flags().StringVar(&prometheus, "prometheus", "", "write the findings to a file for the textfile collector of Prometheus' node exporter")
	return cmd
}

// finding is one thing that wants doing.
type finding struct {
	Type string `json:"type"` // "finding"
	Kind string `json:"kind"` // one of findingKinds
	Host string `json:"host,omitempty"`
	Text string `json:"text"`
	Do   string `json:"do,omitempty"`

	Hearsay *hearsay `json:"cluster_says,omitempty"` // of a member whose host is dark
}

// findingKinds are all kinds of findings.
var findingKinds = []string{"unreachable", "waits", "unhealthy", "unknown", "alarm", "space", "source", "drift", "refused", "unplanned", "rotation", "unsealed", "expiry", "client", "package"}

// expiry is when a certificate ends.
type expiry struct {
	Type       string    `json:"type"`             // "certificate"
	Host       string    `json:"host,omitempty"`   // empty: a CA of the operator directory, or a client's
	Client     string    `json:"client,omitempty"` // its name
	Role       string    `json:"role"`             // peer, server, client; of a CA: peer, client
	Generation int       `json:"generation,omitempty"`
	CA         bool      `json:"ca,omitempty"`
	NotAfter   time.Time `json:"expires"`
	Days       int       `json:"days"` // whole days left, negative when it has ended
}

func (e expiry) String() string {
	switch {
	case e.CA:
		return fmt.Sprintf("%s CA %d", e.Role, e.Generation)
	case e.Client != "":
		return "client " + e.Client
	}
	return e.Host + " " + e.Role
}

// checked is the last object of check --json.
type checked struct {
	Type      string          `json:"type"` // "check"
	Cluster   string          `json:"cluster"`
	OK        bool            `json:"ok"`
	Members   int             `json:"members"`
	Healthy   int             `json:"healthy"`
	Unknown   int             `json:"unknown"`             // members that could not be asked
	Steps     int             `json:"steps"`               // that an apply would do
	Days      int             `json:"days"`                // until the first certificate ends
	First     string          `json:"first,omitempty"`     // that certificate
	Time      time.Time       `json:"time"`                // when it was looked at
	Rotations []etcd.Rotation `json:"rotations,omitempty"` // of CAs, that are under way
	Findings  []finding       `json:"findings,omitempty"`  //
	Expiries  []expiry        `json:"certificates,omitempty"`
}

// check looks, and says what it found.
func (s *session) check(ctx context.Context, prometheus string) error {
	p, seen, err := s.plan(ctx)
	var refused *plan.Refused
	if err != nil && !errors.As(err, &refused) && len(seen.Hosts) == 0 {
		return err
	}
	result := s.checked(p, seen, refused)
	result.heard(s.heard(ctx, seen))
	if err != nil && refused == nil { // such as a mirror that does not answer: what was seen is told all the same
		text := "drift is not known: " + err.Error()
		if slices.ContainsFunc(result.Findings, func(f finding) bool { return f.Kind == "unknown" }) { // which has given the reason
			text = "drift is not known either"
		}
		result.OK, result.Findings = false, append(result.Findings, finding{Type: "finding", Kind: "unplanned", Text: text})
	}
	if prometheus != "" {
		if err := writePublic(prometheus, exposition(result, s.memberStatuses(p, seen))); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	s.showCheck(result)
	if err := s.unreached(seen); err != nil {
		return shown{err}
	}
	if result.OK {
		return nil
	}
	return errPending
}

// shown is an error that the output has told already.
type shown struct{ error }

func (e shown) Unwrap() error { return e.error }

func (s *session) checked(p plan.Plan, seen facts.Snapshot, refused *plan.Refused) checked {
	result := checked{Type: "check", Cluster: s.cluster.Name, Members: len(s.cluster.Members), Time: seen.Taken.UTC(), Expiries: expiries(s.cluster, seen)}
	find := func(kind, host, text, do string) {
		result.Findings = append(result.Findings, finding{Type: "finding", Kind: kind, Host: host, Text: text, Do: do})
	}
	members, unborn := s.memberStatuses(p, seen), s.unborn(seen)
	var silent []string
	var why string
	alarms := etcd.Alarms(etcd.Want{Cluster: s.cluster}, seen)
	for _, m := range members {
		switch {
		case m.State == "healthy":
			result.Healthy++
		case m.State == "unreachable":
			result.Unknown++
			find("unreachable", m.Member, strings.TrimPrefix(m.Problem, m.Member+": "), remedy(seen.Hosts[m.Member].Err))
		case m.State == "unknown":
			result.Unknown++
			if host := seen.Hosts[m.Member]; host.Unasked != "" {
				find("unknown", m.Member, m.Problem, remedy(host.Err))
			} else {
				silent, why = append(silent, m.Member), m.Problem
			}
		case unborn && m.State == "absent": // said of the cluster
		case len(m.Alarms) > 0 && !m.ails(textsOf(alarms)): // said of the alarm
		default:
			find("unhealthy", m.Member, strings.TrimSuffix(m.State+": "+m.Problem, ": "), m.cure(refused))
		}
	}
	if len(silent) > 0 {
		find("unknown", "", strings.Join(silent, ", ")+" could not be asked: "+why, mutedRemedy(s.etcd.muted()))
	}
	for _, m := range s.cluster.Members {
		if taken, do := etcd.Endangered(s.cluster, m, seen.Hosts[m.Name]); taken != "" {
			find("package", m.Name, taken, do)
		}
	}
	for _, alarm := range alarms {
		find("alarm", "", alarm.Text, alarm.Remedy)
	}
	for _, c := range etcd.Concerns(etcd.Want{Cluster: s.cluster}, seen) {
		find(c.Kind, c.Host, c.Text, c.Do)
	}
	if refused != nil {
		for _, wait := range refused.Waits {
			find("waits", "", wait.String(), "")
		}
		for _, r := range refused.Refusals {
			if r.Kind != plan.Unreachable && r.Kind != plan.Alarmed { // which was said of the alarm
				find("refused", r.Host, r.Reason, r.Remedy)
			}
		}
	}
	result.Rotations = etcd.Rotations(etcd.Want{Cluster: s.cluster}, seen)
	for _, stage := range p.Stages {
		result.Steps += len(stage.Steps)
	}
	if unborn {
		find("drift", "", fmt.Sprintf("there is no cluster %s yet", s.cluster.Name), "clusterup apply makes it")
	} else {
		for _, step := range drifted(p, result.Rotations) {
			find("drift", step.Host, string(step.Kind)+": "+step.Why, "clusterup apply")
		}
	}
	for _, e := range result.Expiries {
		if result.First == "" || e.Days < result.Days {
			result.First, result.Days = e.String(), e.Days
		}
	}
	for _, f := range slices.Concat(s.rotating(result.Rotations, seen, named(members, "unreachable")), s.unsealed(seen), s.expiring(seen), s.refusedClients(seen)) {
		find(f.Kind, f.Host, f.Text, f.Do)
	}
	if blocking(refused) != nil {
		unappliable(result.Findings)
	}
	result.OK = len(result.Findings) == 0
	return result
}

// mutedRemedy is what to do when members could not be asked. There are members, so that a CA which is not here has been here.
func mutedRemedy(err error) string {
	if errors.Is(err, pki.ErrNoCA) {
		return "put ca/ back from the backup of the operator directory"
	}
	return remedy(err)
}

// unborn says that every host was looked at, and that none has anything of the cluster.
func (s *session) unborn(seen facts.Snapshot) bool {
	for _, m := range s.cluster.Members {
		if host := seen.Hosts[m.Name]; host.Name == "" || host.Unreachable != "" {
			return false
		}
	}
	return etcd.Fresh(etcd.Want{Cluster: s.cluster}, seen)
}

// drifted are the steps of a plan that nothing but a look at the hosts explains. What a rotation of a CA does step after step, once it is
// under way or has begun within the plan, is not drift, and its later steps give reasons that do not hold yet.
func drifted(p plan.Plan, rotations []etcd.Rotation) []plan.Step {
	moving := map[string]bool{} // by role
	for _, r := range rotations {
		if r.Waits == "" {
			moving[r.Role] = true
		}
	}
	var steps []plan.Step
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			if !ofRotation(step, moving) {
				steps = append(steps, step)
			}
			if step.Kind == plan.CreateCA {
				moving[step.CA] = true
			}
		}
	}
	return steps
}

func ofRotation(step plan.Step, moving map[string]bool) bool {
	switch {
	case !step.Kind.Traits().Rotates:
		return false
	case step.Leaf != nil:
		return moving[step.Leaf.CA]
	case step.CA != "":
		return moving[step.CA]
	}
	return len(moving) > 0 // for whichever role
}

// expiries are the ends of all certificates, hosts first.
func expiries(c *inventory.Cluster, seen facts.Snapshot) []expiry {
	left := func(end time.Time) int {
		days := int(end.Sub(seen.Taken) / (24 * time.Hour))
		if end.Before(seen.Taken) {
			days--
		}
		return days
	}
	var all []expiry
	for _, m := range c.Members {
		for _, role := range []string{"peer", "server"} {
			if leaf, ok := seen.Hosts[m.Name].Leaves[role]; ok && !leaf.NotAfter.IsZero() {
				all = append(all, expiry{Type: "certificate", Host: m.Name, Role: role, NotAfter: leaf.NotAfter.UTC(), Days: left(leaf.NotAfter)})
			}
		}
	}
	for _, ca := range seen.Operator.CAs {
		if ca.Retired {
			continue
		}
		all = append(all, expiry{
			Type: "certificate", Role: ca.Role, Generation: ca.Generation, CA: true, NotAfter: ca.NotAfter.UTC(), Days: left(ca.NotAfter),
		})
	}
	for _, client := range newestClients(seen) {
		if counts(c, client, seen.Taken) {
			all = append(all, expiry{
				Type: "certificate", Client: client.Name, Role: "client", Generation: client.Generation, NotAfter: client.NotAfter.UTC(), Days: left(client.NotAfter),
			})
		}
	}
	return all
}

func (s *session) showCheck(result checked) {
	if s.console.json {
		for _, f := range result.Findings {
			s.console.object(f)
		}
		for _, e := range result.Expiries {
			s.console.object(e)
		}
		result.Findings, result.Expiries = nil, nil // each had a line of its own
		s.console.object(result)
		return
	}
	out := s.console.out
	for _, f := range result.Findings {
		where := ""
		if f.Host != "" {
			where = f.Host + ": "
		}
		fprintf(out, "%s%s  [%s]\n", where, f.Text, f.Kind)
		if f.Do != "" {
			fprintf(out, "  → %s\n", f.Do)
		}
	}
	verdict := "all is well"
	if !result.OK {
		verdict = plural(len(result.Findings), "finding")
	}
	fprintf(out, "Cluster %s: %s; %d of %d members healthy", result.Cluster, verdict, result.Healthy, result.Members)
	if result.Unknown > 0 {
		fprintf(out, ", %d not known", result.Unknown)
	}
	if result.First != "" {
		fprintf(out, "; the first certificate to end is that of %s, in %s", result.First, plural(result.Days, "day"))
	}
	fprintf(out, ".\n")
}
