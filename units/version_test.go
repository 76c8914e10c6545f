package units

import (
	"slices"
	"testing"
)

func TestCheckAtStart(t *testing.T) {
	const old = "experimental-initial-corrupt-check"
	for name, c := range map[string]struct {
		version string
		flags   map[string]string
		want    []string
		not     string
	}{
		"3.5":               {"3.5.21", nil, []string{"--" + old + "=true"}, "feature-gates"},
		"3.6":               {"3.6.16", nil, []string{"--feature-gates=InitialCorruptCheck=true"}, old},
		"release candidate": {"v3.7.0-rc.1", nil, []string{"--feature-gates=InitialCorruptCheck=true"}, old},
		"later":             {"4.0.0", nil, []string{"--feature-gates=InitialCorruptCheck=true"}, old},
		"other gates": {
			"3.6.16",
			map[string]string{"feature-gates": "Z=true, A=false"},
			[]string{"--feature-gates=A=false,InitialCorruptCheck=true,Z=true"},
			old,
		},
		"turned off": {
			"3.6.16",
			map[string]string{"feature-gates": "InitialCorruptCheck=false"},
			[]string{"--feature-gates=InitialCorruptCheck=false"},
			old,
		},
		"turned off in 3.5": {
			"3.5.21",
			map[string]string{old: "false"},
			[]string{"--" + old + "=false"},
			"feature-gates",
		},
		"turned off the old way": {
			"3.6.16",
			map[string]string{old: "false"},
			[]string{"--" + old + "=false"},
			"feature-gates",
		},
		"old way beside other gates": {
			"3.6.16",
			map[string]string{old: "true", "feature-gates": "A=true"},
			[]string{"--" + old + "=true", "--feature-gates=A=true"},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := prod(c.version)
			m.Flags, m.Unchecked = c.flags, true
			args := Args(m)
			for _, want := range c.want {
				if !slices.Contains(args, want) {
					t.Errorf("no %s in %q", want, args)
				}
			}
			if _, there := parse(args)[c.not]; there {
				t.Errorf("--%s in %q", c.not, args)
			}
		})
	}
}

func TestCheckAtCompaction(t *testing.T) {
	for name, c := range map[string]struct {
		version string
		flags   map[string]string
		want    string
		not     string
	}{
		"3.5":               {"3.5.5", nil, "--" + HashCheckFlag + "=true", "feature-gates"},
		"3.5 without it":    {"3.5.4", nil, "", HashCheckFlag},
		"3.6":               {"3.6.16", nil, "--feature-gates=CompactHashCheck=true,InitialCorruptCheck=true", HashCheckFlag},
		"turned off":        {"3.6.16", map[string]string{"feature-gates": "CompactHashCheck=false"}, "--feature-gates=CompactHashCheck=false,InitialCorruptCheck=true", HashCheckFlag},
		"turned off in 3.5": {"3.5.35", map[string]string{HashCheckFlag: "false"}, "--" + HashCheckFlag + "=false", ""},
		"the old way": {
			"3.6.16", map[string]string{HashCheckFlag: "true"}, "--feature-gates=InitialCorruptCheck=true", "",
		},
	} {
		m := prod(c.version)
		m.Flags = c.flags
		args := Args(m)
		if c.want != "" && !slices.Contains(args, c.want) {
			t.Errorf("%s: no %s in %q", name, c.want, args)
		}
		if _, there := parse(args)[c.not]; there {
			t.Errorf("%s: --%s in %q", name, c.not, args)
		}
	}
}

// A member that would only get the check is told from one that would get or lose more.
func TestAddsHashCheck(t *testing.T) {
	for _, version := range []string{"3.5.35", "3.6.16", "3.7.3"} {
		old, now := prod(version), prod(version)
		old.Unchecked = true
		lines := DiffArgs(Args(old), Args(now))
		if len(lines) != 1 || !AddsHashCheck(lines[0], Args(old)) {
			t.Errorf("%s: %q", version, lines)
		}
		back := DiffArgs(Args(now), Args(old))
		if len(back) != 1 || AddsHashCheck(back[0], Args(now)) {
			t.Errorf("%s, taken away: %q", version, back)
		}
	}
	old, now := prod("3.6.16"), prod("3.6.16")
	old.Unchecked = true
	now.Flags = map[string]string{"feature-gates": "SetMemberLocalAddr=true"}
	if lines := DiffArgs(Args(old), Args(now)); len(lines) != 1 || AddsHashCheck(lines[0], Args(old)) {
		t.Errorf("another gate too: %q", lines)
	}
	if AddsHashCheck("--quota-backend-bytes: 1 → 2", Args(old)) {
		t.Error("another flag")
	}
}
