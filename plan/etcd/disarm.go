package etcd

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// halfFull is how much of its quota a database has in use, in percent, from which its history is dropped to make room.
const halfFull = 50

// disarmAgain is the command that goes on.
const disarmAgain = "clusterup disarm INVENTORY"

// NextDisarm is Next for a verb that does away with the cause of an alarm, and then disarms it. For NOSPACE it drops
// the history of keys, has one member after the other give back what is free then, and disarms once every database is
// well below its quota. CORRUPT is disarmed only where the data of all members was seen to be equal, see
// [facts.Snapshot]. There is nothing to do where no alarm is raised.
func NextDisarm(w Want, s facts.Snapshot) (*plan.Stage, error) {
	v := newView(w, s)
	if refusals := v.singleRefusals(); len(refusals) > 0 {
		return nil, &plan.Refused{Refusals: refusals}
	}
	switch {
	case v.raised("CORRUPT"): // until it is disarmed the cluster refuses to compact
		return v.disarmCorrupt()
	case v.raised("NOSPACE"):
		return v.disarmFull()
	case len(v.seen.Alarms) > 0:
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.Alarmed, "", v.alarms()[0].Remedy,
			"%s; clusterup knows no remedy for its cause", v.alarms()[0].Text)}
	}
	return nil, nil
}

// raised says whether an alarm of a type is.
func (v view) raised(kind string) bool {
	return slices.ContainsFunc(v.seen.Alarms, func(a facts.Alarm) bool { return a.Type == kind })
}

// disarmFull is the next stage on the way out of NOSPACE.
func (v view) disarmFull() (*plan.Stage, error) {
	if stage, err := v.whole(); stage != nil || err != nil {
		return stage, err
	}
	used, _ := v.fill()
	if used >= halfFull && !v.want.Compacted {
		return v.compact(used)
	}
	// How much is in use after that is known for sure once a member has defragmented: what a store frees last counts as in
	// use until somebody writes, which may be never. The data of the others are the same.
	full := func(host facts.Host) bool {
		return host.Etcd != nil && percent(host.Etcd.DBSize, QuotaOf(host)) >= room
	}
	if v.Known(func(m inventory.Member, host facts.Host) bool {
		return full(host) && (slices.Contains(v.want.Defragmented, m.Name) || v.seen.Simulated && wasted(host) == 0)
	}) {
		return nil, &plan.Refused{Refusals: v.stillFull()}
	}
	why := ""
	if v.seen.Simulated {
		why = "it gives back what is free then"
	}
	stage, err := v.defragment(why, func(_ inventory.Member, host facts.Host) bool { return full(host) })
	if stage != nil || err != nil {
		return stage, err
	}
	return v.disarm("NOSPACE", "every database is well below its quota", "there is room again")
}

// compact drops the history of all keys.
func (v view) compact(used int64) (*plan.Stage, error) {
	leader, known := v.leader()
	if !known {
		return v.awaitLeader(), nil
	}
	voters, serve := v.voting()
	return plan.SideBySide("drop the history of all keys", "all voters serve; what is written last stays", []plan.Step{{
		Kind: plan.Compact, Host: leader.Name, Needs: &plan.Needs{Least: len(voters), Serve: serve},
		Why: fmt.Sprintf("%d %% of the quota are in use; watchers that are behind, and reads of older revisions, are "+
			"told that these are compacted", used),
	}}), nil
}

// stillFull refuses to disarm an alarm that would be raised again at once.
func (v view) stillFull() []plan.Refusal {
	used, file := v.fill()
	remedy := "delete what fills it, which is allowed while the alarm is raised (" + etcdctl("del --prefix PREFIX") +
		"), and go on with " + disarmAgain + "; or raise quota_backend_bytes, and then: clusterup apply INVENTORY, and " +
		disarmAgain
	if v.Known(func(_ inventory.Member, host facts.Host) bool { return v.raisesQuota(host) }) {
		remedy = "clusterup apply INVENTORY raises the quota, as the inventory has it; then: " + disarmAgain
	}
	return plan.OneRefusal(plan.Alarmed, "", remedy,
		"the keys themselves fill %s of the quota, and the database file %s: disarmed, NOSPACE would be raised again",
		fmt.Sprintf("%d %%", used), fmt.Sprintf("%d %%", file))
}

// disarm ends all alarms of a type.
func (v view) disarm(kind, gate, why string) (*plan.Stage, error) {
	through := v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && v.serves(host) })
	if len(through) == 0 {
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.QuorumAtRisk, "",
			"bring the members back first: clusterup status shows what is wrong with them",
			"no member is known to serve, so the alarm %s cannot be disarmed", kind)}
	}
	var steps []plan.Step
	for _, alarm := range v.seen.Alarms {
		if alarm.Type == kind {
			steps = append(steps, plan.Step{
				Kind: plan.DisarmAlarm, Host: through[0], Member: alarm.Member, Alarm: kind,
				Why: fmt.Sprintf("%s; raised by %s", why, plan.Enumerate(v.namesOf([]facts.ID{alarm.Member}))),
			})
		}
	}
	return plan.SideBySide("disarm "+kind, gate, steps), nil
}

