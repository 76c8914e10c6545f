package units

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed etcdflags.txt
var etcdFlagsText string

// foreign are the variables that change what a member does and are no flags of etcd. They count for the Go runtime and
// for packages that etcd is built with; the last line counts for the shell of the guard.
var foreign = []string{
	"ETCD_UNSUPPORTED_ARCH", "ETCD_VERIFY",
	"GOCOVERDIR", "GODEBUG", "GOFAIL_FAILPOINTS", "GOFAIL_HTTP", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK",
	"GRPC_ENFORCE_ALPN_ENABLED", "GRPC_GO_LOG_FORMATTER", "GRPC_GO_LOG_SEVERITY_LEVEL", "GRPC_GO_LOG_VERBOSITY_LEVEL",
	"SSL_CERT_DIR", "SSL_CERT_FILE",
	// etcd would send what it says to its peers through a proxy.
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"LD_AUDIT", "LD_LIBRARY_PATH", "LD_PRELOAD",
}

// Unwanted are the environment variables that the unit keeps from a member, whoever sets them; ETCD_CONFIG_FILE is the
// first, since with it etcd ignores every flag. UnsetEnvironment= knows no patterns, so each has its name here.
var Unwanted = sync.OnceValue(func() []string {
	names := []string{"ETCD_CONFIG_FILE"}
	for line := range strings.Lines(etcdFlagsText) {
		line = strings.TrimSpace(line)
		if name := variable(line); !strings.HasPrefix(line, "#") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return append(names, foreign...)
})

// variable is the environment variable that etcd takes a flag from (pkg/flags, FlagToEnv).
func variable(flag string) string {
	return "ETCD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// unsetLines are the settings that keep those variables away, in lines that a person can read; systemd joins the lists.
var unsetLines = sync.OnceValue(func() string {
	const width = 110
	var lines []string
	for _, name := range Unwanted() {
		last := len(lines) - 1
		if last < 0 || len(lines[last])+len(name) >= width {
			lines = append(lines, name)
			continue
		}
		lines[last] += " " + name
	}
	return "UnsetEnvironment=" + strings.Join(lines, "\nUnsetEnvironment=") + "\n"
})
