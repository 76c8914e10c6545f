package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func seconds(samples []sample) []float64 {
	var s []float64
	for _, one := range samples {
		s = append(s, one.took.Seconds())
	}
	return s
}

func cpu(samples []sample) []float64 {
	var s []float64
	for _, one := range samples {
		s = append(s, one.cpu.Seconds())
	}
	return s
}

func others(samples []sample) []float64 {
	var s []float64
	for _, one := range samples {
		s = append(s, one.others)
	}
	return s
}

// report is the table for people, then the part of each run of clusterup, then every single run as a line that benchstat reads.
func (g *ground) report(tools []*tool, rounds int, before, after string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d rounds on %d CPUs, %d hosts; load average %s before, %s after\n\n", rounds, runtime.NumCPU(), len(g.lab.Hosts()), before, after)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	byName := map[string]*tool{}
	row := func(what, name string, samples []sample, memory int64) {
		s := seconds(samples)
		fmt.Fprintf(table, "%s\t%s\t%.2f s\t%.2f s\t%.2f s\t%.2f s\t%.0f %%\t%d MiB\n",
			what, name, slices.Min(s), median(s), slices.Max(s), median(cpu(samples)), 100*median(others(samples)), memory>>20)
	}
	fmt.Fprintln(table, "\ttool\tminimum\tmedian\tmaximum\tCPU, all machines\ttaken by others\tmemory here")
	for _, t := range tools {
		byName[t.name] = t
		row("bare hosts to a cluster", t.name, t.first, t.memory)
	}
	for _, t := range tools {
		if t.again != nil {
			row("nothing to do", t.name, t.second, t.idling)
		}
	}
	table.Flush() //nolint:errcheck // into memory
	ratios(&b, byName)
	parts(&b, byName["clusterup"].first)
	b.WriteString("\n")
	for _, t := range tools {
		lines(&b, "Bootstrap", t.name, t.first)
		if t.again != nil {
			lines(&b, "NothingToDo", t.name, t.second)
		}
	}
	return b.String()
}

// ratios are of medians: of time, and of processor time, which says more when the machine had other things to do.
func ratios(b *strings.Builder, tools map[string]*tool) {
	ours, floor, theirs := tools["clusterup"], tools["floor"], tools["ansible"]
	for _, of := range []struct {
		what string
		pick func([]sample) []float64
	}{{"time", seconds}, {"CPU", cpu}} {
		over := func(a, b []sample) float64 { return median(of.pick(a)) / median(of.pick(b)) }
		fmt.Fprintf(b, "\n%s: clusterup / floor = %.2f", of.what, over(ours.first, floor.first))
		if theirs != nil {
			fmt.Fprintf(b, ", ansible / clusterup = %.1f, and %.1f when there is nothing to do",
				over(theirs.first, ours.first), over(theirs.second, ours.second))
		}
	}
	b.WriteString("\n")
	const much = 0.2
	for name, t := range tools {
		if median(others(t.first)) > much {
			fmt.Fprintf(b, "others took %.0f %% of the machine from %s: its times mean little, its CPU still does\n", 100*median(others(t.first)), name)
		}
	}
}

func lines(b *strings.Builder, what, name string, samples []sample) {
	for _, s := range samples {
		fmt.Fprintf(b, "Benchmark%s/tool=%s-%d 1 %d ns/op %.3f cpu-s %.0f others-%%\n",
			what, name, runtime.GOMAXPROCS(0), s.took.Nanoseconds(), s.cpu.Seconds(), 100*s.others)
	}
}

// told is a line of apply --json --stats, as far as it is needed here.
type told struct {
	Type, Stage, Kind, Host string
	Time                    time.Time
	Seconds                 float64
	Sessions, Connections   int64
	RoundTrips              int64 `json:"round_trips"`
	Sent                    int64 `json:"bytes_sent"`
	Received                int64 `json:"bytes_received"`
}

// anatomy is where the time of one run went, in seconds, and what its hosts have cost.
type anatomy struct {
	stages map[string]float64
	order  []string
	kinds  map[string]float64 // of the steps of a kind, on the host where they took longest
	costs  []told
}

func dissect(s sample) anatomy {
	a := anatomy{stages: map[string]float64{}, kinds: map[string]float64{}}
	byHost := map[[2]string]float64{}
	last, next := s.began, "until the first stage: start, look, plan, lock"
	spend := func(name string, until time.Time) {
		if _, known := a.stages[name]; !known {
			a.order = append(a.order, name)
		}
		a.stages[name] += until.Sub(last).Seconds()
		last = until
	}
	for line := range bytes.Lines(s.stdout) {
		var e told
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		switch e.Type {
		case "stage-started", "verifying":
			spend(next, e.Time)
			next = "looks between stages"
		case "stage-done":
			spend("stage: "+e.Stage, e.Time)
		case "verified":
			spend("verify", e.Time)
		case "step-done":
			byHost[[2]string{e.Kind, e.Host}] += e.Seconds
		case "stats":
			a.costs = append(a.costs, e)
		}
	}
	spend("end: unlock, close, exit", s.began.Add(s.took))
	for key, took := range byHost {
		a.kinds[key[0]] = max(a.kinds[key[0]], took)
	}
	return a
}

// parts says where the time of clusterup went.
func parts(b *strings.Builder, samples []sample) {
	var all []anatomy
	for _, s := range samples {
		all = append(all, dissect(s))
	}
	of := func(pick func(anatomy) float64) float64 {
		var values []float64
		for _, a := range all {
			values = append(values, pick(a))
		}
		return median(values)
	}
	b.WriteString("\nwhere the time of clusterup goes, medians\n")
	for _, name := range all[0].order {
		fmt.Fprintf(b, "  %6.3f s  %s\n", of(func(a anatomy) float64 { return a.stages[name] }), name)
	}
	b.WriteString("steps, on the host that took longest\n")
	for _, kind := range slices.Sorted(maps.Keys(all[0].kinds)) {
		fmt.Fprintf(b, "  %6.3f s  %s\n", of(func(a anatomy) float64 { return a.kinds[kind] }), kind)
	}
	for i, cost := range all[0].costs {
		fmt.Fprintf(b, "%s: %d connection, %d sessions, %.0f round trips, %.1f MiB sent, %.1f KiB received\n", cost.Host, cost.Connections, cost.Sessions,
			of(func(a anatomy) float64 { return float64(a.costs[i].RoundTrips) }), of(func(a anatomy) float64 { return float64(a.costs[i].Sent) / (1 << 20) }),
			of(func(a anatomy) float64 { return float64(a.costs[i].Received) / (1 << 10) }))
	}
}
