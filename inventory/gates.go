package inventory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// gatesFlag is the flag that takes feature gates; 3.5 has none.
const gatesFlag = "feature-gates"

// gate is one feature gate of the etcd server.
type gate struct {
	minors []string
	flag   string // what it was before it was a gate, a bool; 3.6 still takes that
}

var since36 = []string{"3.6", "3.7"}

// gates are those that etcd 3.6.16 and 3.7.3 list in --help; a member does not start with another one. The flags are
// those of etcd's server/features, ExperimentalFlagToFeatureMap.
var gates = map[string]gate{
	"AllAlpha":                     {since36, ""},
	"AllBeta":                      {since36, ""},
	"CompactHashCheck":             {since36, "experimental-compact-hash-check-enabled"},
	"FastLeaseKeepAlive":           {[]string{"3.7"}, ""},
	"InitialCorruptCheck":          {since36, "experimental-initial-corrupt-check"},
	"LeaseCheckpoint":              {since36, "experimental-enable-lease-checkpoint"},
	"LeaseCheckpointPersist":       {since36, "experimental-enable-lease-checkpoint-persist"},
	"PriorityRequest":              {[]string{"3.7"}, ""},
	"SetMemberLocalAddr":           {since36, ""},
	"StopGRPCServiceOnDefrag":      {since36, "experimental-stop-grpc-service-on-defrag"},
	"TxnModeWriteWithSharedBuffer": {since36, "experimental-txn-mode-write-with-shared-buffer"},
}

// gateOf returns the gate that a flag has become; "" for none.
func gateOf(flag string) string {
	for name, g := range gates {
		if g.flag == flag && flag != "" {
			return name
		}
	}
	return ""
}

// parseGates reads the value of feature-gates as etcd does, but for a gate that
// is given twice, which etcd settles silently.
func parseGates(text string) (map[string]bool, error) {
	set := map[string]bool{}
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, value, _ := strings.Cut(entry, "=")
		name = strings.TrimSpace(name)
		on, err := strconv.ParseBool(strings.TrimSpace(value))
		if err != nil || name == "" {
			return nil, fmt.Errorf("%q is not GATE=true or GATE=false", clip(entry))
		}
		if other, twice := set[name]; twice && other != on {
			return nil, fmt.Errorf("%s is both true and false", clip(name))
		}
		set[name] = on
	}
	return set, nil
}

// formatGates is what parseGates reads, sorted.
func formatGates(set map[string]string) string {
	entries := make([]string, 0, len(set))
	for name, value := range set {
		entries = append(entries, name+"="+value)
	}
	slices.Sort(entries)
	return strings.Join(entries, ",")
}
