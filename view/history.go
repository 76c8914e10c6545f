package view

import (
	"fmt"
	"time"

	"github.com/clusterup/clusterup/apply"
)

// runObject is one run with --json.
type runObject struct {
	Type string `json:"type"` // "run"
	apply.Entry
}

// ShowHistory shows what was done, run by run.
func (c *Console) ShowHistory(entries []apply.Entry) error {
	if c.JSON {
		for _, e := range entries {
			c.Object(runObject{"run", e})
		}
		return nil
	}
	if len(entries) == 0 {
		c.Say("Nothing was done yet from this operator directory.")
		return nil
	}
	table := c.Table("TIME", "RUN", "OPERATOR", "COMMAND", "ETCD", "STEPS", "TOOK", "OUTCOME")
	for _, e := range entries {
		outcome := e.Outcome
		if e.Error != "" {
			outcome += ": " + e.Error
		}
		steps, took := fmt.Sprint(len(e.Steps)), fmt.Sprintf("%.1fs", e.Seconds)
		if e.Outcome == apply.NotFinished {
			steps, took = "?", "?"
		}
		table.Row(e.Time.Local().Format(time.DateTime), e.Run, e.User+"@"+e.From, e.Command, e.Etcd, steps, took, outcome)
	}
	return table.End()
}
