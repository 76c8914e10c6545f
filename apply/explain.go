package apply

import (
	"regexp"
	"slices"
	"strings"
)

// Explanation is a known cause of a member's failure to start.
type Explanation struct {
	Cause  string `json:"cause"`  // one sentence
	Remedy string `json:"remedy"` // what to do
	Line   string `json:"line"`   // the member's own words that gave it away
}

// Explain matches the last lines of a member's journal against known signatures of etcd and systemd, the most telling
// first. Nil: none is known.
func Explain(log []string) *Explanation { return explain(signatures, log) }

func explain(signatures []signature, log []string) *Explanation {
	for _, s := range signatures {
		for _, line := range log {
			if match := s.pattern.FindStringSubmatchIndex(line); match != nil {
				expand := func(text string) string { // what JSON quotes is quoted for people
					return strings.ReplaceAll(string(s.pattern.ExpandString(nil, text, line, match)), `\"`, `"`)
				}
				return &Explanation{Cause: expand(s.cause), Remedy: expand(s.remedy), Line: strings.TrimSpace(line)}
			}
		}
	}
	return nil
}

type signature struct {
	pattern       *regexp.Regexp
	cause, remedy string // may use $1, …
}

func sign(pattern, cause, remedy string) signature {
	return signature{regexp.MustCompile(pattern), cause, remedy}
}

// full is a full disk in the words of Go and of the C library.
var full = sign(`[Nn]o space left on device`, "a file system is full",
	"make room, then run again; on the host, df and df -i say which one is full")

// roomSignatures are what scripts say that look for room first.
var roomSignatures = []signature{
	sign(`no room to unpack the release on (\S+): `, "the file system $1 has no room for the release",
		"make room on $1, then run again"),
	sign(`no room for (the data|the log|a copy of the data) on (\S+): `, "the file system $2 has no room for $1",
		"make room on $2, then run again: what was put aside before may be moved away"),
}

// fullSignatures are what keeps a release from being unpacked, and a snapshot from being restored.
var fullSignatures = append(slices.Clone(roomSignatures), full)

// stopSignatures are what systemd says of a process that does not end. They explain a failed restart only if no other
// signature matched.
var stopSignatures = []signature{
	sign(`State 'stop-sig(?:term|kill)' timed out`,
		"the process that ran before did not end on SIGTERM within its unit's TimeoutStopSec, so systemd killed it",
		"read its last lines in the journal, and journalctl -k, on the host: a disk that does not answer is a frequent reason"),
}

// anew is how a member comes back that has lost its data.
const anew = "clusterup apply --accept=replace:NAME removes it from the cluster and adds it anew"