// disarmCorrupt disarms CORRUPT where the data of all voters is known to be equal, and names the members to replace
// where it is not.
func (v view) disarmCorrupt() (*plan.Stage, error) {
	if refusals := v.differing(); len(refusals) > 0 {
		return nil, &plan.Refused{Refusals: refusals}
	}
	return v.disarm("CORRUPT", "the data of all members hash to the same", "no data differ")
}

// differing says of which members the data differ, or are not known, while CORRUPT is raised; nil: of none.
func (v view) differing() []plan.Refusal {
	if !v.raised("CORRUPT") {
		return nil
	}
	with := map[facts.Hash][]string{}
	var found []plan.Refusal
	for _, name := range v.voters() {
		hash, asked := v.seen.Hashes[name]
		if !asked || hash.Error != "" {
			found = append(found, v.uncompared(name,
				"bring it back, so that the data of all members can be compared; if it does not start on its data, or has none, "+
					"have it made anew: "+remade(name), cmp.Or(hash.Error, "it was not asked")))
			continue
		}
		with[hash] = append(with[hash], name)
	}
	v.Each(func(m inventory.Member, _ facts.Host) {
		if v.learner(m) { // it tells no hash, and may have raised the alarm
			found = append(found, v.uncompared(m.Name, "clusterup member remove "+m.Name+" INVENTORY; then: "+disarmAgain,
				"it is a learner"))
		}
	})
	found = append(found, v.amidCompaction(with)...)
	if len(found) > 0 || len(with) < 2 {
		return found
	}
	for right, agree := range with {
		if len(agree) >= v.quorum() {
			return v.odd(right, agree)
		}
	}
	suspects := v.namesOf(v.raisers("CORRUPT"))
	return plan.OneRefusal(plan.Alarmed, "",
		"find out which member's data is right, and have the others made anew, one after the other: "+remade("NAME"),
		"CORRUPT is raised by %s; the data of the members differ, and no majority agrees", plan.Enumerate(suspects))
}

func (v view) uncompared(name, remedy, why string) plan.Refusal {
	return plan.Refuse(plan.Alarmed, name, remedy, "CORRUPT is raised, and its data could not be compared: %s", why)
}

// amidCompaction are the members whose hashes cannot be compared with those of most others, since a compaction has
// reached them and not the others, or the other way round.
func (v view) amidCompaction(with map[facts.Hash][]string) []plan.Refusal {
	at := map[int64]int{}
	for hash, names := range with {
		at[hash.Compacted] += len(names)
	}
	var found []plan.Refusal
	for _, name := range v.voters() {
		for hash, names := range with {
			if slices.Contains(names, name) && at[hash.Compacted] < v.quorum() {
				found = append(found, v.uncompared(name, "in a moment: "+disarmAgain, "a compaction was on its way"))
			}
		}
	}
	return found
}

// odd are the members whose data differ from those of a majority.
func (v view) odd(right facts.Hash, agree []string) []plan.Refusal {
	var found []plan.Refusal
	for _, name := range v.voters() {
		if slices.Contains(agree, name) {
			continue
		}
		found = append(found, plan.Refuse(plan.Alarmed, name,
			"have it made anew, with the data of the others: "+remade(name),
			"its data differ from those of %s at revision %d, and CORRUPT is raised", plan.Enumerate(agree), right.Revision))
	}
	return found
}

// remade are the commands that have a member made anew which has its data. The alarm ends in between, since until then
// no learner gets a vote.
func remade(name string) string {
	return fmt.Sprintf("clusterup member remove %s INVENTORY; %s; then take state = \"absent\" out of its block, and "+
		"clusterup apply INVENTORY", name, disarmAgain)
}

// raisers are the members that have raised an alarm of a type.
func (v view) raisers(kind string) []facts.ID {
	var ids []facts.ID
	for _, alarm := range v.seen.Alarms {
		if alarm.Type == kind {
			ids = append(ids, alarm.Member)
		}
	}
	return ids
}

// simulateUpkeep is the effect of the steps that make room in databases, and of the end of an alarm.
func simulateUpkeep(s facts.Snapshot, step plan.Step) facts.Snapshot {
	for name, host := range s.Hosts {
		if host.Etcd == nil {
			continue
		}
		status := *host.Etcd
		switch {
		case step.Kind == plan.Compact: // how much that frees is not known before it is done: as much as can be
			status.DBInUse = 0
		case step.Kind == plan.Defragment && step.Host == name:
			status.DBSize = status.DBInUse
		}
		host.Etcd = &status
		s.Hosts[name] = host
	}
	if step.Kind == plan.DisarmAlarm {
		s.Alarms = slices.DeleteFunc(slices.Clone(s.Alarms), func(a facts.Alarm) bool {
			return a == facts.Alarm{Member: step.Member, Type: step.Alarm}
		})
	}
	return s
}
