package probe

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts/lines/linestest"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// The answers in testdata are of real hosts: a bare one, one with a packet filter, and one whose data directory is on a
// full tmpfs.
func TestParseProbeGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("answers: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			answer, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			probe, err := parse(answer)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(probe, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := strings.TrimSuffix(file, ".txt") + ".json"
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error(cmp.Diff(string(want), string(got)))
			}
		})
	}
}

func TestParseProbeCutShort(t *testing.T) {
	for _, answer := range []string{"", "cpus\t2\n", "cpus\t2\nend"} {
		if probe, err := parse([]byte(answer)); err == nil {
			t.Errorf("%q: parsed as %+v", answer, probe)
		}
	}
}

// A line that cannot be read costs what it was to tell, and is told of.
func TestParseProbeUnread(t *testing.T) {
	for name, answer := range map[string]string{
		"unknown":        "color\tred\nend\n",
		"too few fields": "place\tdata\t/var\nend\n",
		"bad number":     "cpus\ttwo\nend\n",
		"bad time":       "fsync\tsoon\nend\n",
		"endless time":   "fsync\t1e300\nend\n",
		"negative time":  "fsync\t-1\nend\n",
		"no time":        "fsync\tNaN\nend\n",
		"bad limit":      "nofile\tmany\t12\nend\n",
		"two times":      "ping\t10.0.0.1\t1 2\nend\n",
		"bad rules":      "firewall\tnft\t1\tx\t\nend\n",
	} {
		probe, err := parse([]byte("cpus\t2\n" + answer))
		if err != nil || len(probe.Unread) != 1 || probe.CPUs != 2 {
			t.Errorf("%s: parsed as %+v, %v", name, probe, err)
		}
	}
}

func TestParseProbeLines(t *testing.T) {
	probe, err := parse([]byte("nofile\tunlimited\t1048576\n" +
		"address\t3: eth1    inet6 2001:db8::7/64 scope global dadfailed tentative \\\\ valid_lft forever\n" +
		"address\t3: eth1    link 02:00:00:00:00:01\n" +
		"fsync\t0.003\nfsync\t0.001\nfsync\t0.002\nfloor\t2e-05\nend\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Probe{
		OpenFiles: 1048576, Addresses: []HostAddress{{IP: "2001:db8::7", Duplicate: true}},
		Fsync: Latency{
			Samples: 3, P50: 2 * time.Millisecond, P99: 3 * time.Millisecond, Max: 3 * time.Millisecond,
			Floor: 20 * time.Microsecond,
		},
		Places: map[string]Place{}, Resolved: map[string][]string{}, Pings: map[string]time.Duration{},
		Callers: map[string]string{},
	}
	if diff := cmp.Diff(want, probe); diff != "" {
		t.Error(diff)
	}
}

func TestProbeScriptAndParserAgree(t *testing.T) {
	linestest.Agree(t, listenScript+script, kinds)
}

func TestRank(t *testing.T) {
	var sorted []time.Duration
	for i := range 200 {
		sorted = append(sorted, time.Duration(i+1))
	}
	for _, test := range []struct{ n, percent, want int }{
		{200, 50, 100},
		{200, 99, 198},
		{100, 99, 99},
		{99, 99, 99},
		{1, 50, 1},
		{2, 50, 1},
	} {
		if got := rank(sorted[:test.n], test.percent); got != time.Duration(test.want) {
			t.Errorf("rank %d of %d is %d, want %d", test.percent, test.n, got, test.want)
		}
	}
}

func TestProbeAskQuotes(t *testing.T) {
	script := Ask{DataDir: "/srv/it's", Ports: []int{1, 2}}.Script("n", "abc")
	if !strings.HasPrefix(script, `data='/srv/it'\''s'`) || !strings.Contains(script, "\nports='1 2'\n") ||
		!strings.Contains(script, "\ndisk=''\n") {
		t.Errorf("script begins %.120q", script)
	}
	if script := (Ask{Doors: []Door{{Running: true}, {Shut: "x"}}}).Script("n", "abc"); !strings.Contains(script,
		"\nlisten=''\n") {
		t.Errorf("a listener without a door to listen at: %.400q", script)
	}
}

func FuzzParseProbe(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("answers: %v, %v", files, err)
	}
	for _, file := range files {
		answer, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(answer)
	}
	f.Add([]byte("place\tdata\t/\text4\t/\trw\t\nfsync\t1e300\nfloor\tInf\nping\ta\t1\nend\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		probe, err := parse(answer)
		if err != nil {
			return
		}
		if _, err := json.Marshal(probe); err != nil {
			t.Errorf("a probe that cannot be written: %v", err)
		}
		if len(probe.Unread) > 8+1 || probe.Fsync.Max < 0 || probe.Fsync.P99 > probe.Fsync.Max {
			t.Errorf("%+v", probe)
		}
	})
}
