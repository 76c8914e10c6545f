package etcd

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// The laws (see the package comment) as checks of one decision. They do not use what Next uses to decide, so that a
// mistake there shows.

// lawful checks a stage that is about to run on what was seen.
func lawful(w Want, s facts.Snapshot, stage plan.Stage) error {
	return lawfulIn(w, s, truthOf(w, s), stage)
}

// lawfulIn is lawful for a cluster of which more is known than what was seen.
func lawfulIn(w Want, s facts.Snapshot, t truth, stage plan.Stage) error {
	return errors.Join(
		lawShape(w, stage), lawAlone(stage), lawKinds(w, s, stage), lawMembers(w, s, stage),
		lawQuorum(w, s, stage), lawBootstrap(w, s, stage), lawMix(w, s, stage), lawMarkers(w, s, stage),
		lawUntried(s, stage), lawNextStart(s, stage), lawSecrets(stage), lawVersions(w, s, t, stage), lawTrust(w, s, stage),
		lawSchemes(w, s, stage), lawDisks(s, stage), lawNeeds(w, s, stage), lawUnseen(s, stage), lawRevokes(s, stage),
		lawAuth(w, s, stage), lawTokens(w, s, stage))
}

// lawUnseen is law 11: nothing is done on a dark host. Its member may be removed from the list.
func lawUnseen(s facts.Snapshot, stage plan.Stage) error {
	for _, step := range stage.Steps {
		if host, known := s.Hosts[step.Host]; known && host.Dark() && step.Kind != plan.RemoveMember {
			return fmt.Errorf("law 11: %s on a dark host", step.ID())
		}
	}
	return nil
}

// lawShape: a stage says what it is and why, names hosts of the inventory only, and those in their order.
func lawShape(w Want, stage plan.Stage) error {
	if stage.Name == "" || stage.Gate == "" || len(stage.Steps) == 0 || stage.Width < 1 {
		return fmt.Errorf("a stage needs a name, a gate, a width and steps: %q, %q, %d, %d", stage.Name, stage.Gate,
			stage.Width, len(stage.Steps))
	}
	order := -1
	hosts := map[string]bool{}
	for _, step := range stage.Steps {
		at := slices.IndexFunc(w.Cluster.Members, func(m inventory.Member) bool { return m.Name == step.Host })
		if step.Host != "" && at < 0 && step.Kind != plan.RemoveMember {
			return fmt.Errorf("%s: no such host in the inventory", step.ID())
		}
		if at >= 0 && at < order {
			return fmt.Errorf("%s: not in the order of the inventory", step.ID())
		}
		if step.Why == "" {
			return fmt.Errorf("%s: no reason", step.ID())
		}
		order = max(order, at)
		hosts[step.Host] = true
	}
	if stage.Width > len(hosts) {
		return fmt.Errorf("%s: %d hosts at once, and it has %d", stage.Name, stage.Width, len(hosts))
	}
	return nil
}

// lawAlone: a step that members which run notice has its stage to itself, but for what prepares it on the same host.
func lawAlone(stage plan.Stage) error {
	for _, step := range stage.Steps {
		if step.Kind.Traits().Disturbs && len(byHost(stage)) != 1 {
			return fmt.Errorf("%s is not alone in its stage", step.ID())
		}
	}
	return nil
}

// lawDisks: where members run, releases are unpacked on one host after the other.
func lawDisks(s facts.Snapshot, stage plan.Stage) error {
	for _, step := range stage.Steps {
		if step.Kind == plan.InstallRelease && s.Hosts[step.Host].Process != nil && stage.Width != 1 {
			return fmt.Errorf("disks: %s beside others, and its member runs", step.ID())
		}
	}
	return nil
}

