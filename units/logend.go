package units

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// LogEnd is what a member's unit has noted of its write-ahead log when the member stopped: the newest file, and how
// many line feeds were in it. A WAL is only ever appended to, so a file never comes to hold fewer of any byte but
// zero, and no later file vanishes: a log that falls short of the note is an older copy. Line feeds are what a host
// counts with one process, and every key that is written brings one: the tag of protobuf's first field is that byte.
//
// Two things take bytes out of a log, and neither reaches what is noted. etcd cuts off a last record that a crash has
// left incomplete (server/storage/wal, Repair), and a power cut takes what was not on the disk. So only a clean stop
// is noted: systemd stopped a member that had said that it was ready, which handles SIGTERM since then
// (etcdmain/etcd.go, startEtcdOrProxy), and it ended by that signal, after it had synced its log (WAL.Close), or with
// exit code 0. When the stop begins, it is seen that it had been ready and had this very log open (ExecStop); that is
// noted for the end (ExecStopPost) under the ID of this run of the unit.
//
// A note is of one life of a member, which begins with its birth marker: data that is made anew, with the same IDs
// even, comes with another marker.
type LogEnd struct {
	MemberID string    // hexadecimal, as in the marker
	Created  time.Time // of the marker
	File     string    // its base name, "0000000000000003-00000000000f4240.wal"
	Feeds    int64
}

// LogEndPath is where the unit of a member with this configuration directory notes the end of its log, in one line:
// "MEMBERID CREATED FILE FEEDS". A line "stopping INVOCATION" behind it says that a stop has begun.
func LogEndPath(configDir string) string { return path.Join(configDir, "log-end") }

// walName is the name of a WAL file: its number, and the index of raft that it begins with.
var walName = regexp.MustCompile(`^0[0-9a-f]{15}-[0-9a-f]{16}\.wal$`)

// ParseLogEnd reads what was noted. False: nothing that can be used, as the guard finds, too.
func ParseLogEnd(data []byte) (LogEnd, bool) {
	line, _, whole := strings.Cut(string(data), "\n")
	fields := strings.Fields(line)
	if !whole || len(fields) != 4 || !walName.MatchString(fields[2]) {
		return LogEnd{}, false
	}
	created, err := time.Parse(time.RFC3339, fields[1])
	if err != nil {
		return LogEnd{}, false
	}
	feeds, err := strconv.ParseInt(fields[3], 10, 64)
	return LogEnd{MemberID: fields[0], Created: created, File: fields[2], Feeds: feeds}, err == nil && feeds >= 0
}

// Beyond says that a log ends before what was noted, of the member with this marker. newest is the base name of its
// newest file, which holds so many line feeds.
func (e LogEnd) Beyond(b Born, newest string, feeds int64) bool {
	if e.MemberID != b.MemberID || !e.Created.Equal(b.Created) || b.Created.IsZero() || !walName.MatchString(newest) {
		return false
	}
	is, _, _ := strings.Cut(newest, "-")
	was, _, _ := strings.Cut(e.File, "-")
	return is < was || newest == e.File && feeds < e.Feeds
}
