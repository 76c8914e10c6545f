package inventory

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFlagsFor(t *testing.T) {
	type flags = map[string]string
	const check, hash, lease = "experimental-initial-corrupt-check", "experimental-compact-hash-check-enabled",
		"experimental-enable-lease-checkpoint"
	none := func(minor string, names ...string) map[string]*FlagError {
		return map[string]*FlagError{minor: {minor, names}}
	}
	for name, tt := range map[string]struct {
		in               flags
		in35, in36, in37 flags
		missing          map[string]*FlagError // by minor
	}{
		"none": {nil, flags{}, flags{}, flags{}, nil},
		"everywhere": {
			flags{"pre-vote": "true"},
			flags{"pre-vote": "true"},
			flags{"pre-vote": "true"},
			flags{"pre-vote": "true"},
			nil,
		},
		"old name": {
			flags{"experimental-corrupt-check-time": "4h"},
			flags{"experimental-corrupt-check-time": "4h"},
			flags{"experimental-corrupt-check-time": "4h"},
			flags{"corrupt-check-time": "4h"},
			nil,
		},
		"new name": {
			flags{"compact-hash-check-time": "2m"},
			flags{"experimental-compact-hash-check-time": "2m"},
			flags{"compact-hash-check-time": "2m"},
			flags{"compact-hash-check-time": "2m"},
			nil,
		},
		"both names": {
			flags{"corrupt-check-time": "4h", "experimental-corrupt-check-time": "4h"},
			flags{"experimental-corrupt-check-time": "4h"},
			flags{"corrupt-check-time": "4h"},
			flags{"corrupt-check-time": "4h"},
			nil,
		},
		"a flag that became a gate": {
			flags{check: "false"},
			flags{check: "false"},
			flags{check: "false"},
			flags{"feature-gates": "InitialCorruptCheck=false"},
			nil,
		},
		"flags that became gates": {
			flags{hash: "true", check: "false", lease: "true", lease + "-persist": "true"},
			flags{hash: "true", check: "false", lease: "true", lease + "-persist": "true"},
			flags{hash: "true", check: "false", lease: "true", lease + "-persist": "true"},
			flags{"feature-gates": "CompactHashCheck=true,InitialCorruptCheck=false,LeaseCheckpoint=true,LeaseCheckpointPersist=true"},
			nil,
		},
		"gates": {
			flags{"feature-gates": " StopGRPCServiceOnDefrag=1, ,CompactHashCheck=F "},
			flags{"experimental-stop-grpc-service-on-defrag": "true", hash: "false"},
			flags{"feature-gates": "CompactHashCheck=false,StopGRPCServiceOnDefrag=true"},
			flags{"feature-gates": "CompactHashCheck=false,StopGRPCServiceOnDefrag=true"},
			nil,
		},
		"no gate": {flags{"feature-gates": ""}, flags{}, flags{}, flags{}, nil},
		"a gate beside a flag": {
			flags{"feature-gates": "TxnModeWriteWithSharedBuffer=false", check: "true"},
			flags{"experimental-txn-mode-write-with-shared-buffer": "false", check: "true"},
			flags{"feature-gates": "TxnModeWriteWithSharedBuffer=false", check: "true"},
			flags{"feature-gates": "InitialCorruptCheck=true,TxnModeWriteWithSharedBuffer=false"},
			nil,
		},
		"a gate and its flag": {
			flags{"feature-gates": "InitialCorruptCheck=true", check: "true"},
			flags{check: "true"},
			flags{"feature-gates": "InitialCorruptCheck=true"},
			flags{"feature-gates": "InitialCorruptCheck=true"},
			nil,
		},
		"gates without a flag": {
			flags{"feature-gates": "SetMemberLocalAddr=true,AllBeta=false"},
			nil,
			flags{"feature-gates": "AllBeta=false,SetMemberLocalAddr=true"},
			flags{"feature-gates": "AllBeta=false,SetMemberLocalAddr=true"},
			none("3.5", "feature-gates=AllBeta", "feature-gates=SetMemberLocalAddr"),
		},
		"removed": {
			flags{"enable-v2": "false", "proxy-dial-timeout": "9", "pre-vote": "true"},
			flags{"enable-v2": "false", "proxy-dial-timeout": "9", "pre-vote": "true"},
			flags{"pre-vote": "true"},
			flags{"pre-vote": "true"},
			map[string]*FlagError{
				"3.6": {"3.6", []string{"enable-v2", "proxy-dial-timeout"}},
				"3.7": {"3.7", []string{"enable-v2", "proxy-dial-timeout"}},
			},
		},
		"new": {
			flags{"max-learners": "2"},
			nil,
			flags{"max-learners": "2"},
			flags{"max-learners": "2"},
			none("3.5", "max-learners"),
		},
		"new under its old name": {
			flags{"experimental-warning-unary-request-duration": "1s"},
			nil,
			flags{"experimental-warning-unary-request-duration": "1s"},
			flags{"warning-unary-request-duration": "1s"},
			none("3.5", "experimental-warning-unary-request-duration"),
		},
		"a value lost": {
			flags{"v2-deprecation": "not-yet"},
			flags{"v2-deprecation": "not-yet"},
			nil, nil,
			map[string]*FlagError{
				"3.6": {"3.6", []string{"v2-deprecation=not-yet"}},
				"3.7": {"3.7", []string{"v2-deprecation=not-yet"}},
			},
		},
		"a value kept": {
			flags{"v2-deprecation": "write-only"},
			flags{"v2-deprecation": "write-only"},
			flags{"v2-deprecation": "write-only"},
			flags{"v2-deprecation": "write-only"},
			nil,
		},
		"unknown": {flags{"no-such-flag": "1", "experimental-none": ""}, nil, nil, nil, map[string]*FlagError{
			"3.5": {"3.5", []string{"experimental-none", "no-such-flag"}},
			"3.6": {"3.6", []string{"experimental-none", "no-such-flag"}},
			"3.7": {"3.7", []string{"experimental-none", "no-such-flag"}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before := maps.Clone(tt.in)
			for minor, want := range map[string]flags{"3.5": tt.in35, "3.6": tt.in36, "3.7": tt.in37} {
				got, err := FlagsFor(tt.in, minor)
				var missing *FlagError
				errors.As(err, &missing)
				if diff := cmp.Diff(tt.missing[minor], missing); diff != "" {
					t.Errorf("%s: error %v (-want +got):\n%s", minor, err, diff)
				}
				if missing != nil && want == nil {
					want = flags{} // nothing is left of it
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", minor, diff)
				}
			}
			if diff := cmp.Diff(before, tt.in); diff != "" {
				t.Errorf("the flags that were given have changed:\n%s", diff)
			}
		})
	}
}

func TestFlagsForMistakes(t *testing.T) {
	for _, tt := range []struct {
		flags map[string]string
		want  string
	}{
		{
			map[string]string{"corrupt-check-time": "4h", "experimental-corrupt-check-time": "5h"},
			`corrupt-check-time and experimental-corrupt-check-time are the same setting with different values, "4h" and "5h"`,
		},
		{
			map[string]string{"feature-gates": "LeaseCheckpoint=true", "experimental-enable-lease-checkpoint": "false"},
			"experimental-enable-lease-checkpoint and feature-gates are the same",
		},
		{
			map[string]string{"experimental-enable-lease-checkpoint": "maybe"},
			`experimental-enable-lease-checkpoint is "maybe", and takes true or false`,
		},
		{map[string]string{"feature-gates": "LeaseCheckpoint"}, `"LeaseCheckpoint" is not GATE=true or GATE=false`},
		{map[string]string{"feature-gates": "=true"}, `"=true" is not`},
		{map[string]string{"feature-gates": "A=yes"}, `"A=yes" is not`},
		{map[string]string{"feature-gates": "A=true,A=0"}, "A is both true and false"},
	} {
		for _, minor := range knownMinors {
			got, err := FlagsFor(tt.flags, minor)
			var missing *FlagError
			if err == nil || errors.As(err, &missing) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v in %s: %v, %v; want %s", tt.flags, minor, got, err, tt.want)
			}
		}
	}
}