// lawGone is law 3 for what takes a member away from its host: its member ID is not in the list, or, where it is only
// stopped, is that of a learner without data.
func lawGone(w Want, s facts.Snapshot, step plan.Step) error {
	host := s.Hosts[step.Host]
	born := markerOf(host.Files[path.Join(ConfigDir(w.Cluster), "born.json")].Content)
	if len(s.Members) == 0 {
		return fmt.Errorf("law 3: %s, and nobody tells who is a member", step.ID())
	}
	if born.Member != "" && born.Member != step.Host {
		return fmt.Errorf("law 3: %s, and the host is that of %s", step.ID(), born.Member)
	}
	for _, other := range s.Hosts {
		if host.Data.WAL && other.Reads && other.Etcd != nil && other.Etcd.ClusterID != host.Data.ClusterID {
			return fmt.Errorf("law 3: %s, and there is data of cluster %s", step.ID(), host.Data.ClusterID)
		}
	}
	for _, entry := range s.Members {
		id := entry.ID.String()
		if id != host.Data.MemberID.String() && id != born.MemberID {
			continue
		}
		return fmt.Errorf("law 3: %s, and member %s is listed", step.ID(), id)
	}
	return nil
}

// lawKinds is law 3: what Next wants deletes no data, and moves away or stops for good only what no member has.
func lawKinds(w Want, s facts.Snapshot, stage plan.Stage) error {
	for _, step := range stage.Steps {
		switch step.Kind {
		case plan.CreateCA, plan.RetireCA, plan.HoldRotation, plan.RevokeClient, plan.RevokeLeaf, plan.ListRevoked,
			plan.UpdateMember,
			plan.PruneTrust, plan.PinRelease, plan.CreateUser, plan.MakeDirs, plan.InstallRelease, plan.FixModes,
			plan.WriteTrust, plan.CreateTokenKey, plan.WriteTokenKey, plan.IssueLeaf, plan.WriteUnit, plan.ReloadUnits,
			plan.EnableUnit, plan.StartMember, plan.AwaitMember, plan.RestartMember, plan.RecordBirth, plan.MoveLeader,
			plan.SaveSnapshot, plan.EnableDowngrade, plan.CancelDowngrade, plan.AwaitVersion, plan.AwaitLeader,
			plan.PruneReleases, plan.AwaitRaftSnapshot, plan.AddLearner, plan.AwaitLearner, plan.PromoteMember,
			plan.RemoveMember, plan.PutRole, plan.PutUser, plan.SetPassword, plan.DropRole, plan.DropUser, plan.EnableAuth,
			plan.DisableAuth, plan.PutServers:
		case plan.StopMember, plan.MoveAside, plan.RemoveFiles:
			if err := lawGone(w, s, step); err != nil {
				return err
			}
		default:
			return fmt.Errorf("law 3: %s is nothing that converging may do", step.ID())
		}
	}
	return nil
}

// serving are the members that take part, seen from outside: they run, know a leader, answer a linearizable read, and
// have caught up.
func serving(w Want, s facts.Snapshot) map[string]bool {
	up, applied := map[string]bool{}, []uint64{0, 0}
	for _, host := range s.Hosts {
		if host.Etcd != nil && host.Reads {
			applied = append(applied, host.Etcd.Applied)
		}
	}
	slices.Sort(applied)
	most := applied[len(applied)-2] // one alone may lie
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		if host.Process != nil && host.Etcd != nil && host.Etcd.Leader != 0 && host.Reads && most <= host.Etcd.Applied+5000 {
			up[m.Name] = true
		}
	}
	return up
}

// electorate are the listed voters by name; those of the inventory where nobody tells the list.
func electorate(w Want, s facts.Snapshot) map[string]bool {
	all := map[string]bool{}
	for _, member := range s.Members {
		if !member.Learner {
			all[member.Name] = true
		}
	}
	if len(all) == 0 {
		for _, m := range w.Cluster.Members {
			all[m.Name] = true
		}
	}
	return all
}

