package apply

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The journals are those of real members that were kept from coming up, without lines that say nothing and without
// stack traces, and one of a member of which nothing is wrong.
func TestExplainRealJournals(t *testing.T) {
	files, err := filepath.Glob("testdata/journals/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("journals: %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text := read(t, file)
			var got strings.Builder
			for _, section := range strings.Split(strings.TrimPrefix(text, "== "), "\n== ") {
				name, journal, _ := strings.Cut(section, "\n")
				fmt.Fprintf(&got, "== %s\n", name)
				if why := Explain(strings.Split(journal, "\n")); why != nil {
					fmt.Fprintf(&got, "%s\n→ %s\n", why.Cause, why.Remedy)
				}
			}
			golden := strings.TrimSuffix(file, ".txt") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(read(t, golden), got.String()); d != "" {
				t.Errorf("-want +got %s", d)
			}
		})
	}
}

// Lines that were not to be had from real members at will.
func TestExplain(t *testing.T) {
	tests := []struct{ line, cause string }{
		{`{"level":"panic","msg":"tocommit(13) is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?"}`, "log is empty"},
		{`{"level":"panic","msg":"tocommit(13) is out of range [lastIndex(7)]. Was the raft log corrupted, truncated, or lost?"}`, "lost log entries"},
		{`{"level":"fatal","error":"member a1b2 has already been bootstrapped"}`, "data directory is empty"},
		{`{"level":"warn","msg":"request cluster ID mismatch"}`, "another cluster"},
		{
			`{"level":"fatal","msg":"invalid downgrade; server version is lower than determined cluster version"}`,
			"newer minor version",
		},
		{`panic: detected disallowed v2 WAL for stage --v2-deprecation=write-only`, "v2 content"},
		{`flag provided but not defined: -experimental-foo`, "know the flag experimental-foo"},
		{`{"level":"fatal","error":"listen tcp 10.0.0.11:2380: bind: address already in use"}`, "holds 10.0.0.11:2380"},
		{`{"error":"listen tcp 10.0.0.11:2380: bind: cannot assign requested address"}`, "no such address: 10.0.0.11:2380"},
		{`{"error":"write /var/lib/etcd-prod/member/wal/0.tmp: no space left on device"}`, "a file system is full"},
		{`{"error":"error validating peerURLs: member count is unequal"}`, "does not agree with the member list"},
		{`{"error":"unmatched member while checking PeerURLs"}`, "does not agree with the member list"},
		{
			`{"error":"cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs"}`,
			"reaches none of the others",
		},
		{`{"error":"couldn't find local name \"etcd-1\" in the initial cluster configuration"}`, "name the member etcd-1"},
		{`{"error":"open /etc/etcd/prod/tls/peer/key.pem: permission denied"}`, "key.pem cannot be read: permission denied"},
		{`{"error":"tls: private key does not match public key"}`, "do not belong together"},
		{
			`{"error":"x509: certificate is valid for 10.0.0.11, not 10.0.0.12"}`,
			"not accepted: x509: certificate is valid for 10.0.0.11, not 10.0.0.12",
		},
		{`{"msg":"prober found high clock drift"}`, "clocks differ"},
		{
			`etcd-prod.service: Failed at step EXEC spawning /opt/x/etcd: Permission denied`,
			"cannot run /opt/x/etcd Permission denied",
		},
		{`{"error":"walpb: crc mismatch"}`, "damaged"},
		{`{"error":"the member has been permanently removed from the cluster"}`, "was removed"},
		{`invalid value "many" for flag -max-txn-ops: parse error`, `max-txn-ops does not take the value "many"`},
		{`{"error":"dial tcp 10.0.0.12:2380: connect: connection refused"}`, "does not reach enough"},
	}
	for _, test := range tests {
		got := Explain([]string{"an unrelated line", test.line, "another"})
		if got == nil || !strings.Contains(got.Cause, test.cause) || got.Remedy == "" || got.Line != test.line {
			t.Errorf("%s\n  explained as %+v, want %q", test.line, got, test.cause)
		}
	}
	if got := Explain([]string{`{"level":"info","msg":"ready to serve client requests"}`}); got != nil {
		t.Errorf("a good line is explained as %+v", got)
	}
}

// The cause of a failure stands above what follows from it.
func TestExplainOrder(t *testing.T) {
	got := Explain([]string{`connect: connection refused`, `listen tcp 10.0.0.1:2380: bind: address already in use`})
	if got == nil || !strings.Contains(got.Cause, "another process") {
		t.Errorf("explained as %+v", got)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
