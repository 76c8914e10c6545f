package acceptance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
)

// TestBenchmarksPage checks that docs/benchmarks.md and its chart are what the files in docs/benchmarks come to, or
// with -update writes them.
func TestBenchmarksPage(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(benchmarksDir, "*.json"))
	must(t, err)
	var sets []benchmarks
	for _, file := range files {
		var set benchmarks
		must(t, json.Unmarshal([]byte(read(t, file)), &set))
		slices.SortStableFunc(set.Tools, func(a, b series) int {
			return cmp.Or(a.Hosts-b.Hosts, strings.Compare(a.What, b.What), strings.Compare(b.Tool, a.Tool))
		})
		sets = append(sets, set)
	}
	if len(sets) == 0 {
		t.Fatal("nothing was measured")
	}
	slices.SortFunc(sets, func(a, b benchmarks) int { return strings.Compare(b.Date, a.Date) })
	charted := slices.IndexFunc(sets, func(set benchmarks) bool { return len(set.Tools) > 0 })
	if charted < 0 {
		t.Fatal("no tools were compared")
	}
	sets[charted].charted = true
	var page strings.Builder
	text, err := template.New("benchmarks.md.tmpl").Funcs(pageWords).ParseFiles("testdata/bench/benchmarks.md.tmpl")
	must(t, err)
	must(t, text.Execute(&page, map[string]any{"Newest": sets[:charted+1], "Older": sets[charted+1:]}))
	for _, made := range []struct{ file, text string }{
		{benchmarksDir + ".md", page.String()},
		{benchmarksDir + ".svg", chart(sets[charted])},
	} {
		switch {
		case *update:
			must(t, os.WriteFile(made.file, []byte(made.text), 0o644)) //nolint:gosec // pages for all
		case read(t, made.file) != made.text:
			t.Errorf("%s is not what was measured: go test -run '^TestBenchmarksPage$' ./acceptance -update", made.file)
		}
	}
}

// pageWords are what the page's template says figures with.
var pageWords = template.FuncMap{
	"spread": spread, "middle": middle, "ratios": ratios, "dash": orDash,
	"seconds":   func(s float64) string { return fmt.Sprintf("%.2f s", s) },
	"mib":       func(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) },
	"megabit":   func(bits float64) string { return fmt.Sprintf("%.0f Mbit/s", bits/1e6) },
	"megabytes": func(bytes int) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) },
	"median":    func(values []float64) string { return figure(median(values)) },
	"milli":     func(values []float64) string { return fmt.Sprintf("%.1f ms", 1000*median(values)) },
	"millis": func(values []float64) string {
		return fmt.Sprintf("%.1f–%.1f", 1000*slices.Min(values), 1000*slices.Max(values))
	},
	"percent": func(values []float64) string { return fmt.Sprintf("%.0f %%", 100*median(values)) },
	"per100":  func(c copying, values []float64) []float64 { return c.per100(values) },
	"size":    func(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) },
	"charted": func(set benchmarks) bool { return set.charted },
	"filled":  func(u upload) string { return fmt.Sprintf("%.0f %%", 100*u.fill(median(u.Seconds))) },
	"ofBare": func(u upload) string {
		if len(u.Bare) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.0f %%", 100*median(u.Bare)/median(u.Seconds))
	},
	"inRow": inRow,
	"under": func(mark string, set benchmarks) map[string]any { return map[string]any{"Mark": mark, "Set": set} },
}

// inRow are the round trips of each thing that wait for one another: what is said side by side, on several channels or
// hosts, lengthens nothing.
func inRow(ways []way) string {
	var said []string
	for _, near := range ways {
		far := near
		for _, w := range ways {
			if w.What == near.What && w.Trip > far.Trip {
				far = w
			}
		}
		shortest := slices.IndexFunc(ways, func(w way) bool { return w.What == near.What && w.Trip < near.Trip }) < 0
		if shortest && far.Trip > near.Trip {
			trips := 1000 * (median(far.Seconds) - median(near.Seconds)) / float64(far.Trip-near.Trip)
			said = append(said, fmt.Sprintf("%.1f round trips for %s", trips, near.What))
		}
	}
	return strings.Join(said, ", ")
}

// figure has as many digits as mean something.
func figure(seconds float64) string {
	if seconds < 10 {
		return fmt.Sprintf("%.2f s", seconds)
	}
	return fmt.Sprintf("%.1f s", seconds)
}

func spread(values []float64) string {
	return strings.TrimSuffix(figure(slices.Min(values)), " s") + "–" + figure(slices.Max(values))
}

// middle is the median of counts.
func middle(counts []int) int {
	if len(counts) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(counts))
	return sorted[len(sorted)/2]
}

// ratios are rows of a table: of medians of time, and of processor time, which says more when the machine had other
// things to do.
func ratios(tools []series) []string {
	var rows []string
	row := func(what, a, b, doing string) {
		for _, hosts := range []int{3, 5} {
			over, under := pick(tools, a, doing, hosts), pick(tools, b, doing, hosts)
			if over != nil && under != nil {
				rows = append(rows, fmt.Sprintf("| %s | %d | %.2f | %.2f | %.1f |", what, hosts,
					median(over.Seconds)/median(under.Seconds),
					median(over.CPU)/median(under.CPU), float64(middle(over.Tasks))/float64(middle(under.Tasks))))
			}
		}
	}
	row("clusterup / floor", "clusterup", "floor", fromBare)
	row("Ansible / clusterup, from bare hosts", "Ansible", "clusterup", fromBare)
	row("Ansible / clusterup, nothing to do", "Ansible", "clusterup", noneLeft)
	return rows
}