// lawQuorum is law 1: a step that takes down a voter that serves, or may serve for all that is known, leaves a quorum
// of others that do; and its host is the only one at work.
func lawQuorum(w Want, s facts.Snapshot, stage plan.Stage) error {
	up, voters := serving(w, s), electorate(w, s)
	maps.DeleteFunc(up, func(name string, _ bool) bool { return !voters[name] })
	for _, step := range stage.Steps {
		host := s.Hosts[step.Host]
		stops := step.Kind == plan.RestartMember || step.Kind == plan.Defragment || step.Kind == plan.StopMember ||
			step.Kind == plan.StartMember && host.Process != nil
		if !stops {
			continue
		}
		if len(byHost(stage)) != 1 {
			return fmt.Errorf("law 1: %s is not alone in its stage", step.ID())
		}
		left := len(up)
		if up[step.Host] {
			left--
		}
		counts := up[step.Host] || host.Process != nil && host.Etcd == nil
		n := len(voters)
		consent := slices.Contains(w.Accept, plan.Downtime) && host.Data.WAL && (!up[step.Host] || n <= 2 && len(up) == n)
		if counts && left < n/2+1 && !consent {
			return fmt.Errorf("law 1: %s leaves %d of %d voters", step.ID(), left, n)
		}
	}
	return nil
}

// lawMembers is law 2: one change of the member list at a time; a member joins as a learner while every voter serves,
// and without data; its vote leaves a quorum that serves; and who is removed leaves one among the voters that stay, or
// has no vote. None who is wanted, listed and seen with its data is removed.
func lawMembers(w Want, s facts.Snapshot, stage plan.Stage) error {
	up, voters := serving(w, s), electorate(w, s)
	maps.DeleteFunc(up, func(name string, _ bool) bool { return !voters[name] })
	changes := 0
	for _, step := range stage.Steps {
		host := s.Hosts[step.Host]
		at := slices.IndexFunc(s.Members, func(l facts.Listed) bool { return l.ID == step.Member })
		learners := slices.ContainsFunc(s.Members, func(l facts.Listed) bool { return l.Learner })
		switch step.Kind {
		case plan.AddLearner:
			if len(up) != len(voters) || learners || host.Data.WAL || host.Process != nil {
				return fmt.Errorf("law 2: %s while %d of %d voters serve, learners %v, data %v", step.ID(), len(up), len(voters),
					learners, host.Data.WAL)
			}
		case plan.PromoteMember:
			if at < 0 || !s.Members[at].Learner || host.Etcd == nil || len(up)+1 < (len(voters)+1)/2+1 {
				return fmt.Errorf("law 2: %s with %d of %d voters that serve", step.ID(), len(up), len(voters))
			}
			for name := range up { // in walks no member says more than it has
				if ahead := s.Hosts[name].Etcd.Applied; ahead > host.Etcd.Applied+500 {
					return fmt.Errorf("law 2: %s, which has applied %d, and %s %d", step.ID(), host.Etcd.Applied, name, ahead)
				}
			}
		case plan.RemoveMember:
			if at < 0 {
				return fmt.Errorf("law 2: %s is not listed", step.ID())
			}
			entry := s.Members[at]
			left, stay := len(voters), len(up)
			if voters[step.Host] {
				left--
			}
			if up[step.Host] {
				stay--
			}
			if !entry.Learner && (left == 0 || stay < left/2+1) {
				return fmt.Errorf("law 2: %s leaves %d voters, of which %d serve", step.ID(), left, stay)
			}
			wanted := slices.IndexFunc(w.Cluster.Members, func(m inventory.Member) bool { return m.Name == step.Host })
			has := host.Data.WAL && host.Data.MemberID == entry.ID && !forgetful(host) &&
				host.Data.Dir == ""
			if wanted >= 0 && !w.Cluster.Members[wanted].Absent && has {
				return fmt.Errorf("law 2: %s, which is wanted and has its data", step.ID())
			}
			id := entry.ID.String()
			consents := []plan.Risk{plan.Bound(plan.Replace(step.Host), id)}
			switch {
			case wanted < 0:
				consents = []plan.Risk{plan.Remove(id), plan.Bound(plan.Remove(step.Host), id)}
			case !host.Dark(): // it was seen to be lost
				consents = append(consents, plan.Replace(step.Host))
			}
			agreed := wanted >= 0 && w.Cluster.Members[wanted].Absent ||
				slices.ContainsFunc(consents, func(r plan.Risk) bool { return slices.Contains(w.Accept, r) })
			if !entry.Learner && !agreed {
				return fmt.Errorf("law 2: nobody has agreed to %s", step.ID())
			}
		default:
			continue
		}
		changes++
	}
	if changes > 1 {
		return fmt.Errorf("law 2: %d changes of the member list at once", changes)
	}
	return nil
}

