package apply

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestBrief is by what etcd 3.5.35 to 3.7.3 and systemd wrote.
func TestBrief(t *testing.T) {
	const stamp = `"ts":"2026-11-28T12:19:53.677940Z","caller":"etcdmain/etcd.go:75"`
	log := []string{
		"Starting etcd-prod.service - etcd member etcd-1 of cluster prod...",
		`{"level":"warn",` + stamp +
			`,"msg":"failed to verify flags","error":"unexpected TLS version \"1.3\" (must be one of: TLS1.2, TLS1.3)"}`,
		`{"level":"fatal",` + stamp +
			`,"msg":"discovery failed","error":"auth: invalid auth options","stacktrace":"go.etcd.io/etcd/server/v3/etcdmain.startEtcdOrProxyV2\n\tgo.etcd.io/etcd/server/v3/etcdmain/etcd.go:204\nmain.main"}`,
		`{"level":"warn",` + stamp +
			`,"msg":"prober detected unhealthy status","remote-peer-id":"4c6a8c1b","rtt":"0s","error":"dial tcp 10.0.0.12:2380: connect: connection refused"}`,
		`{"level":"warn",` + stamp +
			`,"msg":"prober detected unhealthy status","remote-peer-id":"4c6a8c1b","rtt":"1s","error":"dial tcp 10.0.0.12:2380: connect: connection refused"}`,
		`panic: unrecognized level: "verbose"`,
		"",
		"goroutine 1 [running]:",
		"go.etcd.io/etcd/client/pkg/v3/logutil.ConvertToZapLevel({0x7ffd0d9a8e2c, 0x7})",
		"\tgo.etcd.io/etcd/client/pkg/v3@v3.6.16/logutil/log_level.go:27 +0x51",
		"main.main()",
		"\tgo.etcd.io/etcd/server/v3@v3.6.16/main.go:31 +0x3f",
		"etcd-prod.service: Main process exited, code=exited, status=2/INVALIDARGUMENT",
		`{"level":"info"}`,
		strings.Repeat("x", 1000),
	}
	want := []string{
		"Starting etcd-prod.service - etcd member etcd-1 of cluster prod...",
		`warn: failed to verify flags: unexpected TLS version "1.3" (must be one of: TLS1.2, TLS1.3)`,
		"fatal: discovery failed: auth: invalid auth options",
		"warn: prober detected unhealthy status: dial tcp 10.0.0.12:2380: connect: connection refused (peer 4c6a8c1b) (2 times)",
		`panic: unrecognized level: "verbose"`,
		"etcd-prod.service: Main process exited, code=exited, status=2/INVALIDARGUMENT",
		`{"level":"info"}`,
		strings.Repeat("x", longLine) + "…",
	}
	if got := Brief(log, 20); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := Brief(log, 2); !slices.Equal(got, want[len(want)-2:]) {
		t.Errorf("the last two are %q", got)
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprint(i))
	}
	if got := Brief(many, 12); len(got) != 12 || got[11] != "99" {
		t.Errorf("of a hundred: %q", got)
	}
}
