package main

import (
	"bytes"
	"testing"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

func TestShowFindings(t *testing.T) {
	cluster := &inventory.Cluster{Name: "prod", Members: make([]inventory.Member, 3)}
	findings := []plan.Finding{
		{Host: "a", Check: "clock", Level: plan.LevelFine, Found: "right"},
		{Host: "b", Check: "clock", Level: plan.LevelFine, Found: "right"},
		{Host: "c", Check: "clock", Level: plan.LevelFine, Found: "right"},
		{Check: "clock", Level: plan.LevelWarning, Found: "apart", Do: "mend them"},
		{Host: "a", Check: "reach", Level: plan.LevelFine, Found: "gets there"},
		{Host: "c", Check: "reach", Level: plan.LevelFine, Found: "gets there"},
		{Host: "b", Check: "reach", Level: plan.LevelRefusal, Found: "does not", Do: "let it in"},
	}
	var out bytes.Buffer
	c := &console{out: &out}
	c.showFindings(cluster, findings, exitRefused)
	want := `clock         fine     all       right
              warning  together  apart
                                 → mend them
reach         fine     a, c      gets there
              refusal  b         does not
                                 → let it in

Cluster prod, 3 hosts: 1 refusal, 1 warning, 5 fine: not fit for a bootstrap.
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	out.Reset()
	c.json = true
	c.showFindings(cluster, findings[6:], exitRefused)
	want = `{"type":"finding","host":"b","check":"reach","level":"refusal","found":"does not","do":"let it in"}
{"type":"preflight","cluster":"prod","hosts":3,"fine":0,"warnings":0,"refusals":1,"exit_code":13}
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
