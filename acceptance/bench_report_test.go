package acceptance

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"time"
)

// add takes a run into the series. A run that warmed caches counts for memory alone.
func (s *series) add(run sample, warm bool) {
	if warm {
		s.Memory = run.memory
		return
	}
	s.Seconds, s.CPU = append(s.Seconds, rounded(run.took)), append(s.CPU, rounded(run.cpu))
	s.Others, s.Tasks = append(s.Others, hundredths(run.others)), append(s.Tasks, run.cost.tasks)
	s.Threads, s.Sessions = append(s.Threads, run.cost.threads), append(s.Sessions, run.cost.sessions)
}

func hundredths(share float64) float64 { return math.Round(100*share) / 100 }

// told is a line of apply --json --stats, as far as it is needed here.
type told struct {
	Type, Stage, Host string
	Time              time.Time
	Sessions          int64
	RoundTrips        int64 `json:"round_trips"`
}

// parts says where the time of clusterup went: medians.
func parts(runs []sample) []part {
	var order []string
	all := map[string][]float64{}
	for _, run := range runs {
		spent := map[string]float64{}
		last, next := run.began, "start, first look, plan, lock"
		spend := func(name string, until time.Time) {
			if !slices.Contains(order, name) {
				order = append(order, name)
			}
			spent[name] += until.Sub(last).Seconds()
			last = until
		}
		for line := range bytes.Lines(run.stdout) {
			var e told
			if json.Unmarshal(line, &e) != nil {
				continue
			}
			switch e.Type {
			case "stage-started", "verifying":
				spend(next, e.Time)
				next = "looks between stages"
			case "stage-done":
				spend(e.Stage, e.Time)
			case "verified":
				spend("verify", e.Time)
			}
		}
		spend("unlock, close, exit", run.began.Add(run.took))
		for name, seconds := range spent {
			all[name] = append(all[name], seconds)
		}
	}
	var found []part
	for _, name := range order {
		found = append(found, part{name, math.Round(1e4*median(all[name])) / 1e4})
	}
	return found
}