// signatures are words of etcd 3.5 to 3.7 and systemd 247 to 257. Sources: etcd server/etcdserver/bootstrap.go,
// server.go, api/membership, api/rafthttp, embed/config.go, client/pkg/transport; the incidents are those of etcd's FAQ
// and issue tracker.
var signatures = []signature{
	sign(`the WAL in (\S+) is of member (\S+), and \S+born\.json`,
		"$1 holds the data of another member, $2, so the unit refuses to start it",
		"put the right disk back; a copy of another member must never run"),
	sign(`the WAL in (\S+) is older than this member`,
		"$1 is an older copy of what the member has had, so the unit refuses to start it: it would forget what it has acknowledged",
		"put the right disk back; if it is lost, "+anew),
	sign(`born\.json`, "the member's data directory is lost, so its unit refuses to start it",
		"bring the disk back; if its data is lost, "+anew),
	// etcd issue 21178 has a learner that came to this at its first start.
	sign(`tocommit\(\d+\) is out of range \[lastIndex\(0\)\]`,
		"the member's log is empty, and the others count on entries that it had: its data was lost after it had joined",
		"do not start it again: put its data directory aside; then "+anew+
			"; one without a vote can be taken out at any time: clusterup member remove NAME"),
	sign(`tocommit\(\d+\) is out of range \[lastIndex\(\d+\)\]`,
		"the member has lost log entries that it had promised to keep: its data directory was emptied or is an old copy",
		"do not start it again: put its data directory aside; then "+anew),
	sign(`member \S+ has already been bootstrapped`, "the member is part of the cluster, but its data directory is empty",
		"bring the data back; if it is lost, "+anew),
	sign(`cluster ID mismatch`, "the member talks to a member of another cluster",
		"two clusters share addresses: stop the old one, or give this one other ports"),
	sign(`permanently removed from the cluster`, "the member was removed from the cluster, and its data is of no more use",
		"clusterup apply --accept=replace:NAME puts its data aside and adds it anew; if it is to go, its block says "+
			`state = "absent"`),
	sign(`invalid downgrade; server version is lower than determined cluster version|version \\?"[\d.]+\\?" is not supported`, "the cluster's data is of a newer minor version than this binary",
		"go back to the newer version in the inventory"),
	sign(`unmarshal should never fail \(proto: `,
		"the write-ahead log holds requests that etcd 3.5 wrote, which this version cannot read",
		"go back to 3.6, and apply again from there: a member of 3.6 is made to take a raft snapshot before it goes to 3.7"),
	sign(`detected disallowed v2 WAL`, "the write-ahead log holds etcd v2 content, which this version no longer reads",
		"go back to the older version, let it write a snapshot, and check with etcdutl check v2store"),
	sign(`unmarshal should never fail`,
		"this version cannot read what an older one wrote into the write-ahead log: a minor version was skipped",
		"go back to the version that ran before, and upgrade one minor version at a time"),
	sign(`error validating peerURLs|member count is unequal|unmatched member while checking PeerURLs|--initial-cluster has \S+ but missing from`, "initial-cluster does not agree with the member list of the running cluster",
		"run clusterup apply again, which writes it from the member list; clusterup status says which member is not as the inventory has it"),
	sign(`cannot fetch cluster info from peer urls`, "the member is to join, and reaches none of the others",
		"check that the peer port is open from its host to every other, and back"),
	sign(`couldn't find local name \\?"([^"\\]+)`, "initial-cluster does not name the member $1",
		"look for a drop-in of the unit that changes its flags"),
	sign(`flag provided but not defined: -?([\w-]+)`, "this etcd version does not know the flag $1",
		"remove it from etcd { flags } in the inventory, or choose a version that knows it"),
	sign(`failed to verify flags","error":"(?:((?:[^"\\]|\\.)*))"`, "etcd does not take its flags: $1",
		"correct them in the inventory"),
	sign(`(unexpected TLS cipher suite|unrecognized level:) \\?"([^"\\]*)`, "etcd does not take its flags: $1 $2",
		"correct them in the inventory"),
	sign(`conflicting environment variable`, "an ETCD_ environment variable says something else than a flag",
		"remove the drop-in or environment file that sets it"),
	sign(`invalid value \\?"([^"\\]*)\\?" for flag -?([\w-]+)`, `the flag $2 does not take the value "$1"`,
		"correct it in the inventory"),
	sign(`listen tcp (\S+): bind: address already in use`, "another process holds $1",
		"stop it, or choose another port in the inventory; ss -ltnp on the host names it"),
	sign(`listen tcp (\S+): bind: cannot assign requested address`, "the host has no such address: $1",
		"correct the member's address in the inventory"),
	full,
	sign(`(walpb: crc mismatch|wal: file .*corrupt|snap: crc mismatch|file checksum mismatch|proto: wrong wireType|invalid database|both meta pages are invalid)`, "the data on this host is damaged: $1",
		"stop its unit, and put its data directory aside; then "+anew),
	sign(`found data inconsistency|data corruption|alarm:CORRUPT|"alarm":"CORRUPT"`,
		"the data of this member differs from that of its peers",
		"clusterup member remove NAME takes it out and puts its data aside; then take state = \"absent\" out of its block, and "+
			"clusterup apply adds it anew. Where clusterup check tells of an alarm, clusterup disarm comes before that"),
	sign(`database space exceeded|alarm:NOSPACE|"alarm":"NOSPACE"|message exceeded backend quota`,
		"the database has reached quota-backend-bytes",
		"clusterup check says which member, and what to type next: compact, defragment and disarm, or raise the quota and disarm"),
	sign(`db file is flocked by another process`, "another process has the database of this data directory open",
		"stop it; on the host: fuser -v DATA_DIR/member/snap/db"),
	sign(`cannot access (?:data|member) directory|failed to list data directory.*permission denied|open (\S*/member\S*): permission denied|mkdir (\S+): permission denied`, "the member's user may not use the data directory",
		"clusterup apply puts owner and mode right; check that the directories above it can be entered"),
	sign(`private key does not match public key`, "a certificate and its key do not belong together",
		"clusterup apply issues the pair anew"),
	sign(`open (\S+\.pem): (no such file or directory|permission denied)`, "the file $1 cannot be read: $2",
		"clusterup apply puts it right"),
	sign(`x509: certificate (?:is valid for|has expired|signed by unknown authority|is not valid)[^"\\]*`,
		"a certificate is not accepted: $0",
		"check the hosts' clocks and the members' addresses and names in the inventory; clusterup status shows when certificates end"),
	sign(`remote error: tls: (bad certificate|certificate required|unknown certificate authority)`,
		"a peer does not accept this member's certificate: $1",
		"all members must be of the same operator directory; clusterup plan says which is not"),
	sign(`clock difference between peers is too high|prober found high clock drift`,
		"the hosts' clocks differ by more than a second", "keep them right with chrony or systemd-timesyncd"),
	sign(`Failed at step EXEC spawning (\S+): (Permission denied|Exec format error|No such file or directory)`,
		"systemd cannot run $1 $2",
		"check that /opt is not mounted noexec and that the binary is for this architecture"),
	sign(`Failed at step (NAMESPACE|SECCOMP|CAPABILITIES|USER|CHDIR|STATE_DIRECTORY)`,
		"the host cannot give the unit what it asks for (step $1)", "report this with the host's kernel and systemd version"),
	sign(`killed by the OOM killer|code=killed, status=9/KILL`, "the member was killed, most likely for want of memory",
		"look at the kernel log: journalctl -k"),
	sign(`publish error|rafthttp: failed to dial|prober detected unhealthy status|connect: (connection refused|no route to host)|i/o timeout`,
		"the member runs, but does not reach enough of its peers",
		"check that the peer port is open from every host to every other"),
}
