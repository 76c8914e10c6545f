package inventory

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

const (
	mostElection   = 50 * time.Second // etcd: embed.maxElectionMs
	suggestedQuota = 8 << 30          // etcd warns above it
)

// etcdSchema is the etcd block. An attribute that has the name of a flag of etcd takes that flag's place: see
// ownedFlag.
var etcdSchema = &hcl.BodySchema{Attributes: attributes("quota_backend_bytes", "auto_compaction",
	"heartbeat_interval", "election_timeout", "snapshot_count", "flags")}

// readEtcd reads the etcd block; minor is "" when the version is not known.
func (s scope) readEtcd(b *hcl.Block, minor string) Etcd {
	v := s.block(b, etcdSchema)
	out := Etcd{
		QuotaBackendBytes: suggestedQuota, AutoCompaction: time.Hour,
		HeartbeatInterval: 100 * time.Millisecond, ElectionTimeout: time.Second,
	}
	if v.size("quota_backend_bytes", &out.QuotaBackendBytes) {
		v.checkQuota(out.QuotaBackendBytes)
	}
	v.duration("auto_compaction", &out.AutoCompaction)
	v.number("snapshot_count", &out.SnapshotCount, 0, 1_000_000_000)
	beat := v.duration("heartbeat_interval", &out.HeartbeatInterval) || !v.has("heartbeat_interval")
	election := v.duration("election_timeout", &out.ElectionTimeout) || !v.has("election_timeout")
	if beat && election {
		v.checkTiming(out)
	}
	v.flags(&out, minor)
	return out
}

func (v values) checkQuota(quota int64) {
	switch {
	case quota < 1<<20:
		v.bad("quota_backend_bytes", "quota too small", "The database needs at least 1MiB.")
	case quota > suggestedQuota:
		v.problems.warnAt(v.exprRange("quota_backend_bytes"), "large quota",
			"etcd suggests at most 8GiB; a larger database makes starting, snapshots and new members slow.")
	}
}

// checkTiming holds what etcd itself checks when it starts (embed.Config.Validate).
func (v values) checkTiming(e Etcd) {
	if v.has("heartbeat_interval") && (e.HeartbeatInterval < time.Millisecond ||
		e.HeartbeatInterval%time.Millisecond != 0) {
		v.bad("heartbeat_interval", "heartbeat_interval out of range", "It is at least 1ms.")
		return
	}
	if !v.has("heartbeat_interval") && !v.has("election_timeout") {
		return
	}
	at := "election_timeout"
	if !v.has(at) {
		at = "heartbeat_interval"
	}
	switch {
	case e.ElectionTimeout > mostElection:
		v.bad(at, "election_timeout too long", "etcd takes at most 50s.")
	case e.ElectionTimeout < 5*e.HeartbeatInterval:
		v.problems.errorAt(v.exprRange(at), "election_timeout too short",
			"It is %s, and must be at least five times heartbeat_interval (%s).", durationText(e.ElectionTimeout),
			durationText(e.HeartbeatInterval))
	}
}
