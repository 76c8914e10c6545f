package etcd

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Alarm is a kind of alarm that members have raised. Converging does not end it: see NextDisarm.
type Alarm struct {
	Type    string   // NOSPACE, CORRUPT
	Members []string // by name, in the order of the inventory; by ID where the inventory has none
	Text    string   // who has raised it, and what that means
	Remedy  string   // what to type next, given the state of the members
}

// Alarms are the alarms raised in the cluster, one of each type, sorted by type.
func Alarms(w Want, s facts.Snapshot) []Alarm { return newView(w, s).alarms() }

func (v view) alarms() []Alarm {
	raised := map[string][]facts.ID{}
	for _, alarm := range v.seen.Alarms {
		raised[alarm.Type] = append(raised[alarm.Type], alarm.Member)
	}
	var found []Alarm
	for kind, ids := range raised {
		alarm := Alarm{Type: kind, Members: v.namesOf(ids)}
		has := "has"
		if len(alarm.Members) > 1 {
			has = "have"
		}
		alarm.Text = plan.Enumerate(alarm.Members) + " " + has + " raised the alarm " + kind
		switch kind {
		case "NOSPACE":
			alarm.Text += ": the database has reached its quota, and the cluster takes no writes"
			alarm.Remedy = v.makeRoom()
		case "CORRUPT":
			alarm.Text += ": data of members differ, and the cluster takes no writes"
			alarm.Remedy = disarmAgain + " compares their data, says which member has to be made anew, and ends the alarm " +
				"once all are alike"
		default:
			alarm.Remedy = "etcd's documentation says what it means; when its cause is gone: " + etcdctl("alarm disarm")
		}
		found = append(found, alarm)
	}
	slices.SortFunc(found, func(a, b Alarm) int { return cmp.Compare(a.Type, b.Type) })
	return found
}

// note is the alarm as a note of a plan. See unsaid for when a refusal tells it instead.
func (a Alarm) note() string {
	return a.Text + "; " + a.Remedy
}

// etcdctl is a command for people to type.
func etcdctl(arguments string) string { return "clusterup etcdctl INVENTORY -- " + arguments }

// namesOf are the names of members, in the order of the inventory. IDs that none of them has follow: by the name that
// the cluster lists, or as the ID. etcd gives the ID 0 where it does not know the member.
func (v view) namesOf(ids []facts.ID) []string {
	var names []string
	v.Each(func(m inventory.Member, host facts.Host) {
		if host.Etcd != nil && slices.Contains(ids, host.Etcd.MemberID) {
			names = append(names, m.Name)
			ids = slices.DeleteFunc(slices.Clone(ids), func(id facts.ID) bool { return id == host.Etcd.MemberID })
		}
	})
	for _, id := range ids {
		name := "member " + id.String()
		for _, member := range v.seen.Members {
			if member.ID == id && member.Name != "" {
				name = member.Name
			}
		}
		if id == 0 {
			name = "a member"
		}
		names = append(names, name)
	}
	return names
}

// defaultQuota is etcd's own.
const defaultQuota = 2 << 30

// fill is how full databases are, in percent of their members' quotas: the most in use, and the largest file.
// The two may be of different members.
func (v view) fill() (used, file int64) {
	v.Each(func(_ inventory.Member, host facts.Host) {
		if host.Process == nil || host.Etcd == nil {
			return
		}
		quota := QuotaOf(host)
		used, file = max(used, percent(host.Etcd.DBInUse, quota)), max(file, percent(host.Etcd.DBSize, quota))
	})
	return used, file
}

// room is the fill, in percent, below which an alarm may be disarmed. A fuller database would raise it again at the
// next large write.
const room = 90

// makeRoom is the next thing to do about a database that has reached its quota.
func (v view) makeRoom() string {
	if v.Known(func(_ inventory.Member, host facts.Host) bool { return v.raisesQuota(host) }) {
		return "clusterup apply raises the quota, as the inventory has it; then: " + disarmAgain
	}
	return disarmAgain + " says what fills it, makes room, and ends the alarm"
}

// raisesQuota says whether a member runs with a smaller quota than the inventory asks for.
func (v view) raisesQuota(host facts.Host) bool {
	if host.Process == nil {
		return false
	}
	runs, err := strconv.ParseInt(units.Flag(host.Process.Args, "quota-backend-bytes"), 10, 64)
	return err == nil && runs < v.want.Cluster.Etcd.QuotaBackendBytes
}

// alarmed refuses a restart while an alarm is raised. A restart that raises the quota is let through, since it is a way
// out of NOSPACE.
func (v view) alarmed(c candidate) []plan.Refusal {
	var found []plan.Refusal
	for _, alarm := range v.alarms() {
		switch {
		case alarm.Type == "NOSPACE" && v.raisesQuota(c.host):
		case alarm.Type == "NOSPACE":
			found = append(found, plan.Refuse(plan.Alarmed, "", alarm.Remedy,
				"%s; members restart when the alarm is gone", alarm.Text))
		default:
			found = append(found, plan.Refuse(plan.Alarmed, "", alarm.Remedy,
				"%s; a restart might spread the damage", alarm.Text))
		}
	}
	return found
}
