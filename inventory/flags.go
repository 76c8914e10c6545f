package inventory

import (
	_ "embed"
	"fmt"
	"maps"
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
	byPKI   = "clusterup makes and places the certificates; see the pki and tls blocks"
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
	"auto-compaction-mode":      "use auto_compaction in the etcd block",
	"auto-compaction-retention": "use auto_compaction in the etcd block",
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

	"logger": byLog, "log-outputs": byLog, "log-format": byLog, "enable-log-rotation": byLog,
	"log-rotation-config-json": byLog,

	"force-new-cluster": byNever, "unsafe-no-fsync": byNever, "strict-reconfig-check": byNever,
	"proxy": "clusterup runs members only",
}

// ownedFlag also covers the flags that are attributes of the etcd block, and the families that are owned as a whole.
func ownedFlag(name string) (string, bool) {
	if why, ok := ownedFlags[name]; ok {
		return why, true
	}
	own, _ := namesOf(etcdSchema)
	attribute := strings.ReplaceAll(name, "-", "_")
	if _, known := etcdFlags()[name]; known && slices.Contains(own, attribute) {
		return "use " + attribute + " in the etcd block", true
	}
	if name == "discovery" || strings.HasPrefix(name, "discovery-") {
		return "members are named in the inventory, not discovered", true
	}
	return "", false
}

// flags reads etcd.flags and holds each against the flags of that minor.
func (v values) flags(out *Etcd, minor string) {
	items, _ := v.table("flags")
	good := map[string]item{}
	for _, one := range items {
		put(&out.Flags, one.key, one.text)
		if v.goodFlag(one, minor) {
			good[one.key] = one
		}
	}
	if !v.clashes(good) || !v.together(good) || minor == "" || len(good) < len(items) || len(items) == 0 {
		return
	}
	if translated, err := FlagsFor(out.Flags, minor); err == nil {
		out.Flags = translated
	}
}

// goodFlag checks one flag, and says whether it can be passed to etcd.
func (v values) goodFlag(one item, minor string) bool {
	name := one.key
	if bare := strings.TrimLeft(name, "-"); bare != name {
		v.badExpr(one.expr, "bad flag", "Write it without the dashes: %q.", clip(bare))
		return false
	}
	if why, owned := ownedFlag(name); owned {
		v.badExpr(one.expr, "flag belongs to clusterup", "%s cannot be set here: %s.", name, why)
		return false
	}
	kind := etcdFlags()[name].kind
	if kind == "" {
		if minor != "" { // otherwise the version is wrong already
			v.badExpr(one.expr, "unknown flag", "%s", unknownFlag(name, minor))
		}
		return false
	}
	if want, ok := fits(kind, one.text); !ok {
		v.badExpr(one.expr, "bad value of a flag", "%s is %q, and takes %s.", name, clip(one.text), want)
		return false
	}
	if known := knownValue(name); known != nil {
		if want, ok := known(one.text); !ok {
			detail := strings.TrimSuffix(fmt.Sprintf("%s is %q, and takes %s", name, clip(one.text), want), ".")
			if !strings.HasSuffix(detail, "?") {
				detail += "."
			}
			v.badExpr(one.expr, "bad value of a flag", "%s", detail)
			return false
		}
	}
	if name == gatesFlag {
		return v.gates(one, minor)
	}
	return minor == "" || v.flagIn(one, minor)
}

// flagIn checks a good flag against one minor.
func (v values) flagIn(one item, minor string) bool {
	s := setting{gateOf(one.key), []string{one.key}, one.text}
	switch known := hasFlag(one.key, minor); {
	case known && s.flagIn(minor) == "":
		v.badExpr(one.expr, "bad value of a flag",
			"etcd %s no longer takes %q for %s; leave the flag out.", minor, clip(one.text), one.key)
		return false
	case known && minor == "3.6" && !hasFlag(one.key, "3.7"):
		if replacement := renamed(s, "3.7"); replacement != "" {
			v.problems.warnAt(one.expr.Range(), "deprecated flag", "%s is gone in etcd 3.7; %s does the same in %s.", one.key,
				replacement, minor)
		}
	case known:
	case s.flagIn(minor) == "":
		v.badExpr(one.expr, "unknown flag", "%s", unknownFlag(one.key, minor))
		return false
	default:
		v.problems.warnAt(one.expr.Range(), "renamed flag", "%s is called %s in etcd %s; clusterup passes it on as that.",
			one.key, renamed(s, minor), minor)
	}
	return true
}

// gates checks the value of feature-gates.
func (v values) gates(one item, minor string) bool {
	set, err := parseGates(one.text)
	if err != nil {
		v.badExpr(one.expr, "bad value of a flag", "%s: %s.", gatesFlag, err)
		return false
	}
	good := true
	for _, name := range slices.Sorted(maps.Keys(set)) {
		s := setting{name, []string{gatesFlag}, strconv.FormatBool(set[name])}
		switch {
		case gates[name].minors == nil:
			v.badExpr(one.expr, "unknown feature gate",
				"etcd has no feature gate %q.%s", clip(name), didYouMean(name, maps.Keys(gates)))
			good = false
		case minor == "":
		case s.flagIn(minor) == "":
			v.badExpr(one.expr, "unknown feature gate",
				"etcd %s has no feature gate %s; it is one of %s.", minor, name,
				strings.Join(gates[name].minors, " and "))
			good = false
		case s.flagIn(minor) != gatesFlag:
			v.problems.warnAt(one.expr.Range(), "renamed flag",
				"The feature gate %s is called %s in etcd %s; clusterup passes it on as that.",
				name, renamed(s, minor), minor)
		}
	}
	return good
}

// clashes looks for one setting in two spellings, and says whether all is well.
func (v values) clashes(good map[string]item) bool {
	first := map[string]string{} // by name, those that do not clash
	well := true
	for _, name := range slices.Sorted(maps.Keys(good)) {
		first[name] = good[name].text
		if _, err := settings(first); err != nil {
			v.badExpr(good[name].expr, "flag given twice",
				"%s; keep one.", strings.TrimPrefix(err.Error(), "read flags: "))
			delete(first, name)
			well = false
		}
	}
	return well
}

func unknownFlag(name, minor string) string {
	minors := etcdFlags()[name].minors
	if len(minors) == 0 {
		return fmt.Sprintf("etcd %s has no flag %q.%s", minor, clip(name), didYouMean(name, flagsOf(minor)))
	}
	return fmt.Sprintf("etcd %s has no flag %q, and none in its place; it is one of %s.", minor, name,
		strings.Join(minors, " and "))
}

func flagsOf(minor string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name, flag := range etcdFlags() {
			if _, owned := ownedFlag(name); !owned && slices.Contains(flag.minors, minor) && !yield(name) {
				return
			}
		}
	}
}

// renamed is how a setting is written in another minor; "" when there is nothing like it.
func renamed(s setting, minor string) string {
	flag := s.flagIn(minor)
	switch flag {
	case "":
		return ""
	case gatesFlag:
		return fmt.Sprintf("%s = %q", gatesFlag, s.gate+"="+s.value)
	}
	return strconv.Quote(flag)
}

// fits reports whether a flag of that kind takes the text, and what it takes. etcd reads them with the flag package.
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
