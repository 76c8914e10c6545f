package main

import (
	"bufio"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

// On a terminal a look takes the place of the one before, within its lines and columns; in the end the last one stays.
func TestWatchTerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	person, program := terminal(t)
	const rows, columns = 6, 40
	size := &unix.Winsize{Row: rows, Col: columns}
	if err := unix.IoctlSetWinsize(int(program.Fd()), unix.TIOCSWINSZ, size); err != nil {
		t.Fatal(err)
	}
	file, diags := inventory.Parse([]byte("cluster \"prod\" {\n  version = \"3.6.16\"\n"+
		"  member \"etcd-1\" { address = \"10.0.0.11\" }\n  member \"etcd-2\" { address = \"10.0.0.12\" }\n"+
		"  member \"etcd-3\" { address = \"10.0.0.13\" }\n}\n"), "prod.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	l := view.Look{Want: etcd.Want{Cluster: file.Clusters[0]}, Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	l.Seen.Hosts = map[string]facts.Host{}
	for _, name := range []string{"etcd-1", "etcd-2", "etcd-3"} {
		l.Seen.Hosts[name] = facts.Host{Machine: facts.Machine{Name: name, Unreachable: name + ": connect: no route to host"}}
	}
	c := &view.Console{In: program, Out: program, Err: io.Discard}
	w := c.NewWatch()
	w.Show(l)
	w.Show(l)
	w.End()
	if _, err := program.WriteString("THE END\n"); err != nil {
		t.Fatal(err)
	}
	if err := person.SetReadDeadline(time.Now().Add(time.Minute)); err != nil && !os.IsTimeout(err) {
		t.Logf("no deadline: %v", err)
	}
	var said strings.Builder
	for lines := bufio.NewReader(person); !strings.Contains(said.String(), "THE END"); {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		said.WriteString(line)
	}
	screen, after, left := strings.Cut(said.String(), "\x1b[?1049l")
	_, screen, entered := strings.Cut(screen, "\x1b[?1049h")
	if !entered || !left || !strings.Contains(after, "Cluster prod: 0 of 3 members healthy") {
		t.Fatalf("it said %q", said.String())
	}
	drawings := strings.Split(screen, "\x1b[H")[1:]
	if len(drawings) != 2 || !strings.Contains(drawings[1], "lines more") {
		t.Fatalf("drawn: %q", drawings)
	}
	for _, d := range drawings {
		lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(d, "\r", ""), "\x1b[J"), "\n")
		if len(lines) > rows {
			t.Errorf("%d lines: %q", len(lines), lines)
		}
		for _, line := range lines {
			if n := len([]rune(strings.TrimSuffix(line, "\x1b[K"))); n > columns {
				t.Errorf("%d columns: %q", n, line)
			}
		}
	}
}

// A terminal that knows no other screen gets lines.
func TestWatchDumbTerminal(t *testing.T) {
	t.Setenv("TERM", "dumb")
	person, program := terminal(t)
	size := &unix.Winsize{Row: 24, Col: 80}
	if err := unix.IoctlSetWinsize(int(program.Fd()), unix.TIOCSWINSZ, size); err != nil {
		t.Fatal(err)
	}
	w := (&view.Console{In: program, Out: program, Err: io.Discard}).NewWatch()
	w.Failed(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), io.ErrUnexpectedEOF)
	w.End()
	line, err := bufio.NewReader(person).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "2026-11-21T12:00:00Z  nothing could be seen: unexpected EOF" {
		t.Errorf("%q, %v", line, err)
	}
}
