package look

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
	"github.com/clusterup/clusterup/shellword"
)

// startOf is what systemd shows of a command.
func startOf(args string) string {
	return shellword.Quote("LoadState=loaded\nExecStart={ path=/opt/etcd ; argv[]=/opt/etcd --name=etcd-1 " + args +
		" --listen-peer-urls=http://127.0.0.1:2380 ; ignore_errors=no ; start_time=[n/a] ; pid=0 }")
}

// aLog is the head of a member's log. In a long one lies what may be taken for the beginning of another.
func aLog(t *testing.T, short bool) (text string, cluster, member facts.ID) {
	t.Helper()
	heads := walHeads(t)
	head := heads[slices.Sorted(maps.Keys(heads))[0]]
	if head = bytes.Clone(head[:128]); !short {
		head = append(append(head, rawUse...), make([]byte, walHead)...)
	}
	cluster, member, err := walIdentity(head)
	if err != nil {
		t.Fatal(err)
	}
	return string(head), cluster, member
}

// A member's data lies where its unit says, else where its birth marker says. The content of the place where it is to
// be is told beside it.
func TestDataInUse(t *testing.T) {
	for name, shell := range linestest.Shells() {
		root := t.TempDir()
		old, log, asked := root+"/old", root+"/log", root+"/asked"
		born := func(text string) func(*room) {
			return func(r *room) { r.put(t, r.ask.ConfigDir+"/born.json", text) }
		}
		noMarker := func(*room) {}
		for i, test := range []struct {
			what   string
			start  string
			marker func(*room)
			logs   []string // directories of logs
			asks   string   // what --wal-dir is to say
			data   facts.Data
			place  *facts.Data
		}{
			{
				what: "where it was asked for", start: "--data-dir=" + asked, logs: []string{asked + "/member/wal"},
				data: facts.Data{Exists: true, WAL: true, Entries: []string{"member"}},
			},
			{
				what: "elsewhere", start: "--data-dir=" + old, logs: []string{old + "/member/wal"},
				data:  facts.Data{Exists: true, WAL: true, Entries: []string{"member"}, Dir: old},
				place: &facts.Data{},
			},
			{
				what: "elsewhere, as the marker says", logs: []string{old + "/member/wal"},
				marker: born("{\n  \"cluster\": \"x\",\n  \"data_dir\": \"" + old + "\",\n  \"user\": \"etcd\"\n}\n"),
				data:   facts.Data{Exists: true, WAL: true, Entries: []string{"member"}, Dir: old}, place: &facts.Data{},
			},
			{
				what: "both", start: "--data-dir=" + old, logs: []string{old + "/member/wal", asked + "/member/wal"},
				data:  facts.Data{Exists: true, WAL: true, Entries: []string{"member"}, Dir: old},
				place: &facts.Data{Exists: true, WAL: true, Entries: []string{"member"}},
			},
			{what: "nothing there", start: "--data-dir=" + old},
			{
				what: "moved by hand", start: "--data-dir=" + old, logs: []string{asked + "/member/wal"},
				data: facts.Data{Exists: true, WAL: true, Entries: []string{"member"}},
			},
			{
				what: "its log elsewhere", start: "--data-dir=" + asked, logs: []string{asked + "/member/wal"}, asks: log + "/wal",
				data:  facts.Data{Exists: true, WAL: true, Entries: []string{"member"}, Dir: asked},
				place: &facts.Data{Exists: true, Entries: []string{"member"}},
			},
			{
				what: "its log apart", start: "--data-dir=" + old + " --wal-dir=" + log + "/wal", logs: []string{log + "/wal"},
				data: facts.Data{WAL: true, Dir: old, WALDir: log + "/wal"}, place: &facts.Data{},
			},
			{
				what: "its log apart, as the marker says", logs: []string{log + "/wal"}, asks: root + "/other/wal",
				marker: born("{\n  \"data_dir\": \"" + asked + "\",\n  \"wal_dir\": \"" + log + "/wal\"\n}\n"),
				data:   facts.Data{WAL: true, Dir: asked, WALDir: log + "/wal"}, place: &facts.Data{},
			},
			{what: "no path of ours", start: "--data-dir=" + old + "/$(touch${IFS}x)", logs: []string{old + "/member/wal"}},
			{what: "not absolute", start: "--data-dir=old", logs: []string{old + "/member/wal"}},
		} {
			for _, short := range []bool{false, true} {
				text, cluster, member := aLog(t, short)
				r := newRoom(t)
				r.ask.DataDir, r.ask.WALDir = asked, test.asks
				r.tools(t, "LoadState=not-found")
				if test.start != "" {
					r.tools(t, startOf(test.start))
				}
				if test.marker == nil {
					test.marker = noMarker
				}
				test.marker(&r)
				for _, dir := range test.logs {
					r.put(t, dir+"/0-0.wal", text)
				}
				got := r.look(t, shell...)
				for _, data := range []*facts.Data{&test.data, test.place} {
					if data != nil && data.WAL {
						data.ClusterID, data.MemberID = cluster, member
					}
				}
				if diff := cmp.Diff(test.data, got.Data); diff != "" {
					t.Errorf("%s, %d, %s: the data (-want +got):\n%s", name, i, test.what, diff)
				}
				if diff := cmp.Diff(test.place, got.Place); diff != "" {
					t.Errorf("%s, %s: where it is to be (-want +got):\n%s", name, test.what, diff)
				}
				_, there := got.Files[old+"/member"]
				if test.data.Dir == old && there != slices.Contains(test.data.Entries, "member") {
					t.Errorf("%s, %s: stat of %s/member: %v", name, test.what, old, there)
				}
				if err := os.RemoveAll(root); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
