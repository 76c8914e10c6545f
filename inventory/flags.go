package inventory

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed etcdflags.txt
var etcdFlagsText string

// etcdFlag is one flag of the etcd server.
type etcdFlag struct {
	kind   string // bool, int, uint, duration, string
	minors []string
}

var etcdFlags = sync.OnceValue(func() map[string]etcdFlag {
	flags := map[string]etcdFlag{}
	for line := range strings.Lines(etcdFlagsText) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[0] != "#" {
			flags[fields[0]] = etcdFlag{kind: fields[1], minors: fields[2:]}
		}
	}
	return flags
})

const (
	byPKI   = "clusterup makes and places the certificates; see the pki block"
	byBoot  = "clusterup writes it from the members and the state of the cluster"
	byLog   = "etcd logs JSON to the journal of systemd; log-level may be set"
	byNever = "it endangers the data or the secrecy of the cluster, and is never wanted on a cluster in use"
)

// ownedFlags are written by clusterup; the text says what to use instead.
var ownedFlags = map[string]string{
	"name":                      "it is the label of the member block",
	"data-dir":                  "use data_dir in the cluster or member block",
	"wal-dir":                   "use wal_dir in the cluster or member block",
	"listen-peer-urls":          "use peer_address in the member block and peer_port in the cluster block",
	"listen-client-urls":        "use client_address in the member block and client_port in the cluster block",
	"listen-client-http-urls":   "clusterup serves HTTP and gRPC on client_port",
	"listen-metrics-urls":       "use metrics_port in the cluster block",
	"advertise-client-urls":     "use client_address in the member block and client_port in the cluster block",
	"quota-backend-bytes":       "use quota_backend_bytes in the etcd block",
	"auto-compaction-mode":      "use auto_compaction in the etcd block",
	"auto-compaction-retention": "use auto_compaction in the etcd block",
	"heartbeat-interval":        "use heartbeat_interval in the etcd block",
	"election-timeout":          "use election_timeout in the etcd block",
	"snapshot-count":            "use snapshot_count in the etcd block",
	"config-file":               "with it etcd ignores every other flag; write the flags here",

	"initial-advertise-peer-urls": byBoot, "initial-cluster": byBoot, "initial-cluster-state": byBoot,
	"initial-cluster-token": byBoot,

	"cert-file": byPKI, "key-file": byPKI, "client-cert-file": byPKI, "client-key-file": byPKI,
	"client-cert-auth": byPKI, "trusted-ca-file": byPKI, "client-crl-file": byPKI, "auto-tls": byPKI,
	"peer-cert-file": byPKI, "peer-key-file": byPKI, "peer-client-cert-file": byPKI, "peer-client-key-file": byPKI,
	"peer-client-cert-auth": byPKI, "peer-trusted-ca-file": byPKI, "peer-crl-file": byPKI, "peer-auto-tls": byPKI,
	"peer-cert-allowed-cn": byPKI, "peer-cert-allowed-hostname": byPKI, "client-cert-allowed-hostname": byPKI,
	"self-signed-cert-validity":         byPKI,
	"peer-skip-client-san-verification": byNever, "experimental-peer-skip-client-san-verification": byNever,

	"logger": byLog, "log-outputs": byLog, "log-format": byLog, "enable-log-rotation": byLog, "log-rotation-config-json": byLog,

	"force-new-cluster": byNever, "unsafe-no-fsync": byNever, "strict-reconfig-check": byNever,
	"proxy": "clusterup runs members only",
}

// ownedFlag also covers the families of flags that are owned as a whole.
func ownedFlag(name string) (string, bool) {
	if why, ok := ownedFlags[name]; ok {
		return why, true
	}
	if name == "discovery" || strings.HasPrefix(name, "discovery-") {
		return "members are named in the inventory, not discovered", true
	}
	return "", false
}

// featureGates are the flags that became a feature gate in 3.6 (etcd:
// server/features, ExperimentalFlagToFeatureMap); LeaseCheckpointPersist is
// gone from 3.7.
var featureGates = map[string]string{
	"experimental-stop-grpc-service-on-defrag":       "StopGRPCServiceOnDefrag",
	"experimental-initial-corrupt-check":             "InitialCorruptCheck",
	"experimental-compact-hash-check-enabled":        "CompactHashCheck",
	"experimental-txn-mode-write-with-shared-buffer": "TxnModeWriteWithSharedBuffer",
	"experimental-enable-lease-checkpoint":           "LeaseCheckpoint",
	"experimental-enable-lease-checkpoint-persist":   "LeaseCheckpointPersist",
}

