package view

import (
	"slices"
	"strings"

	"github.com/clusterup/clusterup/plan/preflight"
)

// probeObject is one finding with --json.
type probeObject struct {
	Type string `json:"type"` // "probe"
	preflight.Finding
}

// preflightObject is the last line of preflight with --json.
type preflightObject struct {
	Type     string `json:"type"` // "preflight"
	Cluster  string `json:"cluster"`
	Hosts    int    `json:"hosts"`
	Fine     int    `json:"fine"`
	Warnings int    `json:"warnings"`
	Refusals int    `json:"refusals"`
	ExitCode int    `json:"exit_code"`
}

// ShowPreflight shows what preflight found. Its error is only an exit code.
func (c *Console) ShowPreflight(cluster string, hosts int, findings []preflight.Finding) error {
	total := preflightObject{Type: "preflight", Cluster: cluster, Hosts: hosts}
	for _, f := range findings {
		switch f.Level {
		case preflight.LevelFine:
			total.Fine++
		case preflight.LevelWarning:
			total.Warnings++
		case preflight.LevelRefusal:
			total.Refusals++
			if f.Check == preflight.CheckConnection {
				total.ExitCode = ExitUnreachable
			} else if total.ExitCode == exitDone {
				total.ExitCode = exitRefused
			}
		}
		if c.JSON {
			c.Object(probeObject{"probe", f})
		}
	}
	if c.JSON {
		c.Object(total)
	} else {
		c.textFindings(findings, total)
	}
	if total.ExitCode != exitDone {
		return Ended(total.ExitCode)
	}
	return nil
}

// textFindings shows a table of findings, and the verdict.
func (c *Console) textFindings(findings []preflight.Finding, total preflightObject) {
	c.tableFindings(findings, total.Hosts)
	verdict := "fit for a bootstrap"
	switch {
	case total.ExitCode == ExitUnreachable:
		verdict = "not all hosts could be reached"
	case total.Refusals > 0:
		verdict = "not fit for a bootstrap"
	}
	fprintf(c.Out, "\nCluster %s, %s: %s, %s, %d fine: %s.\n", total.Cluster, Plural(total.Hosts, "host"),
		Plural(total.Refusals, "refusal"), Plural(total.Warnings, "warning"), total.Fine, verdict)
}

// findingRow is a finding that several hosts may have in common.
type findingRow struct {
	preflight.Finding
	hosts []string
}

// findingRows makes one row of each finding that several hosts have in common.
func findingRows(findings []preflight.Finding) []findingRow {
	var rows []findingRow
	for _, f := range findings {
		i := slices.IndexFunc(rows, func(r findingRow) bool {
			return f.Host != "" && r.Host != "" && r.Check == f.Check && r.Level == f.Level && r.Found == f.Found && r.Do == f.Do
		})
		if i < 0 {
			rows = append(rows, findingRow{Finding: f})
			i = len(rows) - 1
		}
		if f.Host != "" {
			rows[i].hosts = append(rows[i].hosts, f.Host)
		}
	}
	return rows
}

// who says which of the hosts a row is about.
func (r findingRow) who(hosts int) string {
	switch {
	case len(r.hosts) == hosts && hosts > 1:
		return "all"
	case len(r.hosts) == 0:
		return "together"
	}
	return strings.Join(r.hosts, ", ")
}

// tableFindings shows findings by check. Remedies stand below what they are for.
func (c *Console) tableFindings(findings []preflight.Finding, hosts int) {
	rows := findingRows(findings)
	wide := 0
	for _, r := range rows {
		wide = max(wide, len(r.who(hosts)))
	}
	paint := painter{color(c.Out)}
	marks := map[preflight.Level]safe{
		preflight.LevelFine: paint.green("fine   "), preflight.LevelWarning: paint.yellow("warning"),
		preflight.LevelRefusal: paint.red("refusal"),
	}
	check := ""
	for _, r := range rows {
		head := r.Check
		if head == check {
			head = ""
		}
		check = r.Check
		fprintf(c.Out, "%-12s  %s  %-*s  %s\n", head, marks[r.Level], wide, r.who(hosts), r.Found)
		if r.Do != "" {
			fprintf(c.Out, "%-12s  %7s  %-*s  → %s\n", "", "", wide, "", r.Do)
		}
	}
}
