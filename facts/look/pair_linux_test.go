package look

import (
	"crypto/ed25519"
	"crypto/x509"
	"math/big"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts/lines/linestest"
)

// The host says whether a pair is the one that was written, and nothing of the key but that.
func TestScriptPair(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	cert := string(selfSigned(t, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<33, 0)}, public,
		private))
	whole := digest(cert) + "  cert.pem\n" + digest("SECRET") + "  key.pem\n"
	for name, test := range map[string]struct {
		cert, key, sums string
		want            bool
	}{
		"whole":               {cert, "SECRET", whole, true},
		"another key":         {cert, "SECRET2", whole, false},
		"another certificate": {cert + "\n", "SECRET", whole, false},
		"no key":              {cert, "", whole, false},
		"no sums":             {cert, "SECRET", "", false},
		"no sum of the key":   {cert, "SECRET", digest(cert) + "  cert.pem\n", false},
		"a file more":         {cert, "SECRET", whole + digest("") + "  more\n", false},
	} {
		for shellName, shell := range linestest.Shells() {
			r := newRoom(t)
			dir := r.ask.ConfigDir + "/tls/peer"
			for file, text := range map[string]string{"cert.pem": test.cert, "key.pem": test.key, "sums": test.sums} {
				if text != "" {
					r.put(t, dir+"/"+file, text)
				}
			}
			if h := r.look(t, shell...); h.Leaves["peer"].Serial != "1" || h.Leaves["peer"].Intact != test.want {
				t.Errorf("%s with %s: %+v", name, shellName, h.Leaves)
			}
		}
	}
}

// A process whose file was replaced is told by the digest of what it runs, and one whose file is there by that file's
// name.
func TestScriptRunning(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	r := newRoom(t)
	file := r.put(t, r.release+"/3.6.16-1/etcd", string(program))
	etcd := exec.CommandContext(t.Context(), file, "600")
	etcd.Args[0] = "sleep"
	if err := etcd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = etcd.Process.Kill(); _ = etcd.Wait() })
	r.tools(t, "MainPID="+strconv.Itoa(etcd.Process.Pid))
	for name, shell := range linestest.Shells() {
		p := r.look(t, shell...).Process
		if p == nil || p.SameAs != file || p.Exe != file || p.SHA256 != "" || p.User == "" ||
			strings.Join(p.Args, " ") != "sleep 600" {
			t.Errorf("%s: in its place: %+v", name, p)
		}
	}
	r.put(t, file+".new", "another")
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	for name, shell := range linestest.Shells() {
		h := r.look(t, shell...)
		p := h.Process
		if p == nil || p.SameAs != "" || p.Exe != file+" (deleted)" || p.SHA256 != digest(string(program)) {
			t.Errorf("%s: replaced: %+v", name, p)
		}
		if h.Binaries[file] != digest("another") {
			t.Errorf("%s: binaries %v", name, h.Binaries)
		}
	}
}

// A user exists whom stat shows as an owner, or whom getent knows with a group of the same name.
func TestScriptUser(t *testing.T) {
	for user, want := range map[string]bool{"root": true, "daemon": true, "nobody-of-clusterup": false, "": false} {
		for name, shell := range linestest.Shells() {
			r := newRoom(t)
			r.ask.User = user
			if got := r.look(t, shell...).EtcdUser; got != want {
				t.Errorf("%s: user %q: %v", name, user, got)
			}
		}
	}
}
