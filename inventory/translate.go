package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const oldPrefix = "experimental-"

// FlagError names the flags that an etcd of that minor has nothing for. It is
// no use to try again; they must go from the inventory, or the version stay.
type FlagError struct {
	Minor string   // "3.6"
	Names []string // sorted; "feature-gates=NAME" for a gate, "NAME=VALUE" for a value
}

func (e *FlagError) Error() string {
	return fmt.Sprintf("translate flags: etcd %s has nothing for %s", e.Minor, strings.Join(e.Names, ", "))
}

// FlagsFor returns flags as the etcd of that minor ("3.6") takes them. A flag that it knows stays as it is, and one
// that it calls otherwise gets its name there. Feature gates become one feature-gates, or the flags that they are where
// they are no gates yet. A setting given in two spellings, which etcd refuses, becomes one. Only names change, so the
// answer for one minor can be translated to another. A *FlagError names all that the minor has nothing for, and comes
// with the other flags; any other error is one that Load finds too.
func FlagsFor(flags map[string]string, minor string) (map[string]string, error) {
	all, err := settings(flags)
	if err != nil {
		return nil, err
	}
	out, set := map[string]string{}, map[string]string{}
	var missing []string
	for _, s := range all {
		switch flag := s.flagIn(minor); {
		case flag == gatesFlag:
			set[s.gate] = s.value
		case flag != "":
			out[flag] = s.value
		default:
			missing = append(missing, s.missing()...)
		}
	}
	if len(set) > 0 {
		out[gatesFlag] = formatGates(set)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return out, &FlagError{minor, missing}
	}
	return out, nil
}

// setting is one thing that flags set, whatever it is called.
type setting struct {
	gate      string   // its feature gate; "": it is none
	spellings []string // the flags that gave it, at least one, sorted
	value     string
}

// settings takes flags apart. Two values for one setting are an error.
func settings(flags map[string]string) ([]setting, error) {
	var all []setting
	add := func(s setting) error {
		for i, other := range all {
			if other.key() != s.key() {
				continue
			}
			if other.value != s.value {
				return fmt.Errorf("read flags: %s and %s are the same setting with different values, %q and %q",
					other.spellings[0], s.spellings[0], clip(other.value), clip(s.value))
			}
			all[i].spellings = append(other.spellings, s.spellings...)
			return nil
		}
		all = append(all, s)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if name != gatesFlag {
			s, err := oneSetting(name, flags[name])
			if err == nil {
				err = add(s)
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		set, err := parseGates(flags[name])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", gatesFlag, err)
		}
		for _, gate := range slices.Sorted(maps.Keys(set)) {
			if err := add(setting{gate, []string{name}, strconv.FormatBool(set[gate])}); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// oneSetting is the setting of any flag but feature-gates.
func oneSetting(name, value string) (setting, error) {
	s := setting{gateOf(name), []string{name}, value}
	if s.gate == "" {
		return s, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return setting{}, fmt.Errorf("read flags: %s is %q, and takes true or false", name, clip(value))
	}
	s.value = strconv.FormatBool(on)
	return s, nil
}

// key is equal for two spellings of one setting.
func (s setting) key() string {
	if s.gate != "" {
		return gatesFlag + "=" + s.gate
	}
	return strings.TrimPrefix(s.spellings[0], oldPrefix)
}

// flagIn returns the flag that takes the setting in that minor; "" for none.
func (s setting) flagIn(minor string) string {
	if !hasValue(s.key(), s.value, minor) {
		return ""
	}
	if len(s.spellings) == 1 && s.spellings[0] != gatesFlag && hasFlag(s.spellings[0], minor) {
		return s.spellings[0]
	}
	if g := gates[s.gate]; s.gate != "" {
		switch {
		case slices.Contains(g.minors, minor):
			return gatesFlag
		case hasFlag(g.flag, minor):
			return g.flag
		}
		return ""
	}
	for _, name := range []string{s.key(), oldPrefix + s.key()} {
		if hasFlag(name, minor) {
			return name
		}
	}
	return ""
}

// missing is the setting in the words of FlagError.
func (s setting) missing() []string {
	if slices.Contains(s.spellings, gatesFlag) {
		return []string{s.key()}
	}
	if !hasValue(s.key(), s.value, "") {
		return []string{s.spellings[0] + "=" + s.value}
	}
	return s.spellings
}

func hasFlag(name, minor string) bool { return slices.Contains(etcdFlags()[name].minors, minor) }

// hasValue is false for the one value that a minor has lost while it kept the
// flag: 3.6 and later exit with "invalid value".
func hasValue(flag, value, minor string) bool {
	return flag != "v2-deprecation" || value != "not-yet" || minor == "3.5"
}
