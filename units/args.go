package units

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Args is the whole command line of a member; the first element is the path of the binary. Each flag occurs once, as
// "--name=value": first those that follow from the member, in a fixed order, then the others, sorted by name.
//
// Everything is a flag, and nothing an environment variable or a configuration file, because etcd refuses to start on
// an unknown flag but lets an unknown variable or key pass.
func Args(m Member) []string {
	args := []string{path.Join(m.BinDir, "etcd")}
	rest := withDefaults(m)
	for _, f := range memberFlags(m) {
		delete(rest, f.name)
		args = append(args, f.String())
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		args = append(args, setting{name, rest[name]}.String())
	}
	return args
}

type setting struct{ name, value string }

func (f setting) String() string { return "--" + f.name + "=" + f.value }

// memberFlags are the flags that follow from the fields of the member. Those without a value are left out.
func memberFlags(m Member) []setting {
	compaction := ""
	if m.AutoCompaction > 0 {
		compaction = "periodic"
	}
	all := slices.Concat([]setting{
		{"name", m.Name},
		{"data-dir", m.DataDir},
		{"wal-dir", m.WALDir},
		{"listen-peer-urls", strings.Join(m.ListenPeer, ",")},
		{"listen-client-urls", strings.Join(m.ListenClient, ",")},
		{"listen-metrics-urls", m.ListenMetrics},
		{"initial-advertise-peer-urls", strings.Join(m.AdvertisePeer, ",")},
		{"advertise-client-urls", strings.Join(m.AdvertiseClient, ",")},
		{"initial-cluster", initialCluster(m.InitialCluster)},
		{"initial-cluster-token", m.Token},
		{"initial-cluster-state", m.State},
	}, tlsFlags(m), []setting{
		{TokenFlag, tokens(m)},
		{"heartbeat-interval", positive(m.Heartbeat.Milliseconds())},
		{"election-timeout", positive(m.Election.Milliseconds())},
		{"quota-backend-bytes", positive(m.QuotaBackendBytes)},
		{"auto-compaction-mode", compaction},
		{"auto-compaction-retention", duration(m.AutoCompaction)},
		{"snapshot-count", positive(int64(m.SnapshotCount))},
	})
	return slices.DeleteFunc(all, func(f setting) bool { return f.value == "" })
}

// tlsFlags are all of a role's, or none where its trust is not set: with a certificate alone etcd would let in whoever
// comes.
func tlsFlags(m Member) []setting {
	leaf := func(kind, name string) string { return path.Join(LeafLink(m.ConfigDir, kind), name) }
	var all []setting
	if m.ClientTrust != "" {
		all = []setting{
			{"cert-file", leaf("server", "cert.pem")},
			{"key-file", leaf("server", "key.pem")},
			{"trusted-ca-file", m.ClientTrust},
			{"client-cert-auth", "true"},
			{"client-crl-file", m.ClientCRL},
		}
	}
	if m.PeerTrust != "" {
		all = append(all, []setting{
			{"peer-cert-file", leaf("peer", "cert.pem")},
			{"peer-key-file", leaf("peer", "key.pem")},
			{"peer-trusted-ca-file", m.PeerTrust},
			{"peer-client-cert-auth", "true"},
			{"peer-crl-file", m.PeerCRL},
		}...)
	}
	return all
}

// withDefaults is the member's further flags, over what clusterup sets unless told otherwise.
func withDefaults(m Member) map[string]string {
	flags := map[string]string{"logger": "zap", "log-outputs": "stderr"}
	maps.Copy(flags, m.Flags)
	checkAtStart(m.Version, flags)
	if !m.Unchecked {
		checkAtCompaction(m.Version, flags)
	}
	return flags
}

func initialCluster(peers []Peer) string {
	entries := make([]string, 0, len(peers))
	for _, p := range peers {
		entries = append(entries, p.Name+"="+p.URL)
	}
	slices.Sort(entries)
	return strings.Join(entries, ",")
}

// positive is n, or "" for zero and less.
func positive(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// duration is d as a person would write it ("1h", not "1h0m0s"), or "" for zero and less.
func duration(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