// lawNeeds: what law 1 rests on is asked again right before a voter that serves is taken down.
func lawNeeds(w Want, s facts.Snapshot, stage plan.Stage) error {
	up, n := serving(w, s), len(electorate(w, s))
	least := n/2 + 1
	if n == 2 {
		least = 1 // by consent
	}
	for _, step := range stage.Steps {
		if step.Kind != plan.RestartMember && step.Kind != plan.Defragment || !up[step.Host] || n == 1 {
			continue
		}
		if step.Kind == plan.Defragment { // not only a quorum has to serve
			least = n - 1
		}
		if step.Needs == nil || step.Needs.Least != least || len(step.Needs.Serve) < least {
			return fmt.Errorf("law 1: %s needs %+v, want %d that serve", step.ID(), step.Needs, least)
		}
		for _, name := range step.Needs.Serve {
			tells := s.Hosts[name].Denied && s.Hosts[name].Reads // no more than that it serves
			if !up[name] && !tells || name == step.Host {
				return fmt.Errorf("law 1: %s needs %s, which does not serve, or is itself", step.ID(), name)
			}
		}
	}
	return nil
}

// identities are the clusters of which hosts hold data, a marker, or a running member.
func identities(w Want, s facts.Snapshot) (all map[string]bool, marked bool) {
	all = map[string]bool{}
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		if host.Data.WAL {
			all[host.Data.ClusterID.String()] = true
		}
		if host.Process != nil && host.Etcd != nil {
			all[host.Etcd.ClusterID.String()] = true
		}
		if file, ok := host.Files[path.Join(ConfigDir(w.Cluster), "born.json")]; ok {
			all[markerOf(file.Content).ClusterID], marked = true, true
		}
	}
	return all, marked
}

// lawBootstrap is law 4: a member without data is started only while nobody holds a marker. If there is data already,
// its unit makes it part of that cluster. The check goes by the unit on its host, and not by what Next has in mind.
func lawBootstrap(w Want, s facts.Snapshot, stage plan.Stage) error {
	exists, marked := identities(w, s)
	born := map[string]string{}
	for i, step := range stage.Steps {
		host := s.Hosts[step.Host]
		if step.Kind != plan.StartMember && step.Kind != plan.RestartMember {
			continue
		}
		unit := words([]byte(startsWith(w, s, stage.Steps[:i], step.Host)))
		state, token := units.Flag(unit, "initial-cluster-state"), units.Flag(unit, "initial-cluster-token")
		switch {
		case forgetful(host):
			return fmt.Errorf("law 10: %s, and its log has come further", step.ID())
		case marked && state != "existing":
			return fmt.Errorf("law 4: %s with the state %q, and there is a birth marker", step.ID(), state)
		case host.Data.WAL:
			continue
		case marked && state == "existing" && joins(w, s, unit, step.Host):
			continue
		case marked:
			return fmt.Errorf("law 4: %s has no data, and there is a birth marker", step.ID())
		case token == "":
			return fmt.Errorf("law 4: %s has a unit without a token", step.ID())
		}
		born[clusterID(w.Cluster, token).String()] = step.Host
	}
	for id, host := range born {
		if len(born) > 1 || len(exists) > 0 && (len(exists) > 1 || !exists[id]) {
			return fmt.Errorf("law 4: %s would found cluster %s besides %v", host, id, exists)
		}
	}
	return nil
}

