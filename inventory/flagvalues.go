package inventory

import (
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A value reports whether a flag takes a text, and says what it takes. Etcd reads these texts only as it starts, so a
// bad one would stop the first member that is restarted with it. Sources: etcd 3.5.35 to 3.7.3, embed/config.go
// (Validate, setupLogging), etcdmain/config.go, client/pkg/tlsutil, client/pkg/types/urls.go, server/auth/store.go.
type value func(text string) (takes string, ok bool)

// flagValues are the flags that do not take every text of their kind, without the prefix experimental-. What a single
// minor has given up is in hasValue.
var flagValues = map[string]value{
	"auth-token":                        authToken,
	"backend-bbolt-freelist-type":       oneOf("array", "map"),
	"cipher-suites":                     cipherSuites,
	"compact-hash-check-time":           moreThanNothing,
	"cors":                              origins,
	"distributed-tracing-sampling-rate": between(0, 1_000_000),
	"log-level":                         logLevel,
	"max-concurrent-streams":            between(0, math.MaxUint32),
	"metrics":                           oneOf("basic", "extensive"),
	"tls-max-version":                   oneOf("TLS1.2", "TLS1.3"),
	"tls-min-version":                   oneOf("TLS1.2", "TLS1.3"),
	"v2-deprecation": oneOf("not-yet", "write-only", "write-only-skip-check", "write-only-drop-data",
		"gone"),
}

func knownValue(name string) value { return flagValues[strings.TrimPrefix(name, oldPrefix)] }

func oneOf(texts ...string) value {
	takes := quoted(texts)
	return func(text string) (string, bool) { return takes, slices.Contains(texts, text) }
}

func quoted(texts []string) string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = strconv.Quote(text)
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

func between(low, high int64) value {
	return func(text string) (string, bool) {
		n, err := strconv.ParseInt(text, 0, 64)
		return fmt.Sprintf("a number from %d to %d", low, high), err == nil && low <= n && n <= high
	}
}

func moreThanNothing(text string) (string, bool) {
	d, err := time.ParseDuration(text)
	return `a duration longer than 0, such as "1m"`, err == nil && d > 0
}

func logLevel(text string) (string, bool) {
	levels := []string{"debug", "info", "warn", "error", "panic", "fatal"}
	return quoted(levels), slices.Contains(levels, strings.ToLower(text))
}

// suites are the names that etcd knows: Go's own, and two of older Go versions.
func suites() []string {
	names := []string{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		names = append(names, suite.Name)
	}
	return names
}

func cipherSuites(text string) (string, bool) {
	const takes = "names of cipher suites as Go has them, separated by commas alone"
	for name := range strings.SplitSeq(text, ",") {
		if !slices.Contains(suites(), name) {
			return fmt.Sprintf("%s; %q is none.%s", takes, clip(name), didYouMean(name, slices.Values(suites()))), false
		}
	}
	return takes, true
}

func origins(text string) (string, bool) {
	for one := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		ok := err == nil && slices.Contains([]string{"http", "https", "unix", "unixs"}, u.Scheme)
		if ok && strings.HasPrefix(u.Scheme, "http") {
			_, _, err = net.SplitHostPort(u.Host)
			ok = err == nil && u.Path == ""
		}
		if !ok && text != "*" {
			return `"*", or URLs with a port and without a path, such as "https://app.example.com:443", separated by commas`,
				false
		}
	}
	return "", true
}

func authToken(text string) (string, bool) {
	kind, options, _ := strings.Cut(text, ",")
	ok := kind == "simple" || kind == "jwt" && options != ""
	seen := map[string]bool{}
	for option := range strings.SplitSeq(options, ",") {
		name, _, pair := strings.Cut(option, "=")
		ok = ok && (options == "" || pair && !seen[name])
		seen[name] = true
	}
	return `"simple", or "jwt" with its options, such as "jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256"`, ok
}

// together checks values that are good one by one, and says whether they go together.
func (v values) together(good map[string]item) bool {
	low, high, suites := good["tls-min-version"], good["tls-max-version"], good["cipher-suites"]
	texts := map[string]string{}
	for name, one := range good {
		texts[name] = one.text
	}
	all, _ := settings(texts) // its error was reported for each flag
	on := func(gate string) *setting {
		for i := range all {
			if all[i].gate == gate && all[i].value == "true" {
				return &all[i]
			}
		}
		return nil
	}
	switch persists := on("LeaseCheckpointPersist"); {
	case low.text > high.text && high.text != "":
		v.badExpr(low.expr, "bad value of a flag",
			"tls-min-version is %q, and tls-max-version %q.", low.text, high.text)
	case low.text == "TLS1.3" && suites.text != "":
		v.badExpr(suites.expr, "bad value of a flag",
			"With TLS 1.3 alone cipher suites cannot be chosen, and etcd does not start with both; leave one out.")
	case persists != nil && on("LeaseCheckpoint") == nil && on("AllAlpha") == nil:
		v.badExpr(good[persists.spellings[0]].expr, "bad value of a flag",
			"LeaseCheckpointPersist needs LeaseCheckpoint as well; etcd does not start without it.")
	default:
		return true
	}
	return false
}
