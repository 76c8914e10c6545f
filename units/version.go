package units

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// checkAtStart lets a member refuse to start when its data differs from that of its peers (InitialCorruptCheck), unless
// flags already say something about it. etcd 3.5 has a flag for it; from 3.6 on it is a feature gate, and 3.6 refuses
// to start when both are given (etcd server/embed/config.go).
func checkAtStart(version string, flags map[string]string) {
	const old, gate = "experimental-initial-corrupt-check", "InitialCorruptCheck"
	if _, said := flags[old]; said {
		return
	}
	if before36(version) {
		flags[old] = "true"
		return
	}
	flags["feature-gates"] = withGate(flags["feature-gates"], gate, "true")
}

// HashCheckGate is the feature gate, and HashCheckFlag what it was before 3.6, with which the leader compares the
// members' data after compactions, each minute. It is cheap, and finds differences while members run.
const (
	HashCheckGate = "CompactHashCheck"
	HashCheckFlag = "experimental-compact-hash-check-enabled" // since 3.5.5
)

// checkAtCompaction turns that check on, unless flags already say something about it.
func checkAtCompaction(version string, flags map[string]string) {
	if _, said := flags[HashCheckFlag]; said {
		return
	}
	switch {
	case !before36(version):
		flags["feature-gates"] = withGate(flags["feature-gates"], HashCheckGate, "true")
	case semver.Compare("v"+strings.TrimPrefix(version, "v"), "v3.5.5") >= 0:
		flags[HashCheckFlag] = "true"
	}
}

// AddsHashCheck says that a member that runs with one command line would only get that check by another one, as far as
// a line of [DiffArgs] tells.
func AddsHashCheck(line string, running []string) bool {
	gates := Flag(running, "feature-gates")
	return line == "--"+HashCheckFlag+": "+unset+" → true" ||
		line == "--feature-gates: "+cmp.Or(gates, unset)+" → "+withGate(gates, HashCheckGate, "true")
}

// withGate adds a gate to a value of --feature-gates that does not name it yet. Gates come out sorted by name.
func withGate(gates, name, value string) string {
	var all []string
	for entry := range strings.SplitSeq(gates, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, entry)
		}
	}
	named := func(entry string) bool {
		n, _, _ := strings.Cut(entry, "=")
		return strings.TrimSpace(n) == name
	}
	if !slices.ContainsFunc(all, named) {
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// before36 tells whether a version such as "3.5.21" or "v3.5.0-rc.1" is older than 3.6; false for a text that is no
// version.
func before36(version string) bool {
	v := "v" + strings.TrimPrefix(version, "v")
	return semver.IsValid(v) && semver.Compare(semver.MajorMinor(v), "v3.6") < 0
}