// forgetful says that a log has come further, in the same file.
func forgetful(host facts.Host) bool {
	if host.Data.Log == nil || host.Process != nil {
		return false
	}
	noted := strings.Fields(host.Data.Log.Noted)
	return noted[2] == host.Data.Log.Newest && noted[3] != strconv.FormatInt(host.Data.Log.Feeds, 10)
}

// joins says that a member without data is listed, was never published, has no marker, and starts with just the list.
func joins(w Want, s facts.Snapshot, unit []string, name string) bool {
	if _, marked := s.Hosts[name].Files[path.Join(ConfigDir(w.Cluster), "born.json")]; marked {
		return false
	}
	var listed, told []string
	own := false
	for _, entry := range s.Members {
		listed = append(listed, entry.PeerURLs...)
		own = own || len(entry.ClientURLs) == 0 &&
			slices.Contains(entry.PeerURLs, units.Flag(unit, "initial-advertise-peer-urls"))
	}
	for peer := range strings.SplitSeq(units.Flag(unit, "initial-cluster"), ",") {
		_, at, _ := strings.Cut(peer, "=")
		told = append(told, at)
	}
	slices.Sort(listed)
	slices.Sort(told)
	return own && slices.Equal(listed, told)
}

// lawMix is the other half of law 4. While there is data anywhere, a host without data is not made ready to be a new
// member, unless a run of this bootstrap prepared it. After that nobody could tell it from one that died during its
// first start.
func lawMix(w Want, s facts.Snapshot, stage plan.Stage) error {
	exists, _ := identities(w, s)
	for _, step := range stage.Steps {
		host := s.Hosts[step.Host]
		for _, change := range step.Changes {
			is, was := words(change.Data), words(host.Files[change.Path].Content)
			if units.Flag(is, "initial-cluster-state") == "new" && len(exists) > 0 && !host.Data.WAL &&
				units.Flag(is, "initial-cluster-token") != units.Flag(was, "initial-cluster-token") {
				return fmt.Errorf("law 4: %s makes a new member beside %v", step.ID(), exists)
			}
		}
	}
	return nil
}

// lawMarkers: a marker tells the truth about a member that takes part. While one that takes part has no marker, no
// member is taken down.
func lawMarkers(w Want, s facts.Snapshot, stage plan.Stage) error {
	up := serving(w, s)
	for _, step := range stage.Steps {
		switch host := s.Hosts[step.Host]; step.Kind {
		case plan.RecordBirth:
			if data := host.Data; !up[step.Host] && !(host.Etcd != nil && host.Etcd.Learner) ||
				step.Birth.ClusterID != data.ClusterID.String() || step.Birth.MemberID != data.MemberID.String() {
				return fmt.Errorf("law 4: %s says %+v of a host with %+v", step.ID(), *step.Birth, data)
			}
		case plan.RestartMember:
			for name := range up {
				if _, ok := s.Hosts[name].Files[path.Join(ConfigDir(w.Cluster), "born.json")]; !ok {
					return fmt.Errorf("law 4: %s before %s has its marker", step.ID(), name)
				}
			}
		}
	}
	return nil
}

// lawUntried: a command line that a running member has not been started with is written to its unit only right before
// its restart.
func lawUntried(s facts.Snapshot, stage plan.Stage) error {
	for _, step := range stage.Steps {
		host := s.Hosts[step.Host]
		restarts := slices.ContainsFunc(stage.Steps,
			func(other plan.Step) bool { return other.Kind == plan.RestartMember && other.Host == step.Host })
		if step.Kind != plan.WriteUnit || host.Process == nil || restarts {
			continue
		}
		if is, was := flagsOf(words(step.Changes[0].Data)), flagsOf(host.Process.Args); !slices.Equal(is, was) {
			return fmt.Errorf("%s: its member runs with %q, and would start with %q", step.ID(), was, is)
		}
	}
	return nil
}

