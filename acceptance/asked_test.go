package acceptance

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// runAgain is the remedy of a run that was cut off, which an operator has to be told.
const runAgain = "run the same command again"

// nothingToDo is what a plan says that has no stage: inSync asks for it, so that others can ask for its absence.
const nothingToDo = "nothing to do"

// memberStatus and clusterStatus are the documented fields of status --json that the scenarios rely on.
type memberStatus struct {
	Type, Member, State, Role, Version, Problem string
	ID                                          string
	PID                                         int
	Alarms                                      []string
	Pending                                     []string `json:"pending_changes"`
	Says                                        *struct {
		Listed, Serves bool
		From           string
	} `json:"cluster_says"`
}

type clusterStatus struct {
	Cluster          string
	Members, Healthy int
	Quorum           bool
	InSync           bool `json:"in_sync"`
	Notes            []string
	Refusals         []struct{ Kind, Host string }
	CAs              []struct {
		Role       string
		Generation int
		Expires    time.Time
		Trusted    []string `json:"trusted_by"`
	}
	Rotations []rotationStatus
}

type rotationStatus struct {
	Role     string
	From, To int
	Hold     string
}

// status is what a run of status --json found.
func (r result) status(t *testing.T) ([]memberStatus, clusterStatus) {
	t.Helper()
	var members []memberStatus
	var total clusterStatus
	for line := range strings.Lines(r.stdout) {
		var m memberStatus
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("status --json wrote %q: %v", line, err)
		}
		switch m.Type {
		case "member":
			members = append(members, m)
		case "cluster":
			if err := json.Unmarshal([]byte(line), &total); err != nil {
				t.Fatal(err)
			}
		}
	}
	return members, total
}

func (s *site) status(t *testing.T, file, cluster string) ([]memberStatus, clusterStatus) {
	t.Helper()
	return s.ok(t, "status", "--json", "--cluster="+cluster, file).status(t)
}

// counts checks how many members a run of status --json calls healthy, and whether it knows of a quorum.
func (r result) counts(t *testing.T, healthy int, quorum bool) result {
	t.Helper()
	if _, c := r.status(t); c.Cluster == "" || c.Healthy != healthy || c.Quorum != quorum {
		t.Errorf("%s: %d members healthy, quorum %v; want %d, %v", r.command, c.Healthy, c.Quorum, healthy, quorum)
	}
	return r
}

// state checks what a run of status --json calls some members.
func (r result) state(t *testing.T, state string, names ...string) result {
	t.Helper()
	members, _ := r.status(t)
	for _, name := range names {
		if !slices.ContainsFunc(members, func(m memberStatus) bool { return m.Member == name && m.State == state }) {
			t.Errorf("%s: %s is not %s", r.command, name, state)
		}
	}
	return r
}

// hearsay checks what a run of status --json was told by another member of one whose host is dark.
func (r result) hearsay(t *testing.T, name string, serves bool) {
	t.Helper()
	members, _ := r.status(t)
	for _, m := range members {
		if says := m.Says; m.Member == name && (says == nil || !says.Listed || says.Serves != serves || says.From == "") {
			t.Errorf("%s: of %s the cluster says %+v, want that it is listed, and whether it serves: %v", r.command, name, says,
				serves)
		}
	}
}

// idle checks that an apply with --json found nothing to do: no step began, and the cluster was found whole.
func (r result) idle(t *testing.T) result {
	t.Helper()
	types := map[string]bool{}
	for _, e := range eventsOf(r.stdout) {
		types[e.Type] = true
	}
	if types["step-started"] || types["done"] || !types["verified"] {
		t.Errorf("%s: it is not idle: %v", r.command, types)
	}
	return r
}