// drawFlags gives flags and values that at least one etcd takes.
func drawFlags(t *rapid.T) map[string]string {
	names := slices.Sorted(maps.Keys(etcdFlags()))
	names = slices.DeleteFunc(names, func(name string) bool { return name == gatesFlag })
	flags := map[string]string{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 5, rapid.ID).Draw(t, "names") {
		flags[name] = rapid.SampledFrom([]string{"true", "false"}).Draw(t, name)
		if name == "v2-deprecation" {
			flags[name] = rapid.SampledFrom([]string{"not-yet", "write-only"}).Draw(t, name)
		}
	}
	on := map[string]string{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(gates))), 0, 3, rapid.ID).Draw(t,
		"gates") {
		on[name] = rapid.SampledFrom([]string{"true", "false"}).Draw(t, name)
	}
	if len(on) > 0 {
		flags[gatesFlag] = formatGates(on)
	}
	return flags
}

// meaning is what flags set, however it is written.
func meaning(t *rapid.T, flags map[string]string) map[string]string {
	all, err := settings(flags)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, s := range all {
		out[s.key()] = s.value
	}
	return out
}

// TestFlagsForLaws: a translation means the same, is what that minor takes and
// no more than once, stays as it is, and is complete or an error.
func TestFlagsForLaws(t *testing.T) {
	complete := 0
	rapid.Check(t, func(t *rapid.T) {
		flags, minor := drawFlags(t), rapid.SampledFrom(knownMinors).Draw(t, "minor")
		if _, err := settings(flags); err != nil {
			return
		}
		got, err := FlagsFor(flags, minor)
		var missing *FlagError
		if errors.As(err, &missing) {
			if len(missing.Names) == 0 || !slices.IsSorted(missing.Names) {
				t.Fatalf("%v with %+v", got, missing)
			}
			if rest, err := FlagsFor(got, minor); err != nil || !maps.Equal(got, rest) {
				t.Fatalf("the rest, %v, became %v, %v", got, rest, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(meaning(t, flags), meaning(t, got)); diff != "" {
			t.Fatalf("something else:\n%s", diff)
		}
		for name := range got {
			if !hasFlag(name, minor) {
				t.Fatalf("%s is no flag of %s", name, minor)
			}
			if _, both := got[oldPrefix+name]; both {
				t.Fatalf("%s is there twice", name)
			}
		}
		again, err := FlagsFor(got, minor)
		if err != nil || !maps.Equal(got, again) {
			t.Fatalf("%v became %v, %v", got, again, err)
		}
		complete++
	})
	if complete == 0 {
		t.Error("not one translation was complete")
	}
}

// inHelp are the flags and feature gates that the help of a real etcd lists.
func inHelp(t *testing.T, minor string) (flags, gates []string) {
	t.Helper()
	release := map[string]string{"3.5": "3.5.35", "3.6": "3.6.16", "3.7": "3.7.3"}[minor]
	raw, err := os.ReadFile("testdata/help/" + release + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		if gate, ok := strings.CutPrefix(word, "gate "); ok {
			gates = append(gates, gate)
		} else {
			flags = append(flags, word)
		}
	}
	return flags, gates
}

// TestTranslationsAreInHelp translates every flag and gate of every minor to
// every other, and looks for the outcome in what etcd itself prints.
func TestTranslationsAreInHelp(t *testing.T) {
	// taken, but not in the help
	unlisted := map[string]string{"experimental-snapshot-catchup-entries": "3.5", "config-file": ""}
	found := map[string]int{}
	for _, to := range knownMinors {
		flags, listed := inHelp(t, to)
		for name := range etcdFlags() {
			got, gate := flagIn(name, to)
			if got == "" {
				continue
			}
			if minor, odd := unlisted[got]; !slices.Contains(flags, got) && (!odd || minor != "" && minor != to) {
				t.Errorf("%s is %s in %s, which is not in its help", name, got, to)
			}
			if gate != "" && !slices.Contains(listed, gate) {
				t.Errorf("%s is the gate %s in %s, which is not in its help", name, gate, to)
			}
			if got != name {
				found[to]++
			}
		}
		for name, g := range gates {
			if slices.Contains(g.minors, to) != slices.Contains(listed, name) {
				t.Errorf("gate %s: %s says %v, its help %q", name, to, g.minors, listed)
			}
		}
		for _, name := range listed {
			if _, ok := gates[name]; !ok {
				t.Errorf("no gate %s, which %s has", name, to)
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"3.5": 16, "3.7": 23}, found); diff != "" {
		t.Errorf("names that changed (-want +got):\n%s", diff)
	}
}