// lawNextStart is law 12: no member is started where systemd's view of its unit differs from the file, or right after
// systemd has read changes that no look has seen.
func lawNextStart(s facts.Snapshot, stage plan.Stage) error {
	for i, step := range stage.Steps {
		if step.Kind != plan.StartMember && step.Kind != plan.RestartMember {
			continue
		}
		unit := s.Hosts[step.Host].Unit
		written := slices.ContainsFunc(stage.Steps[:i],
			func(other plan.Step) bool { return other.Kind == plan.WriteUnit && other.Host == step.Host })
		if unit.NeedsReload && written {
			return fmt.Errorf("law 12: %s starts what systemd has not read yet", step.ID())
		}
		if unit.Start == nil || unit.NeedsReload {
			continue
		}
		var text []byte
		for name, file := range s.Hosts[step.Host].Files {
			if strings.HasSuffix(name, ".service") {
				text = file.Content
			}
		}
		if command, _, _ := strings.Cut(unit.Start.Command, " "); !strings.Contains(string(text),
			"\nExecStart="+command+" ") ||
			!slices.Equal(flagsOf(strings.Fields(unit.Start.Command)), flagsOf(words(text))) {
			return fmt.Errorf("law 12: %s starts %q", step.ID(), unit.Start.Command)
		}
		if !unit.Start.Guarded || !slices.Contains(unit.Start.Unset, "ETCD_FORCE_NEW_CLUSTER") ||
			unit.Start.Settings["User"] != "etcd-prod" {
			return fmt.Errorf("law 12: %s starts with %+v", step.ID(), *unit.Start)
		}
		for _, variable := range unit.Start.Variables {
			if strings.HasPrefix(variable.Name, "ETCD_") {
				return fmt.Errorf("law 12: %s starts with %s", step.ID(), variable.Name)
			}
		}
	}
	return nil
}

// words splits a unit file or command line into words.
func words(text []byte) []string { return strings.Fields(string(text)) }

// flagsOf are the flags among words, sorted, but for those that etcd ignores once it has data.
func flagsOf(words []string) []string {
	var flags []string
	for _, word := range words {
		if word = strings.Trim(word, `"'`); len(word) > 2 && strings.HasPrefix(word, "--") &&
			!strings.HasPrefix(word, "--initial-cluster") {
			flags = append(flags, word)
		}
	}
	slices.Sort(flags)
	return flags
}

// lawOne: nothing that is done adds another cluster to one that there is.
func lawOne(w Want, before, after facts.Snapshot) error {
	was, _ := identities(w, before)
	is, _ := identities(w, after)
	for id := range is {
		if len(is) > 1 && !was[id] {
			return fmt.Errorf("law 4: cluster %s came to be besides %v", id, was)
		}
	}
	return nil
}

// lawSecrets is law 7: no change that is shown carries a key.
func lawSecrets(stage plan.Stage) error {
	for _, step := range stage.Steps {
		for _, change := range step.Changes {
			if change.Secret || bytes.Contains(change.Data, []byte("PRIVATE KEY")) ||
				bytes.Contains(change.Was, []byte("PRIVATE KEY")) {
				return fmt.Errorf("law 7: %s shows %s", step.ID(), change.Path)
			}
		}
	}
	return nil
}

// lawRemedy: a refusal says why, and what to do. The error of a host that was not reached holds its remedy itself.
func lawRemedy(refused *plan.Refused) error {
	if len(refused.Refusals) == 0 {
		return errors.New("a refusal without a reason")
	}
	for _, r := range refused.Refusals {
		if r.Reason == "" || r.Remedy == "" && r.Kind != plan.Unreachable {
			return fmt.Errorf("refusal %+v: reason or remedy missing", r)
		}
	}
	return nil
}
