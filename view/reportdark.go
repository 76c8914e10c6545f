package view

import (
	"errors"
	"fmt"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/plan"
)

// explainShort says why no host is changed, and what was done all the same.
func explainShort(err error, short *plan.NoMajority) []string {
	var lines []string
	if late := new(refusedLate); errors.As(err, &late) {
		lines = append(lines, Plural(late.steps, "step")+" done on this machine. What comes next is on hosts:")
	}
	lines = append(lines, "Error: "+short.Head()+"; nothing on a host is changed without that:")
	return append(lines, listed(short.Missing)...)
}

// explainDark says what was done while hosts are dark, what waits for them, and that they may need more.
func explainDark(dark *apply.DarkError) []string {
	head := "Error: not every host could be looked at; the others are as the inventory says:"
	switch {
	case dark.Unfinished != "":
		head = fmt.Sprintf("Error: %s done, and %q was not finished; not every host could be looked at:",
			Plural(dark.Steps, "step"), dark.Unfinished)
	case dark.Steps > 0:
		head = fmt.Sprintf("Error: %s done; not every host could be looked at:", Plural(dark.Steps, "step"))
	case len(dark.Waits) > 0:
		head = "Error: not every host could be looked at, and nothing was done:"
	}
	lines := append([]string{head}, listed(dark.Refusals)...)
	for _, wait := range dark.Waits {
		lines = append(lines, "  "+wait.String())
	}
	var names []string
	for _, r := range dark.Refusals {
		names = append(names, r.Host)
	}
	return append(lines,
		fmt.Sprintf("  → when %s can be looked at, run the same command again: what is needed there is not known before",
			plan.Enumerate(names)))
}