// flags reads etcd.flags and holds each against the flags of that minor.
func (v values) flags(out *Etcd, minor string) {
	items, _ := v.table("flags")
	for _, one := range items {
		out.set(one)
		name := one.key
		if bare := strings.TrimLeft(name, "-"); bare != name {
			v.badExpr(one.expr, "bad flag", fmt.Sprintf("Write it without the dashes: %q.", clip(bare)))
			continue
		}
		if why, owned := ownedFlag(name); owned {
			v.badExpr(one.expr, "flag belongs to clusterup", fmt.Sprintf("%s cannot be set here: %s.", name, why))
			continue
		}
		flag := etcdFlags()[name]
		if minor != "" && !slices.Contains(flag.minors, minor) {
			v.badExpr(one.expr, "unknown flag", unknownFlag(name, flag, minor))
			continue
		}
		if minor == "" && flag.kind == "" {
			continue // the version is wrong already
		}
		if want, ok := fits(flag.kind, one.text); !ok {
			v.badExpr(one.expr, "bad value of a flag", fmt.Sprintf("%s is %q, and takes %s.", name, clip(one.text), want))
			continue
		}
		if replacement := renamed(name, "3.7"); minor == "3.6" && !slices.Contains(flag.minors, "3.7") && replacement != "" {
			v.problems.warnAt(one.expr.Range(), "deprecated flag", "%s is gone in etcd 3.7; %s does the same in %s.", name, replacement, minor)
		}
	}
}

func (e *Etcd) set(one item) {
	if e.Flags == nil {
		e.Flags = map[string]string{}
	}
	e.Flags[one.key] = one.text
}

func unknownFlag(name string, flag etcdFlag, minor string) string {
	if len(flag.minors) == 0 {
		return fmt.Sprintf("etcd %s has no flag %q.%s", minor, clip(name), didYouMean(name, flagsOf(minor)))
	}
	text := fmt.Sprintf("etcd %s has no flag %q; it is one of %s.", minor, name, strings.Join(flag.minors, " and "))
	if replacement := renamed(name, minor); replacement != "" {
		text += fmt.Sprintf(" In %s write %s.", minor, replacement)
	}
	return text
}

func flagsOf(minor string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name, flag := range etcdFlags() {
			if slices.Contains(flag.minors, minor) && ownedFlags[name] == "" && !yield(name) {
				return
			}
		}
	}
}

// renamed says what a flag is called in another minor; "" when there is
// nothing like it.
func renamed(name, minor string) string {
	gate, isGate := featureGates[name]
	if isGate && (minor == "3.6" || minor == "3.7" && gate != "LeaseCheckpointPersist") {
		return fmt.Sprintf("feature-gates = %q", gate+"=true")
	}
	for _, other := range []string{strings.TrimPrefix(name, "experimental-"), "experimental-" + name} {
		if other != name && slices.Contains(etcdFlags()[other].minors, minor) {
			return strconv.Quote(other)
		}
	}
	return ""
}

// fits reports whether a flag of that kind takes the text, and what it takes.
// etcd reads them with the flag package.
func fits(kind, text string) (string, bool) {
	var err error
	switch kind {
	case "bool":
		return "true or false", text == "true" || text == "false"
	case "int":
		_, err = strconv.ParseInt(text, 0, 64)
		return "a whole number", err == nil
	case "uint":
		_, err = strconv.ParseUint(text, 0, 64)
		return "a whole number that is not negative", err == nil
	case "duration":
		_, err = time.ParseDuration(text)
		return `a duration such as "10s" or "1h30m"`, err == nil
	}
	return "text on one line", !strings.ContainsAny(text, "\n\r\x00")
}

// FlagMinors returns the etcd minors ("3.6") that have a flag, in rising order;
// none when etcd has no such flag. The name is without dashes.
func FlagMinors(name string) []string { return slices.Clone(etcdFlags()[name].minors) }

// FlagIn returns what a flag of another minor is called in this one: its own
// name, a new name, or "" when there is none. Flags that turned into a feature
// gate are answered as "feature-gates" and the name of the gate.
func FlagIn(name, minor string) (flag, gate string) {
	if slices.Contains(etcdFlags()[name].minors, minor) {
		return name, ""
	}
	if gate, ok := featureGates[name]; ok && renamed(name, minor) != "" {
		return "feature-gates", gate
	}
	other, err := strconv.Unquote(renamed(name, minor))
	if err != nil {
		return "", ""
	}
	return other, ""
}

// Minors returns the etcd minors that an inventory may ask for.
func Minors() []string { return slices.Clone(knownMinors) }
