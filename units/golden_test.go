package units

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// prod is a member with all the usual settings.
func prod(version string) Member {
	return Member{
		Cluster: "prod", Name: "etcd-1", User: "etcd-prod", Unit: "etcd-prod",
		BinDir:          "/opt/clusterup/etcd/" + version + "-1a2b3c4d",
		Version:         version,
		ConfigDir:       "/etc/etcd/prod",
		DataDir:         "/var/lib/etcd-prod",
		PeerTrust:       "/etc/etcd/prod/trust-peer-0badcafe.pem",
		ClientTrust:     "/etc/etcd/prod/trust-client-deadbeef.pem",
		ListenPeer:      []string{"https://10.0.0.11:2380"},
		ListenClient:    []string{"https://10.0.0.11:2379", "https://127.0.0.1:2379"},
		AdvertisePeer:   []string{"https://10.0.0.11:2380"},
		AdvertiseClient: []string{"https://10.0.0.11:2379"},
		ListenMetrics:   "http://127.0.0.1:2381",
		InitialCluster: []Peer{
			{"etcd-3", "https://10.0.0.13:2380"},
			{"etcd-1", "https://10.0.0.11:2380"},
			{"etcd-2", "https://10.0.0.12:2380"},
		},
		Token: "prod-7f3a", State: "existing",
		Heartbeat: 100 * time.Millisecond, Election: time.Second,
		QuotaBackendBytes: 8 << 30, AutoCompaction: time.Hour,
	}
}

// ipv6 has a WAL directory of its own, no metrics, and no tuning.
func ipv6() Member {
	return Member{
		Cluster: "six", Name: "a", User: "etcd-six", Unit: "etcd-six",
		BinDir: "/opt/clusterup/etcd/3.7.3-00000000", Version: "3.7.3",
		ConfigDir: "/etc/etcd/six", DataDir: "/srv/etcd/six", WALDir: "/fast/etcd/six/wal",
		PeerTrust: "/etc/etcd/six/trust-peer-1.pem", ClientTrust: "/etc/etcd/six/trust-client-2.pem",
		ListenPeer:      []string{"https://[fd00::1]:2380"},
		ListenClient:    []string{"https://[fd00::1]:2379", "https://[::1]:2379"},
		AdvertisePeer:   []string{"https://[fd00::1]:2380"},
		AdvertiseClient: []string{"https://[fd00::1]:2379"},
		InitialCluster:  []Peer{{"a", "https://[fd00::1]:2380"}},
		Token:           "six-1", State: "new",
	}
}

// peersOnly has TLS among members, and clients that speak http.
func peersOnly(m *Member) {
	m.ListenClient = []string{"http://10.0.0.11:2379", "http://127.0.0.1:2379"}
	m.AdvertiseClient = []string{"http://10.0.0.11:2379"}
	m.ClientTrust = ""
	m.ClientCRL = "/etc/etcd/prod/revoked-clients.crl" // of no use, and left out
}

// noTLS has none at all.
func noTLS(m *Member) {
	peersOnly(m)
	m.ListenPeer, m.AdvertisePeer = []string{"http://10.0.0.11:2380"}, []string{"http://10.0.0.11:2380"}
	m.InitialCluster = []Peer{{"etcd-1", "http://10.0.0.11:2380"}}
	m.PeerTrust = ""
}

// moving has clients that come over http still, on a port of their own.
func moving(m *Member) {
	m.ListenClient = append(m.ListenClient, "http://10.0.0.11:2378", "http://127.0.0.1:2378")
	m.ClientCRL, m.PeerCRL = "/etc/etcd/prod/revoked-clients.crl", "/etc/etcd/prod/revoked-peers.crl"
}

func with(m Member, change func(*Member)) Member {
	change(&m)
	return m
}

func TestUnitGolden(t *testing.T) {
	for name, m := range map[string]Member{
		"3.5":  prod("3.5.21"),
		"3.6":  prod("3.6.16"),
		"3.7":  prod("3.7.3"),
		"ipv6": ipv6(),
		"flags": with(prod("3.6.16"), func(m *Member) {
			m.SnapshotCount = 5000
			m.Flags = map[string]string{
				"feature-gates":     "StopGRPCServiceOnDefrag=true",
				"log-level":         "warn",
				"max-request-bytes": "1572864",
				"name":              "taken from the member, not from here",
			}
		}),
		"peers-only": with(prod("3.6.16"), peersOnly),
		"no-tls":     with(prod("3.6.16"), noTLS),
		"moving":     with(prod("3.5.35"), moving),
		"awkward": with(prod("3.6.16"), func(m *Member) {
			m.DataDir = `/srv/my 100% "$HOME" data`
			m.ListenClient = []string{"https://10.0.0.11:443"}
			m.Flags = map[string]string{"log-format": `a\b 'c' $d %i`}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, filepath.Join("testdata", name+".service"), Unit(m).Data)
		})
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", path, diff)
	}
}
