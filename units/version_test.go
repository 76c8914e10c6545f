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
			m.Flags = c.flags
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
