package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/units/balancer"
)

func findHAProxy(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CLUSTERUP_HAPROXY"), "haproxy", "/usr/sbin/haproxy"} {
		if binary, err := exec.LookPath(name); err == nil {
			return binary
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no haproxy, which is no reason to skip in CI")
	}
	t.Skip("there is no haproxy")
	return ""
}

// HAProxy runs with what clusterup writes, and takes the follower's words of a server. A server that asks for a
// password as PostgreSQL does with SCRAM is up, and one that refuses the login is not.
func TestHAProxyChecks(t *testing.T) {
	binary := findHAProxy(t)
	n := balancer.Node{
		Cluster: "prod", Balancer: "front", Name: "lb-1", Address: "127.0.0.1", Endpoints: []string{"http://10.0.0.11:2379"},
		Listens: []balancer.Listen{{Name: "write", Port: 5000, PostgresUser: "check"}},
	}
	dir := t.TempDir()
	socket, config := filepath.Join(dir, "s"), filepath.Join(dir, "haproxy.cfg")
	text := string(balancer.HAProxy(n).Data)
	for _, row := range [][2]string{ // what needs root, Debian's user, or a port
		{" group haproxy ", " "},
		{"\tchroot /var/lib/haproxy\n\tuser haproxy\n\tgroup haproxy\n", ""},
		{"\tlog /dev/log local0\n", "\tlog stderr format raw local0\n"},
		{"\tmaxconn 8000\n", "\tmaxconn 100\n"},
		{balancer.HAProxySocket, socket},
		{"127.0.0.1:5000", "unix@" + filepath.Join(dir, "write")},
		{"127.0.0.1:8404", "unix@" + filepath.Join(dir, "metrics")},
	} {
		if !strings.Contains(text, row[0]) {
			t.Fatalf("there is no %q in\n%s", row[0], text)
		}
		text = strings.ReplaceAll(text, row[0], row[1])
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var follow struct {
		Backends []struct{ Server []string }
	}
	if err := json.Unmarshal(balancer.Follow(n).Data, &follow); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(follow.Backends[0].Server, " ")

	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	haproxy := exec.Command(binary, "-db", "-f", config)
	haproxy.Stdout, haproxy.Stderr = out, out
	if err := haproxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = haproxy.Process.Kill()
		_ = haproxy.Wait()
		if said, _ := os.ReadFile(out.Name()); t.Failed() {
			t.Logf("HAProxy said:\n%s", said)
		}
	})

	await(t, "HAProxy's socket", func() bool { _, err := ask(socket, "show info"); return err == nil })
	for name, says := range map[string]string{
		"scram":   "R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00",
		"refuses": "E\x00\x00\x00\x1aSFATAL\x00C28000\x00Mno entry\x00\x00",
	} {
		port := answer(t, says)
		on := "write/" + name
		for _, line := range []string{
			"add server " + on + " 127.0.0.1:" + port + " " + words + " weight 100 port " + port,
			"enable health " + on, "set server " + on + " state drain", "set server " + on + " health down",
			"set server " + on + " state ready",
		} {
			said, err := ask(socket, line)
			if err != nil || strings.HasPrefix(line, "add") && !strings.Contains(said, "New server registered") {
				t.Fatalf("%s: %s, %v", line, said, err)
			}
		}
	}
	checked := map[string]string{}
	await(t, "checks", func() bool {
		stat, err := ask(socket, "show stat write 4 -1")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(stat) {
			// pxname, svname, …, status, …, check_status
			if columns := strings.Split(line, ","); len(columns) > 36 && columns[0] == "write" {
				checked[columns[1]] = columns[17] + " " + strings.TrimPrefix(columns[36], "* ")
			}
		}
		return strings.Contains(checked["scram"], "L7") && strings.Contains(checked["refuses"], "L7")
	})
	if checked["scram"] != "UP L7OK" || checked["refuses"] != "DOWN L7RSP" {
		t.Errorf("%q", checked)
	}
}

// answer gives the same answer to whoever says something, and its port.
func answer(t *testing.T, says string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if n, _ := conn.Read(make([]byte, 100)); n > 0 {
					_, _ = io.WriteString(conn, says)
				}
				_, _ = conn.Read(make([]byte, 100)) // until HAProxy closes
			}()
		}
	}()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func ask(socket, line string) (string, error) {
	conn, err := net.DialTimeout("unix", socket, 10*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", err
	}
	said, err := io.ReadAll(conn)
	return string(said), err
}

// await asks until it holds, for a minute at most.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !holds(); {
		select {
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		case <-tick.C:
		}
	}
}
